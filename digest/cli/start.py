"""Starting: a place of one's own, the demo, and the running program."""

import os
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.road import collect, publish, send
from digest.cli.subscribers import add_all
from digest.cli.terminal import PLAIN, console, moment, say, session, table
from digest.errors import ConfigError, DigestError

if TYPE_CHECKING:
    from rich.table import Table

    from digest.app import App

cli = typer.Typer(**PLAIN)

DEMO_NOW = "2026-01-30T08:30:00Z"
"""the day that the bundled sample is about"""


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
    say('next: digest collect, digest publish, then digest preview --topics "retrieval, robots" --open')


@cli.command()
def demo() -> None:
    """The whole way on bundled data, offline: collect, rank, render, deliver to outbox/."""
    from digest.config import shipped

    for name in [n for n in os.environ if n.upper().startswith(("DIGEST_DATABASE", "DIGEST_KEYS", "DIGEST_TRANSPORT"))]:
        del os.environ[name]  # samples never enter a real database, nor mail a real relay
    samples = shipped("examples")
    session.config, session.now = _demo_config(samples), clock.fixed(moment(DEMO_NOW))
    app = session.app
    if not app.catalog.subscribers.counts():
        yesterday = app.clock() - timedelta(hours=12)
        add_all(samples / "subscribers.csv", "sample subscriber of the demo", yesterday)
    collect([])
    publish(wait=False)
    new = send()
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
def run(once: Annotated[bool, typer.Option("--once", help="one round of all that is due, then exit")] = False) -> None:
    """Web pages and the scheduler with its work, as two processes, until stopped."""
    import logging
    import signal

    from digest import schedule

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for talkative in ("apscheduler", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    if once:
        signal.signal(signal.SIGTERM, lambda *_: session.app.deliver.stop())  # the message in flight is finished
        schedule.tick(session.app)
        problems = session.app.doctor.problems()
        for problem in problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1 if problems else 0)
    import multiprocessing
    from threading import Thread

    session.now = clock.running(session.now())
    app = session.app  # a bad configuration shows before anything starts
    serving = session.config.absolute(), app.clock()
    pages = multiprocessing.get_context("spawn").Process(target=_serve, args=serving, daemon=True)
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
