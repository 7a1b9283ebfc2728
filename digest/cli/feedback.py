"""What comes back: bounces, complaints, and what mail providers report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.terminal import PLAIN, Json, progress, say, say_json, say_table, session
from digest.errors import ConfigError

cli = typer.Typer(**PLAIN)
events_cli = typer.Typer(help="What mail providers report.", **PLAIN)
cli.add_typer(events_cli, name="events")


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
    elif not learned.kinds:
        say(f"{maildir}: nothing came back")
    else:
        for counts in (learned.kinds, learned.effects):
            say(", ".join(f"{number} {what}" for what, number in counts.items()))
    if learned.quarantined and not json:
        say(f"{learned.quarantined} are in {maildir}-quarantine: no reports, or about no message of ours")
    if learned.paused:
        typer.echo(f"sending is paused: {learned.paused}; mend it, then run `digest resume`", err=True)
        raise typer.Exit(6)


def _read_bounces(maildir: Path, json: bool) -> None:
    """Needs no configuration."""
    from digest.delivery.bounces import read
    from digest.delivery.spool import Spool

    spool = Spool(maildir)
    found = ((spool.name(path), read(spool.raw(path))) for path in spool.files())
    if json:
        say_json({"file": name, **report.as_json()} for name, report in found)
        return
    rows = ((name, report, failed) for name, report in found for failed in report.recipients or [None])
    told = ((name, report.kind, *(failed.as_json().values() if failed else ())) for name, report, failed in rows)
    say_table(("file", "kind", "address", "status", "class", "reason"), told)


@events_cli.command("parse")
def events_parse(
    file: Annotated[Path, typer.Argument(help="a callback's body, as it came")],
    provider: Annotated[str, typer.Option(help="mailgun, postmark, resend, sendgrid or ses")],
    json: Json = False,
) -> None:
    """Say what a provider's callback means; changes nothing, and needs no configuration."""
    from digest.delivery import events

    found = events.provider(provider).parse(_json(file), {})
    if json:
        say_json([event.as_json() for event in found])
        return
    told = [(e.event, e.recipient, e.message_id, e.reason, e.blame, e.response) for e in found]
    say_table(("event", "recipient", "message id", "reason", "class", "response"), told)


def _json(file: Path) -> Any:
    """Raises ConfigError naming the file."""
    from digest.delivery.events import parsed

    try:
        return parsed(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: neither JSON nor a form: {error}; save the callback's body as it came") from error
