"""An edition's candidates and a batch of interests as arrays: what features look at."""

import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, reduce
from math import isfinite
from typing import Any, Generic, TypeVar

import numpy as np
import scipy.sparse as sp

from digest.model import Candidate, Interest, Topic
from digest.ranking.text import WORD, Rows, Texts, folded

T = TypeVar("T", bound=Hashable)
REFS = 1 << 16  # ordinals and what reasons point at are frozen in two bytes
DAY = 86_400.0
IN_CATEGORY = 0.15  # further evidence for a topic: the paper is filed where the topic says,
HAS_KEYWORD = 0.45  # or holds one of its keywords


def person(name: str) -> str:
    """A name as two lists of authors agree on it: no case, accents or punctuation; "Family, Given" turned round."""
    family, comma, given = name.partition(",")
    plain = unicodedata.normalize("NFKD", f"{given} {family}" if comma else name)
    return " ".join(WORD.findall("".join(c for c in plain if not unicodedata.combining(c)).casefold()))


def filings(category: str) -> set[str]:
    """What a paper in this category can be found under: `cs.CL`, and all of `cs`."""
    name = category.strip().casefold()
    return {name, name.partition(".")[0]}


class Wants(Generic[T]):
    """What each interest of a batch wants of one kind: *things*, each once, and *weights* (interests × things)."""

    def __init__(self, rows: Iterable[Mapping[T, float]]) -> None:
        places: dict[T, int] = {}
        data: list[float] = []
        columns: list[int] = []
        ends = [0]
        for row in rows:
            for thing, weight in row.items():
                if weight and isfinite(weight):
                    columns.append(places.setdefault(thing, len(places)))
                    data.append(weight)
            ends.append(len(data))
        self.things: tuple[T, ...] = tuple(places)
        self.weights: Any = sp.csr_array(
            (np.array(data, dtype=np.float32), np.array(columns, dtype=np.int32), np.array(ends, dtype=np.int32)),
            shape=(len(ends) - 1, len(places)),
        )

    def spread(self, none: Rows, rows: Iterable[Rows]) -> Rows:
        """interests × papers from one row for each thing; a single row of *none* when nobody wants anything."""
        result: Rows = self.weights @ np.stack(list(rows)) if self.things else none[np.newaxis, :]
        return result


class Interests:
    """A batch of interests, one row each."""

    def __init__(self, interests: Sequence[Interest]) -> None:
        self.all = interests
        self.topics = Wants(interest.topics for interest in interests)
        self.texts = Wants(dict.fromkeys(interest.texts, 1.0) for interest in interests)
        self.keywords = Wants(dict.fromkeys(interest.keywords, 1.0) for interest in interests)
        self.categories = Wants(dict.fromkeys(map(str.casefold, interest.categories), 1.0) for interest in interests)
        self.authors = Wants(dict.fromkeys(map(person, interest.authors), 1.0) for interest in interests)
        self.exclusions = Wants(dict.fromkeys(interest.exclusions, 1.0) for interest in interests)
        self.open = np.array(
            [not (i.topics or i.texts or i.keywords or i.categories or i.authors) for i in interests], dtype=bool
        )
        """wants whatever is trending"""


def _index(named: Sequence[Sequence[set[str]]]) -> dict[str, list[int]]:
    """Name to the places that have it, from the names at each place."""
    index: dict[str, list[int]] = {}
    for place, names in enumerate(named):
        for name in set[str]().union(*names):
            index.setdefault(name, []).append(place)
    return index


class Candidates:
    """The candidates of an edition by place (the order of their ordinals), with all that is the same for everybody."""

    def __init__(self, candidates: Sequence[Candidate], topics: Sequence[Topic], now: datetime) -> None:
        self.all = sorted(candidates, key=lambda candidate: candidate.ordinal)
        if any(not 0 <= number < REFS for number in (*(c.ordinal for c in self.all), *(t.id for t in topics))):
            raise ValueError(f"ordinals and topic ids must lie below {REFS}, or digests could not be frozen")
        self.places = {candidate.card.paper: place for place, candidate in enumerate(self.all)}
        self.ordinals = np.array([candidate.ordinal for candidate in self.all])
        self.since = np.array([candidate.since.timestamp() for candidate in self.all])
        self.age = np.maximum(now.timestamp() - self.since, 0) / DAY
        # a trend without its line could not be told as a reason, so it does not count
        self.trend = np.array(
            [c.trend if c.trend_line and isfinite(c.trend) else 0 for c in self.all], dtype=np.float32
        )
        cards = [candidate.card for candidate in self.all]
        self.texts = Texts([(card.title, card.abstract) for card in cards])
        self.filings = [[filings(category) for category in card.categories] for card in cards]
        self.writers = [[{person(author)} for author in card.authors] for card in cards]
        self._filed, self._written = _index(self.filings), _index(self.writers)
        self._words: dict[int, tuple[dict[str, int], dict[int, int]]] = {}
        self.holding = lru_cache(maxsize=1024)(self.texts.holding)  # many want, or rule out, the same
        relevance = self._relevance(topics)
        self._topics: dict[int, Rows] = {topic.id: relevance[row] for row, topic in enumerate(topics)}

    def _relevance(self, topics: Sequence[Topic]) -> Rows:
        """topics × papers; where a topic excludes a paper, 0"""
        queries = [self.texts.query([(t.name, 2), (t.description, 1), *((k, 1) for k in t.keywords)]) for t in topics]
        if not topics:
            return np.zeros((0, len(self.all)), dtype=np.float32)
        filed = np.stack([self.best(map(self.filed, topic.categories)) for topic in topics])
        named = np.stack([self.best(map(self.holding, topic.keywords)) for topic in topics])
        fit = self.texts.fit(queries, np.float32(IN_CATEGORY) * filed + np.float32(HAS_KEYWORD) * named)
        for row, topic in zip(fit, topics, strict=True):
            row[self.best(map(self.excluded, topic.exclusions)) > 0] = 0
        return fit

    @property
    def none(self) -> Rows:
        return np.zeros(len(self.all), dtype=np.float32)

    def best(self, rows: Iterable[Rows]) -> Rows:
        """For each paper the best of several rows, 0 without any."""
        best: Rows = reduce(np.maximum, rows, self.none)
        return best

    def topic(self, topic: int) -> Rows:
        """How relevant each paper is to a topic; nothing is to one that is not there any more."""
        return self._topics.get(topic, self.none)

    def filed(self, category: str) -> Rows:
        """1 for each paper in a category, or in any of an archive (`cs`)."""
        return self._marked(self._filed.get(category.strip().casefold(), []))

    def written(self, author: str) -> Rows:
        return self._marked(self._written.get(person(author), []) if person(author) else [])

    def excluded(self, exclusion: str) -> Rows:
        """More than 0 for each paper that a word, phrase, category or author rules out."""
        return self.best([self.holding(exclusion), self.filed(exclusion), self.written(exclusion)])

    def _marked(self, places: list[int]) -> Rows:
        row = self.none
        row[places] = 1
        return row

    def words(self, place: int) -> tuple[dict[str, int], dict[int, int]]:
        """Each word of a card, folded, with its first index in `Card.words`; the same by columns of `texts`."""
        if place not in self._words:
            parts = ((part, i) for i, word in enumerate(self.all[place].card.words) for part in folded(word))
            words: dict[str, int] = {}
            for part, index in parts:
                words.setdefault(part, index)
            self._words[place] = words, self.texts.columns(words)
        return self._words[place]
