"""arXiv's daily announcements, by RSS or Atom from rss.arxiv.org.

Entries are dated by their batch, not by the hour the document was built. Replacements are listings too; `announce_type`
tells them from news.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources import batch, calendar, feed, text
from digest.sources.http import Answer, Http

API = "https://export.arxiv.org/api/query"


@dataclass(frozen=True)
class ArxivSource:
    """New papers, cross-lists and replacements of some categories, or of the feed at *url*."""

    name: str
    categories: tuple[str, ...] = ()
    url: str = ""
    internal: bool = False

    def __post_init__(self) -> None:
        if bool(self.categories) == bool(self.url):
            raise ValueError("give either categories, as in [cs.CL, cs.CV], or the url of a feed")
        for category in self.categories:
            if not _CATEGORY.fullmatch(category):
                raise ValueError(f"{category!r} is no arXiv category; they look like cs.CL or math")

    def fetch(self, http: Http, memory: Memory) -> Batch:
        url = self.url or f"https://rss.arxiv.org/rss/{'+'.join(self.categories)}"
        found = batch.fetched(self.name, url, http, memory, feed.read, listing, internal=self.internal)
        return replace(found, dated=True, parts=self.parts)

    @property
    def parts(self) -> tuple[str, ...]:
        named = re.search(r"/(?:rss|atom)/([\w.+-]+)$", self.url)
        return self.categories or tuple(filter(_CATEGORY.fullmatch, named[1].split("+") if named else ()))

    @property
    def grows(self) -> bool | None:
        return False if self.parts else None

    def on(self, day: date, http: Http) -> Batch:
        """The batch of *day* as the API still knows it: without what moderation held back, and without replacements."""
        first, last = calendar.submitted(day)
        filed = " OR ".join(f"cat:{part}" if "." in part else f"cat:{part} OR cat:{part}.*" for part in self.parts)
        query = f"({filed}) AND submittedDate:[{first:%Y%m%d%H%M} TO {last:%Y%m%d%H%M}]"
        url = f"{API}?{urlencode({'search_query': query, 'max_results': batch.ENTRIES})}"
        found = batch.fetched(self.name, url, http, Memory(), feed.read, answered)
        announced = calendar.begins(day)
        papers = tuple(replace(paper, announced=announced, announce_type="new") for paper in found.listings)
        return replace(found, listings=papers, dated=True, parts=self.parts)


SOURCE = ArxivSource


def owns(answer: Answer) -> bool:
    return b"arxiv.org/schemas/atom" in (head := answer.body[:4_000]) and b"//rss.arxiv.org/" in head


def listing(entry: feed.Entry, source: str, base: str) -> Listing:
    """An entry of the daily feed."""
    paper = located(feed.fields(entry, source, base, commas=True))
    paper["announce_type"] = text.clean(feed.said(entry, "arxiv_announce_type"), 20) or None
    return Listing(**paper | {"updated": None})  # in Atom it is said to be when the document was built


def answered(entry: feed.Entry, source: str, base: str) -> Listing:
    """An entry of an answer of the API; its key lacks the version, so that an update is the same entry."""
    if feed.said(entry, "title") == "Error" and "/api/errors" in feed.said(entry, "id"):
        raise SourceError(f"arXiv refuses the query: {text.clean(feed.said(entry, 'summary'), 200)}; correct it")
    paper = located(feed.fields(entry, source, base))
    if not (name := paper["ids"].get("arxiv")):
        raise batch.Unusable(f"it has no arXiv id ({paper['key']})")
    primary = feed.said(entry.get("arxiv_primary_category") or {}, "term")
    return Listing(**paper | {"key": name, "categories": text.words([primary, *paper["categories"]])})


_CATEGORY = re.compile(r"[a-z-]+(\.[A-Za-z-]+)?")
_VERSION = re.compile(r"\dv([1-9]\d{0,2})$")


def located(paper: dict[str, Any]) -> dict[str, Any]:
    """The fields of a paper with the addresses that follow from its arXiv id, and no classes but arXiv's own."""
    paper["categories"] = tuple(filter(_CATEGORY.fullmatch, paper["categories"]))
    if name := paper["ids"].get("arxiv"):
        paper["links"] |= {"abstract": f"https://arxiv.org/abs/{name}", "pdf": f"https://arxiv.org/pdf/{name}"}
        paper["ids"]["url"] = paper["links"]["abstract"]
    if version := _VERSION.search(paper["key"]):
        paper["version"] = int(version[1])
    return paper
