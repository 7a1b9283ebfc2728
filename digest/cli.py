"""The admin commands: parse, call one service, print its answer. Heavy imports wait until a command needs them."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import __version__, clock
from digest.errors import AddressError, ConfigError, DigestError, NotFound, SourceError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from digest.app import App
    from digest.catalog import Catalog
    from digest.model import Interest, Listing, Schedule, Subscriber
    from digest.services.publish import Preview
    from digest.sources.detect import Found
    from digest.sources.http import Http

PLAIN: dict[str, Any] = {"rich_markup_mode": None, "no_args_is_help": True, "add_completion": False}
cli = typer.Typer(help="Trending papers in your inbox: collect, rank, preview, send.", **PLAIN)
subscribers_cli = typer.Typer(help="Who gets the digest.", **PLAIN)
sources_cli = typer.Typer(help="Where papers come from.", **PLAIN)
config_cli = typer.Typer(help="What config.yaml says.", **PLAIN)
db_cli = typer.Typer(help="The database.", **PLAIN)
deliveries_cli = typer.Typer(help="Who got it, and who did not.", **PLAIN)
events_cli = typer.Typer(help="What mail providers report.", **PLAIN)
evaluate_cli = typer.Typer(help="How good the ranking is, replayed on files; needs no configuration.", **PLAIN)
for group, called in (
    (subscribers_cli, "subscribers"),
    (sources_cli, "sources"),
    (deliveries_cli, "deliveries"),
    (events_cli, "events"),
    (config_cli, "config"),
    (db_cli, "db"),
    (evaluate_cli, "evaluate"),
):
    cli.add_typer(group, name=called)

DEMO_NOW = "2026-01-30T08:30:00Z"
"""the day that the bundled sample is about"""


# ---------------------------------------------------------------- what all commands share


class Session:
    """The global options, and the app they make."""

    config = Path("config.yaml")
    now: clock.Clock = staticmethod(clock.system)
    app_: "App | None" = None

    @property
    def app(self) -> "App":
        from digest import app

        if self.app_ is None:
            self.app_ = app.load(self.config, self.now)
        return self.app_


session = Session()
Json = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]


def moment(text: str) -> datetime:
    """An ISO moment, UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no ISO date and time; write 2026-01-16T07:30:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date; write 2026-01-16") from error


def say(text: str = "") -> None:
    typer.echo(text)


def say_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def console(*, markup: bool = False) -> "Console":
    """Strangers' text is printed as it is: square brackets and :names: mean nothing unless *markup* is wanted."""
    from rich.console import Console

    return Console(highlight=False, markup=markup, emoji=False)


def table(*columns: str, title: str | None = None) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=place == 0)  # addresses and names stay in one piece
    return made


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere; yields a function that moves it on by one."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(), transient=True, disable=not console().is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda *_: bar.advance(task)


def version(wanted: bool) -> None:
    if wanted:
        say(f"digest {__version__}")
        raise typer.Exit


@cli.callback()
def options(
    config: Annotated[Path, typer.Option(help="the configuration; paths in it start at its folder")] = Path(
        "config.yaml"
    ),
    now: Annotated[
        str | None, typer.Option(metavar="ISO", help="pretend it is this moment (UTC), to replay a day")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=version, is_eager=True)] = False,
) -> None:
    session.config, session.app_ = config, None
    session.now = clock.fixed(moment(now)) if now else clock.system


# ---------------------------------------------------------------- starting


@cli.command()
def init() -> None:
    """Make config.yaml, the database and the keys here; keeps what is there already."""
    from digest.config import shipped

    if not session.config.exists():
        shutil.copyfile(shipped("config.yaml"), session.config)
        say(f"wrote {session.config}: put your name, sender and postal address in, and choose sources and topics")
    app = session.app
    _ = app.links
    say(f"database {app.catalog.store.name} and keys {app.settings.file(app.settings.keys)} are ready")
    say('next: digest collect, then digest preview --topics "retrieval, robots" --open')


