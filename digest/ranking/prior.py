"""The chance that a paper will trend of which nobody has spoken yet, learned from what became of earlier ones.

A logistic regression on words of title and abstract, on categories, authors and their comment. Rare and telling traits
weigh more, a paper's traits have length 1 together, and weights are kept small (L2); fitted by Nesterov's accelerated
gradient.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from digest.ranking.text import folded

TREND_AT_LEAST, PAPERS_AT_LEAST = 50, 1_000  # fewer teach nothing
SMALL = 0.5  # how large weights may become: the variance that is expected of them
STEPS = 60  # of the fit
HELD = 0.2  # share of the papers, the newest, on which it is seen how sure the model may be
RARE = 2  # papers that a trait must have for it to count
TELLING = 0.35  # power of how telling it is; chosen within the days that `evaluate prior` learns from at first
DOUBT, LEAST = 5, 0.3  # papers as usual that each trait is believed to have besides, and how telling any trait is

Chances = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Announced:
    """What is known of a paper on its first morning."""

    title: str
    abstract: str
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    comment: str = ""


def words(paper: Announced) -> set[str]:
    """What a plain model looks at."""
    return {*folded(paper.title), *folded(paper.abstract)}


def traits(paper: Announced) -> set[str]:
    """What our model looks at."""
    abstract, comment = folded(paper.abstract), re.findall("[a-z]{3,}", paper.comment.lower())
    told = {f"title {word}" for word in folded(paper.title)} | {f"abstract {word}" for word in abstract}
    told |= {f"category {name}" for name in paper.categories} | {f"filed {name}" for name in paper.categories[:1]}
    told |= {f"author {name.casefold()}" for name in paper.authors} | {f"comment {word}" for word in comment}
    told |= {f"authors {min(len(paper.authors).bit_length(), 6)}", f"length {min(len(abstract) // 25, 12)}"}
    told |= {"named"} if ":" in paper.title else set()
    return told | ({"linked"} if re.search(r"https?:|github|hugging", paper.abstract.lower()) else set())


class Prior:
    """Learned from papers by their traits, the oldest first, and whether each trended; the same whenever it is.

    *telling*: how much more a trait counts that those that trended have more, or less, often; 0 is the plain model.
    """

    def __init__(self, papers: Iterable[Collection[str]], trended: Sequence[bool], telling: float = TELLING) -> None:
        self._columns: dict[str, int] = {}
        wanted = np.array(trended, dtype=np.float32)
        counts = self._read(papers, learning=True)
        found = np.bincount(counts.indices, minlength=len(self._columns))
        rarity = np.where(found >= RARE, np.log((len(wanted) + 1) / (found + 0.5)) + 0.3, 0)
        self._weight = (rarity * _telling(counts, wanted) ** telling).astype(np.float32)
        unit, older = self._unit(counts), int(len(wanted) * (1 - HELD))
        weights, bias = _fitted(unit[:older], wanted[:older])
        sureness, shift = _calibrated(unit[older:] @ weights + bias, wanted[older:])
        sureness, shift = (sureness + 1) / 2, shift / 2  # half way: the best of a day are luckier than they are good
        weights, bias = _fitted(unit, wanted)
        self._weights, self._bias = weights * np.float32(sureness), bias * sureness + shift

    def chances(self, papers: Iterable[Collection[str]]) -> Chances:
        """By paper, from its traits."""
        return _logistic(self._unit(self._read(papers)) @ self._weights + self._bias)

    def _read(self, papers: Iterable[Collection[str]], *, learning: bool = False) -> Any:
        """papers × traits; sorted, for a sum depends on its order"""
        known, places, ends = self._columns, list[int](), [0]
        for paper in papers:
            if learning:
                places += sorted(known.setdefault(trait, len(known)) for trait in sorted(paper))
            else:
                places += sorted(known[trait] for trait in paper if trait in known)
            ends.append(len(places))
        ones = np.ones(len(places), dtype=np.float32)
        return sp.csr_array((ones, np.array(places, dtype=np.int32), ends), shape=(len(ends) - 1, len(known)))

    def _unit(self, counts: Any) -> Any:
        counts.data *= self._weight[counts.indices]
        lengths = np.sqrt(counts.power(2).sum(axis=1)) + np.float32(1e-9)
        counts.data /= np.repeat(lengths, np.diff(counts.indptr))
        return counts


def enough(trended: Sequence[bool]) -> bool:
    """Is there anything to learn from, also among those that are not held back?"""
    older = trended[: int(len(trended) * (1 - HELD))]
    return len(trended) >= PAPERS_AT_LEAST and sum(older) >= TREND_AT_LEAST and sum(trended) < len(trended) / 2


def _telling(counts: Any, trended: NDArray[np.float32]) -> Any:
    """By trait how many times as often those that trended have it, or the others; a logarithm (naive Bayes).

    Of a rare trait that says little: as many of its papers in DOUBT trended as of all. Source: Wang, Manning 2012.
    """
    usual = float(trended.mean())
    yes = counts[trended > 0].sum(axis=0) + DOUBT * usual
    no = counts[trended == 0].sum(axis=0) + DOUBT * (1 - usual)
    return np.abs(np.log((yes / yes.sum()) / (no / no.sum()))) + LEAST


def _fitted(unit: Any, wanted: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    turned = unit.T.tocsr()
    steepest = np.ones(unit.shape[1], dtype=np.float32)
    for _ in range(8):  # the greatest curvature there is
        steepest = turned @ (unit @ steepest)
        steepest /= np.linalg.norm(steepest)
    curvature = 0.25 * float(np.linalg.norm(turned @ (unit @ steepest))) * 1.05 + 1 / SMALL
    usual = float(wanted.mean())
    weights = ahead = np.zeros(unit.shape[1], dtype=np.float32)
    bias = bias_ahead = float(np.log(usual / (1 - usual)))
    for step in range(STEPS):
        wrong = (_logistic(unit @ ahead + bias_ahead) - wanted).astype(np.float32)
        onward = ahead - (turned @ wrong + ahead / np.float32(SMALL)) / np.float32(curvature)
        bias_onward = bias_ahead - 4 * float(wrong.mean())
        momentum = step / (step + 3)
        ahead, bias_ahead = onward + momentum * (onward - weights), bias_onward + momentum * (bias_onward - bias)
        weights, bias = onward, bias_onward
    return weights, bias


def _calibrated(scores: Any, wanted: NDArray[np.float32]) -> tuple[float, float]:
    """Slope and shift that turn scores into chances (Platt), by Newton's method."""
    line, known = np.array([1.0, 0.0]), np.column_stack([scores, np.ones_like(scores)]).astype(np.float64)
    for _ in range(20):
        chances = _logistic(known @ line)
        slope = known.T @ (chances - wanted) + (line - [1, 0])
        line -= np.linalg.solve(known.T @ (known * (chances * (1 - chances))[:, np.newaxis]) + np.eye(2), slope)
    return float(line[0]), float(line[1])


def _logistic(x: Any) -> Chances:
    chances: Chances = 1 / (1 + np.exp(-np.asarray(x, dtype=np.float64)))
    return chances
