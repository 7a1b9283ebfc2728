"""The terms of the score. A new one is a class here and a line in `FEATURES`."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from digest.model import ReasonCode
from digest.ranking import Feature
from digest.ranking.arrays import Candidates, Interests, person
from digest.ranking.text import Rows, folded

NOTHING = -1
Pairs = Sequence[tuple[int, int]]
"""an interest's row and a paper's place, where a feature scored and is to be told as a reason"""


class Telling(Feature, Protocol):
    """A feature that can be a reason."""

    code: ReasonCode

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        """What the reasons point at (see `ReasonCode`), NOTHING where that cannot be told."""


class TopicFit:
    """Relevance to the topics, by their weights."""

    code = ReasonCode.TOPIC

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.topics.spread(candidates.none, map(candidates.topic, interests.topics.things))

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        wants, (rows, places) = interests.topics.weights, np.array(pairs, dtype=np.intp).T
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

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        queries = {
            row: candidates.texts.query((text, 1) for text in interests.all[row].texts)
            for row in {row for row, _ in pairs}
        }
        return [candidates.texts.strongest(queries[row], candidates.words(place), NOTHING) for row, place in pairs]


class Keywords:
    """Whole words and phrases, in the title or the abstract."""

    code = ReasonCode.KEYWORD

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.keywords.spread(candidates.none, map(candidates.texts.holding, interests.keywords.things))

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        def ref(row: int, place: int) -> int:
            phrases = filter(None, map(folded, interests.all[row].keywords))
            strongest = max(phrases, key=lambda words: candidates.texts.held(f" {' '.join(words)} ", [place]))
            return candidates.words(place).get(strongest[0], NOTHING)

        return [ref(row, place) for row, place in pairs]


class Categories:
    """Filed where the subscriber looks."""

    code = ReasonCode.CATEGORY

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.categories.spread(candidates.none, map(candidates.filed, interests.categories.things))

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        return [
            _first(candidates.filings[place], {c.strip().casefold() for c in interests.all[row].categories})
            for row, place in pairs
        ]


class Authors:
    """Written by somebody the subscriber follows."""

    code = ReasonCode.AUTHOR

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return interests.authors.spread(candidates.none, map(candidates.written, interests.authors.things))

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        return [_first(candidates.writers[place], set(map(person, interests.all[row].authors))) for row, place in pairs]


def _first(names: Sequence[Iterable[str]], wanted: set[str]) -> int:
    return next((index for index, name in enumerate(names) if wanted.intersection(name)), NOTHING)


class Trending:
    """What the community says, the same for everybody."""

    code = ReasonCode.TREND

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        return candidates.trend[np.newaxis, :]

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        return [0] * len(pairs)


class Freshness:
    """Halves with every two days since the paper became a candidate."""

    code = ReasonCode.FRESH

    def scores(self, candidates: Candidates, interests: Interests) -> Rows:
        fresh: Rows = np.exp2(-candidates.age[np.newaxis, :] / 2).astype(np.float32)
        return fresh

    def refs(self, candidates: Candidates, interests: Interests, pairs: Pairs) -> Sequence[int]:
        return [0] * len(pairs)


FEATURES: tuple[tuple[Telling, float], ...] = (
    (TopicFit(), 1.0),
    (TextFit(), 1.0),
    (Keywords(), 0.6),
    (Categories(), 0.25),
    (Authors(), 1.0),
    (Trending(), 0.5),
    (Freshness(), 0.05),
)
