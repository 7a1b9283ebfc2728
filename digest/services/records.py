"""Papers, topics and outcomes from files given to an evaluation. What cannot be read is named by file and place.

Papers and outcomes are JSON Lines, gzipped or not; topics are one JSON list.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from digest.errors import InputError
from digest.sources.text import moment

R = TypeVar("R", bound="Row")
GZIPPED = b"\x1f\x8b"
"""how such files begin"""


def _moment(stated: object) -> datetime:
    if not (found := moment(str(stated))):
        raise ValueError(f"no ISO date: {stated!r:.40}")
    return found


Moment = Annotated[datetime, BeforeValidator(_moment)]
Count = Annotated[float, Field(ge=0, lt=1e15)]
Words = Annotated[str, Field(pattern=r"\S")]


class Row(BaseModel):
    """One object of a file. What is null or empty is as good as missing, and fields that nobody reads are passed by."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_missing(cls, said: Any) -> Any:
        return {name: v for name, v in said.items() if v not in (None, "")} if isinstance(said, dict) else said


class Paper(Row):
    id: Words
    title: Words
    abstract: str = ""


class Judged(Row):
    """A topic and the papers that people found relevant to it."""

    tag: Words
    description: str = ""
    relevant: frozenset[str] = Field(min_length=1)


class Look(Row):
    """A paper and its counts when it was first looked at; that of nobody without *snapshot_at* or *upvotes*."""

    id: Words
    snapshot_at: Moment | None = None
    upvotes: Count | None = None
    num_comments: Count | None = None
    github_stars: Count | None = None
    day: Moment | None = None
    submitted_at: Moment | None = None
    categories: tuple[str, ...] = ()


class Outcome(Row):
    """What became of a paper; with an early count of its own for one of which there is no look."""

    id: Words
    day: Moment
    late_upvotes: Count | None = None
    early_upvotes: Count | None = None
    early_at: Moment | None = None


class Listed(Row):
    """A paper as it was announced, and when it was picked for Daily Papers, if ever."""

    listed: Moment
    title: Words
    abstract: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    comment: str = ""
    hf_daily_day: Moment | None = None
    in_full_day: bool = True


def papers(paths: Sequence[Path]) -> list[Paper]:
    """All papers in the order of the files, each id once. Raises InputError."""
    found: dict[str, Paper] = {}
    for path in paths:
        for paper in rows(path, Paper):
            found.setdefault(paper.id, paper)
    if not found:
        raise InputError("it holds no papers", file=", ".join(map(str, paths)))
    return list(found.values())


def topics(path: Path) -> list[Judged]:
    """Topics `{tag, description?, relevant: [ids]}`. Raises InputError, also for one without relevant papers."""
    found: list[Judged] = _read(list[Judged], _text(path), str(path))
    return found


def rows(path: Path, kind: type[R]) -> Iterator[R]:
    """The objects of a JSON Lines file. Raises InputError."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield _read(kind, line, f"{path}:{number}")


_reader = cache(TypeAdapter[Any])


def _read(kind: Any, text: str, where: str) -> Any:
    try:
        return _reader(kind).validate_json(text)
    except ValidationError as error:
        flaw = error.errors(include_url=False)[0]
        raise InputError(": ".join(filter(None, (".".join(map(str, flaw["loc"])), flaw["msg"]))), file=where) from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data.startswith(GZIPPED) else data).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError("there is no such file", file=str(path)) from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path)) from error