@cli.command()
def demo() -> None:
    """The whole way on bundled data, offline: collect, rank, render, deliver to outbox/."""
    from digest.config import shipped

    for name in [n for n in os.environ if n.upper().startswith(("DIGEST_DATABASE", "DIGEST_KEYS", "DIGEST_TRANSPORT"))]:
        del os.environ[name]  # samples never enter a real database, nor mail a real relay
    samples = shipped("examples")
    session.config, session.now = _demo_config(samples), clock.fixed(moment(DEMO_NOW))
    app = session.app
    if not app.catalog.subscribers.all():
        yesterday = app.clock() - timedelta(hours=12)
        _import(samples / "subscribers.csv", "sample subscriber of the demo", yesterday)
    collect([])
    publish(wait=False)
    new = _deliver()
    console(markup=True).print(_who_got_what(app))
    if new:
        say(f"{new} messages are in outbox/ (a Maildir: mutt -f outbox). Run it again: nothing is sent twice.")
    else:
        say("Nothing was sent: every turn that is due has had its mail. Delete demo.db and outbox/ to start over.")
    called = sys.argv[0] if Path(sys.argv[0]).name == "digest" else "digest"  # `make demo` leaves it in .venv/bin
    say(f"Now try: {called} --config demo.yaml --now {DEMO_NOW} preview --topics robots --open")


def _demo_config(samples: Path) -> Path:
    """demo.yaml in this folder, for the other commands too: the sample's, with its feeds where they lie."""
    mark, path = "# Written by `digest demo`, anew each time.\n", Path("demo.yaml")
    if path.exists() and not path.read_text("utf-8", "replace").startswith(mark):
        raise ConfigError(f"{path.absolute()} is not the demo's; run `digest demo` in another folder")
    sample = (samples / "demo.yaml").read_text("utf-8")
    path.write_text(mark + sample.replace("file:feeds", f"file:{samples.absolute() / 'feeds'}"), "utf-8")
    return path


def _who_got_what(app: "App") -> "Table":
    from rich.markup import escape

    from digest.rendering.press import items

    made = table("subscriber", "papers and why", title="Who got what, and why")
    for delivery in app.catalog.deliveries.of():
        digest = delivery.digest
        reader = app.catalog.subscribers.get(digest.subscriber)
        edition = app.catalog.editions.get(digest.edition) if digest.edition else None
        best = items(edition, digest.picks[:3]) if edition else []
        lines = [f"{escape(i.candidate.card.title)}\n[dim]{escape(' · '.join(i.reasons))}[/dim]" for i in best]
        more = len(digest.picks) - len(best)
        papers = "\n".join(lines + ([f"[dim]and {more} more[/dim]"] if more > 0 else [])) or delivery.reason
        made.add_row(f"{escape(reader.address)}\n[dim]{digest.turn}[/dim]\n{delivery.state}", papers, end_section=True)
    return made


@cli.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="one round of everything that is due, then exit")] = False,
) -> None:
    """Web pages and the scheduler with its work, as two processes, until stopped."""
    import logging

    from digest import schedule

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for talkative in ("apscheduler", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    if once:
        schedule.tick(session.app)
        raise typer.Exit(_health())
    import multiprocessing
    from threading import Thread

    session.now = clock.running(session.now())
    app = session.app  # a bad configuration shows before anything starts
    pages = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(session.config.absolute(), app.clock()), daemon=True
    )
    pages.start()
    web = app.settings.web
    say(f"pages on http://{web.host}:{web.port}, ticking once a minute; stop with Ctrl-C")
    Thread(target=_stop_after, args=(pages,), daemon=True).start()
    try:
        schedule.run(app)
    finally:
        pages.terminate()
        pages.join(10)
    if pages.exitcode and pages.exitcode > 0:
        raise DigestError(f"the pages on {web.host}:{web.port} ended, see above; is web.port taken?")


def _serve(config: Path, now: datetime) -> None:
    import multiprocessing
    from threading import Thread

    from digest import app, web

    Thread(target=_stop_after, args=(multiprocessing.parent_process(),), daemon=True).start()
    web.serve(app.load(config, clock.running(now)))


def _stop_after(other: Any) -> None:
    """The two processes end together: a worker without pages, or pages that hold the port for nobody, help no one."""
    import signal

    other.join()
    os.kill(os.getpid(), signal.SIGTERM)


