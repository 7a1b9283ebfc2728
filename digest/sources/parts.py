"""Strangers' JSON taken apart: every field is of the kind that was asked for, or the entry is `Unusable`."""

import json
from typing import Any, TypeVar

from digest.errors import SourceError
from digest.sources import batch, text
from digest.sources.http import Answer

T = TypeVar("T")

_VALUES = 300_000  # empty lists of two bytes become objects of sixty


def loaded(answer: Answer, kind: type[T], what: str) -> T:
    """The document, if it is a list or object as *kind* says. Raises SourceError, which says that it is no *what*."""
    if isinstance(found := looked_at(answer), kind):
        return found
    came = batch.what_came(answer)
    raise SourceError(f"{answer.url} is no {what}: {came} came instead; check the address")


def looked_at(answer: Answer) -> Any:
    """The document, None when it is no JSON. Raises SourceError for a bomb."""
    if answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return None
    if answer.body.count(b"[") + answer.body.count(b"{") > _VALUES:
        raise SourceError(f"{answer.url} has more than {_VALUES:,} lists and objects; it is not read")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def part(whole: Any, field: str, kind: type[T], default: T | None = None) -> T:
    """A field of the right kind; where it is missing or null, the *default* if there is one. Raises Unusable."""
    if not isinstance(whole, dict):
        raise batch.Unusable(f"{text.clean(str(whole)[:1_000], 100)!r} has no {field}")
    value = default if whole.get(field) is None else whole[field]
    if not isinstance(value, kind) or (isinstance(value, int) and not -1 <= value < 2**53):
        name = text.clean(str(whole.get("id", "?"))[:1_000], 100)
        raise batch.Unusable(f"its {field} is {'missing' if value is None else 'strange'} ({name})")
    return value
