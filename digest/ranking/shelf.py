"""What each thing that somebody named says of every candidate, and how much each wish wants of it."""

from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from digest.ranking import Feature
from digest.ranking.arrays import Candidates, Places, Wish
from digest.ranking.features import Telling
from digest.ranking.text import Rows

HEAVIEST = 100.0  # weight of a topic; no wish can be so heavy that it outweighs what rules a paper out
ROOM = 8_000_000  # numbers on a shelf before it is cleared: 32 MB
RECALLED = 1 << 16  # refs of reasons, by the last bits of a number for thing and place


class Named(NamedTuple):
    """What those wishes that name things of one feature want, each in its row; padded with weights of 0."""

    wishes: Places
    things: Places
    """as rows of the shelf"""
    weights: Rows


class Wants(NamedTuple):
    """How much a batch of wishes wants of what is on the shelf."""

    things: Places
    weights: Rows
    ends: Places
    """where the things of each wish begin, and the last's end"""
    named: list[Named]
    """the same by feature"""


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
        self._keys, self._refs = np.full(RECALLED, -1), np.zeros(RECALLED, dtype=np.int64)

    def wants(self, wishes: Sequence[Wish], scale: Rows) -> Wants:
        """*scale*, features × wishes: what the weights of a feature are multiplied by."""
        if len(self.things) > self._most:
            self._clear()
        rows, weights = list[int](), list[float]()
        whose, counts, scales = [], [], []
        for numbers, feature, scaled in zip(self._numbers, self._features, scale, strict=True):
            given = feature.things(wishes)
            whose.append(np.fromiter(given, np.int64, len(given)))
            counts.append(np.fromiter(map(len, given.values()), np.int64, len(given)))
            rows += map(numbers.__getitem__, chain.from_iterable(given.values()))
            weights += chain.from_iterable([of.values() for of in given.values()])
            scales.append(scaled[whose[-1]])
        self._fill()
        each = np.concatenate(counts)
        wish, thing = np.repeat(np.concatenate(whose), each), np.array(rows, dtype=np.int64)
        weight = np.clip(np.nan_to_num(np.array(weights, dtype=np.float32)), -HEAVIEST, HEAVIEST)
        weight *= np.repeat(np.concatenate(scales), each)
        order = np.argsort(wish, kind="stable")
        ends = np.searchsorted(wish[order], np.arange(len(wishes) + 1))
        bounds = np.cumsum([*map(np.sum, counts)])[:-1]
        named = [*map(_named, whose, counts, np.split(thing, bounds), np.split(weight, bounds))]
        return Wants(thing[order], weight[order], ends, named)

    def wanted(self, wants: Wants, few: slice) -> Rows:
        """wishes × candidates: what all that they name adds to the scores for a *few* of the wishes."""
        ends = wants.ends[few.start : few.stop + 1]
        held = slice(ends[0], ends[-1])
        parts = wants.weights[held], wants.things[held], ends - ends[0]
        wanted: Rows = sp.csr_array(parts, shape=(len(ends) - 1, len(self.rows))) @ self.rows
        return wanted

    def strongest(self, named: Named, places: Places) -> tuple[Places, Rows]:
        """For some *places* of each of these wishes the thing that adds most to the score there, and how much."""
        at = (named.things * self.rows.shape[1])[:, np.newaxis] + places[:, :, np.newaxis]
        worth = self.rows.ravel().take(at)
        worth *= named.weights[:, np.newaxis]
        best, size = worth.argmax(axis=2), worth.shape[2]
        most = worth.ravel().take(best + np.arange(0, worth.size, size).reshape(best.shape))
        return named.things.ravel().take(best + np.arange(0, named.things.size, size)[:, np.newaxis]), most

    def refs(self, feature: Telling, things: Places, places: Places) -> Places:
        """As *feature* has them, for things as rows; most were asked for before."""
        keys = things * self.rows.shape[1] + places
        at = keys & (RECALLED - 1)
        refs: Places = self._refs.take(at)
        new = np.flatnonzero(self._keys.take(at) != keys)
        if len(new):
            names = [*map(self.things.__getitem__, things[new].tolist())]
            refs[new] = feature.refs(self._candidates, names, places[new].tolist())
            self._keys[at[new]], self._refs[at[new]] = keys[new], refs[new]
        return refs

    def _fill(self) -> None:
        missing = len(self.things) - len(self.rows)
        if missing > 0:
            self.rows = np.concatenate([self.rows, np.zeros((missing, self.rows.shape[1]), dtype=np.float32)])
        for numbers, feature in zip(self._numbers, self._features, strict=True):
            if numbers.new:
                self.rows[[numbers[thing] for thing in numbers.new]] = feature.scores(self._candidates, numbers.new)
                numbers.new = []


def _named(wishes: Places, counts: Places, things: Places, weights: Rows) -> Named:
    held = np.arange(counts.max(initial=1)) < counts[:, np.newaxis]
    named = Named(wishes, np.zeros(held.shape, np.int64), np.zeros(held.shape, np.float32))
    named.things[held], named.weights[held] = things, weights
    return named
