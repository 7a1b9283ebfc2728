"""How good a ranking is, from which of its papers are wanted, best first. Relevance is yes or no."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Found = NDArray[np.bool_]
"""True where the paper at a rank is a wanted one, best rank first"""
MEASURES = ("ndcg@10", "ndcg@20", "map", "recall@50")


def measured(found: Found, wanted: int) -> Mapping[str, float]:
    """All `MEASURES` of one ranking in which *wanted* papers, at least one, could be found."""
    values = (ndcg(found, wanted, 10), ndcg(found, wanted, 20), average_precision(found, wanted))
    return dict(zip(MEASURES, (*values, recall(found, wanted, 50)), strict=True))


def ndcg(found: Found, wanted: int, k: int) -> float:
    """Discounted gain of the first *k*, as a share of what the best ranking has. Source: Järvelin, Kekäläinen 2002."""
    discounts = 1 / np.log2(np.arange(min(k, max(len(found), wanted))) + 2)
    top = found[:k]
    return float(discounts[: len(top)][top].sum() / discounts[:wanted].sum())


def average_precision(found: Found, wanted: int) -> float:
    """Mean over the wanted papers of the precision where each stands; one that is not in the ranking counts 0."""
    ranks = np.flatnonzero(found) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).sum() / wanted)


def recall(found: Found, wanted: int, k: int) -> float:
    return float(found[:k].sum() / wanted)


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Correlation of the ranks, equals sharing theirs; 0 where either puts nothing before anything else."""
    a, b = (ranks - ranks.mean() for ranks in map(rankdata, (one, other)))
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def precision(scores: NDArray[np.float64], truth: NDArray[np.float64], k: int) -> float:
    """Share of the *k* with the best scores that are among the *k* best in truth, where equals of the last are in.

    Equal scores count by the part of them that fits, so that no order of the input helps.
    """
    k = min(k, len(scores))
    good = truth >= np.sort(truth)[-k]
    edge = np.sort(scores)[-k]
    sure, tied = scores > edge, scores == edge
    return float(good[sure].sum() + good[tied].mean() * (k - sure.sum())) / k


def auc(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The chance that one that is true scores higher than one that is not; equals count half."""
    true, ranks = int(truth.sum()), rankdata(scores)
    return float((ranks[truth].mean() - ranks[~truth].mean()) / len(truth) + 0.5) if 0 < true < len(truth) else 0.5


def interval(values: NDArray[np.float64], draws: NDArray[np.intp]) -> tuple[float, float]:
    """The middle 95 % of the means over *draws* (resamples × topics, places of *values*): a bootstrap."""
    low, high = np.percentile(values[draws].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)