# ---------------------------------------------------------------- the road


@cli.command()
def collect(sources: Annotated[list[str] | None, typer.Argument(help="their names; all when left out")] = None) -> None:
    """Ask the sources now."""
    app, failed, told = session.app, 0, list[str]()
    made = table("source", "new", "merged", "known", "signals", "seconds")
    with progress("collecting", len(sources or app.sources)) as step:
        for collected in app.collect.collect(sources or ()):
            step()
            taken, failed = collected.taken, failed + (collected.error is not None)
            numbers = [taken.new, taken.merged, taken.known, taken.signals] if taken else ["-"] * 4
            made.add_row(collected.source, *map(str, numbers), f"{collected.seconds:.1f}")
            warnings = collected.batch.warnings[:3] if collected.batch else ()
            told += [str(collected.error)] if collected.error else [f"{collected.source}: {w}" for w in warnings]
    console().print(made)
    for trouble in told:
        typer.echo(f"! {trouble}", err=True)
    if failed and failed == len(sources or app.sources):
        raise typer.Exit(3)


@cli.command()
def publish(
    wait: Annotated[bool, typer.Option(help="give a late source the time that config.yaml allows")] = False,
) -> None:
    """Open today's edition and compose the digests that are due."""
    app = session.app
    opened = app.publish.open(wait=wait)
    if opened.new:
        say(f"edition of {opened.edition} opened with {opened.candidates} candidates")
    elif opened.edition:
        say(f"edition of {opened.edition} is open already")
    elif opened.waiting_for:
        say(f"the edition waits for {', '.join(opened.waiting_for)}")
    else:
        say(f"today's edition opens at {app.settings.publish.at} UTC")
    app.subscriptions.wake()
    composed = app.publish.compose()
    say(", ".join(f"{number} {what}" for what, number in composed.items()) or "no turn is due")


@cli.command()
def deliver() -> None:
    """Send what is pending; always resumes where a crash left off."""
    _deliver()
    if session.app.catalog.deliveries.paused():
        raise typer.Exit(6)


def _deliver() -> int:
    """Returns how many were sent."""
    import signal

    from digest.model import State

    app = session.app
    signal.signal(signal.SIGTERM, lambda *_: app.deliver.stop())  # the messages in flight are finished first
    with progress("delivering", app.catalog.deliveries.counts()[State.PENDING]) as step:
        report = app.deliver.deliver(step)
    if found := {what: number for what, number in report.recovered.items() if number}:
        say("after a crash: " + ", ".join(f"{number} {what}" for what, number in found.items()))
    told = ", ".join(f"{number} {_TOLD.get(state, state)}" for state, number in report.ended.items() if number)
    say(told or "nothing was waiting to be sent")
    if report.paused:
        say(f"sending is paused: {report.paused}\nmend it, then run `digest resume`")
    elif report.stopped:
        say(f"stopped early, {report.open} still to send: {report.stopped}")
    elif report.open:
        say(f"{report.open} are tried again later; `digest deliveries list --state pending` tells why")
    return report.ended[State.SENT]


_TOLD = {"pending": "to be tried again", "suppressed": "no longer wanted"}


@cli.command("send-test")
def send_test(address: str) -> None:
    """Send one mail of today's edition to ADDRESS, with links that do nothing; no row is written."""
    from digest.delivery.address import normal
    from digest.model import Interest, Outgoing

    app = session.app
    recipient = normal(address)
    preview = app.publish.preview(app.publish.anybody(Interest(), address=recipient))
    outcome = app.deliver.test(Outgoing(0, app.printing.return_path(0), recipient, preview.message))
    say(f"{recipient}: {outcome.code or 'no reply'} at {outcome.phase}: {outcome.text}")
    if not outcome.accepted:
        raise typer.Exit(6)


@cli.command()
def pause(why: Annotated[str, typer.Argument(help="for whoever wonders")] = "an operator said so") -> None:
    """Send nothing until `resume`."""
    session.app.catalog.deliveries.pause(why, session.app.clock())


@cli.command()
def resume() -> None:
    """Go on sending."""
    say("going on" if session.app.catalog.deliveries.resume() else "nothing was paused")


