"""An edition's candidates and a batch of wishes as arrays: what features look at."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, reduce
from math import isfinite
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.model import NAMELESS, Candidate, Interest, Steering, Topic
from digest.ranking import profile
from digest.ranking.text import WORD, Meaning, Query, Rows, Texts, folded
from digest.ranking.trend import unfaded

REFS = 1 << 16  # ordinals and what reasons point at are frozen in two bytes
DAY = 86_400.0
IN_CATEGORY = 0.15  # further evidence for a topic: the paper is filed where the topic says,
HAS_KEYWORD = 0.45  # or holds one of its keywords
FAINT = 0.15  # fit to a topic below which at most one paper in seven is one that people file there
CLOSE = 0.6  # evidence of a vote that speaks for most papers, and so for none
UNTOLD = NAMELESS - 1  # nobody asked yet for a term

Places = NDArray[np.int64]


@lru_cache(maxsize=1 << 16)
def person(name: str) -> str:
    """A name as two lists of authors agree on it: no case, accents or punctuation; "Family, Given" turned round."""
    family, comma, given = name.partition(",")
    plain = unicodedata.normalize("NFKD", f"{given} {family}" if comma else name)
    return " ".join(WORD.findall("".join(c for c in plain if not unicodedata.combining(c)).casefold()))


def filings(category: str) -> set[str]:
    """What a paper in this category can be found under: `cs.CL`, and all of `cs`."""
    name = category.strip().casefold()
    return {name, name.partition(".")[0]}


AS_USUAL = Steering()


class Wish(NamedTuple):
    """What one turn asks of an edition."""

    interest: Interest
    count: int  # type: ignore[assignment]
    after: datetime
    """only what became a candidate then or later"""
    had: NDArray[np.int64] = np.zeros(0, np.int64)
    """papers that were sent already, in any order, be it repeatedly"""
    votes: tuple[tuple[int, int], ...] = ()
    """papers voted up (+1) or down (-1); see `Ranker.read`"""
    steering: Steering = AS_USUAL
    whole: bool = False
    """for a mail that looks back at the whole time since *after*: what trended at its beginning counts like news"""
    again: Mapping[int, frozenset[int]] = MappingProxyType({})
    """by topic what was sent before it was followed, and comes again if the topic brings it"""
    lot: int = 0
    """any number: readers with different ones are shown different things to explore"""


def _by_last_bits(places: Mapping[int, int]) -> tuple[int, NDArray[np.uint16]]:
    """As many of their last bits as tell the papers apart, and by those the place of each: quicker than searching."""
    papers = np.array([*places], dtype=np.int64)
    last = 0
    while len(np.unique(papers & last)) < len(papers):
        last = last << 1 | 1
    by_bits = np.zeros(last + 1, dtype=np.uint16)
    by_bits[papers & last] = [*places.values()]
    return last, by_bits


def _index(named: Sequence[Sequence[set[str]]]) -> dict[str, list[int]]:
    """Name to the places that have it, from the names at each place."""
    index: dict[str, list[int]] = {}
    for place, names in enumerate(named):
        for name in set[str]().union(*names):
            index.setdefault(name, []).append(place)
    return index


class Candidates:
    """The candidates of an edition by place (the order of their ordinals), with all that is the same for everybody."""

    def __init__(
        self, candidates: Sequence[Candidate], topics: Sequence[Topic], now: datetime, meaning: Meaning | None = None
    ) -> None:
        self.all = sorted(candidates, key=lambda candidate: candidate.ordinal)
        if any(not 0 <= number < REFS for number in (*(c.ordinal for c in self.all), *(t.id for t in topics))):
            raise ValueError(f"ordinals and topic ids must lie below {REFS}, or digests could not be frozen")
        self.places = {candidate.card.paper: place for place, candidate in enumerate(self.all)}
        self._papers = np.array([candidate.card.paper for candidate in self.all], dtype=np.int64)
        self._last, self._place = _by_last_bits(self.places)
        self.ordinals = np.array([candidate.ordinal for candidate in self.all])
        self.since = np.array([candidate.since.timestamp() for candidate in self.all])
        self.age = np.maximum(now.timestamp() - self.since, 0) / DAY
        # a trend without its line could not be told as a reason, so it does not count
        self.trend = np.array(
            [c.trend if c.trend_line and isfinite(c.trend) else 0 for c in self.all], dtype=np.float32
        )
        self.chance = np.array([c.chance if isfinite(c.chance) else 0 for c in self.all], dtype=np.float32)
        self.peak = unfaded(self.trend, self.age)
        cards = [candidate.card for candidate in self.all]
        self.texts = Texts([(card.title, card.abstract) for card in cards], meaning)
        self.filings = [[filings(category) for category in card.categories] for card in cards]
        self.languages = [card.language for card in cards]
        self.writers = [[{person(author)} for author in card.authors] for card in cards]
        self._filed, self._written = _index(self.filings), _index(self.writers)
        self._voted: dict[int, int] = {}
        self._unit, self._standing = self.texts.others([])
        self._telling = self.texts.telling(self._unit)
        self._words: dict[int, tuple[dict[str, int], dict[int, int]]] = {}
        self.holding = lru_cache(maxsize=1024)(self.texts.holding)  # many want, or rule out, the same
        asked = [self.texts.query([(t.name, 2), (t.description, 1), *((k, 1) for k in t.keywords)]) for t in topics]
        self._asked = {topic.id: query for topic, query in zip(topics, asked, strict=True)}
        relevance = self._relevance(topics, asked)
        self._topics: dict[int, Rows] = {topic.id: relevance[row] for row, topic in enumerate(topics)}
        self._number = np.zeros(REFS, dtype=np.uint16)
        self._number[[topic.id for topic in topics]] = range(len(topics))
        self._terms = np.full(relevance.shape, UNTOLD, dtype=np.uint16)

    def _relevance(self, topics: Sequence[Topic], queries: Sequence[Query]) -> Rows:
        """topics × papers; where a topic excludes a paper, 0"""
        if not topics:
            return np.zeros((0, len(self.all)), dtype=np.float32)
        filed = np.stack([self.best(map(self.filed, topic.categories)) for topic in topics])
        named = np.stack([self.best(map(self.holding, topic.keywords)) for topic in topics])
        fit = self.fit(queries, np.float32(IN_CATEGORY) * filed + np.float32(HAS_KEYWORD) * named)
        for row, topic in zip(fit, topics, strict=True):
            row[self.best(map(self.excluded, topic.exclusions)) > 0] = 0
        return fit

    def found(self, papers: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        """The places of papers, and which of them are candidates at all; the others' places mean nothing."""
        places = self._place.take(papers & self._last)
        return places, self._papers.take(places) == papers

    @property
    def none(self) -> Rows:
        return np.zeros(len(self.all), dtype=np.float32)

    def best(self, rows: Iterable[Rows]) -> Rows:
        """For each paper the best of several rows, 0 without any."""
        best: Rows = reduce(np.maximum, rows, self.none)
        return best

    def fit(self, queries: Sequence[Query], bonus: Rows | float = 0.0) -> Rows:
        """As `Texts.fit`, but 0 where it is too faint to be told as a reason."""
        fit = self.texts.fit(queries, bonus)
        return np.where(fit < FAINT, np.float32(0), fit)

    def terms(self, topics: Places, places: Places) -> NDArray[np.uint16]:
        """For topics and places the index in `Card.words` of the word that says most of what both share, or NAMELESS"""
        numbers = self._number[topics]
        terms = self._terms[numbers, places]
        for n in np.flatnonzero(terms == UNTOLD).tolist():
            term = self.strongest(self._asked[int(topics[n])], int(places[n]))
            terms[n] = self._terms[numbers[n], places[n]] = term if 0 <= term < UNTOLD else NAMELESS
        return terms

    def strongest(self, query: Query, place: int) -> int:
        """The index in `Card.words` of the word that says most of what a query and a paper share, or -1."""
        indices, worth = self.words(place)[1], self.texts.worth(query, place)
        shared = [(value, -indices[column]) for column, value in worth.items() if column in indices]
        return -max(shared)[1] if shared else -1

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

    def foreign(self, languages: Sequence[str]) -> NDArray[np.bool_]:
        """Which papers are known to be in none of these languages."""
        return np.array([bool(languages and known) and known not in languages for known in self.languages], dtype=bool)

    def unread(self, papers: Iterable[int]) -> set[int]:
        return set(papers) - self._voted.keys()

    def read(self, papers: Mapping[int, str]) -> None:
        """Title and, from the second line on, abstract of papers that somebody voted on, candidates or not."""
        documents = [(title, abstract) for title, _, abstract in (text.partition("\n") for text in papers.values())]
        unit, standing = self.texts.others(documents)
        self._voted.update(zip(papers, range(len(self._voted), len(self._voted) + len(papers)), strict=True))
        self._unit = sp.vstack([self._unit, unit], format="csr")
        self._telling = sp.vstack([self._telling, self.texts.telling(unit)], format="csr")
        self._standing = np.concatenate([self._standing, standing])

    def liked(self, papers: Sequence[int]) -> Rows:
        """How much each of these papers, when voted up, speaks for each candidate; 0 for papers that were not read."""
        rows = np.zeros((len(papers), len(self.all)), dtype=np.float32)
        which = [n for n, paper in enumerate(papers) if paper in self._voted]
        at = [self._voted[papers[n]] for n in which]
        for start in range(0, len(at), 256):
            some = at[start : start + 256]
            evidence = profile.alike(self.texts, self._unit[some], self._standing[some])
            rows[which[start : start + 256]] = np.maximum(evidence - CLOSE, 0)
        return rows

    def shared(self, papers: Sequence[int], places: Sequence[int]) -> list[int]:
        """For voted papers and the places of candidates the column as `Texts.shared` has it."""
        return self.texts.shared(self._telling[[self._voted[paper] for paper in papers]], places)

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
