"""arXiv's daily announcements, by RSS or Atom from rss.arxiv.org.

Entries are dated by their batch, not by the hour the document was built. Replacements are listings too; `announce_type`
tells them from news.
"""

import re
from dataclasses import dataclass
from typing import Any

from digest.model import Batch, Listing, Memory
from digest.sources import batch, feed
from digest.sources.http import Answer, Http


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
        return batch.fetched(self.name, url, http, memory, feed.read, listing, internal=self.internal)


SOURCE = ArxivSource


def owns(answer: Answer) -> bool:
    return b"arxiv.org/schemas/atom" in (head := answer.body[:4_000]) and b"//rss.arxiv.org/" in head


def listing(entry: feed.Entry, source: str, base: str) -> Listing:
    """An entry of the daily feed."""
    paper = located(feed.fields(entry, source, base, commas=True))
    paper["announce_type"] = feed.said(entry, "arxiv_announce_type") or None
    return Listing(**paper | {"updated": None})  # in Atom it is said to be when the document was built


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