@cli.command()
def retry(
    failed: Annotated[
        bool, typer.Option("--failed", help="what failed or expired; needed, so that it is meant")
    ] = False,
    edition: Annotated[str | None, typer.Option(metavar="DATE", help="only of this edition")] = None,
) -> None:
    """Make failed and expired digests pending again, for one more day."""
    if not failed:
        raise typer.BadParameter("say what to try again: --failed")
    app, now = session.app, session.app.clock()
    number = _edition_id(app, day(edition)) if edition else None
    again = app.catalog.deliveries.retry(now, now + timedelta(days=1), number)
    say(f"{again} to be tried again; run `digest deliver`" if again else "nothing has failed")


@cli.command()
def resolve(
    number: Annotated[int, typer.Argument(metavar="ID")],
    sent: Annotated[bool, typer.Option("--sent", help="it arrived")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="send the same message once more")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="leave it")] = False,
) -> None:
    """Say what became of an uncertain delivery."""
    from digest.model import State

    if sent + resend + drop != 1:
        raise typer.BadParameter("choose one of --sent, --resend, --drop")
    app, now = session.app, session.app.clock()
    state = State.SENT if sent else State.PENDING if resend else State.FAILED
    if not app.catalog.deliveries.resolve(number, state, now, now + timedelta(days=1)):
        raise NotFound(
            f"delivery {number} is not uncertain; `digest deliveries list --state uncertain` shows which are"
        )
    say(f"delivery {number} is {state} now")


# ---------------------------------------------------------------- looking


@cli.command()
def editions(json: Json = False) -> None:
    """The editions, newest first, and what became of their digests."""
    app = session.app
    counts = app.catalog.deliveries.by_edition()
    if json:
        say_json([{"date": when, **counts.get(when, {})} for when in app.catalog.editions.dates()])
        return
    made = table("edition", "digests")
    for when in app.catalog.editions.dates():
        made.add_row(str(when), ", ".join(f"{number} {state}" for state, number in counts.get(when, {}).items()))
    console().print(made)


