"""Each subscriber's picks, with their reasons: scores for whole batches, then the best that are not all alike."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digest import model
from digest.model import Candidate, Picks, ReasonCode, Steering, Topic
from digest.ranking.arrays import REFS, Candidates, Places, Wish
from digest.ranking.features import FEATURES, NOTHING, Excluded
from digest.ranking.reasons import tell
from digest.ranking.shelf import Named, Shelf, Wants
from digest.ranking.text import Meaning, Rows

__all__ = ["Ranker", "Wish"]

SCORES = 1 << 17  # to choose from at once, so that memory does not grow with the audience
FEW = 256  # wishes for which every candidate is looked at together
SORTED = 512  # numbers that processors sort without a jump: to find the best of more, find those of parts first
POOL, SHORT = 64, 20  # so many of the best are enough to choose that many from; longer lists are chosen from all
STEPS = 10_000  # scores are compared in ten-thousandths, so that equals are equal on every machine
HIGHEST = 64.0  # among scores beyond, any may come into the pool
MOST = 60_000.0  # about the largest score that half precision holds
ALIKE, SAME = 0.5, 0.7  # score lost to full likeness with a better pick; likeness from which two papers are one
ASKED = 0.25  # score for being asked for at all: a faint match comes before a middling trend
TREND, FRESH = 0.5, 0.05  # score for the strongest trend, and for having become a candidate this moment
NOTABLE = 0.15  # trend that is worth telling somebody who asked for other things,
UNUSUAL, AMONG = 0.05, 16  # and one that is worth a look beyond them, for each reader another of the best so many
PROMISE = 0.5  # the trend that a paper may come to, by the chance that it will
FITTING = 0.5  # relevance to a new topic from which it brings back what was sent before
BARRED = -1e6  # the score of what must not be picked
FROZEN = np.dtype([(name, f"<{kind}") for name, kind in model.FROZEN.items()])
"""a pick as `model.pack` freezes it"""

LOSS = np.arange(256, dtype=np.float32) * np.float32(ALIKE / 255)  # of score, by likeness
LOSS[int(SAME * 255) :] = -BARRED
WAYS = 256  # that are kept
TOPIC = 0  # the place of its feature

_Key = tuple[Steering, bool, datetime, bool]


class Term(NamedTuple):
    """What one *thing* (a topic's id, a text, a name, a paper voted on) adds to a score; see `Ranker.explain`."""

    code: ReasonCode | None
    """None for being asked for at all"""
    thing: Any
    value: float


_Way = tuple[Rows, Rows, Rows, float, int, int]


class _Ways(NamedTuple):
    """How the wishes of a batch are steered."""

    which: Places
    """the way of each wish: a row of"""
    near: Rows
    """the score of each candidate beside what was asked, if it was,"""
    far: Rows
    """and if it was not;"""
    told: Rows
    """the share of the trend, where it is worth telling"""
    least: Rows
    quota: Places
    explore: Places
    """these by wish"""


class Ranker:
    """The candidates of one edition, ready for any number of wishes."""

    def __init__(
        self, candidates: Sequence[Candidate], topics: Sequence[Topic], now: datetime, meaning: Meaning | None = None
    ) -> None:
        known = self._candidates = Candidates(candidates, topics, now, meaning)
        self._likeness = known.texts.likeness()
        np.fill_diagonal(self._likeness, 255)  # what has no words is itself all the same
        self._ways: dict[_Key, _Way] = {}
        self._shelf = Shelf(known, [*(feature for feature, _ in FEATURES), Excluded()])
        self._fresh = np.exp2(-known.age / 2, dtype=np.float32) * np.float32(FRESH)  # halves in two days
        promising = np.where(known.trend > 0, known.trend, known.chance * np.float32(PROMISE))
        self._trend = np.stack([promising, np.where(known.trend > 0, known.peak, promising)])
        """for a mail about the day, and for one that looks back at all of it"""
        beyond = np.lexsort((np.arange(len(known.all)), -np.rint(promising * STEPS)))[:POOL]
        self._beyond = beyond[promising[beyond] >= UNUSUAL]
        self._nth_beyond = np.full(len(known.all), NOTHING)
        self._nth_beyond[self._beyond] = np.arange(len(self._beyond))

    def unread(self, wishes: Iterable[Wish]) -> set[int]:
        """Papers voted on that `read` has not been given yet."""
        return self._candidates.unread(paper for wish in wishes for paper, _ in wish.votes)

    def read(self, papers: Mapping[int, str]) -> None:
        """Title and, from the second line on, abstract of papers that somebody voted on.

        A vote on a paper that was never read says nothing.
        """
        self._candidates.read(papers)

    def picks(self, wishes: Sequence[Wish]) -> list[Picks]:
        """For each wish its picks, best first, at most *count*; equals by ordinal, whoever else is in the batch.

        A paper is picked for what was asked or for its trend, never just for being there; only who asks for nothing in
        particular gets the rest as well, newest first. Scores have lost what their likeness to better picks costs.
        What is there to explore comes last.
        """
        picks = [Picks()] * len(wishes)
        if not (width := len(self._candidates.all)):
            return picks
        for short, pool in ((True, POOL), (False, width)):
            which = [i for i, wish in enumerate(wishes) if (wish.count <= SHORT) is short]
            size = max(SCORES // pool, 1)
            for start in range(0, len(which), size):
                batch = which[start : start + size]
                for i, found in zip(batch, self._batch([wishes[i] for i in batch], pool), strict=True):
                    picks[i] = found
        return picks

    def explain(self, wish: Wish, ordinal: int) -> list[Term]:
        """What makes up the score of a candidate, before it loses what likeness to better picks costs."""
        known, mine = self._candidates, wish.steering.mine
        place = np.searchsorted(known.ordinals, ordinal)
        terms = [
            Term(feature.code, self._shelf.things[thing], float(weight * self._shelf.rows[thing, place]))
            for (feature, _), named in zip(FEATURES, self._wants([wish]).named, strict=False)
            for thing, weight in zip(named.things.ravel(), named.weights.ravel(), strict=True)
        ]
        trend = self._trend[int(wish.whole), place] * np.float32(TREND * wish.steering.trending)
        terms += [
            Term(None, "", ASKED * mine if sum(term.value for term in terms) > 0 else 0.0),
            Term(ReasonCode.TREND if known.trend[place] > 0 else ReasonCode.PROMISING, "", float(trend)),
            Term(ReasonCode.FRESH, "", float(self._fresh[place])),
        ]
        return [term for term in terms if term.value]

    def _batch(self, wishes: Sequence[Wish], pool: int) -> list[Picks]:
        wants = self._wants(wishes)
        ways = self._steered(wishes, wants)
        counts = np.maximum([wish.count for wish in wishes], 0)
        places, worth, beyond = self._pool(wants, ways, self._had(wishes), pool)
        chosen, values = self._best(places, worth, ways, wants, counts)
        exploring = self._explore(beyond, ways, chosen, values, counts, [wish.lot % REFS for wish in wishes])
        picked = values > BARRED / 2
        trend = ways.told[ways.which[:, np.newaxis], chosen]
        frozen = np.zeros(np.count_nonzero(picked), dtype=FROZEN)
        frozen["ordinal"], frozen["score"] = self._candidates.ordinals[chosen[picked]], values[picked]
        codes, refs = tell(self._candidates, self._shelf, wants, chosen, trend, exploring, picked)
        frozen["c1"], frozen["c2"] = codes
        frozen["r1"], frozen["r2"] = refs
        data, ends = frozen.tobytes(), (FROZEN.itemsize * np.cumsum(picked.sum(axis=1))).tolist()
        return [Picks(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def _wants(self, wishes: Sequence[Wish]) -> Wants:
        scale = np.full((len(FEATURES) + 1, len(wishes)), BARRED, dtype=np.float32)
        weights = np.array([[weight] for _, weight in FEATURES], dtype=np.float32)
        scale[:-1] = weights * np.array([wish.steering.mine for wish in wishes], dtype=np.float32)
        return self._shelf.wants(wishes, scale)

    def _had(self, wishes: Sequence[Wish]) -> Places:
        """Which wish must not have which candidate again, as numbers of wishes × candidates in their order."""
        had = [np.setdiff1d(wish.had, self._again(wish)) if wish.again else wish.had for wish in wishes]
        places, here = self._candidates.found(np.concatenate(had))
        starts = np.arange(len(had)) * len(self._candidates.all)
        return np.repeat(starts, [*map(len, had)])[here] + places[here]

    def _again(self, wish: Wish) -> list[int]:
        """What was sent before a topic was followed that it fits well."""
        fits, places = self._candidates.topic, self._candidates.places
        return [
            paper
            for topic, papers in wish.again.items()
            for paper in papers & places.keys()
            if fits(topic)[places[paper]] >= FITTING
        ]

    # ---- what is the same for many

    def _steered(self, wishes: Sequence[Wish], wants: Wants) -> _Ways:
        asking = np.concatenate([named.wishes for named in wants.named[: len(FEATURES)]])
        open_ = np.bincount(asking, minlength=len(wishes)) == 0  # for whatever is trending
        steerings = {id(wish.steering): wish.steering for wish in wishes}  # many share one: quicker than its hash
        each = zip(wishes, open_.tolist(), strict=True)
        keys = [(id(wish.steering), wish.whole, wish.after, anything) for wish, anything in each]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        which = np.array([*map(numbers.__getitem__, keys)])
        ways = [self._way((steerings[key], whole, after, anything)) for key, whole, after, anything in numbers]
        near, far, told, least, quota, explore = map(np.array, zip(*ways, strict=True))
        return _Ways(which, near, far, told, least.astype(np.float32)[which], quota[which], explore[which])

    def _way(self, key: _Key) -> _Way:
        if key not in self._ways:
            known, (steering, whole, after, open_) = self._candidates, key
            trend = self._trend[int(whole)] * (steering.trending > 0)
            general = trend * np.float32(TREND * steering.trending) + self._fresh
            barred = (known.since < after.timestamp()) | known.foreign(steering.languages)
            near = np.where(barred, np.float32(BARRED), general + np.float32(ASKED * steering.mine))
            far = np.where(barred | ((trend < NOTABLE) & (not open_)), np.float32(BARRED), general)
            # a faint trend is no reason beside others
            told = np.where((trend >= NOTABLE) | open_, trend * np.float32(TREND), 0)
            if len(self._ways) >= WAYS:
                self._ways.clear()
            explore = 0 if open_ else steering.explore
            self._ways[key] = near, far, told, max(steering.least, BARRED / 2), steering.quota, explore
        return self._ways[key]

    # ---- choosing

    def _best(self, places: Places, worth: Rows, ways: _Ways, wants: Wants, counts: Places) -> tuple[Places, Rows]:
        """The best places and their scores, BARRED where none is left; each pick makes papers like it worth less."""
        limited, subjects = self._subjects(wants, ways, places)
        taken, quota = np.zeros(subjects.shape, dtype=np.int32), ways.quota[limited, np.newaxis].astype(np.int32)
        chosen = np.zeros((len(worth), max(int(counts.max()), 1)), dtype=np.int64)
        values = np.full(chosen.shape, BARRED, dtype=np.float32)
        left, first = worth.copy(), np.arange(0, worth.size, worth.shape[1])
        theirs = first[limited, np.newaxis] + np.arange(worth.shape[1])
        pairs, alike, less = np.empty_like(places), np.empty(places.shape, np.uint8), np.empty_like(worth)
        for step in range(min(chosen.shape[1], worth.shape[1])):
            best = left.argmax(axis=1)
            chosen[:, step] = place = places.ravel().take(best + first)
            values[:, step] = left.ravel().take(best + first)
            np.add(place[:, np.newaxis] * len(self._likeness), places, out=pairs)
            self._likeness.take(pairs, out=alike, mode="clip")
            np.subtract(worth, LOSS.take(alike, out=less, mode="clip"), out=less)
            np.minimum(left, less, out=left)
            if len(limited):
                taken += subjects == subjects[np.arange(len(limited)), best[limited]][:, np.newaxis]
                left.ravel()[theirs[taken >= quota]] = BARRED
        values[np.arange(chosen.shape[1]) >= counts[:, np.newaxis]] = BARRED
        return chosen, values

    def _pool(self, wants: Wants, ways: _Ways, had: Places, size: int) -> tuple[Places, Rows, Rows]:
        """The places with the best scores for each wish, in their order; and those scores, BARRED below the least.

        Last what was asked of those `_beyond`. Few wishes at a time stay in a processor's cache.
        """
        rows, width = len(ways.which), len(self._candidates.all)
        places = np.empty((rows, min(size, width)), dtype=np.int64)
        found, beyond = np.empty(places.shape, np.float32), np.empty((rows, len(self._beyond)), np.float32)
        for start in range(0, rows, FEW):
            few = slice(start, start + FEW)
            which, scores = ways.which[few], self._shelf.wanted(wants, few)
            barred = slice(*np.searchsorted(had, [start * width, (start + FEW) * width]))
            scores.ravel()[had[barred] - start * width] = BARRED
            beyond[few] = scores[:, self._beyond]
            scores += _where_positive(scores, ways.near, ways.far, which)
            places[few] = best = _highest(scores, size)
            found[few] = scores.ravel().take(best + np.arange(0, scores.size, width)[:, np.newaxis])
        worth: Rows = np.rint(np.clip(found, BARRED, MOST) * np.float32(STEPS)) / np.float32(STEPS)
        worth[worth < ways.least[:, np.newaxis]] = BARRED
        return places, worth, beyond

    def _subjects(self, wants: Wants, ways: _Ways, places: Places) -> tuple[Places, Places]:
        """Wishes with topics and a quota, and which topic fits each of their places best; else a number of its own."""
        topics = wants.named[TOPIC]
        some = ways.quota[topics.wishes] > 0
        limited = Named(topics.wishes[some], topics.things[some], topics.weights[some])
        things, worth = self._shelf.strongest(limited, places[limited.wishes])
        return limited.wishes, np.where(worth > 0, things, NOTHING - np.arange(places.shape[1]))

    def _explore(
        self, beyond: Rows, ways: _Ways, chosen: Places, values: Rows, counts: Places, lots: Sequence[int]
    ) -> NDArray[np.bool_]:
        """Put some of the best that was not asked for in the last places of who wants it; which picks are such."""
        exploring = np.zeros(chosen.shape, dtype=bool)
        slots = np.minimum(ways.explore, counts // 3)
        slot = np.arange(min(int(slots.max()), len(self._beyond)))
        if not len(slot):
            return exploring
        own = values > BARRED / 2
        nth = self._nth_beyond[chosen]
        again = own & (nth >= 0)
        beyond[np.nonzero(again)[0], nth[again]] = BARRED
        free = (beyond <= 0) & (beyond > BARRED / 2) & (ways.near[:, self._beyond] > BARRED / 2)[ways.which]
        nth = np.cumsum(free, axis=1)
        among = np.clip(nth[:, -1:], 1, AMONG)
        wanted = 1 + np.where(slot < among, (slot + np.array(lots)[:, np.newaxis]) % among, slot)
        first = self._beyond[(nth[:, np.newaxis] == wanted[:, :, np.newaxis]).argmax(axis=2)]
        twins = (self._likeness[first[:, :, np.newaxis], chosen[:, np.newaxis]] >= SAME * 255) & own[:, np.newaxis]
        good = (wanted <= nth[:, -1:]) & (slot < slots[:, np.newaxis]) & ~twins.any(axis=2)
        found = good.sum(axis=1) * own[:, 0]  # nothing else to send: no mail for a look beyond
        start = np.minimum(own.sum(axis=1), counts - found)
        values[np.arange(values.shape[1]) >= start[:, np.newaxis]] = BARRED
        row, which = np.nonzero(good & (found > 0)[:, np.newaxis])
        at = start[row] + (np.cumsum(good, axis=1) - 1)[row, which]
        chosen[row, at], exploring[row, at] = first[row, which], True
        general = self._trend[0, chosen[row, at]] * np.float32(TREND) + self._fresh[chosen[row, at]]
        values[row, at] = np.minimum(general, values[row, start[row] - 1])  # the last, whatever it is worth
        return exploring


def _where_positive(numbers: Rows, yes: Rows, no: Rows, which: Places) -> Rows:
    """As `np.where` with *numbers* > 0, of some rows, by bits: a jump for each number would cost more than all else."""
    bits = -numbers.view(np.int32)
    bits >>= 31  # all of them or none, since positive numbers are positive as integers too
    bits &= (yes.view(np.int32) ^ no.view(np.int32)).take(which, axis=0)
    bits ^= no.view(np.int32).take(which, axis=0)
    return bits.view(np.float32)


def _highest(scores: Rows, size: int) -> Places:
    """The places of the best *size* scores of each row, equals by place; in the order of the places."""
    rows, width = scores.shape
    if size >= width:
        return np.tile(np.arange(width), (rows, 1))
    bits = (width - 1).bit_length()  # score and place in one number, so that there are no equals
    whole = np.clip(scores, -HIGHEST, HIGHEST)
    whole *= np.float32((1 << (30 - bits)) / HIGHEST)
    parts = -(-width // SORTED)
    keys = np.empty((rows, parts, -(-width // parts)), dtype=np.int32)
    flat = keys.reshape(rows, -1)
    flat[:, :width], flat[:, width:] = whole, np.iinfo(np.int32).min
    flat[:, :width] <<= bits
    flat[:, :width] |= np.arange(width - 1, -1, -1, dtype=np.int32)
    if keys.shape[2] > size:
        keys.partition(keys.shape[2] - size)
        keys = keys[:, :, -size:]
    keys = keys.reshape(rows, -1)
    keys.partition(keys.shape[1] - size)
    places: Places = width - 1 - (keys[:, -size:] & np.int32((1 << bits) - 1)).astype(np.int64)
    places.sort(axis=1)
    return places
