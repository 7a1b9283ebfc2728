"""Answers of the arXiv API to a query, for what the daily feeds do not cover.

The API knows no announcements: a paper is dated by its first version, and `updated` by its latest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from digest.model import NAMED, Batch, Memory
from digest.sources import arxiv, batch, feed
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
        url = self.url or f"{arxiv.API}?{urlencode({'search_query': self.query, **order})}"
        return batch.fetched(self.name, url, http, memory, feed.read, arxiv.answered, internal=self.internal)


SOURCE = ArxivApiSource


def named(source: str, papers: Sequence[str], http: Http) -> Batch:
    """What arXiv says of the papers with these ids. It is no news of theirs."""
    url = f"{arxiv.API}?{urlencode({'id_list': ','.join(papers), 'max_results': len(papers)})}"
    found = ArxivApiSource(source, url=url).fetch(http, Memory())
    return Batch(tuple(replace(paper, announce_type=NAMED) for paper in found.listings), news=False)


def owns(answer: Answer) -> bool:
    head = answer.body[:4_000]
    ours = b"arxiv.org/schemas/atom" in head or b"//arxiv.org/api/" in head  # the second in refusals
    return ours and b"a9.com/-/spec/opensearch" in head
