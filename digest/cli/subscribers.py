"""Who gets the digest."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.terminal import PLAIN, Json, interest_in, say, say_json, say_table, session
from digest.errors import AddressError, ConfigError, DigestError, InputError, Known

if TYPE_CHECKING:
    from digest.model import Interest, Subscriber, Topic
    from digest.services.forms import Form

COLUMNS = ("address", "topics", "text", "keywords", "authors", "exclusions", "cadence", "days", "hour", "zone", "count")
cli = typer.Typer(**PLAIN)
subscribers_cli = typer.Typer(help="Who gets the digest.", **PLAIN)
cli.add_typer(subscribers_cli, name="subscribers")


@subscribers_cli.command("add")
def subscribers_add(
    address: str,
    topics: Annotated[str, typer.Option(help='names, separated by commas: "a,b"; others are free text')] = "",
    confirmed: Annotated[
        str | None, typer.Option(metavar="REASON", help="how they agreed; else they get a mail")
    ] = None,
    cadence: Annotated[str, typer.Option(help="daily, weekdays or weekly")] = "",
    days: Annotated[str, typer.Option(help="for weekdays and weekly: mon,tue,…")] = "",
    hour: Annotated[str, typer.Option(help="local hour, 0 to 23")] = "",
    zone: Annotated[str, typer.Option(help="IANA zone, like Europe/Berlin")] = "",
    count: Annotated[str, typer.Option(help="papers at most")] = "",
) -> None:
    """Subscribe somebody. With --confirmed at once, else after they confirmed by mail."""
    from digest.services.subscriptions import Proof

    said = {"cadence": cadence, "days": days, "hour": hour, "zone": zone, "count": count}
    app, wanted = session.app, _wanted(interest_in(topics), said)
    if confirmed:
        added = app.subscriptions.add(address, wanted.interest, wanted.schedule, confirmed, count=wanted.count)
        say(f"{added.address} is subscribed; the welcome digest is due now")
    else:
        proof = Proof("", "digest subscribers add", "", "operator")
        app.subscriptions.request(address, wanted.interest, wanted.schedule, proof, wanted.count)
        say(f"{address} will get a mail to confirm with the next `digest run`")


def _wanted(interest: "Interest", said: Mapping[str, str]) -> "Subscriber":
    """Somebody new who wants what is *said*, in the words of the form. Raises ConfigError."""
    from digest.model import Schedule, Subscriber
    from digest.services.forms import Form

    start, topics = session.app.settings.sign_up, session.app.subscriptions.topics()
    newcomer = Subscriber(interest=interest, schedule=Schedule(hour=start.hour, zone=start.zone.key))
    form = Form.of(topics, newcomer)
    said = {"day": said.get("days", ""), **said}
    return _read(form, {n: v for n, v in said.items() if n in form.typed and v}, topics, newcomer)


def _read(form: "Form", said: Mapping[str, str], topics: "Sequence[Topic]", before: "Subscriber") -> "Subscriber":
    """The form with what is *said*, read; days by number or name. Raises ConfigError."""
    from digest.rendering.words import DAYS

    days = {day[:3].lower(): str(number) for number, day in enumerate(DAYS, 1)}
    for name, value in said.items():
        parts = re.findall(r"[^\s,;]+", value) or [""]
        if name in ("day", "days"):
            parts = sorted(days.get(part[:3].lower(), part) for part in parts)
        form.typed[name] = parts if name in ("day", "days", "topic") else [value]
    if odd := {*form.typed["day"], *form.typed["days"]} - {"", *days.values()}:
        raise ConfigError(f"{min(odd)!r} is no day; write {','.join(days)}")
    if odd := {*form.typed["topic"]} - {"", *(topic.slug for topic in topics)}:
        raise ConfigError(f"no topic has the slug {min(odd)!r}; `digest topics` lists them")
    wanted = form.preferences(topics, before)
    if form.errors:
        raise ConfigError("\n".join(f"{name} {form.one(name)!r}: {wrong}" for name, wrong in form.errors.items()))
    return wanted


@subscribers_cli.command("list")
def subscribers_list(json: Json = False) -> None:
    """All subscribers."""
    found = session.app.catalog.subscribers.each()
    if json:
        say_json(session.app.subscriptions.exported(reader) for reader in found)
        return
    names = {topic.id: topic.name for topic in session.app.catalog.topics.all()}
    say_table(("address", "standing", "when", "interests"), (_line(reader, names) for reader in found))


def _line(reader: "Subscriber", names: Mapping[int, str]) -> tuple[str, str, str, str]:
    interest, schedule = reader.interest, reader.schedule
    wants = [names[topic] for topic in interest.topics] + [f"“{text}”" for text in interest.texts]
    when = f"{schedule.cadence} {schedule.hour}:00 {schedule.zone}"
    return reader.address, reader.standing, when, ", ".join(wants)


@subscribers_cli.command("import")
def subscribersadd_all(
    file: Annotated[
        Path, typer.Argument(help=f"CSV: {','.join(COLUMNS)}; several topics in a cell are separated by semicolons")
    ],
    confirmed: Annotated[str, typer.Option(metavar="REASON", help="how these people agreed")],
) -> None:
    """Subscribe everybody in a CSV file who is not yet; lines that cannot be used are told and change nothing."""
    added, known, refused = add_all(file, confirmed)
    say(f"{added} subscribed, {f'{known} had been before, ' if known else ''}{refused} refused")
    if refused:
        raise typer.Exit(2)


def add_all(file: Path, reason: str, after: datetime | None = None) -> tuple[int, int, int]:
    """How many were new, how many were subscribed already, and how many lines could not be used."""
    import csv

    added = known = refused = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)  # else whoever follows an open quote is a part of it
            unread = [name for name in reader.fieldnames or () if name not in COLUMNS]
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    if unread:
        typer.echo(f"{file}: not read: {', '.join(unread)}; columns are {', '.join(COLUMNS)}", err=True)
    for line, row in rows:
        try:
            unknown = _import_one({k: v or "" for k, v in row.items() if k}, reason, after)
            if unknown:
                typer.echo(f"{file}:{line}: not a topic, taken as free text: {', '.join(unknown)}", err=True)
            added += 1
        except Known:
            known += 1
        except (AddressError, ConfigError, DigestError, ValueError) as error:
            typer.echo(f"{file}:{line}: {error}", err=True)
            refused += 1
    return added, known, refused


def _import_one(row: dict[str, str], reason: str, after: datetime | None) -> list[str]:
    """What was taken as free text, though it was called a topic."""
    subscriptions = session.app.subscriptions
    interest, unknown = subscriptions.interest(row.get("topics", "").split(";"))
    texts = (*interest.texts, *filter(None, map(str.strip, row.get("text", "").split(";"))))
    wanted = _wanted(replace(interest, texts=texts), {name: row.get(name, "") for name in COLUMNS[3:]})
    subscriptions.add(row.get("address", ""), wanted.interest, wanted.schedule, reason, count=wanted.count, after=after)
    return unknown


@subscribers_cli.command("show")
def subscribers_show(who: str) -> None:
    """All that is known of a subscriber, as JSON."""
    say_json(session.app.subscriptions.exported(session.app.subscriptions.find(who)))


@subscribers_cli.command("profile")
def subscribers_profile(
    who: str,
    like: Annotated[
        str | None, typer.Option(metavar="FILE|IDS", help="papers they like: arXiv ids, DOIs, addresses or BibTeX")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="forget their votes")] = False,
    json: Json = False,
) -> None:
    """What was learned from a subscriber's votes, in words."""
    reader, profiles = session.app.subscriptions.find(who), session.app.profiles
    if reset:
        say(f"{profiles.reset(reader)} votes forgotten")
    if like:
        file = Path(like) if len(like) < 256 else None
        try:
            pasted = profiles.like(reader, file.read_text("utf-8-sig") if file and file.is_file() else like)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"it cannot be read: {error}", file=like) from error
        say(f"{len(pasted.liked)} papers count from now on")
        if pasted.awaited:
            say(f"arXiv is asked about {len(pasted.awaited)} at the next `digest collect`: {', '.join(pasted.awaited)}")
        for title in pasted.unknown:
            say(f"not in the catalog: {title}")
    found = profiles.shown(reader)
    if json:
        say_json(found)
        return
    ways = {"pasted": "pasted", "mail": "by mail", "page": "by page"}
    origins = ", ".join(f"{number} {ways[origin]}" for origin, number in found.origins.items())
    say(f"{reader.address}: {len(found.up)} papers up, {len(found.down)} down" + (f" ({origins})" if origins else ""))
    for title, told in (
        ("words that stand out", [", ".join(found.words)] if found.words else []),
        ("papers voted up", [card.title for card in found.up[:-11:-1]]),
        ("papers voted down", [card.title for card in found.down[:-11:-1]]),
        ("new papers that are most like it", [f"{hit.score:.2f}  {hit.card.title}" for hit in found.nearest]),
    ):
        if told:
            say(f"\n{title}\n  " + "\n  ".join(told))


