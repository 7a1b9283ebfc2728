"""Answers of the arXiv API to a query, for what the daily feeds do not cover.

The API knows no announcements: a paper is dated by its first version, and `updated` by its latest.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources import arxiv, batch, feed, text
from digest.sources.http import Answer, Http


@dataclass(frozen=True)
class ArxivApiSource:
    """The newest papers that match *query* (as in `cat:cs.CL AND abs:parsing`), or the answer at *url*."""

    name: str
    query: str = ""
    max_results: int = 100
    url: str = ""
    internal: bool = False

    def __post_init__(self) -> None:
        if bool(self.query) == bool(self.url):
            raise ValueError("give either a query, as in cat:cs.CL, or the url of an answer")
        if not 1 <= self.max_results <= batch.ENTRIES:
            raise ValueError(f"max_results must lie between 1 and {batch.ENTRIES}")

    def fetch(self, http: Http, memory: Memory) -> Batch:
        order = {"sortBy": "submittedDate", "sortOrder": "descending", "max_results": self.max_results}
        url = f"https://export.arxiv.org/api/query?{urlencode({'search_query': self.query, **order})}"
        return batch.fetched(self.name, self.url or url, http, memory, feed.read, listing, internal=self.internal)


SOURCE = ArxivApiSource


def owns(answer: Answer) -> bool:
    head = answer.body[:4_000]
    return b"arxiv.org/schemas/atom" in head and b"a9.com/-/spec/opensearch" in head


def listing(entry: feed.Entry, source: str, base: str) -> Listing:
    """An entry of an answer; its key lacks the version, so that an update is the same entry."""
    if feed.said(entry, "title") == "Error" and "/api/errors" in feed.said(entry, "id"):
        raise SourceError(f"arXiv refuses the query: {text.clean(feed.said(entry, 'summary'), 200)}; correct it")
    paper = arxiv.located(feed.fields(entry, source, base))
    if not (name := paper["ids"].get("arxiv")):
        raise batch.Unusable(f"it has no arXiv id ({paper['key']})")
    primary = feed.said(entry.get("arxiv_primary_category") or {}, "term")
    return Listing(**paper | {"key": name, "categories": text.words([primary, *paper["categories"]])})
