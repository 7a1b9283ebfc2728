"""The catalog's papers for who looks for one: by name, by what it is about, and by what it is like."""

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from threading import Lock

from digest.catalog import Catalog
from digest.clock import Clock
from digest.errors import NotFound
from digest.model import Candidate, Card, Edition
from digest.ranking.arrays import person
from digest.ranking.profile import telling
from digest.ranking.text import Texts
from digest.sources.cited import cited

NEWEST = 5_000
"""papers that are searched"""

KEPT = timedelta(minutes=10)
"""how long a shelf is good enough, whatever was collected meanwhile"""

LONGEST = 300
"""characters of a question that are read"""


@dataclass(frozen=True)
class Hit:
    """A paper that was found, and how well it fits, from 0 to 1."""

    card: Card
    score: float


@dataclass(frozen=True)
class Found:
    """*hits*, best first; without any, *meant*: words of our papers that look like those of the question."""

    hits: list[Hit]
    meant: list[str]


@dataclass(frozen=True)
class Page:
    """All that is known of a paper: *counts* of its signals by kind, the largest that any source told."""

    candidate: Candidate
    counts: dict[str, int]
    similar: list[Hit]


@dataclass(frozen=True)
class _Shelf:
    cards: list[Card]
    texts: Texts


@dataclass
class Library:
    catalog: Catalog
    clock: Clock
    edition: Callable[[], Edition | None]
    """the newest, for its trends"""
    _kept: tuple[object, _Shelf] | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def find(self, name: str) -> Card:
        """The paper with this number, arXiv id, DOI or address. Raises NotFound."""
        found = [int(name)] if re.fullmatch("[0-9]{1,9}", name) else self.catalog.papers.named(cited(name))
        cards = self.catalog.papers.cards([number for number in found[:1] if number is not None])
        for card in cards.values():
            return card
        raise NotFound(f"there is no paper {name:.100}; its number, arXiv id, DOI or address will do (`digest search`)")

    def search(self, query: str, most: int = 20) -> Found:
        """The newest NEWEST papers by relevance to *query*; an author's whole name finds their papers, too."""
        query, shelf = query[:LONGEST], self._shelf()
        name = person(query)
        bonus = [1.0 if name and name in map(person, card.authors) else 0.0 for card in shelf.cards]
        hits = self._fitting(shelf, [(query, 1.0)], bonus, most)
        if any(listing.ids for listing in cited(query)):
            with suppress(NotFound):
                hits = [Hit(self.find(query), 1.0)]
        if hits:
            return Found(hits[:most], [])
        words = {word for card in shelf.cards for word in re.findall(r"\w{4,}", card.title.casefold())}
        meant = [near for word in set(query.casefold().split()) for near in get_close_matches(word, words, 2, 0.75)]
        return Found([], sorted(meant))

    def similar(self, texts: Sequence[tuple[str, float]], without: Collection[int], most: int = 5) -> list[Hit]:
        """Papers about the same as these texts, each with its weight, *without* some."""
        hits = self._fitting(self._shelf(), texts, (), most + len(without))
        return [hit for hit in hits if hit.card.paper not in without][:most]

    def telling(self, texts: Sequence[str], most: int = 12) -> list[str]:
        """The words that these texts share and other papers lack."""
        return telling(texts, [f"{card.title} {card.abstract}" for card in self._shelf().cards], most)

    def page(self, name: str) -> Page:
        """Raises NotFound."""
        card = self.find(name)
        number = card.paper
        edition = self.edition()
        frozen = next((c for c in edition.candidates if c.card.paper == number), None) if edition else None
        counts: dict[str, int] = {}
        for signal in self.catalog.papers.signals([number], self.clock()):
            counts[signal.kind] = max(int(signal.value), counts.get(signal.kind, 0))
        candidate = Candidate(0, card, self.clock(), trend_line=frozen.trend_line if frozen else "")
        similar = self.similar([(card.title, 2.0), (card.abstract, 1.0)], {number})
        return Page(candidate, {kind: value for kind, value in counts.items() if value}, similar)

    def _fitting(
        self, shelf: _Shelf, asked: Sequence[tuple[str, float]], bonus: Sequence[float], most: int
    ) -> list[Hit]:
        scores = shelf.texts.fit([shelf.texts.query(asked)])[0]
        if bonus:
            scores = scores + bonus
        best = (-scores).argsort(kind="stable")[:most]  # equals stand by age, the newest first
        return [Hit(shelf.cards[i], min(round(float(scores[i]), 3), 1.0)) for i in best if scores[i] > 0]

    def _shelf(self) -> _Shelf:
        """Read again when there are new papers, but not all the time; once, however many are waiting for it."""
        with self._lock:
            age = self.clock().timestamp() // KEPT.total_seconds()
            if self._kept is None or self._kept[0] != age:
                cards = self.catalog.papers.newest(NEWEST)
                known = self._kept[1] if self._kept else None
                if known is None or known.cards != cards:
                    known = _Shelf(cards, Texts([(card.title, card.abstract) for card in cards]))
                self._kept = age, known
            return self._kept[1]
