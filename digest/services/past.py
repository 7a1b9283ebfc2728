"""What readers had already: picks of earlier editions, found again among the candidates of a new one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digest.catalog import Catalog
from digest.model import Edition
from digest.ranking.compose import FROZEN

END = datetime.max.replace(tzinfo=UTC)


class Had(NamedTuple):
    """Papers and by which digest, reader by reader; those of the nth lie between *ends* n and n + 1."""

    papers: NDArray[np.int64]
    digests: NDArray[np.int64]
    """places in *dates*"""
    ends: list[int]
    dates: Sequence[datetime]

    def of(self, nth: int) -> NDArray[np.int64]:
        return self.papers[self.ends[nth] : self.ends[nth + 1]]

    def again(self, nth: int, added: Mapping[int, datetime]) -> dict[int, frozenset[int]]:
        """By topic that was *added* the papers that were sent before it, and not since."""
        if not added:
            return {}
        papers = self.of(nth).tolist()
        dates = [self.dates[digest] for digest in self.digests[self.ends[nth] : self.ends[nth + 1]].tolist()]
        sent = [*zip(papers, dates, strict=True)]
        return {
            topic: frozenset({*papers} - {paper for paper, date in sent if date > before})
            for topic, before in added.items()
        }


class Past:
    """Earlier editions, as *edition* knows their papers: merged since or not, what was had is not sent again."""

    def __init__(self, catalog: Catalog, edition: Edition) -> None:
        self.edition = edition
        self._catalog = catalog
        self._here = {candidate.card.paper for candidate in edition.candidates}
        self._same = catalog.papers.same()
        self._begins: dict[int, int] = {}
        """of earlier editions, in what follows"""
        self._numbers: list[list[int]] = []
        """under which each of their papers, by ordinal, is a candidate now"""
        self._table = np.zeros((0, 1), dtype=np.int64)
        """the same as an array, a row for each paper; 0 for none"""

    def had(self, readers: Sequence[int], after: datetime, before: datetime = END) -> Had:
        """Of the edition's candidates those that each reader got, or may get yet, by digests dated in between.

        *readers* in ascending order. Nothing is read of single papers but their places.
        """
        who, editions, picks, dates = self._catalog.deliveries.had(readers, after, before)
        self._learn(set(editions) - self._begins.keys())
        sizes = np.fromiter(map(len, picks), np.int64, len(picks)) // FROZEN.itemsize
        begins = np.fromiter(map(self._begins.__getitem__, editions), np.int64, len(picks))
        places = np.repeat(begins, sizes) + np.frombuffer(b"".join(picks), FROZEN)["ordinal"]
        papers = self._table.take(places, axis=0).ravel()
        here = np.flatnonzero(papers)
        digests = np.repeat(np.arange(len(picks)), sizes * self._table.shape[1])[here]
        ends = np.searchsorted(digests, np.searchsorted(who, [*readers, np.iinfo(np.int64).max]))
        return Had(papers[here], digests, ends.tolist(), dates)

    def _learn(self, editions: set[int]) -> None:
        if not editions:
            return
        for number, papers in self._catalog.editions.papers(sorted(editions)).items():
            self._begins[number] = len(self._numbers)
            self._numbers += [[n for n in self._same.get(paper, (paper,)) if n in self._here] for paper in papers]
        most = max([1, *map(len, self._numbers)])
        rows = ([*numbers, *[0] * (most - len(numbers))] for numbers in self._numbers)
        self._table = np.array([*rows], dtype=np.int64).reshape(-1, most)
