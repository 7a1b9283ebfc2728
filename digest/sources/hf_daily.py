"""Hugging Face Daily Papers: what the community picked, with its upvotes, comments and stars as signals."""

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources import batch, text
from digest.sources.http import Answer, Http

T = TypeVar("T")


@dataclass(frozen=True)
class HfDailySource:
    """The newest list, or with `?date=2026-01-14` that of a day."""

    name: str
    url: str = "https://huggingface.co/api/daily_papers"
    internal: bool = False

    def fetch(self, http: Http, memory: Memory) -> Batch:
        accept = "application/json"
        return batch.fetched(self.name, self.url, http, memory, read, listing, accept, internal=self.internal)


SOURCE = HfDailySource


def read(answer: Answer) -> tuple[list[Any], list[str]]:
    """The items of a list. Raises SourceError for anything else."""
    try:
        items = json.loads(answer.body)
    except (ValueError, RecursionError):
        items = None
    if isinstance(items, list):
        return items, []
    raise SourceError(f"{answer.url} is no list of papers: {batch.what_came(answer)} came instead; check the address")


def listing(item: Any, source: str, _base: str) -> Listing:
    """One item of the list, in any of the shapes it had since 2024. Raises Unusable."""
    paper = _part(item, "paper", dict)
    stated, title = _part(paper, "id", str), text.clean(_part(paper, "title", str), text.TITLE)
    name = text.arxiv_id(f"arXiv:{stated}")
    if not name or not title:
        raise batch.Unusable(f"it has no {'arXiv id' if title else 'title'} ({text.clean(stated, 100)})")
    addresses = {
        "abstract": f"https://arxiv.org/abs/{name}",
        "discussion": f"https://huggingface.co/papers/{name}",
        "code": text.web_address(_part(paper, "githubRepo", str, "")),
        "project": text.web_address(_part(paper, "projectPage", str, "")),
    }
    counts = {"upvotes": (paper, "upvotes"), "comments": (item, "numComments"), "stars": (paper, "githubStars")}
    return Listing(
        source=source,
        key=name,
        title=title,
        abstract=text.clean(_part(paper, "summary", str, "")),
        authors=text.words(_part(author, "name", str, "") for author in _part(paper, "authors", list, [])),
        ids={"arxiv": name},
        links={what: address for what, address in addresses.items() if address},
        announced=text.moment(_part(paper, "submittedOnDailyAt", str, "") or _part(item, "publishedAt", str, "")),
        signals={kind: float(n) for kind, (of, field) in counts.items() if (n := _part(of, field, int, -1)) >= 0},
    )


def _part(whole: Any, field: str, kind: type[T], default: T | None = None) -> T:
    """A field of the right kind; where it is missing or null, the *default* if there is one."""
    if not isinstance(whole, dict):
        raise batch.Unusable(f"{text.clean(str(whole), 100)!r} has no {field}")
    value = default if whole.get(field) is None else whole[field]
    if not isinstance(value, kind) or (isinstance(value, int) and not -1 <= value < 2**53):
        name = text.clean(str(whole.get("id", "?")), 100)
        raise batch.Unusable(f"its {field} is {'missing' if value is None else 'strange'} ({name})")
    return value
