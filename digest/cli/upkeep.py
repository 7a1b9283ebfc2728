"""The configuration, the database, and whether the world takes our mail."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from digest.cli.terminal import PLAIN, Json, say, say_json, session

if TYPE_CHECKING:
    from digest.catalog import Catalog

cli = typer.Typer(**PLAIN)
config_cli = typer.Typer(help="What config.yaml says.", **PLAIN)
db_cli = typer.Typer(help="The database.", **PLAIN)
cli.add_typer(config_cli, name="config")
cli.add_typer(db_cli, name="db")


@cli.command()
def doctor(json: Json = False) -> None:
    """Is all set for mail: configuration, DNS records, the relay's TLS and login. Sends nothing; exit code 1 if not."""
    from digest.delivery import dns
    from digest.services.domain import Finding, findings

    app = session.app
    found = [Finding("configuration", False, problem) for problem in app.settings.sending_problems()]
    found += findings(app.publication, app.transport, app.signer, dns.ask)
    if json:
        say_json(found)
    for each in () if json else found:
        say(f"{'  ' if each.well else '! '}{each.what:14}{each.told}")
    raise typer.Exit(0 if all(each.well for each in found) else 1)


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
    """Bring the database to this program's schema; makes it, and keys to go with it, if there is none."""
    store = session.app.opened.store
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
    catalog = _catalog()
    catalog.store.restore(file)
    catalog.store.require_current()
    catalog.deliveries.pause("restored from a backup: digests may have been sent since", session.now())
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
