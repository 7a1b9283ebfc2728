"""Each subscriber's picks, with their reasons: scores for whole batches, then the best that are not all alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from digest.model import Candidate, Interest, Pick, Reason, ReasonCode, Topic
from digest.ranking.arrays import REFS, Candidates, Interests
from digest.ranking.features import FEATURES, NOTHING
from digest.ranking.text import Rows

BATCH = 512  # wishes scored at once, so that memory does not grow with the audience
POOL, SHORT = 64, 20  # so many of the best are enough to choose that many from; longer lists are chosen from all
STEPS = 10_000  # scores are compared in ten-thousandths, so that equals are equal on every machine
MOST = 60_000.0  # about the largest score that half precision holds
ALIKE, SAME = 0.5, 0.7  # score lost to full likeness with a better pick; likeness from which two papers are one
ASKED = 0.25  # score for being asked for at all: a faint match comes before a middling trend
NOTABLE = 0.15  # trend that is worth telling somebody who asked for other things
GENERAL = (ReasonCode.TREND, ReasonCode.FRESH)  # what nobody has to ask for
BARRED = -1e6  # the score of what must not be picked

Places = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Wish:
    """What one turn asks of an edition."""

    interest: Interest
    count: int
    had: frozenset[int]
    """papers that were sent already"""
    after: datetime
    """only what became a candidate then or later"""


class Ranker:
    """The candidates of one edition, ready for any number of wishes."""

    def __init__(self, candidates: Sequence[Candidate], topics: Sequence[Topic], now: datetime) -> None:
        self._candidates = Candidates(candidates, topics, now)
        self._likeness = self._candidates.texts.likeness()
        self._papers = frozenset(self._candidates.places)

    def picks(self, wishes: Sequence[Wish]) -> list[tuple[Pick, ...]]:
        """For each wish its picks, best first, at most *count*; equals by ordinal, whoever else is in the batch.

        A paper is picked for what was asked or for its trend, never just for being there; only who asks for nothing in
        particular gets the rest as well, newest first. Scores have lost what their likeness to better picks costs.
        """
        picks: dict[int, tuple[Pick, ...]] = {}
        for short, pool in ((True, POOL), (False, len(self._candidates.all))):
            which = [i for i, wish in enumerate(wishes) if (wish.count <= SHORT) is short]
            for start in range(0, len(which), BATCH):
                batch = which[start : start + BATCH]
                picks.update(zip(batch, self._batch([wishes[i] for i in batch], pool), strict=True))
        return [picks[i] for i in range(len(wishes))]

    def _batch(self, wishes: Sequence[Wish], pool: int) -> list[tuple[Pick, ...]]:
        known = self._candidates
        if not known.all:
            return [()] * len(wishes)
        interests = Interests([wish.interest for wish in wishes])
        terms = [np.float32(weight) * feature.scores(known, interests) for feature, weight in FEATURES]
        asked = sum(term for term, (feature, _) in zip(terms, FEATURES, strict=True) if feature.code not in GENERAL)
        general = sum(term for term, (feature, _) in zip(terms, FEATURES, strict=True) if feature.code in GENERAL)
        eligible = self._allowed(wishes, interests)
        eligible &= (asked > 0) | (known.trend >= NOTABLE) | interests.open[:, np.newaxis]
        total = asked + np.float32(ASKED) * (asked > 0) + general
        scores = np.where(eligible, np.clip(total, -MOST, MOST), np.float32(BARRED))
        counts = np.array([wish.count for wish in wishes])[:, np.newaxis]
        places, values = self._best(scores, int(counts.max()), pool)
        picked = (values > BARRED) & (np.arange(values.shape[1]) < counts)
        (rows, _), places = np.nonzero(picked), places[picked]
        shares = np.stack([np.broadcast_to(term, scores.shape)[rows, places] for term in terms])
        ordinals, reasons = known.ordinals[places].tolist(), self._reasons(interests, rows, places, shares)
        picks = list(map(Pick, ordinals, values[picked].tolist(), reasons))
        ends = np.cumsum(picked.sum(axis=1)).tolist()
        return [tuple(picks[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def _allowed(self, wishes: Sequence[Wish], interests: Interests) -> NDArray[np.bool_]:
        """interests × candidates: in time, not excluded, not sent before"""
        known = self._candidates
        barred = interests.exclusions.spread(known.none, map(known.excluded, interests.exclusions.things)) > 0
        allowed: NDArray[np.bool_] = known.since >= np.array([wish.after.timestamp() for wish in wishes])[:, np.newaxis]
        allowed &= ~barred
        had = [wish.had & self._papers for wish in wishes]
        places = [known.places[paper] for papers in had for paper in papers]
        allowed[np.repeat(np.arange(len(wishes)), [len(papers) for papers in had]), places] = False
        return allowed

    def _best(self, scores: Rows, count: int, pool: int) -> tuple[Places, Values]:
        """The best places and their scores, BARRED where none is left; each pick makes papers like it worth less."""
        size = scores.shape[1]
        keys = np.rint(scores * np.float32(STEPS)).astype(np.int64)
        keys *= size
        keys += np.arange(size)[::-1]  # score and place in one number: equals stand in the order of their ordinals
        if pool < size:
            keys = np.partition(keys, size - pool, axis=1)[:, size - pool :]
        keys = np.sort(keys, axis=1)[:, ::-1]
        places, worth = size - 1 - keys % size, keys // size / STEPS
        left, alike, rows = worth, np.zeros(worth.shape, dtype=np.uint8), np.arange(len(worth))
        picked: list[Places] = []
        values: list[Values] = []
        for _ in range(min(max(count, 1), worth.shape[1])):
            best = left.argmax(axis=1)
            picked.append(places[rows, best])
            values.append(left[rows, best])
            np.maximum(alike, self._likeness.take(picked[-1][:, np.newaxis] * size + places), out=alike)
            worth[rows, best] = BARRED
            left = np.where(alike < SAME * 255, worth - alike * (ALIKE / 255), BARRED)
        return np.stack(picked, axis=1), np.stack(values, axis=1).round(4)

    def _reasons(self, interests: Interests, rows: Places, places: Places, shares: Rows) -> list[tuple[Reason, ...]]:
        """Why each pick was picked: what the (at most two) features with the greatest shares in its score point at."""
        codes = [feature.code for feature, _ in FEATURES]
        shares[codes.index(ReasonCode.FRESH)] = 0  # the last of reasons, see _why
        faint = ~interests.open[rows] & (self._candidates.trend[places] < NOTABLE)
        shares[codes.index(ReasonCode.TREND), faint] = 0
        told = np.full((2, len(rows), 2), NOTHING)
        for rank in told:
            strongest, largest = shares.argmax(axis=0), shares.max(axis=0)
            for number, (feature, _) in enumerate(FEATURES):
                which = np.flatnonzero((strongest == number) & (largest > 0))
                if len(which):
                    rank[which, 0] = feature.code
                    rank[which, 1] = feature.refs(self._candidates, interests, rows[which], places[which])
            shares[strongest, np.arange(len(rows))] = 0
        return list(map(_why, *told[0].T.tolist(), *told[1].T.tolist()))


@lru_cache(maxsize=REFS)
def _why(first: int, first_ref: int, second: int, second_ref: int) -> tuple[Reason, ...]:
    reasons = ((first, first_ref), (second, second_ref))
    told = tuple(Reason(ReasonCode(code), ref) for code, ref in reasons if 0 <= ref < REFS)
    return told or (Reason(ReasonCode.FRESH),)
