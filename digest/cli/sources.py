"""Where papers come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import __version__
from digest.cli.terminal import PLAIN, Json, console, health_table, say, say_json, say_table, session
from digest.errors import NotFound, SourceError

if TYPE_CHECKING:
    from digest.model import Listing
    from digest.sources.detect import Found

cli = typer.Typer(**PLAIN)
sources_cli = typer.Typer(help="Where papers come from.", **PLAIN)
cli.add_typer(sources_cli, name="sources")


@sources_cli.command("list")
def sources_list() -> None:
    """The configured sources and how they are."""
    found = session.app.doctor.reports(session.now())
    known = {report.name for report in found}
    made = health_table(found)
    for entry in session.app.settings.sources:
        if entry.name not in known:
            made.add_row(entry.name, "never asked", "-", "-", "run `digest collect`")
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
        said = {"kind": found.kind, "title": found.title, "health": found.health}
        say_json(said | {"entries": entries, "warnings": batch.warnings})
        return
    dated = [(listing, listing.announced.date() if listing.announced else "-") for listing in batch.listings]
    rows = ((at, "\n".join(map(":".join, listing.ids.items())), listing.title) for listing, at in dated)
    say_table(("announced", "ids", "title"), rows, f"{found.title or what} ({found.kind}, {found.health})")
    say("\n".join([f"{len(batch.listings)} listings", *batch.warnings]))


def _looked_at(what: str, internal: bool) -> "Found":
    from digest.sources import detect
    from digest.sources.http import Http

    configured = session.config.exists()
    if configured and (source := next((source for source in session.app.sources if source.name == what), None)):
        return detect.of(source, session.app.http, session.now())
    if not what.startswith(("http:", "https:", "file:")) and not Path(what).is_file():
        raise NotFound(f"{what} is no file, no http(s) address and no source; `digest sources list` shows the sources")
    url = Path(what).resolve().as_uri() if Path(what).is_file() else what
    http = session.app.http if configured else Http(f"digest/{__version__}")
    return detect.at(url, http, session.now(), internal=internal)


def _entry(listing: "Listing") -> dict[str, Any]:
    from dataclasses import asdict

    said = asdict(listing)
    dates = {name: at and at.isoformat() for name, at in said.items() if name in ("announced", "updated")}
    return {name: value for name, value in (said | dates).items() if name not in ("source", "key", "version")}


@sources_cli.command("add")
def sources_add(url: str, name: Annotated[str, typer.Option()] = "", internal: Internal = False) -> None:
    """Find the feed at an address, or on the page there, and add it to config.yaml."""
    from digest.config import with_sources
    from digest.sources import detect

    settings = session.app.settings
    found = detect.behind(url, session.app.http, session.now(), internal=internal)
    known = {source.options.get("url"): source.name for source in settings.sources}
    called = name or " ".join(found.title.split())[:100] or found.url
    if found.url in known or called in known.values():
        there = known.get(found.url, called)
        raise typer.BadParameter(f"{settings.path} has a source {there} already; --name gives another name")
    entry = {"name": called, "kind": found.kind, "url": found.url} | ({"internal": True} if internal else {})
    text, written = with_sources(settings.path, [entry])
    if written:
        say(f"added to {settings.path}, {len(found.batch.listings)} listings now:\n{text}")
    else:
        say(f"put this into the sources of {settings.path} ({len(found.batch.listings)} listings now):\n{text}")


@sources_cli.command("import")
def sources_import(file: Annotated[Path, typer.Argument(help="OPML, or CSV with the columns journal and url")]) -> None:
    """Add the feeds of a list to config.yaml, unasked; `digest collect` and `sources list` tell which of them work."""
    from digest.config import with_sources
    from digest.sources.opml import feeds

    settings = session.app.settings
    listed = feeds(session.app.http.get(file.resolve().as_uri()).body, str(file))
    known, names = {s.options.get("url") for s in settings.sources}, {s.name for s in settings.sources}
    entries: list[dict[str, str]] = []
    for feed in listed:
        name, number = feed.name, 2
        while name in names:
            name, number = f"{feed.name} ({number})", number + 1
        if feed.url not in known:
            names.add(name)
            entries.append({"name": name, "kind": feed.kind, "url": feed.url})
    if not entries:
        say(f"{settings.path} has all {len(listed)} feeds of {file}")
        return
    text, written = with_sources(settings.path, entries)
    to_do = f"put this into the sources of {settings.path}:\n{text}"
    say(f"{len(entries)} added to {settings.path}" if written else to_do)
    if len(listed) > len(entries):
        say(f"{len(listed) - len(entries)} were there already")


@sources_cli.command("export")
def sources_export() -> None:
    """Print the sources as OPML, for other feed readers and for `sources import`."""
    from digest.sources.opml import written

    app = session.app
    kinds = [entry.kind for entry in app.settings.sources]
    document, without = written(zip(kinds, app.sources, strict=True), app.publication.name)
    say(document.rstrip())
    if without:
        typer.echo(f"left out, for they have no public address: {', '.join(without)}", err=True)
