"""What each thing that somebody named says of every candidate, and how much each wish wants of it."""

from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from digest.ranking import Feature
from digest.ranking.arrays import Candidates, Places, Wish
from digest.ranking.text import Rows

HEAVIEST = 100.0  # weight of a topic; no wish can be so heavy that it outweighs what rules a paper out
ROOM = 8_000_000  # numbers on a shelf before it is cleared: 32 MB


class Named(NamedTuple):
    """What those wishes that name things of one feature want, each in its row; padded with weights of 0."""

    wishes: Places
    things: Places
    """as rows of the shelf"""
    weights: Rows


class Wants(NamedTuple):
    """How much a batch of wishes wants of what is on the shelf."""

    matrix: Any
    """wishes × rows of the shelf"""
    named: list[Named]
    """the same by feature"""
    counts: Places
    """features × wishes: how many things each names"""


class _Numbers(dict[Hashable, int]):
    """Thing to its row; asking for an unknown one allots the next."""

    def __init__(self, things: list[Any]) -> None:
        self._things = things
        self.new: list[Hashable] = []

    def __missing__(self, thing: Hashable) -> int:
        self[thing] = number = len(self._things)
        self._things.append(thing)
        self.new.append(thing)
        return number


class Shelf:
    """A row for each thing that was named, worked out once, for all wishes to come."""

    def __init__(self, candidates: Candidates, features: Sequence[Feature]) -> None:
        self._candidates, self._features = candidates, features
        self._most = max(ROOM // max(len(candidates.all), 1), 1024)
        self._clear()

    def _clear(self) -> None:
        self.rows: Rows = np.zeros((self._most, len(self._candidates.all)), dtype=np.float32)  # no memory until used
        self.things: list[Any] = []
        """by row"""
        self._numbers = [_Numbers(self.things) for _ in self._features]

    def wants(self, wishes: Sequence[Wish], scale: Rows) -> Wants:
        """*scale*, features × wishes: what the weights of a feature are multiplied by."""
        if len(self.things) > self._most:
            self._clear()
        counts = np.zeros((len(self._features), len(wishes)), dtype=np.int64)
        rows, weights = [], []
        for kind, (numbers, feature) in enumerate(zip(self._numbers, self._features, strict=True)):
            named = feature.things(wishes)
            counts[kind] = np.fromiter(map(len, named), np.int64, len(named))
            total, named = int(counts[kind].sum()), [*filter(None, named)]
            rows.append(np.fromiter(map(numbers.__getitem__, chain.from_iterable(named)), np.int64, total))
            given = chain.from_iterable([things.values() for things in named])
            weights.append(np.fromiter(given, np.float32, total))
        self._fill()
        things = np.concatenate(rows)
        weight = np.clip(np.nan_to_num(np.concatenate(weights)), -HEAVIEST, HEAVIEST)
        weight *= np.repeat(scale.ravel(), counts.ravel())
        order = np.argsort(np.repeat(np.tile(np.arange(len(wishes)), len(counts)), counts.ravel()), kind="stable")
        ends = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
        matrix = sp.csr_array((weight[order], things[order], ends), shape=(len(wishes), len(self.rows)))
        bounds = np.cumsum(counts.sum(axis=1))[:-1]
        by_feature = [*map(_named, counts, np.split(things, bounds), np.split(weight, bounds))]
        return Wants(matrix, by_feature, counts)

    def strongest(self, named: Named, places: Places) -> tuple[Places, Rows]:
        """For some *places* of each of these wishes the thing that adds most to the score there, and how much."""
        at = named.things[:, np.newaxis] * self.rows.shape[1] + places[:, :, np.newaxis]
        worth = self.rows.ravel().take(at)
        worth *= named.weights[:, np.newaxis]
        best = worth.argmax(axis=2)
        things = np.take_along_axis(named.things, best, axis=1)
        return things, worth.ravel().take(best + np.arange(best.size).reshape(best.shape) * worth.shape[2])

    def _fill(self) -> None:
        missing = len(self.things) - len(self.rows)
        if missing > 0:
            self.rows = np.concatenate([self.rows, np.zeros((missing, self.rows.shape[1]), dtype=np.float32)])
        for numbers, feature in zip(self._numbers, self._features, strict=True):
            if numbers.new:
                self.rows[[numbers[thing] for thing in numbers.new]] = feature.scores(self._candidates, numbers.new)
                numbers.new = []


def _named(counts: Places, things: Places, weights: Rows) -> Named:
    wishes = np.flatnonzero(counts)
    held = np.arange(counts.max(initial=1)) < counts[wishes, np.newaxis]
    named = Named(wishes, np.zeros(held.shape, np.int64), np.zeros(held.shape, np.float32))
    named.things[held], named.weights[held] = things, weights
    return named
