"""The terms of the score. A new one is a class here and a line in `FEATURES`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, Protocol

import numpy as np

from digest.model import NAMELESS, ReasonCode
from digest.ranking import Feature, profile
from digest.ranking.arrays import Candidates, Wish, person
from digest.ranking.text import Rows, folded

NOTHING = -1


class Telling(Feature, Protocol):
    """A feature that can be a reason."""

    code: ReasonCode

    def refs(self, candidates: Candidates, things: Sequence[Any], places: Sequence[int]) -> Sequence[int]:
        """What the reason (see `ReasonCode`) points at, for things and the places of the papers they speak for.

        NOTHING where that cannot be told.
        """


def _naming(named: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Most name nothing, and that should cost nothing."""
    return compress(enumerate(named), named)


def _each(named: Sequence[Sequence[str]], spelt: Callable[[str], str] = str) -> dict[int, Mapping[str, float]]:
    return {n: dict.fromkeys(map(spelt, names), 1.0) for n, names in _naming(named)}


class TopicFit:
    """Relevance to the topics, by their weights."""

    code = ReasonCode.TOPIC

    def things(self, wishes: Sequence[Wish]) -> dict[int, Mapping[int, float]]:
        return dict(_naming([wish.interest.topics for wish in wishes]))

    def scores(self, candidates: Candidates, things: Sequence[int]) -> Rows:
        return np.stack([candidates.topic(topic) for topic in things])

    def refs(self, candidates: Candidates, things: Sequence[int], places: Sequence[int]) -> Sequence[int]:
        return things


class TextFit:
    """Relevance to sentences in the subscriber's own words."""

    code = ReasonCode.TEXT

    def things(self, wishes: Sequence[Wish]) -> dict[int, Mapping[str, float]]:
        return _each([wish.interest.texts for wish in wishes])

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return candidates.fit([candidates.texts.query([(text, 1)]) for text in things])

    def refs(self, candidates: Candidates, things: Sequence[str], places: Sequence[int]) -> Sequence[int]:
        asked = {text: candidates.texts.query([(text, 1)]) for text in set(things)}
        return [candidates.strongest(asked[text], place) for text, place in zip(things, places, strict=True)]


class Keywords:
    """Whole words and phrases, in the title or the abstract."""

    code = ReasonCode.KEYWORD

    def things(self, wishes: Sequence[Wish]) -> dict[int, Mapping[str, float]]:
        return _each([wish.interest.keywords for wish in wishes])

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return np.stack([candidates.holding(keyword) for keyword in things])

    def refs(self, candidates: Candidates, things: Sequence[str], places: Sequence[int]) -> Sequence[int]:
        return [
            candidates.words(place)[0].get(folded(phrase)[0], NOTHING)
            for phrase, place in zip(things, places, strict=True)
        ]


class Categories:
    """Filed where the subscriber looks."""

    code = ReasonCode.CATEGORY

    def things(self, wishes: Sequence[Wish]) -> dict[int, Mapping[str, float]]:
        return _each([wish.interest.categories for wish in wishes], str.casefold)

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return np.stack([candidates.filed(category) for category in things])

    def refs(self, candidates: Candidates, things: Sequence[str], places: Sequence[int]) -> Sequence[int]:
        return [
            _first(candidates.filings[place], category.strip()) for category, place in zip(things, places, strict=True)
        ]


class Authors:
    """Written by somebody the subscriber follows."""

    code = ReasonCode.AUTHOR

    def things(self, wishes: Sequence[Wish]) -> dict[int, Mapping[str, float]]:
        return _each([wish.interest.authors for wish in wishes], person)

    def scores(self, candidates: Candidates, things: Sequence[str]) -> Rows:
        return np.stack([candidates.written(author) for author in things])

    def refs(self, candidates: Candidates, things: Sequence[str], places: Sequence[int]) -> Sequence[int]:
        return [_first(candidates.writers[place], author) for author, place in zip(things, places, strict=True)]


def _first(names: Sequence[set[str]], wanted: str) -> int:
    return next((index for index, name in enumerate(names) if wanted in name), NOTHING)


class Liked:
    """Close to papers that the subscriber voted up, and not to those voted down."""

    code = ReasonCode.LIKED

    def things(self, wishes: Sequence[Wish]) -> dict[int, Mapping[int, float]]:
        return {n: profile.shares(votes) for n, votes in _naming([wish.votes for wish in wishes])}

    def scores(self, candidates: Candidates, things: Sequence[int]) -> Rows:
        return candidates.liked(things)

    def refs(self, candidates: Candidates, things: Sequence[int], places: Sequence[int]) -> Sequence[int]:
        columns = zip(candidates.shared(things, places), places, strict=True)
        return [candidates.words(place)[1].get(column, NAMELESS) for column, place in columns]


class Excluded:
    """Words, phrases, categories and authors that rule a paper out."""

    def things(self, wishes: Sequence[Wish]) -> dict[int, Mapping[str, float]]:
        return _each([wish.interest.exclusions for wish in wishes])

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