@cli.command()
def preview(
    subscriber: Annotated[str | None, typer.Argument(help="address or public id of a subscriber")] = None,
    topics: Annotated[str | None, typer.Option(help='names, separated by commas: "a,b"; others are free text')] = None,
    edition: Annotated[str | None, typer.Option(metavar="DATE")] = None,
    count: Annotated[int, typer.Option(min=1, max=50, help="papers at most, with --topics")] = 10,
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
    app = session.app
    if gallery:
        _gallery(app, {"who": subscriber, "topics": topics, "edition": edition, "count": str(count)}, html, open_)
        return
    reader = app.subscriptions.find(subscriber) if subscriber else app.publish.anybody(_named(topics or ""), count)
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
        _show(found)


def _gallery(app: "App", said: dict[str, str | None], file: Path | None, open_: bool) -> None:
    from urllib.parse import urlencode

    from digest.web.gallery import Asked, Gallery, server

    made, said_ = Gallery(app), {name: value for name, value in said.items() if value}
    if file:
        file.write_text(made.page(Asked.of(said_)), encoding="utf-8")
        say(f"wrote {file}")
        return
    with server(made) as serving:
        url = f"http://127.0.0.1:{serving.server_port}/?{urlencode(said_)}"
        say(f"{url}\nloads again when a template changes; stop with Ctrl-C")
        if open_:
            typer.launch(url)
        serving.serve_forever()


def _named(topics: str) -> "Interest":
    interest, unknown = session.app.subscriptions.interest(topics.split(","))
    if unknown:
        say(f"not a topic, taken as free text: {', '.join(unknown)}   (`digest topics` lists them)")
    return interest


def _show(preview: "Preview") -> None:
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
    if not preview.items:
        say("nothing fits: this turn would be skipped")


@cli.command()
def status(json: Json = False) -> None:
    """Counts and health; exit code 1 when a person should look."""
    found = session.app.doctor.status()
    if json:
        from dataclasses import asdict

        say_json(asdict(found))
    else:
        edition = f"{found.editions}, newest {found.newest}" if found.newest else "none yet"
        say(f"papers       {found.papers}\neditions     {edition}")
        say("subscribers  " + (", ".join(f"{n} {s}" for s, n in found.subscribers.items()) or "none"))
        say("deliveries   " + (", ".join(f"{n} {s}" for s, n in found.deliveries.items() if n) or "none"))
        say(f"next due     {found.next_due:%Y-%m-%d %H:%M} UTC" if found.next_due else "next due     nothing")
        made = table("source", "answered", "brought something new")
        for source in found.sources:
            times = [f"{at:%Y-%m-%d %H:%M}" if at else "-" for at in (source.answered, source.brought)]
            made.add_row(source.name, *times)
        if found.sources:
            console().print(made)
        for problem in found.problems:
            say(f"! {problem}")
    raise typer.Exit(1 if found.problems else 0)


def _health() -> int:
    problems = session.app.doctor.problems()
    for problem in problems:
        typer.echo(problem, err=True)
    return 1 if problems else 0


@cli.command()
def lint(json: Json = False) -> None:
    """Check the mail templates, ours and yours: exit code 4 when one has an error, notes are for information."""
    from dataclasses import asdict

    from digest.rendering.review import review

    app = session.app
    findings = review(app.templates, app.publication)
    if json:
        say_json([asdict(finding) for finding in findings])
    for found in () if json else findings:
        say(f"{found.file}{f':{found.line}' if found.line else ''}: {found.severity}: {found.message} [{found.rule}]")
    errors = sum(found.severity == "error" for found in findings)
    typer.echo(f"{errors} errors, {len(findings) - errors} notes", err=True)
    if errors:
        raise typer.Exit(4)


@cli.command()
def topics() -> None:
    """The topics that subscribers can tick."""
    made = table("topic", "slug", "description")
    for topic in session.app.subscriptions.topics():
        made.add_row(topic.name, topic.slug, topic.description)
    console().print(made)


@sources_cli.command("list")
def sources_list() -> None:
    """The configured sources."""
    made = table("source", "kind", "last answer", "trouble")
    known = {source.name: source for source in session.app.catalog.papers.sources()}
    for entry in session.app.settings.sources:
        record = known.get(entry.name)
        at = f"{record.answered:%Y-%m-%d %H:%M}" if record and record.answered else "never"
        made.add_row(entry.name, entry.kind, at, (record.error if record else "") or "")
    console().print(made)


Internal = Annotated[bool, typer.Option("--internal", help="the address may lie outside the public internet")]


@sources_cli.command("test")
def sources_test(
    what: Annotated[str, typer.Argument(metavar="FILE|URL|NAME")], json: Json = False, internal: Internal = False
) -> None:
    """Show what a file, an address or a configured source would bring; nothing is stored."""
    try:
        found = _looked_at(what, internal)
    except SourceError as error:
        if json:
            say_json({"kind": "", "title": "", "health": "broken", "entries": [], "warnings": [str(error)]})
        raise
    batch = found.batch
    if json:
        entries = [_entry(listing) for listing in batch.listings]
        say_json(
            {"kind": found.kind, "title": found.title, "health": found.health}
            | {"entries": entries, "warnings": batch.warnings}
        )
        return
    made = table("announced", "ids", "title", title=f"{found.title or what} ({found.kind}, {found.health})")
    for listing in batch.listings:
        at = f"{listing.announced:%Y-%m-%d}" if listing.announced else "-"
        made.add_row(at, "\n".join(f"{k}:{v}" for k, v in listing.ids.items()), listing.title)
    console().print(made)
    say("\n".join([f"{len(batch.listings)} listings", *batch.warnings]))


def _looked_at(what: str, internal: bool) -> "Found":
    from digest.sources import detect

    configured = session.config.exists()
    if configured and (source := next((source for source in session.app.sources if source.name == what), None)):
        return detect.of(source, session.app.http, session.now())
    if not what.startswith(("http:", "https:", "file:")) and not Path(what).is_file():
        raise NotFound(f"{what} is no file, no http(s) address and no source; `digest sources list` shows the sources")
    url = Path(what).resolve().as_uri() if Path(what).is_file() else what
    return detect.at(url, _http(), session.now(), internal=internal)


def _http() -> "Http":
    """As configured, or without a configuration."""
    from digest.sources.http import Http

    return session.app.http if session.config.exists() else Http(f"digest/{__version__}", files=True)


def _entry(listing: "Listing") -> dict[str, Any]:
    from dataclasses import asdict

    said = asdict(listing)
    dates = {name: at and at.isoformat() for name, at in said.items() if name in ("announced", "updated")}
    return {name: value for name, value in (said | dates).items() if name not in ("source", "key")}


@sources_cli.command("add")
def sources_add(url: str, name: Annotated[str, typer.Option()] = "", internal: Internal = False) -> None:
    """Find the feed at an address, or on the page there, and add it to config.yaml."""
    from digest.config import with_source
    from digest.sources import detect

    settings = session.app.settings
    found = detect.behind(url, session.app.http, session.now(), internal=internal)
    known = {source.options.get("url"): source.name for source in settings.sources}
    called = name or " ".join(found.title.split())[:100] or found.url
    if found.url in known or called in known.values():
        there = known.get(found.url, called)
        raise typer.BadParameter(f"{settings.path} has a source {there} already; --name gives another name")
    entry = {"name": called, "kind": found.kind, "url": found.url} | ({"internal": True} if internal else {})
    text, written = with_source(settings.path, entry)
    if written:
        say(f"added to {settings.path}, {len(found.batch.listings)} listings now:\n{text}")
    else:
        say(f"put this into the sources of {settings.path} ({len(found.batch.listings)} listings now):\n{text}")


@deliveries_cli.command("list")
def deliveries_list(
    edition: Annotated[str | None, typer.Option(metavar="DATE")] = None,
    state: Annotated[
        str | None, typer.Option(help="pending sending sent failed suppressed expired uncertain skipped")
    ] = None,
    json: Json = False,
) -> None:
    """One line a turn: whose, its state and why."""
    from digest.model import State

    app = session.app
    if state and state not in list(State):
        raise typer.BadParameter(f"{state!r} is no state; choose from {', '.join(State)}")
    number = _edition_id(app, day(edition)) if edition else None
    rows = app.catalog.deliveries.of(edition=number, state=State(state) if state else None)
    if json:
        say_json([{"id": d.digest.id, "turn": d.digest.turn, "state": d.state, "reason": d.reason} for d in rows])
        return
    made = table("id", "subscriber", "turn", "papers", "state", "why")
    for d in rows:
        who = app.catalog.subscribers.get(d.digest.subscriber).address
        made.add_row(str(d.digest.id), who, d.digest.turn, str(len(d.digest.picks)), d.state, d.reason)
    console().print(made)


def _edition_id(app: "App", when: date) -> int:
    if found := app.catalog.editions.of(when):
        return found.id
    raise NotFound(f"there is no edition of {when}")


@deliveries_cli.command("show")
def deliveries_show(
    number: int, eml: Annotated[bool, typer.Option("--eml", help="the message itself")] = False
) -> None:
    """One delivery; with --eml its message again, byte for byte."""
    app = session.app
    found = app.catalog.deliveries.get(number)
    if found is None:
        raise NotFound(f"there is no delivery {number}")
    reader = app.catalog.subscribers.get(found.digest.subscriber)
    if eml:
        sys.stdout.buffer.write(app.printing.message(found.digest, reader))
        return
    for name in ("state", "reason", "attempts", "sha256", "resent", "ended"):
        say(f"{name:10} {getattr(found, name)}")
    say(f"{'message-id':10} {found.digest.message_id}")


# ---------------------------------------------------------------- what comes back


@cli.command()
def bounces(
    maildir: Annotated[Path, typer.Option(help="the folder that bounces are delivered into")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what each mail is, and change nothing")] = False,
    json: Json = False,
) -> None:
    """Read what came back: bounces, complaints, delays, answering machines. Mails leave the folder as they are done."""
    if dry_run:
        _read_bounces(maildir, json)
        return
    with progress("reading", None) as step:
        learned = session.app.feedback.mails(maildir, step)
    if json:
        say_json(vars(learned))
    else:
        say(", ".join(f"{number} {kind}" for kind, number in learned.kinds.items()) or f"{maildir}: nothing came back")
        say(", ".join(f"{number} {effect}" for effect, number in learned.effects.items()))
    if learned.quarantined and not json:
        say(f"{learned.quarantined} are in {maildir}-quarantine: no reports, or about no message of ours")
    if learned.paused:
        typer.echo(f"sending is paused: {learned.paused}; mend it, then run `digest resume`", err=True)
        raise typer.Exit(6)


def _read_bounces(maildir: Path, json: bool) -> None:
    """Needs no configuration."""
    from rich.markup import escape

    from digest.delivery.bounces import read
    from digest.delivery.spool import Spool

    spool = Spool(maildir)
    found = [(spool.name(path), read(spool.raw(path))) for path in spool.files()]
    if json:
        say_json([{"file": name, **report.as_json()} for name, report in found])
        return
    made = table("file", "kind", "address", "status", "class", "reason")
    for name, report in found:
        for failed in report.recipients or [None]:
            made.add_row(name, report.kind, *(map(escape, failed.as_json().values()) if failed else ()))
    console().print(made)


@events_cli.command("parse")
def events_parse(
    file: Annotated[Path, typer.Argument(help="a callback's body, as JSON")],
    provider: Annotated[str, typer.Option(help="mailgun, postmark, resend, sendgrid or ses")],
    json: Json = False,
) -> None:
    """Say what a provider's callback means; changes nothing, and needs no configuration."""
    from rich.markup import escape

    from digest.delivery import events

    found = events.provider(provider).parse(_json(file), {})
    if json:
        say_json([event.as_json() for event in found])
        return
    made = table("event", "recipient", "message id", "reason", "class", "response")
    for event in found:
        told = (event.event, event.recipient, event.message_id, event.reason, event.blame, event.response)
        made.add_row(*map(escape, told))
    console().print(made)


def _json(file: Path) -> Any:
    """Raises ConfigError naming the file."""
    import json

    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: no JSON: {error}; save the body of the callback as it came") from error


# ---------------------------------------------------------------- subscribers


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
    interest = _named(topics)
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
def subscribers_import(
    file: Annotated[
        Path, typer.Argument(help="CSV: address,topics,text,keywords,authors,exclusions,cadence,days,hour,zone,count")
    ],
    confirmed: Annotated[str, typer.Option(metavar="REASON", help="how these people agreed")],
) -> None:
    """Subscribe everybody in a CSV file; lines that cannot be used are told and change nothing."""
    added, refused = _import(file, confirmed)
    say(f"{added} subscribed, {refused} refused")
    if refused:
        raise typer.Exit(2)


def _import(file: Path, reason: str, after: datetime | None = None) -> tuple[int, int]:
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


@subscribers_cli.command("erase")
def subscribers_erase(who: str) -> None:
    """Forget a person; a suppression stays."""
    session.app.subscriptions.erase(_subscriber(who))
    say("erased")


def _subscriber(who: str) -> "Subscriber":
    return session.app.subscriptions.find(who)


# ---------------------------------------------------------------- evaluation


@evaluate_cli.command("relevance")
def evaluate_relevance(
    papers: Annotated[list[Path], typer.Option(help="JSON Lines with id, title, abstract; may be .gz and given again")],
    topics: Annotated[Path, typer.Option(help="JSON list of {tag, description, relevant: [ids]}")],
    votes: Annotated[int, typer.Option(min=0, help="papers that the reader has voted up; 0: the words alone")] = 0,
    methods: Annotated[str, typer.Option(help='which, separated by commas: "digest,bm25"; all when left out')] = "",
    seed: Annotated[int, typer.Option(min=0, help="of the halves and the intervals")] = 0,
    json: Json = False,
) -> None:
    """Rank all papers for each topic, by our ranker and by the usual methods."""
    from digest.services import evaluate

    wanted = [name.strip() for name in methods.split(",") if name.strip()]
    with progress("ranking", len(evaluate.chosen(wanted, votes)[0])) as step:
        found = evaluate.relevance(papers, topics, wanted, votes, seed, step)
    for note in found.left_out:
        typer.echo(f"left out: {note}", err=True)
    if json:
        say_json(
            {
                "methods": {name: scores.means for name, scores in found.methods.items()},
                "intervals": {name: scores.intervals for name, scores in found.methods.items()},
                "ahead": {name: scores.ahead for name, scores in found.methods.items() if scores.ahead},
                "topics": found.topics,
                "papers": found.papers,
                "votes": votes,
                "seed": seed,
            }
        )
        return
    measures = next(iter(found.methods.values())).means
    made = table(
        "method", *measures, "nDCG@10 of digest over it", title=f"{found.topics} topics, {found.papers} papers"
    )
    best = {measure: max(scores.means[measure] for scores in found.methods.values()) for measure in measures}
    for name, scores in found.methods.items():
        cells = [
            _best(f"{value:.3f}", value == best[measure])
            + " [dim]{:.3f}–{:.3f}[/dim]".format(*scores.intervals[measure])
            for measure, value in scores.means.items()
        ]
        ahead = "{:.2f}× [dim]{:.2f}–{:.2f}[/dim]".format(*scores.ahead) if scores.ahead else ""
        made.add_row(name, *cells, ahead)
    console(markup=True).print(made)
    if votes:
        say(f"{votes} votes: digest and svm learn from them, the other methods know the words alone")


def _best(text: str, best: bool) -> str:
    return f"[bold]{text}[/bold]" if best else text


@evaluate_cli.command("trend")
def evaluate_trend(
    papers: Annotated[Path, typer.Option(help="JSON Lines with id, day, snapshot_at and the counts at that moment")],
    outcomes: Annotated[Path, typer.Option(help="JSON Lines with id, day and late_upvotes")],
    json: Json = False,
) -> None:
    """Rank each day's papers by the trend of the early look, against what became of them."""
    from dataclasses import asdict

    from digest.services import evaluate

    with progress("ranking days", None) as step:
        found = evaluate.trend(papers, outcomes, step)
    if json:
        say_json(asdict(found))
        return
    names = [(method, measure) for method, measures in found.methods.items() for measure in measures]
    made = table("day", "papers", *(f"{method}\n{measure}" for method, measure in names))
    for day in found.days:
        made.add_row(day.day, str(day.papers), *(f"{day.methods[method][measure]:.3f}" for method, measure in names))
    made.add_section()
    best = {measure: max(means[measure] for means in found.methods.values()) for _, measure in names}
    cells = [(found.methods[method][measure], measure) for method, measure in names]
    made.add_row("mean", "", *(_best(f"{value:.3f}", value == best[measure]) for value, measure in cells))
    console(markup=True).print(made)


# ---------------------------------------------------------------- configuration and database


@config_cli.command("show")
def config_show() -> None:
    """All settings with their defaults, secrets masked."""
    from digest.config import shown

    say_json(shown(session.app.settings))


@config_cli.command("schema")
def config_schema() -> None:
    """The JSON schema of config.yaml, for editors."""
    from digest.config import schema

    say_json(schema())


@db_cli.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this program's schema; makes it if there is none."""
    store = _catalog().store
    store.create()
    say(f"{store.name} has schema {store.version()}")


@db_cli.command("backup")
def db_backup(file: Path) -> None:
    """A consistent copy, also while the digest runs (SQLite)."""
    _catalog().store.backup(file)
    say(f"wrote {file}")


@db_cli.command("restore")
def db_restore(file: Path) -> None:
    """Put a backup in the database's place; sending is paused until you have looked (`status`, then `resume`)."""
    app_catalog = _catalog()
    app_catalog.store.restore(file)
    app_catalog.store.require_current()
    app_catalog.deliveries.pause("restored from a backup: digests may have been sent since", session.now())
    say("restored, and sending is paused: see `digest status`, then `digest resume`")


@db_cli.command("check")
def db_check() -> None:
    """What the database says is wrong with it; exit code 5 if anything is."""
    store = _catalog().store
    store.require_current()
    problems = store.problems()
    say("\n".join(problems) or "the database is whole")
    if problems:
        raise typer.Exit(5)


def _catalog() -> "Catalog":
    from digest import config
    from digest.catalog import Catalog

    return Catalog(config.load(session.config).database_url)
