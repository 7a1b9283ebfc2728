"""How good the ranking is, replayed on files."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.terminal import PLAIN, Json, console, progress, say, say_json, say_table, table

cli = typer.Typer(**PLAIN)
evaluate_cli = typer.Typer(help="How good the ranking is, replayed on files; needs no configuration.", **PLAIN)
cli.add_typer(evaluate_cli, name="evaluate")


@evaluate_cli.command("relevance")
def evaluate_relevance(
    papers: Annotated[
        list[str],
        typer.Option(help="JSON Lines with id, title, abstract, also as .gz; several: with commas, or again"),
    ],
    topics: Annotated[
        list[Path],
        typer.Option(
            help="JSON list of {tag, description, relevant: [ids]}; each after the first has its own --papers"
        ),
    ],
    votes: Annotated[int, typer.Option(min=0, help="papers that the reader has voted up; 0: the words alone")] = 0,
    methods: Annotated[str, typer.Option(help='which, separated by commas: "digest,bm25"; all when left out')] = "",
    seed: Annotated[int, typer.Option(min=0, help="of the halves and the intervals")] = 0,
    model: Annotated[
        str, typer.Option(help="for digest+semantic: a folder or installed package, see config.yaml")
    ] = "",
    json: Json = False,
) -> None:
    """Rank all papers for each topic, by our ranker and by the usual methods.

    With several --topics the first --papers belong to the first of them and so on.
    """
    from digest.services import evaluate

    wanted = [name.strip() for name in methods.split(",") if name.strip()]
    files = [[Path(of)] if Path(of).exists() else [*map(Path, of.split(","))] for of in papers]
    if len(topics) == 1:
        files = [[*chain.from_iterable(files)]]
    if len(files) != len(topics):
        raise typer.BadParameter(
            f"{len(topics)} --topics need as many --papers, in the same order; commas separate files"
        )
    with progress("ranking", len(topics) * len(evaluate.chosen(wanted, votes, model)[0])) as step:
        found = evaluate.relevance([*zip(files, topics, strict=True)], wanted, votes, seed, step, model)
    for note in found.left_out:
        typer.echo(f"left out: {note}", err=True)
    if json:
        say_json(vars(found) | {"votes": votes, "seed": seed})
        return
    measures = [*next(iter(found.methods.values()))]
    made = table(
        "method", *measures, "nDCG@10 of digest over it", title=f"{found.topics} topics, {found.papers} papers"
    )
    best = {measure: max(means[measure] for means in found.methods.values()) for measure in measures}
    for name, means in found.methods.items():
        cells = [
            _best(f"{value:.3f}", value == best[measure])
            + " [dim]{:.3f}–{:.3f}[/dim]".format(*found.intervals[name][measure])
            for measure, value in means.items()
        ]
        ahead = "{:.2f}× [dim]{:.2f}–{:.2f}[/dim]".format(*found.ahead[name]) if name in found.ahead else ""
        made.add_row(name, *cells, ahead)
    console(markup=True).print(made)
    if found.over_best:
        say("digest over the best other method of each set: {:.3f}×, 95 % {:.3f}–{:.3f}".format(*found.over_best))
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
    from digest.services import evaluate

    with progress("ranking days", None) as step:
        found = evaluate.trend(papers, outcomes, step)
    if json:
        say_json(found)
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


@evaluate_cli.command("prior")
def evaluate_prior(
    listings: Annotated[Path, typer.Option(help="JSON Lines with listed, title, abstract, authors and hf_daily_day")],
    json: Json = False,
) -> None:
    """Foretell which of each morning's papers will be picked, beside a plain regression on their words."""
    from digest.services import evaluate

    with progress("learning", None) as step:
        found = evaluate.prior_of(listings, step)
    if json:
        say_json(found)
        return
    title = f"{found.papers} papers of {found.days} days since {found.learned_until}, {found.base:.1%} of them picked"
    rows = ((name, *(f"{value:.3f}" for value in measures.values())) for name, measures in found.methods.items())
    say_table(("method", *next(iter(found.methods.values()))), rows, title)
