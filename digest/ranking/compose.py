"""Each subscriber's picks, with their reasons: scores for whole batches, then the best that are not all alike."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digest.model import GENERAL, NAMELESS, Candidate, Picks, ReasonCode, Steering, Topic
from digest.ranking.arrays import REFS, Candidates, Shelf, Wish
from digest.ranking.features import FEATURES, NOTHING, Excluded
from digest.ranking.text import Meaning, Rows

__all__ = ["Ranker", "Wish"]

BATCH = 512  # wishes scored at once, so that memory does not grow with the audience
FEW = 64  # of them at a time where every candidate is looked at
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
FROZEN = np.dtype([("ordinal", "<u2"), ("score", "<f2"), ("c1", "u1"), ("r1", "<u2"), ("c2", "u1"), ("r2", "<u2")])
"""a pick as `model.pack` freezes it"""

LOSS = np.arange(256, dtype=np.float32) * np.float32(ALIKE / 255)  # of score, by likeness
LOSS[int(SAME * 255) :] = -BARRED
WAYS = 256  # that are kept

Places = NDArray[np.int64]
_Key = tuple[Steering, bool, bool, datetime]


class Term(NamedTuple):
    """What one *thing* (a topic's id, a text, a name, a paper voted on) adds to a score; see `Ranker.explain`."""

    code: ReasonCode | None
    """None for being asked for at all"""
    thing: Any
    value: float


class _Way(NamedTuple):
    """What is the same for all wishes that are steered alike."""

    steering: Steering
    open: bool
    near: Rows
    """score of each candidate beside what was asked, if it was,"""
    far: Rows
    """and if it was not"""
    told: Rows
    """the share of the trend, where it is worth telling"""


class Ranker:
    """The candidates of one edition, ready for any number of wishes."""

    def __init__(
        self, candidates: Sequence[Candidate], topics: Sequence[Topic], now: datetime, meaning: Meaning | None = None
    ) -> None:
        known = self._candidates = Candidates(candidates, topics, now, meaning)
        self._likeness = known.texts.likeness()
        self._ways: dict[_Key, _Way] = {}
        self._shelf = Shelf(known, [*(feature for feature, _ in FEATURES), Excluded()])
        self._codes = np.array([*(feature.code for feature, _ in FEATURES), 0], dtype=np.int64)
        self._fresh = np.exp2(-known.age / 2, dtype=np.float32) * np.float32(FRESH)  # halves in two days
        promising = np.where(known.trend > 0, known.trend, known.chance * np.float32(PROMISE))
        self._trend = np.stack([promising, np.where(known.trend > 0, known.peak, promising)])
        """for a mail about the day, and for one that looks back at all of it"""
        self._code_of_trend = np.where(known.trend > 0, ReasonCode.TREND, ReasonCode.PROMISING)
        beyond = np.lexsort((np.arange(len(known.all)), -np.rint(promising * STEPS)))[:POOL]
        self._beyond = beyond[promising[beyond] >= UNUSUAL]

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
        numbers: dict[_Key, int] = {}
        keys = [(w.steering, w.whole, w.open, w.after) for w in wishes]
        way = [numbers.setdefault(key, len(numbers)) for key in keys]
        picks: dict[int, Picks] = {}
        for short, pool in ((True, POOL), (False, len(self._candidates.all))):
            which = [i for i, wish in enumerate(wishes) if (wish.count <= SHORT) is short]
            which.sort(key=lambda i: (bool(wishes[i].votes), way[i]))  # beside their like: less to pad, fewer ways
            for start in range(0, len(which), BATCH):
                batch = which[start : start + BATCH]
                picks.update(
                    zip(batch, self._batch([wishes[i] for i in batch], [keys[i] for i in batch], pool), strict=True)
                )
        return [picks[i] for i in range(len(wishes))]

    def explain(self, wish: Wish, ordinal: int) -> list[Term]:
        """What makes up the score of a candidate, before it loses what likeness to better picks costs."""
        known, mine = self._candidates, wish.steering.mine
        place = np.searchsorted(known.ordinals, [ordinal])
        scale = [*(np.full(1, weight * mine, np.float32) for _, weight in FEATURES), np.zeros(1, np.float32)]
        things, worth = self._worth(self._shelf.wants([wish], scale), np.zeros(1, np.intp), place)
        named = [(self._codes[self._shelf.kinds[thing]], self._shelf.things[thing]) for thing in things[0]]
        terms = [Term(ReasonCode(c), thing, float(v)) for (c, thing), v in zip(named, worth[0], strict=True) if v]
        trend = self._trend[int(wish.whole), place[0]] * np.float32(TREND * wish.steering.trending)
        general = [
            Term(None, "", ASKED * mine if sum(term.value for term in terms) > 0 else 0.0),
            Term(ReasonCode(self._code_of_trend[place[0]]), "", float(trend)),
            Term(ReasonCode.FRESH, "", float(self._fresh[place[0]])),
        ]
        return terms + [term for term in general if term.value]

    def _batch(self, wishes: Sequence[Wish], keys: Sequence[_Key], pool: int) -> list[Picks]:
        known = self._candidates
        if not known.all:
            return [Picks()] * len(wishes)
        numbers: dict[_Key, int] = {}
        which = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.intp, len(keys))
        ways = [self._way(key) for key in numbers]
        mine = _of([way.steering.mine for way in ways], which)
        scale = [*(np.float32(weight) * mine for _, weight in FEATURES), np.full(len(wishes), BARRED, np.float32)]
        wants = self._shelf.wants(wishes, scale)
        asked: Rows = wants @ self._shelf.rows
        asked[self._had(wishes)] = BARRED
        counts = np.array([max(wish.count, 0) for wish in wishes])
        chosen, values = self._best(asked, ways, which, wants, counts, pool)
        slots = np.minimum(_of([0 if way.open else way.steering.explore for way in ways], which), counts // 3)
        near = np.stack([way.near[self._beyond] for way in ways])[which]
        lots = np.array([[wish.lot % REFS] for wish in wishes])
        exploring = self._explore(asked, near, chosen, values, slots.astype(np.int64), counts, lots)
        picked = values > BARRED / 2
        owner, place = np.nonzero(picked)[0], chosen[picked]
        frozen = np.zeros(len(owner), dtype=FROZEN)
        frozen["ordinal"], frozen["score"] = known.ordinals[place], values[picked]
        trend = np.stack([way.told for way in ways])[which[owner], place]
        self._tell(frozen, wants, owner, place, trend, exploring[picked])
        data, ends = frozen.tobytes(), (FROZEN.itemsize * np.cumsum(picked.sum(axis=1))).tolist()
        return [Picks(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def _way(self, key: _Key) -> _Way:
        if key not in self._ways:
            known, (steering, whole, open_, after) = self._candidates, key
            trend = self._trend[int(whole)] * (steering.trending > 0)
            general = trend * np.float32(TREND * steering.trending) + self._fresh
            barred = (known.since < after.timestamp()) | known.foreign(steering.languages)
            near = np.where(barred, np.float32(BARRED), general + np.float32(ASKED * steering.mine))
            far = np.where(barred | ((trend < NOTABLE) & (not open_)), np.float32(BARRED), general)
            # a faint trend is no reason beside others
            told = np.where((trend >= NOTABLE) | open_, trend * np.float32(TREND), 0)
            if len(self._ways) >= WAYS:
                self._ways.clear()
            self._ways[key] = _Way(steering, open_, near, far, told)
        return self._ways[key]

    def _had(self, wishes: Sequence[Wish]) -> tuple[Places, Places]:
        """Which wish must not have which candidate again."""
        had = [np.setdiff1d(wish.had, self._again(wish)) if wish.again else wish.had for wish in wishes]
        places, here = self._candidates.found(np.concatenate(had))
        return np.repeat(np.arange(len(had)), [*map(len, had)])[here], places[here]

    def _again(self, wish: Wish) -> list[int]:
        """What was sent before a topic was followed that it fits well."""
        fits, places = self._candidates.topic, self._candidates.places
        return [
            paper
            for topic, papers in wish.again.items()
            for paper in papers & places.keys()
            if fits(topic)[places[paper]] >= FITTING
        ]

    def _best(
        self, asked: Rows, ways: Sequence[_Way], which: Places, wants: Any, counts: Places, pool: int
    ) -> tuple[Places, Rows]:
        """The best places and their scores, BARRED where none is left; each pick makes papers like it worth less."""
        rows, size = np.arange(len(asked)), asked.shape[1]
        places = np.empty((len(asked), min(pool, size)), dtype=np.int64)
        found = np.empty(places.shape, dtype=np.float32)
        for number, way in enumerate(ways):
            for few in _few(np.flatnonzero(which == number)):
                ours = asked[few]
                scores = np.where(ours > 0, ours + way.near, ours + way.far)
                places[few] = best = _pool(scores, pool)
                found[few] = np.take_along_axis(scores, best, axis=1)
        worth: Rows = np.rint(np.clip(found, BARRED, MOST) * np.float32(STEPS)) / np.float32(STEPS)
        worth[worth < _of([max(way.steering.least, BARRED / 2) for way in ways], which)[:, np.newaxis]] = BARRED
        quota = _of([way.steering.quota for way in ways], which)
        limited = np.flatnonzero(quota > 0)
        subjects = self._subjects(wants, limited, places[limited])
        taken = np.zeros(subjects.shape, dtype=np.int64)
        left, alike = worth.copy(), np.zeros(worth.shape, dtype=np.uint8)
        chosen = np.zeros((len(asked), max(int(counts.max()), 1)), dtype=np.int64)
        values = np.full(chosen.shape, BARRED, dtype=np.float32)
        for step in range(min(chosen.shape[1], worth.shape[1])):
            best = left.argmax(axis=1)
            chosen[:, step] = place = places[rows, best]
            values[:, step] = left[rows, best]
            np.maximum(alike, self._likeness.take(place[:, np.newaxis] * size + places), out=alike)
            worth[rows, best] = BARRED
            if len(limited):
                subject = np.take_along_axis(subjects, best[limited, np.newaxis], axis=1)
                taken += (subjects == subject) & (subject >= 0)
                worth[limited] = np.where(taken < quota[limited, np.newaxis], worth[limited], BARRED)
            left = worth - LOSS.take(alike)
        values[np.arange(chosen.shape[1]) >= counts[:, np.newaxis]] = BARRED
        return chosen, values

    def _explore(
        self, asked: Rows, near: Rows, chosen: Places, values: Rows, slots: Places, counts: Places, lots: Places
    ) -> NDArray[np.bool_]:
        """Put some of the best that was not asked for in the last places of who wants it; which picks are such."""
        exploring = np.zeros(chosen.shape, dtype=bool)
        most = min(int(slots.max()), len(self._beyond))
        if most <= 0:
            return exploring
        own = values > BARRED / 2
        asked[np.nonzero(own)[0], chosen[own]] = BARRED
        beyond = asked[:, self._beyond]
        free = (beyond <= 0) & (beyond > BARRED / 2) & (near > BARRED / 2)
        nth = np.cumsum(free, axis=1) - 1
        turned = np.where(nth < AMONG, (nth - lots) % np.clip(nth[:, -1:] + 1, 1, AMONG), nth)
        first = np.argsort(np.where(free, turned, len(self._beyond)), axis=1, kind="stable")[:, :most]
        places = self._beyond[first]
        twins = (self._likeness[places[:, :, np.newaxis], chosen[:, np.newaxis]] >= SAME * 255) & own[:, np.newaxis]
        good = np.take_along_axis(free, first, axis=1) & (np.arange(most) < slots[:, np.newaxis]) & ~twins.any(axis=2)
        found = good.sum(axis=1) * own[:, 0]  # nothing else to send: no mail for a look beyond
        start = np.minimum(own.sum(axis=1), counts - found)
        values[np.arange(values.shape[1]) >= start[:, np.newaxis]] = BARRED
        row, nth = np.nonzero(good & (found > 0)[:, np.newaxis])
        at = start[row] + (np.cumsum(good, axis=1) - 1)[row, nth]
        chosen[row, at], exploring[row, at] = places[row, nth], True
        general = self._trend[0, chosen[row, at]] * np.float32(TREND) + self._fresh[chosen[row, at]]
        values[row, at] = np.minimum(general, values[row, start[row] - 1])  # the last, whatever it is worth
        return exploring

    def _worth(self, wants: Any, owner: Places, place: Places) -> tuple[Places, Rows]:
        """For pairs of a wish and a candidate the things that the wish wants, and what each adds to the score."""
        if not len(wants.data):
            return np.zeros((len(owner), 0), dtype=np.int64), np.zeros((len(owner), 0), dtype=np.float32)
        starts, widths = wants.indptr[owner][:, np.newaxis], np.diff(wants.indptr)[owner][:, np.newaxis]
        steps = np.arange(max(int(widths.max(initial=0)), 1))
        at = np.minimum(starts + steps, len(wants.data) - 1)
        things, rows = wants.indices.take(at).astype(np.int64), self._shelf.rows
        worth = rows.ravel().take(things * rows.shape[1] + place[:, np.newaxis])
        worth *= wants.data.take(at)
        worth[steps >= widths] = 0
        return things, worth

    def _subjects(self, wants: Any, owners: Places, places: Places) -> Places:
        """The topic that fits each of these places best, as its row on the shelf; NOTHING where none does."""
        things, worth = self._worth(wants, np.repeat(owners, places.shape[1]), places.ravel())
        if not worth.size:
            return np.full(places.shape, NOTHING)
        worth[self._codes[self._shelf.kinds[things]] != ReasonCode.TOPIC] = 0
        best = worth.argmax(axis=1, keepdims=True)
        subject = np.where(np.take_along_axis(worth, best, 1) > 0, np.take_along_axis(things, best, 1), NOTHING)
        return subject.reshape(places.shape)

    def _tell(
        self, frozen: Any, wants: Any, owner: Places, place: Places, trend: Rows, exploring: NDArray[np.bool_]
    ) -> None:
        """Why each pick was picked: what the (at most two) features with the greatest shares in its score point at."""
        things, worth = self._worth(wants, owner, place)
        codes = np.column_stack([self._codes.take(self._shelf.kinds.take(things)), self._code_of_trend[place]])
        worth, things = np.column_stack([worth, trend]), np.column_stack([things, np.zeros_like(place)])
        row = np.arange(len(owner))
        for code, ref in (("c1", "r1"), ("c2", "r2")):
            best = worth.argmax(axis=1)
            told = np.where(worth[row, best] > 0, codes[row, best], 0)
            refs = np.zeros(len(row), dtype=np.int64)
            for feature, _ in FEATURES:
                which = np.flatnonzero(told == feature.code)
                if len(which):
                    names = [*map(self._shelf.things.__getitem__, things[which, best[which]].tolist())]
                    refs[which] = feature.refs(self._candidates, names, place[which].tolist())
            known = (refs >= 0) & (refs < REFS)
            frozen[code], frozen[ref] = np.where(known, told, 0), np.where(known, refs, 0)
            worth *= codes != told[:, np.newaxis]
        lost = frozen["c1"] == 0  # what could not be told
        frozen["c1"][lost], frozen["r1"][lost] = frozen["c2"][lost], frozen["r2"][lost]
        frozen["c2"][lost] = 0
        alone = np.flatnonzero((frozen["c1"] == ReasonCode.TOPIC) & (frozen["c2"] == 0))
        pairs = zip(frozen["r1"][alone].tolist(), place[alone].tolist(), strict=True)
        words = np.fromiter(map(self._candidates.term, pairs), np.int64, len(alone))
        named = (words >= 0) & (words < NAMELESS)
        frozen["c2"][alone[named]], frozen["r2"][alone[named]] = ReasonCode.TERM, words[named]
        frozen["c2"][exploring] = np.where(trend > 0, self._code_of_trend[place], 0)[exploring]
        frozen["c1"][exploring] = ReasonCode.EXPLORE
        frozen["c1"][frozen["c1"] == 0] = ReasonCode.FRESH
        for code, ref in (("c1", "r1"), ("c2", "r2")):
            frozen[ref][np.isin(frozen[code], (0, *GENERAL))] = 0


def _few(rows: Places) -> Iterator[Places]:
    """Some at a time, so that what is worked out of them stays in the processor's cache."""
    return (rows[start : start + FEW] for start in range(0, len(rows), FEW))


def _pool(scores: Rows, size: int) -> Places:
    """The places of the best *size* scores of each row, equals by place; in the order of the places."""
    rows, width = scores.shape
    if size >= width:
        return np.tile(np.arange(width), (rows, 1))
    bits = (width - 1).bit_length()  # score and place in one number, so that there are no equals
    whole = np.clip(scores, -HIGHEST, HIGHEST)
    whole *= np.float32((1 << (30 - bits)) / HIGHEST)
    keys = np.rint(whole, out=whole).astype(np.int32)
    keys <<= bits
    keys |= np.arange(width, dtype=np.int32)[::-1]
    keys.partition(width - size, axis=1)
    best = keys[:, width - size :] & np.int32((1 << bits) - 1)
    places: Places = width - 1 - np.sort(best, axis=1)[:, ::-1].astype(np.int64)
    return places


def _of(values: Sequence[float], which: Places) -> Rows:
    return np.array(values, dtype=np.float32)[which]
