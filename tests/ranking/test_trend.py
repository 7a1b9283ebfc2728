import gzip
import json
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.model import Signal
from digest.ranking.trend import trends

MORNING = datetime(2026, 1, 14, tzinfo=UTC)
NOON = MORNING + timedelta(hours=12)


def upvotes(counts, at=NOON, source="hf", kind="upvotes"):
    """By paper id."""
    return [Signal(paper, source, kind, count, at) for paper, count in counts.items()]


def of_the_day(counts, *more, now=NOON):
    papers = {signal.paper for signal in (*upvotes(counts), *more)}
    return trends([*upvotes(counts), *more], dict.fromkeys(papers, MORNING), now)


def lines(found):
    return {paper: trend.line for paper, trend in found.items()}


def test_a_trend_is_said_in_a_line_with_count_time_and_comparison():
    found = of_the_day({1: 48, 2: 16, 3: 16, 4: 16, 5: 2})
    assert found[1].line == "48 upvotes in 12 h, 3× the median of its day"


def test_the_comparison_is_left_out_where_the_day_has_too_few_papers_or_nothing_stands_out():
    assert of_the_day({1: 48, 2: 16})[1].line == "48 upvotes in 12 h"
    assert of_the_day({1: 17, 2: 16, 3: 16, 4: 16, 5: 2})[1].line == "17 upvotes in 12 h"


def test_a_comparison_never_says_more_than_is_true():
    assert of_the_day({1: 47, 2: 16, 3: 16, 4: 16, 5: 2})[1].line.endswith(", 2.9× the median of its day")


def test_one_is_singular():
    assert of_the_day({1: 1})[1].line == "1 upvote in 12 h"


def test_long_spans_are_told_in_days():
    found = trends(upvotes({1: 1200}, at=MORNING + timedelta(days=3)), {1: MORNING}, MORNING + timedelta(days=4))
    assert found[1].line == "1,200 upvotes in 3 days"


def test_the_time_is_left_out_when_it_is_not_known_how_long_the_votes_took():
    found = trends(upvotes({1: 30}, at=MORNING) + upvotes({1: 40}), {1: MORNING}, NOON)
    assert found[1].line == "40 upvotes"


def test_papers_without_signals_or_with_zeros_are_absent():
    assert of_the_day({1: 0, 2: 3}).keys() == {2}
    assert trends([], {1: MORNING}, NOON) == {}


@pytest.mark.parametrize("count", [float("nan"), float("inf"), -5.0])
def test_a_count_that_cannot_be_is_not_believed(count):
    assert of_the_day({1: count, 2: 3}).keys() == {2}


def test_what_was_observed_later_than_now_is_not_known_yet():
    assert trends(upvotes({1: 3}) + upvotes({1: 90}, at=NOON + timedelta(hours=1)), {1: MORNING}, NOON) == trends(
        upvotes({1: 3}), {1: MORNING}, NOON
    )


def test_more_votes_on_the_same_day_are_more_of_a_trend():
    found = of_the_day({paper: 2 * paper for paper in range(1, 30)})
    values = [found[paper].value for paper in range(1, 30)]
    assert values == sorted(values)
    assert 0 < values[0] < 0.1 < 0.3 < values[-1] < 1


def test_a_trend_fades():
    week = [trends(upvotes({1: 40}), {1: MORNING}, NOON + timedelta(days=days))[1].value for days in range(7)]
    assert week == sorted(week, reverse=True)
    assert week[6] < week[0] / 3


def test_a_paper_that_gathers_votes_now_is_ahead_of_one_that_did_so_yesterday():
    later = NOON + timedelta(days=1)
    first = upvotes({1: 39, 2: 2})
    found = trends([*first, *upvotes({1: 40, 2: 40}, at=later)], {1: MORNING, 2: MORNING}, later)
    assert found[2].value > found[1].value


def test_few_votes_are_not_believed_much_however_they_compare():
    found = of_the_day({1: 3, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1})
    assert found[1].value < 0.35


def test_one_source_alone_cannot_say_everything_and_two_that_agree_say_more():
    alone = of_the_day({1: 100_000})[1].value
    agreed = of_the_day({1: 100_000}, *upvotes({1: 100_000}, source="hn", kind="points"))[1].value
    assert alone <= 0.8 < agreed < 1


def test_stars_that_a_repository_had_before_do_not_make_a_trend_of_the_day():
    found = of_the_day({1: 30, 2: 2}, *upvotes({2: 50_000}, kind="stars"))
    assert found[1].value > found[2].value


