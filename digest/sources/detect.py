"""What a document is, for those who have an address and no kind.

A module that knows its documents says so with `owns(answer)`, and what they are called with `title(answer)`; whatever
nobody owns is for `feed` to read or refuse.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from digest import sources
from digest.errors import SourceError
from digest.model import Batch, Memory
from digest.sources import Source, calendar, feed, text
from digest.sources.health import Health, Rhythm
from digest.sources.http import FEEDS, Answer, Http

ACCEPT = f"{FEEDS}, application/feed+json, application/json"
OLD = timedelta(days=31)


@dataclass(frozen=True)
class Found:
    """What is at an address: *title* as the document calls itself, *batch* as a collection would bring it.

    *health* is fresh; quiet with nothing in it; stale with nothing younger than a month, or than arXiv's last batch.
    """

    kind: str
    title: str
    url: str
    health: Health
    batch: Batch


class _Kept(Http):
    """Keeps what came first, and answers with that."""

    def __init__(self, http: Http, answer: Answer | None = None) -> None:
        self._http, self.answer = http, answer

    def get(self, url: str, memory: Memory | None = None, accept: str = FEEDS, *, internal: bool = False) -> Answer:
        if self.answer and self.answer.url == url:
            return self.answer
        answer = self._http.get(url, memory, accept, internal=internal)
        self.answer = self.answer or answer
        return answer


def at(url: str, http: Http, now: datetime, *, internal: bool = False) -> Found:
    """What the document at *url* holds. Raises SourceError for what no kind can read."""
    return _read(http.get(url, accept=ACCEPT, internal=internal), http, now)


def of(source: Source, http: Http, now: datetime) -> Found:
    """What *source* would bring now. Raises SourceError."""
    kept = _Kept(http)
    batch = source.fetch(kept, Memory())
    return _found(import_module(type(source).__module__), kept.answer, batch, now)


def behind(url: str, http: Http, now: datetime, *, internal: bool = False) -> Found:
    """The feed at *url*, or the first one that works of those that the page there names. Raises SourceError."""
    answer = http.get(url, accept=ACCEPT, internal=internal)
    try:
        return _read(answer, http, now)
    except SourceError as no_feed:
        for address in linked(answer):
            at_home = internal and urlsplit(address).netloc == urlsplit(answer.url).netloc
            try:
                return at(address, http, now, internal=at_home)
            except SourceError:
                continue
        raise no_feed


def _read(answer: Answer, http: Http, now: datetime) -> Found:
    module = next((module for module in _modules() if module.owns(answer)), feed)
    source: Source = module.SOURCE(name=answer.url, url=answer.url)
    try:
        batch = source.fetch(_Kept(http, answer), Memory())
    except SourceError as error:
        error.name = ""  # it has none yet
        raise
    return _found(module, answer, batch, now)


def _modules() -> Iterator[Any]:
    for found in iter_modules(sources.__path__):
        module = import_module(f"{sources.__name__}.{found.name}")
        if hasattr(module, "SOURCE") and hasattr(module, "owns"):
            yield module


def _found(module: ModuleType, answer: Answer | None, batch: Batch, now: datetime) -> Found:
    titled, kind = getattr(module, "title", feed.title), module.__name__.rpartition(".")[2]
    title, url = (str(titled(answer)), answer.url) if answer else ("", "")
    return Found(kind, title, url, health(batch, now), _told(batch))


def _told(batch: Batch) -> Batch:
    """With a warning for what readers will miss."""
    parts = {"abstract": "abstract", "authors": "authors", "date": "announced"}
    lacks = {name: sum(not getattr(paper, field) for paper in batch.listings) for name, field in parts.items()}
    said = [f"{n} of {len(batch.listings)} entries have no {name}" for name, n in lacks.items() if n]
    return replace(batch, warnings=(*batch.warnings, *said))


def health(batch: Batch, now: datetime) -> Health:
    """As far as one look can tell: arXiv by its calendar, others by how old the newest entry is."""
    if not batch.listings:
        return Health.QUIET
    dates = [listing.announced for listing in batch.listings if listing.announced]
    announced = Rhythm(calendar.announces, calendar.begins)
    late = dates and (announced.due(max(dates).date()) <= now if batch.parts else now - max(dates) > OLD)
    return Health.STALE if late else Health.FRESH


# ---------------------------------------------------------------- pages


class _Links(HTMLParser):
    """The feeds that a page names in its head, https://rssboard.org/rss-autodiscovery."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        words = said.get("type", "").lower()
        alternate = "alternate" in said.get("rel", "").lower().split()
        if tag == "link" and alternate and any(word in words for word in ("rss", "atom", "rdf", "feed+json")):
            self.found.append(said.get("href", ""))


def linked(answer: Answer) -> list[str]:
    """The first few feeds that a page names, as addresses."""
    page = _Links()
    page.feed(answer.body[:100_000].decode("utf-8", "replace"))
    addresses = (text.web_address(href, answer.url) for href in page.found[:20])
    return list(dict.fromkeys(filter(None, addresses)))[:5]
