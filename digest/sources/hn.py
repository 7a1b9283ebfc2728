"""Hacker News, where a paper is mentioned: stories that lead to one, with their points and comments as signals.

Read from the Algolia API or a feed of hnrss.org. Stories that lead elsewhere are no papers and are passed over.
"""

import re
from dataclasses import dataclass
from typing import Any

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources import batch, feed, text
from digest.sources.http import Answer, Http
from digest.sources.parts import loaded, looked_at, part

ALGOLIA = "https://hn.algolia.com/api/v1/search_by_date"
ITEM = "https://news.ycombinator.com/item?id="


@dataclass(frozen=True)
class HnSource:
    """The newest stories that lead to arXiv, or those at *url*: an Algolia search or a feed of hnrss.org."""

    name: str
    url: str = f"{ALGOLIA}?tags=story&query=arxiv.org&restrictSearchableAttributes=url&hitsPerPage=200"
    internal: bool = False

    def fetch(self, http: Http, memory: Memory) -> Batch:
        accept = "application/json, application/rss+xml"
        return batch.fetched(self.name, self.url, http, memory, read, listing, accept, internal=self.internal)


SOURCE = HnSource


def owns(answer: Answer) -> bool:
    document = looked_at(answer)
    if isinstance(document, dict):
        return "hits" in document and "nbHits" in document
    channel = answer.body[:4_000].partition(b"<item")[0]
    return b"https://hnrss.org" in channel or b"<link>https://news.ycombinator.com/" in channel


def title(answer: Answer) -> str:
    return "Hacker News" if isinstance(looked_at(answer), dict) else feed.title(answer)


def read(answer: Answer) -> tuple[list[Any], list[str]]:
    """The stories, those of a feed in the words of the API. Raises SourceError for anything else."""
    if looked_at(answer) is None:
        entries, trouble = feed.read(answer)
        return [_story(entry) for entry in entries], trouble
    hits = loaded(answer, dict, "answer of the Hacker News search").get("hits")
    if not isinstance(hits, list):
        raise SourceError(f"{answer.url} is no answer of the Hacker News search; check the address")
    return hits, []


def _story(entry: feed.Entry) -> dict[str, Any]:
    words = feed.said(entry, "summary")
    counts = {"points": r"Points: (\d{1,9})", "num_comments": r"# Comments: (\d{1,9})"}
    found = {field: re.search(pattern, words) for field, pattern in counts.items()}
    number = re.search(r"item\?id=(\d+)", f"{feed.said(entry, 'comments')} {feed.said(entry, 'id')}")
    at = feed.moment(entry, "published")
    return {
        "objectID": number[1] if number else "",
        "title": feed.said(entry, "title"),
        "url": feed.said(entry, "link"),
        "created_at": at.isoformat() if at else "",
        **{field: int(match[1]) for field, match in found.items() if match},
    }


_SUFFIX = re.compile(r"(?:\s*(?:\((?:19|20)\d\d\)|\[(?:pdf|video)\]))+$", re.IGNORECASE)


def listing(story: Any, source: str, _base: str) -> Listing | None:
    """A story that leads to a paper; None for others. Raises Unusable."""
    number, address = part(story, "objectID", str), part(story, "url", str, "")
    if not (ids := text.ids(address)):
        return None
    headline = _SUFFIX.sub("", text.clean(part(story, "title", str), text.TITLE))
    if not headline or not re.fullmatch(r"[0-9]{1,20}", number):
        raise batch.Unusable(f"it has no {'number' if headline else 'title'} ({text.clean(number, 100)})")
    pages = {"arxiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    scheme, name = next(iter(ids.items()))
    page = text.web_address(pages[scheme] + name if scheme in pages else address)
    counts = {"points": part(story, "points", int, -1), "comments": part(story, "num_comments", int, -1)}
    return Listing(
        source=source,
        key=number,
        title=text.readable(headline),
        ids={scheme: name},
        links={"abstract": page, "discussion": ITEM + number} if page else {"discussion": ITEM + number},
        announced=text.moment(part(story, "created_at", str, "")),
        signals={kind: float(count) for kind, count in counts.items() if count >= 0},
    )
