"""The terms of the score. A new one is a class here and a line in `FEATURES`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from digest.model import ReasonCode
from digest.ranking import Feature, profile
from digest.ranking.arrays import Candidates, Wish, person
from digest.ranking.text import Rows, folded

NOTHING = -1


class Telling(Feature, Protocol):
    """A feature that can be a reason."""

    code: ReasonCode

    def refs(self, candidates: Candidates, told: Sequence[tuple[Any, int]]) -> Sequence[int]:
        """What the reason (see `ReasonCode`) points at, for pairs of a thing and the place of a paper it speaks for.

        NOTHING where that cannot be told.
        """


class TopicFit:
    """Relevance to the topics, by their weights."""

    code = ReasonCode.TOPIC

    def things(self, wish: Wish) -> Mapping[int, float]:
        return wish.interest.topics

    def scores(self, candidates: Candidates, things: Sequence[int]) -> Rows:
        return np.stack([candidates.topic(topic) for topic in things])

    def refs(self, candidates: Candidates, told: Sequence[tuple[int, int]]) -> Sequence[int]:
        return [topic for topic, _ in told]


class TextFit:
    """Relevance to sentences in the subscriber's own words."""

    code = ReasonCode.TEXT

    def things(self, wish: Wish) -> Mapping[str, float]:
        return dict.fromkeys(wish.interest.texts, 1.0)

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return candidates.texts.fit([candidates.texts.query([(text, 1)]) for text in things])

    def refs(self, candidates: Candidates, told: Sequence[tuple[str, int]]) -> Sequence[int]:
        weights = {text: candidates.texts.query([(text, 1)]).weights for text, _ in told}
        return [_strongest(weights[text], candidates.words(place)[1]) for text, place in told]


def _strongest(weights: Mapping[int, float], indices: Mapping[int, int]) -> int:
    """The index of the weightiest column that has one; the earlier among equals."""
    shared = [(weight, -indices[column]) for column, weight in weights.items() if column in indices]
    return -max(shared)[1] if shared else NOTHING


class Keywords:
    """Whole words and phrases, in the title or the abstract."""

    code = ReasonCode.KEYWORD

    def things(self, wish: Wish) -> Mapping[str, float]:
        return dict.fromkeys(wish.interest.keywords, 1.0)

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return np.stack([candidates.holding(keyword) for keyword in things])

    def refs(self, candidates: Candidates, told: Sequence[tuple[str, int]]) -> Sequence[int]:
        return [candidates.words(place)[0].get(folded(phrase)[0], NOTHING) for phrase, place in told]


class Categories:
    """Filed where the subscriber looks."""

    code = ReasonCode.CATEGORY

    def things(self, wish: Wish) -> Mapping[str, float]:
        return dict.fromkeys(map(str.casefold, wish.interest.categories), 1.0)

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return np.stack([candidates.filed(category) for category in things])

    def refs(self, candidates: Candidates, told: Sequence[tuple[str, int]]) -> Sequence[int]:
        return [_first(candidates.filings[place], category.strip()) for category, place in told]


class Authors:
    """Written by somebody the subscriber follows."""

    code = ReasonCode.AUTHOR

    def things(self, wish: Wish) -> Mapping[str, float]:
        return dict.fromkeys(map(person, wish.interest.authors), 1.0)

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return np.stack([candidates.written(author) for author in things])

    def refs(self, candidates: Candidates, told: Sequence[tuple[str, int]]) -> Sequence[int]:
        return [_first(candidates.writers[place], author) for author, place in told]


def _first(names: Sequence[set[str]], wanted: str) -> int:
    return next((index for index, name in enumerate(names) if wanted in name), NOTHING)


class Liked:
    """Close to papers that the subscriber voted up, and not to those voted down."""

    code = ReasonCode.LIKED

    def things(self, wish: Wish) -> Mapping[int, float]:
        return profile.shares(wish.votes)

    def scores(self, candidates: Candidates, things: Sequence[int]) -> Rows:
        return candidates.liked(things)

    def refs(self, candidates: Candidates, told: Sequence[tuple[int, int]]) -> Sequence[int]:
        columns = candidates.shared(told)
        return [
            candidates.words(place)[1].get(column, NOTHING) for column, (_, place) in zip(columns, told, strict=True)
        ]


class Excluded:
    """Words, phrases, categories and authors that rule a paper out."""

    def things(self, wish: Wish) -> Mapping[str, float]:
        return dict.fromkeys(wish.interest.exclusions, 1.0)

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return np.stack([candidates.excluded(exclusion) > 0 for exclusion in things]).astype(np.float32)


FEATURES: tuple[tuple[Telling, float], ...] = (
    (TopicFit(), 1.0),
    (TextFit(), 1.0),
    (Keywords(), 0.6),
    (Categories(), 0.25),
    (Authors(), 1.0),
    (Liked(), 0.8),
)
