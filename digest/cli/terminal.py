"""What all commands share: the global options, and how things are said on a terminal."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.errors import NotFound

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from digest.app import App
    from digest.model import Interest
    from digest.sources.health import Report

PLAIN: dict[str, Any] = {"rich_markup_mode": None, "no_args_is_help": True, "add_completion": False}


class Session:
    """The global options, and the app they make."""

    config = Path("config.yaml")
    now: clock.Clock = staticmethod(clock.system)
    app_: "App | None" = None

    @property
    def app(self) -> "App":
        from digest import app

        if self.app_ is None:
            self.app_ = app.load(self.config, self.now)
        return self.app_


session = Session()
Number = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**31 - 1)]
Json = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]


def moment(text: str) -> datetime:
    """An ISO moment, UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no ISO date and time; write 2026-01-16T07:30:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date; write 2026-01-16") from error


def say(text: str = "") -> None:
    typer.echo(text)


def say_json(value: object) -> None:
    """Dataclasses by their fields, all else that JSON does not know as text; an iterator as a list, item by item."""
    if not isinstance(value, Iterator):
        typer.echo(_json(value))
        return
    before = "["
    for item in value:
        typer.echo(before + "\n  " + _json(item).replace("\n", "\n  "), nl=False)
        before = ","
    typer.echo("[]" if before == "[" else "\n]")


def _json(value: object) -> str:
    import json

    def plain(of: Any) -> object:
        return asdict(of) if is_dataclass(of) and not isinstance(of, type) else str(of)

    return json.dumps(value, indent=2, ensure_ascii=False, default=plain)


def console(*, markup: bool = False) -> "Console":
    """Strangers' text is printed as it is: square brackets and :names: mean nothing unless *markup* is wanted."""
    from rich.console import Console

    return Console(highlight=False, markup=markup, emoji=False)


def table(*columns: str, title: str | None = None) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=place == 0)  # addresses and names stay in one piece
    return made


def health_table(reports: "Iterable[Report]") -> "Table":
    """A line for each source, or for each arXiv category of it."""
    made = table("source", "health", "last new", "expected next (UTC)", "trouble")
    made.columns[0].no_wrap = False  # a journal's name may be long
    for of in reports:
        due = f"{of.due:%Y-%m-%d %H:%M}" if of.due else "-"
        gone = f"no {' and '.join(of.lacking)} any more" if of.lacking else ""
        made.add_row(of.title, of.health, str(of.last or "-"), due, of.error or gone)
    return made


def say_table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> None:
    """With the columns named again after each thousand rows: a long list is shown as it is read."""
    columns, rows, screen = [*columns], iter(rows), console()
    some = [*islice(rows, 1000)]
    while True:
        made = table(*columns, title=title)
        for row in some:
            made.add_row(*map(str, row))
        screen.print(made)
        if not (some := [*islice(rows, 1000)]):
            return


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere; yields a function that moves it on by one."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(), transient=True, disable=not console().is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda *_: bar.advance(task)


@contextmanager
def watching(what: str) -> Iterator[Any]:
    """Yields a function that shows what it is given now and then: in place on a terminal, as log lines elsewhere."""
    with console().status(what) as status:
        shown, every = clock.elapsed(), 0.2 if console().is_terminal else 10

        def show(state: object) -> None:
            nonlocal shown
            if clock.elapsed() - shown >= every:
                shown = clock.elapsed()
                if console().is_terminal:
                    status.update(f"{what} {state}")
                else:
                    typer.echo(f"{what} {state}", err=True)

        yield show


def interest_in(topics: str) -> "Interest":
    interest, unknown = session.app.subscriptions.interest(topics.split(","))
    if unknown:
        say(f"not a topic, taken as free text: {', '.join(unknown)}   (`digest topics` lists them)")
    return interest


def edition_id(app: "App", when: date) -> int:
    if found := app.catalog.editions.of(when):
        return found.id
    raise NotFound(f"there is no edition of {when}")
