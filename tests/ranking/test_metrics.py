import numpy as np
import pytest

from digest.ranking import metrics


def found(*marks):
    return np.array(marks, dtype=bool)


def test_gain_is_discounted_by_rank_and_shared_by_what_was_possible():
    one_and_three = 1 + 1 / 2  # 1 / log2(2) + 1 / log2(4)
    best_of_two = 1 + 1 / np.log2(3)
    assert metrics.ndcg(found(1, 0, 1, 0), 2, 10) == pytest.approx(one_and_three / best_of_two)
    assert metrics.ndcg(found(1, 0, 1, 0), 2, 2) == pytest.approx(1 / best_of_two)


def test_a_perfect_ranking_has_the_full_gain_also_when_more_are_wanted_than_fit():
    assert metrics.ndcg(found(*[1] * 30), 30, 10) == pytest.approx(1)
    assert metrics.ndcg(found(0, 0), 1, 10) == 0


def test_average_precision_counts_what_is_missing_as_nothing():
    assert metrics.average_precision(found(1, 0, 1, 0), 2) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert metrics.average_precision(found(1, 0, 1, 0), 4) == pytest.approx((1 / 1 + 2 / 3) / 4)
    assert metrics.average_precision(found(0, 0), 1) == 0


def test_recall_is_the_share_of_the_wanted():
    assert metrics.recall(found(1, 0, 1, 1), 4, 3) == 0.5


def test_all_measures_are_told_in_one_go():
    assert metrics.measured(found(1), 1) == dict.fromkeys(metrics.MEASURES, 1.0)


def test_equal_values_share_a_rank():
    # ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4
    assert metrics.spearman(np.array([1.0, 1, 2, 3]), np.array([1.0, 2, 3, 4])) == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert metrics.spearman(np.array([1.0, 2, 3]), np.array([9.0, 4, 1])) == pytest.approx(-1)
    assert metrics.spearman(np.ones(3), np.arange(3.0)) == 0


def test_spearman_is_what_scipy_says():
    from scipy import stats

    chance = np.random.default_rng(1)
    for _ in range(20):
        one, other = chance.integers(0, 6, (2, 15)).astype(float)
        assert metrics.spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)


def test_the_first_measures_are_what_scikit_learn_says():
    learn = pytest.importorskip("sklearn.metrics", reason="pip install 'digest[evaluate]'")
    chance = np.random.default_rng(2)
    for _ in range(20):
        scores, truth = chance.permutation(30).astype(float), chance.random(30) < 0.3
        ranking = truth[np.argsort(-scores)]
        assert metrics.ndcg(ranking, truth.sum(), 10) == pytest.approx(learn.ndcg_score([truth], [scores], k=10))
        expected = learn.average_precision_score(truth, scores)
        assert metrics.average_precision(ranking, truth.sum()) == pytest.approx(expected)


def test_precision_looks_at_the_best_and_takes_in_who_ties_with_the_last_of_them():
    truth = np.array([9.0, 5, 5, 1])
    assert metrics.precision(np.array([4.0, 3, 2, 1]), truth, 2) == 1
    assert metrics.precision(np.array([4.0, 1, 2, 3]), truth, 2) == 0.5


def test_precision_of_scores_that_do_not_tell_is_what_chance_would_have():
    assert metrics.precision(np.ones(4), np.array([4.0, 3, 2, 1]), 2) == 0.5


def test_an_interval_holds_the_middle_of_the_resampled_means():
    values = np.array([0.0, 1.0])
    assert metrics.interval(values, np.zeros((10, 2), dtype=np.intp)) == (0, 0)
    low, high = metrics.interval(values, np.array([[0, 0], [0, 1], [1, 1]]))
    assert (low, high) == pytest.approx((0.025, 0.975))