def test_each_source_is_compared_with_itself():
    votes = {paper: 100 for paper in range(1, 11)}
    points = upvotes({20: 12} | dict.fromkeys(range(21, 30), 4), source="small", kind="points")
    found = of_the_day(votes, *points)
    assert found[20].value > found[1].value


def test_a_ring_that_votes_in_one_source_stays_behind_the_days_best_and_below_the_cap():
    day = {paper: count for paper, count in enumerate((70, 45, 30, 12, 8, 6, 6, 5, 4, 4, 3, 3, 2, 2, 1), 1)}
    found = of_the_day(day | {99: 20}, *upvotes({3: 25}, source="hn", kind="points"))
    assert found[99].value < 0.6
    assert sorted(found, key=lambda paper: -found[paper].value)[:3] == [3, 1, 2]


def test_a_paper_of_a_small_field_is_compared_with_its_field_too():
    day = {paper: 20 + paper for paper in range(1, 31)} | {paper: 2 for paper in range(41, 55)} | {60: 12}
    fields = {paper: "cs.CL" if paper < 40 else "math.CO" for paper in day}
    since = dict.fromkeys(day, MORNING)
    alone, beside = trends(upvotes(day), since, NOON), trends(upvotes(day), since, NOON, fields)
    assert beside[60].value > 1.3 * alone[60].value
    assert beside[60].value > beside[1].value > alone[60].value
    assert beside[30].value > beside[60].value, "its field counts for something, not for everything"


def test_papers_of_one_day_with_the_same_votes_trend_alike_whenever_they_came():
    votes = {paper: 10 for paper in range(1, 10)}
    found = trends(upvotes(votes), {paper: MORNING + timedelta(hours=paper) for paper in votes}, NOON)
    assert len({trend.value for trend in found.values()}) == 1


def test_less_than_a_vote_in_other_counts_tells_nothing():
    assert of_the_day({1: 10, 2: 10}, *upvotes({2: 3}, kind="comments"))[1].value == of_the_day({1: 10, 2: 10})[2].value


def test_signals_before_the_paper_was_announced_do_no_harm():
    found = trends(upvotes({1: 9}), {1: NOON + timedelta(days=1)}, NOON)
    assert found[1].line == "9 upvotes"
    assert trends(upvotes({1: 9}), {}, NOON)[1].line == "9 upvotes"


@given(st.dictionaries(st.integers(1, 40), st.integers(0, 10**9), max_size=40), st.integers(0, 240))
def test_values_stay_between_0_and_1_and_do_not_depend_on_the_order_of_signals(counts, hours):
    signals = upvotes(counts) + upvotes({paper: count / 2 for paper, count in counts.items()}, kind="comments")
    since = dict.fromkeys(counts, MORNING)
    found = trends(signals, since, NOON + timedelta(hours=hours))
    assert all(0 < trend.value < 1 and trend.line for trend in found.values())
    assert found == trends(reversed(signals), since, NOON + timedelta(hours=hours))


def test_on_real_days_the_order_agrees_with_the_votes():
    folder = os.environ.get("DIGEST_TEST_DATA")
    if not folder:
        pytest.skip("DIGEST_TEST_DATA does not name the folder of shared data")
    days = defaultdict(list)
    with gzip.open(Path(folder, "hf_daily/papers.jsonl.gz"), "rt") as rows:
        for row in map(json.loads, rows):
            days[row["day"]].append(row)
    agreements = [_agreement(rows) for day, rows in sorted(days.items())[::20] if len(rows) > 5]
    assert np.median(agreements) > 0.97


def _agreement(rows):
    signals, since = [], {}
    for number, row in enumerate(rows):
        at = datetime.fromisoformat(row["snapshot_at"])
        since[number] = datetime.fromisoformat(row["day"]).replace(tzinfo=UTC)
        counts = {"upvotes": row["upvotes"], "comments": row["num_comments"], "stars": row["github_stars"]}
        signals += [Signal(number, "hf", kind, count, at) for kind, count in counts.items() if count]
    found = trends(signals, since, max(signal.at for signal in signals))
    values = [found[number].value if number in found else 0 for number in range(len(rows))]
    return np.corrcoef(_ranks(values), _ranks([row["upvotes"] for row in rows]))[0, 1]


def _ranks(values):
    values = np.array(values)
    return (values[:, np.newaxis] > values).sum(axis=1) + (values[:, np.newaxis] == values).sum(axis=1) / 2
