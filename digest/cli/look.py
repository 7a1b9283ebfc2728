"""Looking: what would be sent, what was sent, and how things stand."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.terminal import (
    PLAIN,
    Json,
    Number,
    console,
    day,
    edition_id,
    health_table,
    interest_in,
    say,
    say_json,
    say_table,
    session,
)
from digest.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from digest.app import App
    from digest.catalog.deliveries import Delivery
    from digest.services.publish import Preview

cli = typer.Typer(**PLAIN)
deliveries_cli = typer.Typer(**PLAIN | {"no_args_is_help": False})
cli.add_typer(deliveries_cli, name="deliveries")


@cli.command()
def editions(json: Json = False) -> None:
    """The editions, newest first, and what became of their digests."""
    app = session.app
    counts = app.catalog.deliveries.by_edition()
    found = [(when, counts.get(when, {})) for when in app.catalog.editions.dates()]
    if json:
        say_json([{"date": when, **states} for when, states in found])
        return
    rows = ((when, ", ".join(f"{number} {state}" for state, number in states.items())) for when, states in found)
    say_table(("edition", "digests"), rows)


def _count(papers: int) -> int:
    from digest.model import MOST_PAPERS

    if 1 <= papers <= MOST_PAPERS:
        return papers
    raise typer.BadParameter(f"a mail has 1 to {MOST_PAPERS} papers")


@cli.command()
def preview(
    subscriber: Annotated[str | None, typer.Argument(help="address or public id of a subscriber")] = None,
    topics: Annotated[str | None, typer.Option(help='names, separated by commas: "a,b"; others are free text')] = None,
    edition: Annotated[str | None, typer.Option(metavar="DATE")] = None,
    count: Annotated[int, typer.Option(help="papers at most, with --topics", callback=_count)] = 10,
    html: Annotated[Path | None, typer.Option(help="write the HTML part to this file")] = None,
    text: Annotated[bool, typer.Option("--text", help="print the plain-text part")] = False,
    eml: Annotated[Path | None, typer.Option(help="write the whole message to this file")] = None,
    open_: Annotated[bool, typer.Option("--open", help="show the HTML part in the browser")] = False,
    gallery: Annotated[
        bool,
        typer.Option("--gallery", help="everything side by side, on a page of this machine; with --html, as a file"),
    ] = False,
) -> None:
    """Show a digest exactly as it would be sent. Sends nothing; its links do nothing."""
    if subscriber and topics:
        raise typer.BadParameter("name a subscriber, who has topics of their own, or --topics")
    app = session.app
    if gallery:
        _gallery(app, {"who": subscriber, "topics": topics, "edition": edition, "count": str(count)}, html, open_)
        return
    reader = app.subscriptions.find(subscriber) if subscriber else app.publish.anybody(interest_in(topics or ""), count)
    found = app.publish.preview(reader, day(edition) if edition else None)
    if eml:
        eml.write_bytes(found.message)
    if html or open_:
        page = html or session.app.settings.root / "preview.html"
        page.write_text(found.parts.html, encoding="utf-8")
        if open_:
            typer.launch(page.absolute().as_uri())
    for path in filter(None, (html, eml)):
        say(f"wrote {path}")
    if text:
        say(found.parts.text)
    elif not (html or eml or open_):
        _show(found, reader.minimum)


def _gallery(app: "App", said: dict[str, str | None], file: Path | None, open_: bool) -> None:
    from urllib.parse import urlencode

    from digest.web.gallery import Asked, Gallery, serve

    made, said_ = Gallery(app), {name: value for name, value in said.items() if value}
    if file:
        file.write_text(made.page(Asked.of(said_)), encoding="utf-8")
        say(f"wrote {file}")
        return

    def begun(url: str) -> None:
        say(f"{url}?{urlencode(said_)}\nloads again when a template changes; stop with Ctrl-C")
        if open_:
            typer.launch(f"{url}?{urlencode(said_)}")

    serve(made, begun)


def _show(preview: "Preview", minimum: int) -> None:
    """Plain, not Rich: somebody waits for this, and Rich takes longer to load than the cards to print."""
    from textwrap import fill

    width = max(40, min(shutil.get_terminal_size().columns, 100))

    def line(text: str, indent: str = "   ", **style: Any) -> None:
        if text:
            filled = fill(text, width, initial_indent=indent, subsequent_indent="   ", break_on_hyphens=False)
            say(typer.style(filled, **style))

    line(preview.parts.subject, "", bold=True)
    line(f"edition of {preview.edition.date}, turn {preview.turn}, {len(preview.items)} papers", "", dim=True)
    for place, item in enumerate(preview.items, 1):
        card = item.candidate.card
        say()
        line(card.title, f"{place}. ", bold=True)
        line(", ".join(card.authors[:3]) + (f" and {len(card.authors) - 3} more" if card.authors[3:] else ""), dim=True)
        why, trend = " · ".join(item.reasons), item.candidate.trend_line
        line("" if trend in why else trend)
        line(why)
        line(card.links[0][1] if card.links else "", fg="blue")
    if len(preview.items) < minimum:
        say(f"\nfewer than {minimum} papers: this turn would be skipped")


@cli.command()
def status(json: Json = False) -> None:
    """Counts and health; exit code 1 when a person should look."""
    found = session.app.doctor.status()
    if json:
        say_json(found)
    else:
        edition = f"{found.editions}, newest {found.newest}" if found.newest else "none yet"
        say(f"papers       {found.papers}\neditions     {edition}")
        say("subscribers  " + (", ".join(f"{n} {s}" for s, n in found.subscribers.items()) or "none"))
        say("deliveries   " + (", ".join(f"{n} {s}" for s, n in found.deliveries.items() if n) or "none"))
        say(f"next due     {found.next_due:%Y-%m-%d %H:%M} UTC" if found.next_due else "next due     nothing")
        if found.sources:
            console().print(health_table(found.sources))
        for problem in found.problems:
            say(f"! {problem}")
    raise typer.Exit(1 if found.problems else 0)


@cli.command()
def lint(json: Json = False) -> None:
    """Check the mail templates, ours and yours: exit code 4 when one has an error, notes are for information."""
    from digest.rendering.review import review

    app = session.app
    findings = review(app.templates, app.publication, app.mail_clients)
    if json:
        say_json(findings)
    for found in () if json else findings:
        say(f"{found.file}{f':{found.line}' if found.line else ''}: {found.severity}: {found.message} [{found.rule}]")
    errors = sum(found.severity == "error" for found in findings)
    typer.echo(f"{errors} errors, {len(findings) - errors} notes", err=True)
    if errors:
        raise typer.Exit(4)


@cli.command()
def topics(
    within: Annotated[
        str, typer.Argument(metavar="[FIELD]", help="only these: an archive like stat, a category or a slug")
    ] = "",
    library: Annotated[
        bool, typer.Option("--library", help="those that come with the program, to choose from")
    ] = False,
    json: Json = False,
) -> None:
    """The topics that subscribers can tick."""
    from digest import config

    known = config.library() if library else session.app.subscriptions.topics()
    found = [topic for topic in known if not within or topic.within(within)]
    if not found and within:
        raise NotFound(f"no topic lies in {within!r}; try an archive, like cs, or a category")
    if json:
        say_json(found)
        return
    say_table(("topic", "slug", "field", "description"), ((t.name, t.slug, t.field, t.description) for t in found))


@deliveries_cli.callback(invoke_without_command=True)
def deliveries(
    context: typer.Context,
    edition: Annotated[str | None, typer.Option(metavar="DATE")] = None,
    state: Annotated[
        str | None, typer.Option(help="pending sending sent failed suppressed expired uncertain skipped")
    ] = None,
    subscriber: Annotated[str | None, typer.Option(metavar="WHO", help="address or public id")] = None,
    json: Json = False,
) -> None:
    """Who got it, who did not and why, and what came back: one line a turn."""
    from digest.model import State

    if context.invoked_subcommand:
        return
    app = session.app
    if state and state not in list(State):
        raise typer.BadParameter(f"{state!r} is no state; choose from {', '.join(State)}")
    number = edition_id(app, day(edition)) if edition else None
    whose = app.subscriptions.find(subscriber).id if subscriber else None
    pages = app.catalog.deliveries.pages(edition=number, state=State(state) if state else None, subscriber=whose)
    told = (row for page in pages for row in _told(app, page))
    columns = ("id", "subscriber", "turn", "papers", "state", "reason", "feedback")
    if json:
        say_json(dict(zip(columns, row, strict=True)) for row in told)
    else:
        say_table(columns, told)


def _told(app: "App", page: "Sequence[Delivery]") -> "Iterator[tuple[object, ...]]":
    who = app.catalog.subscribers.addresses({row.digest.subscriber for row in page})
    back = app.catalog.feedback.of(row.digest.id for row in page)
    for row in page:
        d = row.digest
        yield d.id, who[d.subscriber], d.turn, len(d.picks), row.state, row.reason, back.get(d.id, "")


@deliveries_cli.command("show")
def deliveries_show(number: Number, eml: Annotated[bool, typer.Option("--eml", help="the message")] = False) -> None:
    """One delivery; with --eml its message again, byte for byte."""
    app = session.app
    found = app.catalog.deliveries.get(number)
    if found is None:
        raise NotFound(f"there is no delivery {number}")
    if eml:
        message, differs = app.printing.again(found)
        sys.stdout.buffer.write(message)
        if differs:
            typer.echo(f"This is not byte for byte what was sent: {differs}.", err=True)
        return
    who = app.catalog.subscribers.addresses([found.digest.subscriber])
    told = {"subscriber": who[found.digest.subscriber] or "erased", "turn": found.digest.turn}
    told |= {name: getattr(found, name) for name in ("state", "reason", "attempts", "sha256", "resent", "ended")}
    told |= {"feedback": app.catalog.feedback.of([number]).get(number, ""), "message-id": found.digest.message_id}
    for name, value in told.items():
        say(f"{name:10} {value}")
