"""Answers about papers: which there are about something, and why somebody got one or did not."""

from typing import Annotated

import typer

from digest.cli.terminal import PLAIN, Json, day, say, say_json, say_table, session

cli = typer.Typer(**PLAIN)

TERMS = 12
"""of a score that are told one by one"""


@cli.command()
def search(
    query: Annotated[str, typer.Argument(help="words, a sentence, an author's name, an arXiv id, a DOI or an address")],
    most: Annotated[int, typer.Option(min=1, max=100, help="papers at most")] = 20,
    json: Json = False,
) -> None:
    """Find papers among the newest, best first; the score says how well each fits, from 0 to 1."""
    found = session.app.library.search(query, most)
    if json:
        say_json(found)
        return
    if not found.hits:
        say(f"no paper fits “{query}”" + (f"; did you mean {' or '.join(found.meant)}?" if found.meant else ""))
        return
    addresses = (hit.card.links[0][1] if hit.card.links else "" for hit in found.hits)
    told = zip(found.hits, addresses, strict=True)
    rows = ((hit.card.paper, hit.card.announced, hit.card.title, at, f"{hit.score:.2f}") for hit, at in told)
    say_table(("paper", "date", "title", "address", "score"), rows)


@cli.command()
def why(
    subscriber: Annotated[str, typer.Argument(help="address or public id")],
    paper: Annotated[str, typer.Argument(help="its number, arXiv id, DOI or address")],
    edition: Annotated[str | None, typer.Option(metavar="DATE")] = None,
    json: Json = False,
) -> None:
    """Why somebody got a paper or did not: every term of its score, its rank, what stood in the way."""
    app = session.app
    found = app.explain.why(app.subscriptions.find(subscriber), paper, day(edition) if edition else None)
    if json:
        say_json(found)
        return
    mail = f"the mail of {found.turn} ({found.state})" if found.turn else "the mail that would be sent now"
    say(f"{found.card.title}\nedition of {found.edition}")
    say((f"place {found.place} of" if found.place else "not among") + f" the {found.papers} papers in {mail}")
    if found.reasons:
        say(f"because {' · '.join(found.reasons)}")
    say(f"\nscore {found.score:.3f}, " + (f"rank {found.rank}" if found.rank else "not ranked"))
    for words, value in found.terms[:TERMS]:
        say(f"  {value:+.3f}  {words}")
    if rest := found.terms[TERMS:]:
        say(f"  {sum(value for _, value in rest):+.3f}  {len(rest)} smaller terms")
    if found.recomputed:
        say("  (terms recomputed from the edition as it is frozen, by what is wanted now)")
    for title, told in (("what stands in the way", found.obstacles), ("what alone would bring it", found.changes)):
        if told:
            say(f"\n{title}\n  " + "\n  ".join(told))
