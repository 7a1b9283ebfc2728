"""Who gets the digest."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.terminal import PLAIN, Json, console, interest_in, say, say_json, session, table
from digest.errors import AddressError, ConfigError, DigestError, InputError

if TYPE_CHECKING:
    from digest.model import Schedule, Subscriber

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
    cadence: Annotated[str, typer.Option(help="daily, weekdays or weekly")] = "daily",
    days: Annotated[str, typer.Option(help="for weekdays and weekly: mon,tue,…")] = "",
    hour: Annotated[int | None, typer.Option(min=0, max=23, help="local hour")] = None,
    zone: Annotated[str | None, typer.Option(help="IANA zone, like Europe/Berlin")] = None,
    count: Annotated[int, typer.Option(min=1, max=50, help="papers at most")] = 10,
) -> None:
    """Subscribe somebody. With --confirmed at once, else after they confirmed by mail."""
    from digest.services.subscriptions import Proof

    app = session.app
    defaults = app.settings.sign_up
    schedule = _schedule(cadence, days, defaults.hour if hour is None else hour, zone or defaults.zone.key)
    interest = interest_in(topics)
    if confirmed:
        added = app.subscriptions.add(address, interest, schedule, confirmed, count=count)
        say(f"{added.address} is subscribed; the welcome digest is due now")
    else:
        app.subscriptions.request(address, interest, schedule, Proof("", "digest subscribers add", "", "operator"))
        say(f"{address} will get a mail to confirm with the next `digest run`")


def _schedule(cadence: str, days: str, hour: int, zone: str) -> "Schedule":
    """Raises ConfigError naming what cannot be read."""
    from zoneinfo import ZoneInfo

    from digest.model import Cadence, Schedule

    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    wanted = [name.strip().lower()[:3] for name in days.replace(";", ",").split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in names]:
        raise ConfigError(f"{unknown[0]!r} is no day; write {','.join(names)}")
    if cadence not in list(Cadence):
        raise ConfigError(f"{cadence!r} is no cadence; choose from {', '.join(Cadence)}")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"{zone!r} is no IANA time zone; write it like Europe/Berlin") from error
    numbers = tuple(sorted({names.index(name) + 1 for name in wanted}))
    usual = {"daily": (1, 2, 3, 4, 5, 6, 7), "weekdays": (1, 2, 3, 4, 5), "weekly": (1,)}[cadence]
    return Schedule(Cadence(cadence), hour, zone, numbers[:1] if cadence == "weekly" and numbers else numbers or usual)


@subscribers_cli.command("list")
def subscribers_list(json: Json = False) -> None:
    """All subscribers."""
    found = session.app.catalog.subscribers.all()
    if json:
        say_json([session.app.subscriptions.exported(reader) for reader in found])
        return
    made = table("address", "standing", "cadence", "hour", "zone", "interests")
    names = {topic.id: topic.name for topic in session.app.catalog.topics.all()}
    for reader in found:
        interest, schedule = reader.interest, reader.schedule
        wants = [names[topic] for topic in interest.topics] + [f"“{text}”" for text in interest.texts]
        made.add_row(
            reader.address, reader.standing, schedule.cadence, f"{schedule.hour}:00", schedule.zone, ", ".join(wants)
        )
    console().print(made)


@subscribers_cli.command("import")
def subscribersadd_all(
    file: Annotated[
        Path, typer.Argument(help="CSV: address,topics,text,keywords,authors,exclusions,cadence,days,hour,zone,count")
    ],
    confirmed: Annotated[str, typer.Option(metavar="REASON", help="how these people agreed")],
) -> None:
    """Subscribe everybody in a CSV file; lines that cannot be used are told and change nothing."""
    added, refused = add_all(file, confirmed)
    say(f"{added} subscribed, {refused} refused")
    if refused:
        raise typer.Exit(2)


def add_all(file: Path, reason: str, after: datetime | None = None) -> tuple[int, int]:
    import csv

    added = refused = 0
    try:
        rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    for line, row in enumerate(rows, 2):
        try:
            _import_one({k: v or "" for k, v in row.items() if k}, reason, after)
            added += 1
        except (AddressError, ConfigError, DigestError, ValueError) as error:
            typer.echo(f"{file}:{line}: {error}", err=True)
            refused += 1
    return added, refused


def _import_one(row: dict[str, str], reason: str, after: datetime | None) -> None:
    from dataclasses import replace

    app = session.app

    def listed(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in row.get(name, "").split(";") if part.strip())

    interest, _ = app.subscriptions.interest(listed("topics"))
    texts = interest.texts + listed("text")
    interest = replace(
        interest, texts=texts, keywords=listed("keywords"), authors=listed("authors"), exclusions=listed("exclusions")
    )
    defaults = app.settings.sign_up
    hour, zone = int(row.get("hour") or defaults.hour), row.get("zone") or defaults.zone.key
    if not 0 <= hour <= 23:
        raise ConfigError(f"hour {hour} is not between 0 and 23")
    schedule = _schedule(row.get("cadence") or "daily", row.get("days", ""), hour, zone)
    count = int(row.get("count") or 10)
    app.subscriptions.add(row.get("address", ""), interest, schedule, reason, count=count, after=after)


@subscribers_cli.command("show")
def subscribers_show(who: str) -> None:
    """All that is known of a subscriber, as JSON."""
    say_json(session.app.subscriptions.exported(_subscriber(who)))


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
    from dataclasses import asdict

    reader, profiles = _subscriber(who), session.app.profiles
    if reset:
        say(f"{profiles.reset(reader)} votes forgotten")
    if like:
        file = Path(like) if len(like) < 256 else None
        try:
            pasted = profiles.like(reader, file.read_text("utf-8-sig") if file and file.is_file() else like)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"it cannot be read: {error}", file=like) from error
        say(f"{len(pasted.liked)} papers count from now on")
        for title in pasted.unknown:
            say(f"not in the catalog: {title}")
    found = profiles.shown(reader)
    if json:
        say_json(asdict(found))
        return
    origins = ", ".join(
        f"{number} {'' if origin == 'pasted' else 'by '}{origin}" for origin, number in found.origins.items()
    )
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
    from digest.services.subscriptions import Preferences
    from digest.web.forms import Form

    reader, topics = _subscriber(who), session.app.subscriptions.topics()
    form = Form.of(topics, Preferences.of(reader))
    for name, _, value in (setting.partition("=") for setting in settings or ()):
        if name not in form.typed:
            raise ConfigError(f"{name!r} cannot be set; choose from {', '.join(form.typed)}, as in count=5")
        form.typed[name] = value.split(",") if name in ("topic", "days") else [value]
    wanted = form.preferences(topics, Preferences.of(reader))
    if form.errors:
        raise ConfigError("\n".join(f"{name}: {wrong}" for name, wrong in form.errors.items()))
    if settings:
        session.app.subscriptions.set(reader, wanted)
    for name, values in Form.of(topics, wanted).typed.items():
        say(f"{name:11} {', '.join(values).replace(chr(10), '; ')}")


@subscribers_cli.command("erase")
def subscribers_erase(who: str) -> None:
    """Forget a person; a suppression stays."""
    session.app.subscriptions.erase(_subscriber(who))
    say("erased")


def _subscriber(who: str) -> "Subscriber":
    return session.app.subscriptions.find(who)
