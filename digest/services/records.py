"""Papers, topics and outcomes from files given to an evaluation. What cannot be read is named by file and place.

Papers and outcomes are JSON Lines, gzipped where the name ends in `.gz`; topics are one JSON list.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from digest.errors import InputError


@dataclass(frozen=True, slots=True)
class Paper:
    id: str
    title: str
    abstract: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A topic and the papers that people found relevant to it; *where* is its file and which it is there."""

    tag: str
    description: str
    relevant: tuple[str, ...]
    where: str


def papers(paths: Sequence[Path]) -> list[Paper]:
    """All papers in the order of the files, each id once. Raises InputError."""
    found: dict[str, Paper] = {}
    for path in paths:
        for row in rows(path):
            paper = Paper(row.text("id"), row.text("title"), row.text("abstract", ""))
            found.setdefault(paper.id, paper)
    if not found:
        raise InputError("it holds no papers", file=", ".join(map(str, paths)))
    return list(found.values())


def topics(path: Path) -> list[Judged]:
    """Topics `{tag, description?, relevant: [ids]}`. Raises InputError, also for one without relevant papers."""
    try:
        said = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is no JSON: {error}", file=str(path)) from error
    if not isinstance(said, list):
        raise InputError("a JSON list of topics is needed", file=str(path))
    return [_judged(_row(value, f"{path}: topic {number}")) for number, value in enumerate(said, 1)]


def _judged(row: "Row") -> Judged:
    tag, relevant = row.text("tag"), row.values.get("relevant")
    if not isinstance(relevant, list) or not all(isinstance(paper, str) for paper in relevant):
        raise row.error(f'topic {tag!r} needs "relevant", a list of paper ids')
    if not relevant:
        raise row.error(f"topic {tag!r} has no relevant papers; name some or leave it out")
    return Judged(tag, row.text("description", ""), tuple(dict.fromkeys(relevant)), row.where)


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file, and where it stands."""

    values: Mapping[str, Any]
    where: str

    def text(self, field: str, default: str | None = None) -> str:
        value = self.values.get(field)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not (value.strip() or default is not None):
            raise self.error(f'"{field}" must be a text{"" if value is None else f", not {value!r:.40}"}')
        return value

    def number(self, field: str) -> float | None:
        """A finite number that is not below 0, None where there is none."""
        value = self.values.get(field)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15
        ):
            raise self.error(f'"{field}" must be a number of at least 0, not {value!r:.40}')
        return None if value is None else float(value)

    def texts(self, field: str) -> list[str]:
        """A list of texts; empty where there is none."""
        values = self.values.get(field) or []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.error(f'"{field}" is no list of texts: {values!r:.40}')
        return values

    def error(self, message: str) -> InputError:
        return InputError(message, file=self.where)


def rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON Lines file. Raises InputError."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"this line is no JSON: {error}", file=str(path), line=number) from error
            yield _row(value, f"{path}:{number}")


def _row(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise InputError(f"an object with fields is needed, not {value!r:.40}", file=where)
    return Row(value, where)


def _text(path: Path) -> str:
    try:
        with _opened(path) as stream:
            return stream.read()
    except FileNotFoundError as error:
        raise InputError("there is no such file", file=str(path)) from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path)) from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")
