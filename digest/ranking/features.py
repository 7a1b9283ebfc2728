"""The terms of the score. A new one is a class here and a line in `FEATURES`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from digest.model import ReasonCode
from digest.ranking import Feature
from digest.ranking.arrays import Candidates, Interests, person
from digest.ranking.text import Rows, folded

NOTHING = -1
Places = NDArray[np.int64]


class Telling(Feature, Protocol):
    """A feature that can be a reason."""

    code: ReasonCode

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        """What the reason (see `ReasonCode`) points at for each row of the interests and place of a paper it scored.

        NOTHING where that cannot be told.
        """


def _pairs(rows: Places, places: Places) -> Iterable[tuple[int, int]]:
    return zip(rows.tolist(), places.tolist(), strict=True)


class TopicFit:
    """Relevance to the topics, by their weights."""

    code = ReasonCode.TOPIC

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.topics.spread(candidates.none, map(candidates.topic, interests.topics.things))

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        wants = interests.topics.weights
        relevance = np.stack([candidates.topic(topic) for topic in interests.topics.things])
        starts, widths = wants.indptr[rows], np.diff(wants.indptr)[rows]
        steps = np.arange(widths.max())[np.newaxis, :]
        at = np.minimum(starts[:, np.newaxis] + steps, len(wants.data) - 1)
        worth = wants.data[at] * relevance[wants.indices[at], places[:, np.newaxis]]
        best = np.where(steps < widths[:, np.newaxis], worth, -np.inf).argmax(axis=1)
        return [interests.topics.things[column] for column in wants.indices[starts + best].tolist()]


class TextFit:
    """Relevance to sentences in the subscriber's own words."""

    code = ReasonCode.TEXT

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        queries = [candidates.texts.query([(text, 1)]) for text in interests.texts.things]
        return interests.texts.spread(candidates.none, candidates.texts.fit(queries))

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        texts = {row: interests.all[row].texts for row in rows.tolist()}
        weights = {row: candidates.texts.query((text, 1) for text in told).weights for row, told in texts.items()}
        return [_strongest(weights[row], candidates.words(place)[1]) for row, place in _pairs(rows, places)]


def _strongest(weights: Mapping[int, float], indices: Mapping[int, int]) -> int:
    """The index of the weightiest column that has one; the earlier among equals."""
    shared = [(weight, -indices[column]) for column, weight in weights.items() if column in indices]
    return -max(shared)[1] if shared else NOTHING


class Keywords:
    """Whole words and phrases, in the title or the abstract."""

    code = ReasonCode.KEYWORD

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.keywords.spread(candidates.none, map(candidates.holding, interests.keywords.things))

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        def ref(row: int, place: int) -> int:
            phrases = filter(None, map(folded, interests.all[row].keywords))
            strongest = max(phrases, key=lambda words: candidates.texts.held(f" {' '.join(words)} ", [place]))
            return candidates.words(place)[0].get(strongest[0], NOTHING)

        return [ref(row, place) for row, place in _pairs(rows, places)]


class Categories:
    """Filed where the subscriber looks."""

    code = ReasonCode.CATEGORY

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.categories.spread(candidates.none, map(candidates.filed, interests.categories.things))

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        wanted = {row: {c.strip().casefold() for c in interests.all[row].categories} for row in rows.tolist()}
        return [_first(candidates.filings[place], wanted[row]) for row, place in _pairs(rows, places)]


class Authors:
    """Written by somebody the subscriber follows."""

    code = ReasonCode.AUTHOR

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.authors.spread(candidates.none, map(candidates.written, interests.authors.things))

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        wanted = {row: set(map(person, interests.all[row].authors)) for row in rows.tolist()}
        return [_first(candidates.writers[place], wanted[row]) for row, place in _pairs(rows, places)]


def _first(names: Sequence[Iterable[str]], wanted: set[str]) -> int:
    return next((index for index, name in enumerate(names) if wanted.intersection(name)), NOTHING)


class Trending:
    """What the community says, the same for everybody."""

    code = ReasonCode.TREND

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return candidates.trend[np.newaxis, :]

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        return [0] * len(rows)


class Freshness:
    """Halves with every two days since the paper became a candidate."""

    code = ReasonCode.FRESH

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        fresh: Rows = np.exp2(-candidates.age[np.newaxis, :] / 2).astype(np.float32)
        return fresh

    def refs(self, candidates: Candidates, interests: Interests, rows: Places, places: Places) -> Sequence[int]:
        return [0] * len(rows)


FEATURES: tuple[tuple[Telling, float], ...] = (
    (TopicFit(), 1.0),
    (TextFit(), 1.0),
    (Keywords(), 0.6),
    (Categories(), 0.25),
    (Authors(), 1.0),
    (Trending(), 0.5),
    (Freshness(), 0.05),
)
