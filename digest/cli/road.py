"""The road, stage by stage: collect, publish, deliver, and what to do when sending stopped."""

from datetime import timedelta
from typing import Annotated

import typer

from digest import clock
from digest.cli.terminal import PLAIN, Json, day, edition_id, progress, say, say_json, say_table, session, watching
from digest.errors import NotFound

cli = typer.Typer(**PLAIN)


@cli.command()
def collect(sources: Annotated[list[str] | None, typer.Argument(help="their names; all when left out")] = None) -> None:
    """Ask the sources now."""
    app, failed, told = session.app, 0, list[str]()
    rows = []
    with progress("collecting", len(sources or app.sources)) as step:
        for collected in app.collect.collect(sources or ()):
            step()
            taken, failed = collected.taken, failed + (collected.error is not None and not collected.day)
            numbers = [taken.new, taken.merged, taken.known, taken.signals] if taken else ["-"] * 4
            rows.append((f"{collected.source} {collected.day or ''}".rstrip(), *numbers, f"{collected.seconds:.1f}"))
            warnings = collected.batch.warnings[:3] if collected.batch else ()
            told += [str(collected.error)] if collected.error else [f"{collected.source}: {w}" for w in warnings]
    say_table(("source", "new", "merged", "known", "signals", "seconds"), rows)
    for trouble in told:
        typer.echo(f"! {trouble}", err=True)
    if failed and failed == len(sources or app.sources):
        raise typer.Exit(3)


@cli.command()
def publish(wait: Annotated[bool, typer.Option(help="give late sources the time of config.yaml")] = False) -> None:
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
    with watching("composing") as show:
        composed = app.publish.compose(show)
    say(", ".join(f"{number} {what}" for what, number in composed.items()) or "no turn is due")


@cli.command()
def deliver(json: Json = False) -> None:
    """Send what is pending; always resumes where a crash left off."""
    send(json=json)
    if session.app.catalog.deliveries.paused():
        raise typer.Exit(6)


def send(*, json: bool = False) -> int:
    """Returns how many were sent."""
    import signal

    from digest.model import State

    app, began = session.app, session.now()
    signal.signal(signal.SIGTERM, lambda *_: app.deliver.stop())  # the messages in flight are finished first
    with watching("delivering") as show:
        report = app.deliver.deliver(show)
    if json:
        say_json(vars(report) | {"began": began, "seconds": round(clock.elapsed() - report.began, 3)})
        return report.ended[State.SENT]
    if found := {what: number for what, number in report.recovered.items() if number}:
        say("after a crash: " + ", ".join(f"{number} {what}" for what, number in found.items()))
    told = ", ".join(f"{number} {_TOLD.get(state, state)}" for state, number in report.ended.items() if number)
    say(told or (f"{report.open} waiting" if report.open else "nothing was waiting to be sent"))
    for what, number in report.errors.most_common(10):
        say(f"  {number} × {what}")
    if report.paused:
        say(f"sending is paused: {report.paused}\nmend it, then run `digest resume`")
    elif report.stopped and report.open:
        say(f"stopped early, {report.open} still to send: {report.stopped}")
    elif report.open:
        say(f"{report.open} are tried again later; `digest deliveries --state pending` tells why")
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
    app = session.app
    app.catalog.deliveries.pause(why, app.clock())
    say(f"sending is paused: {app.catalog.deliveries.paused()}")


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
    """Make failed and expired digests pending again, for one more day: the last of each subscriber, or an edition's."""
    if not failed:
        raise typer.BadParameter("say what to try again: --failed")
    app, now = session.app, session.app.clock()
    number = edition_id(app, day(edition)) if edition else None
    again = app.catalog.deliveries.retry(now, now + timedelta(days=1), number)
    say(f"{again} to be tried again; run `digest deliver`" if again else "nobody's last digest has failed")


@cli.command()
def resolve(
    number: Annotated[int, typer.Argument(metavar="ID", max=2**31 - 1)],
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
        raise NotFound(f"delivery {number} is not uncertain; `digest deliveries --state uncertain` shows which are")
    say(f"delivery {number} is {state} now")
