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

USUAL = 1_000
"""of them say well enough which words are usual"""

KEPT = timedelta(minutes=10)
"""how long a shelf is good enough, whatever was collected meanwhile"""

LONGEST = 300
"""characters of a question that are read"""

GUESSED = 8
"""words of one without an answer for which others are suggested: each is compared with all that titles have"""


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
    written: dict[str, list[int]]
    """places by author"""


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
        hits = [Hit(shelf.cards[place], 1.0) for place in shelf.written.get(person(query), [])]
        hits += [hit for hit in self._fitting([(query, 1.0)], most) if hit.card not in [own.card for own in hits]]
        if any(listing.ids for listing in cited(query)):
            with suppress(NotFound):
                hits = [Hit(self.find(query), 1.0)]
        if hits:
            return Found(hits[:most], [])
        words = {word for card in shelf.cards for word in re.findall(r"\w{4,}", card.title.casefold())}
        asked = query.casefold().split()[:GUESSED]
        return Found([], sorted({near for word in asked for near in get_close_matches(word, words, 2, 0.75)}))

    def similar(self, texts: Sequence[tuple[str, float]], without: Collection[int], most: int = 5) -> list[Hit]:
        """Papers about the same as these texts, each with its weight, *without* some."""
        hits = self._fitting(texts, most + len(without))
        return [hit for hit in hits if hit.card.paper not in without][:most]

    def telling(self, texts: Sequence[str], most: int = 12) -> list[str]:
        """The words that these texts share and other papers lack."""
        return telling(texts, [f"{card.title} {card.abstract}" for card in self._shelf().cards[:USUAL]], most)

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

    def _fitting(self, asked: Sequence[tuple[str, float]], most: int) -> list[Hit]:
        shelf = self._shelf()
        scores = shelf.texts.fit([shelf.texts.query(asked)])[0]
        best = (-scores).argsort(kind="stable")[:most]  # equals stand by age, the newest first
        return [Hit(shelf.cards[i], round(float(scores[i]), 3)) for i in best if scores[i] > 0]

    def _shelf(self) -> _Shelf:
        """Filled again now and then, by one while the others look at the old one."""
        age, kept = self.clock().timestamp() // KEPT.total_seconds(), self._kept
        if kept and (kept[0] == age or self._lock.locked()):
            return kept[1]
        with self._lock:
            kept = self._kept
            if not kept or kept[0] != age:
                cards = self.catalog.papers.newest(NEWEST)
                kept = self._kept = age, kept[1] if kept and kept[1].cards == cards else _shelf(cards)
            return kept[1]


def _shelf(cards: list[Card]) -> _Shelf:
    written: dict[str, list[int]] = {}
    for place, card in enumerate(cards):
        for name in {person(author) for author in card.authors}:
            written.setdefault(name, []).append(place)
    return _Shelf(cards, Texts([(card.title, card.abstract) for card in cards]), written)
