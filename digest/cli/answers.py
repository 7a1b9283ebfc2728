"""Answers about papers: which there are about something, and why somebody got one or did not."""

from typing import Annotated

import typer

from digest.cli.terminal import PLAIN, Json, console, say, say_json, session, table

cli = typer.Typer(**PLAIN)


@cli.command()
def search(
    query: Annotated[str, typer.Argument(help="words, a sentence, an author's name, an arXiv id, a DOI or an address")],
    most: Annotated[int, typer.Option(min=1, max=100, help="papers at most")] = 20,
    json: Json = False,
) -> None:
    """Find papers among the newest, best first; the score says how well each fits, from 0 to 1."""
    found = session.app.library.search(query, most)
    if json:
        from dataclasses import asdict

        say_json(asdict(found))
        return
    if not found.hits:
        say(f"no paper fits “{query}”" + (f"; did you mean {' or '.join(found.meant)}?" if found.meant else ""))
        return
    made = table("paper", "date", "title", "address", "score")
    for hit in found.hits:
        address = hit.card.links[0][1] if hit.card.links else ""
        made.add_row(str(hit.card.paper), str(hit.card.announced), hit.card.title, address, f"{hit.score:.2f}")
    console().print(made)
