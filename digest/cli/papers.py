"""Papers: what is known of one, which are one, and what curators pick."""

from datetime import datetime
from typing import Annotated

import typer

from digest.cli.terminal import PLAIN, Json, Number, say, say_json, say_table, session

cli = typer.Typer(**PLAIN)
papers_cli = typer.Typer(help="What is known of a paper, and which papers are one.", **PLAIN)
cli.add_typer(papers_cli, name="papers")
Paper = Annotated[str, typer.Argument(metavar="PAPER", help="its number, arXiv id, DOI or address")]


@papers_cli.command("show")
def papers_show(paper: Paper, json: Json = False) -> None:
    """All that is known of a paper: identifiers, who listed it, signals over time, what happened to it, merges."""
    app = session.app
    found = app.catalog.papers.record(app.library.find(paper).paper)
    if json:
        say_json(found)
        return
    card = found.card
    say(f"{card.paper}  {card.title}\n{', '.join(card.authors)}\n{card.abstract}")
    say("\n".join(f"{what}: {address}" for what, address in card.links))
    if found.keywords:
        say(f"keywords: {', '.join(found.keywords)}")
    since = f"news since {found.since:%Y-%m-%d %H:%M}" if found.since else "never news"
    say(f"{since} · version {found.version or '?'} · language {card.language or '?'}\n")
    for title, columns, rows in (
        ("identifiers", ("scheme", "value", "paper"), found.ids),
        ("listings", ("first seen", "source", "key", "type", "paper"), found.listings),
        ("signals", ("at", "source", "kind", "value"), found.signals),
        ("picked by", ("at", "curator", "note"), found.picks),
        ("events", ("at", "what", "which"), found.events),
        ("merges", ("at", "paper", "part of", "because", "undone"), found.merges),
    ):
        if rows:
            say_table(columns, (map(_cell, row) for row in rows), title)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)


@papers_cli.command("rising")
def papers_rising(count: Annotated[int, typer.Option(min=1, help="how many at most")] = 20, json: Json = False) -> None:
    """The papers whose counts grew most in the last day, by source and kind."""
    app = session.app
    gains = {key: gain for key, gain in app.catalog.papers.gains(session.now()).items() if gain > 0}
    fastest = sorted(gains.items(), key=lambda item: (-item[1], item[0]))[:count]
    cards = app.catalog.papers.cards({paper for (paper, _, _), _ in fastest})
    rows = [(round(gain, 1), kind, source, paper, cards[paper].title) for (paper, source, kind), gain in fastest]
    if json:
        say_json([dict(zip(("gained", "kind", "source", "paper", "title"), row, strict=True)) for row in rows])
        return
    say_table(("in a day", "kind", "source", "paper", "title"), ((f"+{gain:,.0f}", *row) for gain, *row in rows))


@papers_cli.command("merge")
def papers_merge(
    paper: Paper,
    part: Annotated[str, typer.Argument(metavar="OTHER", help="what turns out to be the same paper")],
    reason: Annotated[str, typer.Option(help="why, for whoever looks later")] = "by hand",
) -> None:
    """Make one paper of two: OTHER becomes a part of PAPER. `papers split` undoes it."""
    app = session.app
    whole, other = app.library.find(paper), app.library.find(part)
    app.catalog.papers.join(other.paper, whole.paper, reason, session.now())
    say(f"{other.paper} is part of {whole.paper} now; `digest papers split {other.paper}` undoes it")


@papers_cli.command("split")
def papers_split(part: Number) -> None:
    """Undo the merge that made a paper (its number, as `papers show` has it) part of another, for good."""
    whole = session.app.catalog.papers.split(part, session.now())
    say(f"{part} is a paper of its own again, beside {whole}")


@cli.command()
def curate(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="arXiv id, DOI, address or number")],
    by: Annotated[str, typer.Option(help="whose pick it is")] = "the editor",
    note: Annotated[str, typer.Option(help="why, for whoever looks later")] = "",
) -> None:
    """Pick a paper: a signal that it matters. arXiv is asked for one that is not known yet."""
    card = session.app.curation.pick(paper, by, note)
    say(f"{card.paper}  {card.title}\npicked by {by}")
