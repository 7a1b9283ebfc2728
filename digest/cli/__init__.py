"""The admin commands: parse, call one service, print its answer. Heavy imports wait until a command needs them.

One module for each thing an operator does; `terminal` is what they share.
"""

from pathlib import Path
from typing import Annotated

import typer

from digest import __version__, clock
from digest.cli import answers, evaluate, feedback, look, papers, road, sources, start, subscribers, upkeep
from digest.cli.terminal import PLAIN, moment, say, session

cli = typer.Typer(help="Trending papers in your inbox: collect, rank, preview, send.", **PLAIN)
for part in (start, road, look, answers, papers, sources, subscribers, feedback, evaluate, upkeep):
    cli.add_typer(part.cli)


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