@subscribers_cli.command("set")
def subscribers_set(
    who: str,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help='NAME=VALUE as on their preferences page: count=5 explore=2 "exclusions=cs.CV; blockchain"'
        ),
    ] = None,
) -> None:
    """Set what a subscriber can set, or show it; what is not named stays."""
    from digest.services.forms import Form

    reader, topics = session.app.subscriptions.find(who), session.app.subscriptions.topics()
    form = Form.of(topics, reader)
    said = {name: value for name, _, value in (setting.partition("=") for setting in settings or ())}
    if unknown := [name for name in said if name not in form.typed]:
        raise ConfigError(f"{unknown[0]!r} cannot be set; choose from {', '.join(form.typed)}, as in count=5")
    wanted = _read(form, said, topics, reader)
    if settings:
        session.app.subscriptions.set(reader, wanted)
    for name, values in Form.of(topics, wanted).typed.items():
        say(f"{name:11} {', '.join(values).replace(chr(10), '; ')}")


@subscribers_cli.command("lift")
def subscribers_lift(
    address: str,
    because: Annotated[str, typer.Option(metavar="REASON", help="why it may be written to again")],
) -> None:
    """Write again to an address that bounced or complained; who has left stays so."""
    say(f"forgotten: {session.app.subscriptions.lift(address, because)}")


@subscribers_cli.command("erase")
def subscribers_erase(who: str) -> None:
    """Forget a person; a suppression stays."""
    session.app.subscriptions.erase(session.app.subscriptions.find(who))
    say("erased")
