"""Hugging Face Daily Papers: what the community picked, with its upvotes, comments and stars as signals."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from digest import clock
from digest.model import Batch, Listing, Memory
from digest.sources import batch, text
from digest.sources.http import Answer, Http
from digest.sources.parts import loaded, looked_at, part

API = "https://huggingface.co/api/daily_papers"
_PERIODS = {"week": "week={:%G-W%V}&limit=100", "month": "month={:%Y-%m}&limit=100"}


@dataclass(frozen=True)
class HfDailySource:
    """The newest list, or the best of the running week or month; or with *url* another one, such as that of a
    day (`?date=2026-01-14`; never together with `sort=trending`, which would ignore the date)."""

    name: str
    period: Literal["day", "week", "month"] = "day"
    url: str = ""
    internal: bool = False

    def __post_init__(self) -> None:
        if self.url and self.period != "day":
            raise ValueError("give either a period or the url of a list")
        if "sort=trending" in self.url and "date=" in self.url:
            raise ValueError("sort=trending ignores the date; leave one of them out")

    def fetch(self, http: Http, memory: Memory) -> Batch:
        asked = _PERIODS.get(self.period, "").format(clock.system())  # the server's week is that of the real day
        url = self.url or "?".join(filter(None, (API, asked)))
        accept = "application/json"
        found = batch.fetched(self.name, url, http, memory, read, listing, accept, internal=self.internal)
        return replace(found, dated=True)

    @property
    def grows(self) -> bool | None:
        plain = self.period == "day" and "?" not in self.url and not self.url.startswith("file:")
        return True if plain else None

    def on(self, day: date, http: Http) -> Batch:
        """The list of *day*, with the counts as they are now."""
        return replace(self, url=f"{self.url or API}?date={day}").fetch(http, Memory())


SOURCE = HfDailySource


def owns(answer: Answer) -> bool:
    items = looked_at(answer)
    return isinstance(items, list) and all(isinstance(item, dict) and "paper" in item for item in items[:1])


def title(_answer: Answer) -> str:
    return "Hugging Face Daily Papers"


def read(answer: Answer) -> tuple[list[Any], list[str]]:
    """The items of a list. Raises SourceError for anything else."""
    return loaded(answer, list, "list of papers"), []


def listing(item: Any, source: str, _base: str) -> Listing:
    """One item of the list, in any of the shapes it had since 2024. Raises Unusable."""
    paper = part(item, "paper", dict)
    stated, headline = part(paper, "id", str), text.clean(part(paper, "title", str), text.TITLE)
    name = text.arxiv_id(f"arXiv:{stated}")
    if not name or not headline:
        raise batch.Unusable(f"it has no {'arXiv id' if headline else 'title'} ({text.clean(stated, 100)})")
    addresses = {
        "abstract": f"https://arxiv.org/abs/{name}",
        "discussion": f"https://huggingface.co/papers/{name}",
        "code": text.web_address(part(paper, "githubRepo", str, "")),
        "project": text.web_address(part(paper, "projectPage", str, "")),
    }
    counts = {"upvotes": (paper, "upvotes"), "comments": (item, "numComments"), "stars": (paper, "githubStars")}
    return Listing(
        source=source,
        key=name,
        title=text.readable(headline),
        abstract=text.readable(text.clean(part(paper, "summary", str, ""))),
        authors=text.words(part(author, "name", str, "") for author in part(paper, "authors", list, [])),
        ids={"arxiv": name},
        keywords=text.words(word for word in part(paper, "ai_keywords", list, []) if isinstance(word, str))[:20],
        links={what: address for what, address in addresses.items() if address},
        announced=text.moment(part(paper, "submittedOnDailyAt", str, "") or part(item, "publishedAt", str, "")),
        signals={kind: float(n) for kind, (of, field) in counts.items() if (n := part(of, field, int, -1)) >= 0},
    )
