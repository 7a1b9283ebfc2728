"""Days are of January 2026; the 5th, 12th and 19th are Mondays, the evening of the 19th is a holiday."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.model import Memory, SourceDay, SourceRecord, look_again
from digest.sources import health

WEEKDAYS = [5, 6, 7, 8, 9, 12, 13, 14, 15]
DAY = timedelta(days=1)


def at(day, hour=12, minute=0):
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


def brought(*days, hour=6):
    return tuple(SourceDay(date(2026, 1, day), at(day, hour)) for day in days)


def source(name="Feed", error=None, lacking=None, **days):
    of = {part.replace("_", "."): found for part, found in days.items()}
    return SourceRecord(name, Memory(), at(16), at(15), at(15), error, lacking or {}, of or {"": brought(*WEEKDAYS)})


def states(of, now):
    return {report.part: report.health for report in health.reports(of, now)}


def told(of, now):
    return list(health.notes(health.reports(of, now), now))


def waited_for(of, now):
    return any(report.awaited(now) for report in health.reports(of, now))


# ---------------------------------------------------------------- arXiv


def test_a_stale_category_is_seen_beside_a_fresh_one():
    arxiv = source(cs_AI=brought(*WEEKDAYS), cs_CL=brought(*WEEKDAYS, 16))
    assert states(arxiv, at(16, 6)) == {"cs.AI": "stale", "cs.CL": "fresh"}
    assert told(arxiv, at(16, 6)) == ["cs.AI not announced yet"]
    assert waited_for(arxiv, at(16, 6))


def test_a_category_that_stays_away_longer_is_dated_and_no_longer_waited_for():
    arxiv = source(cs_AI=brought(12, 13), cs_CL=brought(12, 13, 14, 15, 16), cs_LG=brought(12, 13))
    assert told(arxiv, at(16)) == ["cs.AI, cs.LG not announced since 13 January"]
    assert not waited_for(arxiv, at(16))


@pytest.mark.parametrize("now", [at(17), at(18), at(19, 3), at(20), at(21, 3)])
def test_weekends_and_holidays_are_quiet(now):
    arxiv = source(cs_CL=brought(*WEEKDAYS, 16, *([19] if now.day > 19 else [])))
    assert states(arxiv, now)["cs.CL"] in ("quiet", "fresh")
    assert not told(arxiv, now)
    assert not waited_for(arxiv, now)


def test_after_the_holiday_it_is_expected_again():
    arxiv = source(cs_CL=brought(*WEEKDAYS, 16, 19))
    [report] = health.reports(arxiv, at(20))
    assert report.due == at(21, 5)
    assert states(arxiv, at(21, 5)) == {"cs.CL": "stale"}


def test_a_small_category_that_leaves_days_out_is_not_missed_on_the_next():
    arxiv = source(math_GN=brought(5, 7, 8, 12, 13, 15))
    assert states(arxiv, at(16)) == {"math.GN": "quiet"}
    assert states(arxiv, at(26)) == {"math.GN": "stale"}


# ---------------------------------------------------------------- others


def test_a_rhythm_is_learned_and_weekends_without_news_belong_to_it():
    feed = source()
    assert states(feed, at(15, 20)) == {"": "fresh"}
    assert states(feed, at(16, 6, 59)) == {"": "quiet"}
    assert states(feed, at(16, 7)) == {"": "stale"}, "an hour later than ever"
    assert told(feed, at(16, 8)) == ["Feed: nothing new since 15 January"]
    friday = source(**{"": brought(*WEEKDAYS, 16)})
    assert states(friday, at(18)) == {"": "quiet"}
    assert states(friday, at(19, 7)) == {"": "stale"}


def test_a_weekly_feed_is_expected_on_its_day_and_a_monthly_one_in_its_month():
    weeks = tuple(SourceDay(date(2025, 12, 2) + 7 * n * DAY, at(1)) for n in range(6))  # Tuesdays until 6 January
    assert states(source(**{"": weeks}), at(12)) == {"": "quiet"}
    assert states(source(**{"": weeks}), at(15)) == {"": "stale"}
    months = tuple(SourceDay(date(2025, 8, 3) + 30 * n * DAY, at(1)) for n in range(6))  # until 31 December
    assert states(source(**{"": months}), at(29)) == {"": "quiet"}


def test_what_came_too_seldom_to_have_a_rhythm_is_not_expected():
    assert states(source(**{"": brought(5, 6)}), at(30)) == {"": "quiet"}


def test_who_has_no_days_is_fresh_or_quiet_by_when_it_last_told_something():
    stars = SourceRecord("GitHub", Memory(), at(15), at(15), at(15))
    assert [states(stars, at(day)) for day in (15, 16, 30)] == [{"": "fresh"}, {"": "quiet"}, {"": "quiet"}]
    assert not told(stars, at(30))
    broken = replace(stars, error="GitHub: no more today")
    assert not told(broken, at(16)), "readers miss no paper"
    assert not waited_for(broken, at(16))
    assert told(replace(broken, answered=None), at(16)) == ["GitHub could not be read"]


def test_what_cannot_be_read_is_broken_and_missed_when_it_should_have_brought_something():
    assert states(source(error="Feed: no answer"), at(15)) == {"": "broken"}
    assert not told(source(error="Feed: no answer"), at(15))
    assert told(source(error="Feed: no answer"), at(16)) == ["Feed could not be read since 15 January"]
    assert waited_for(source(error="Feed: no answer"), at(16))
    unknown = source(error="Feed: no answer", **{"": brought(14)})
    assert waited_for(unknown, at(16))
    assert not waited_for(unknown, at(20))


def test_what_lacks_what_it_had_has_changed_its_shape():
    feed = source(lacking={"abstracts": date(2026, 1, 14), "dates": date(2026, 1, 15)})
    assert states(feed, at(15)) == {"": "changed-shape"}
    assert told(feed, at(15)) == ["Feed: no abstracts and dates since 14 January"]


@given(st.lists(st.integers(0, 69), unique=True, max_size=40), st.integers(0, 100), st.booleans())
def test_every_history_has_a_state_and_the_next_day_is_later_than_the_last(days, now, part):
    first = datetime(2025, 11, 1, 5, tzinfo=UTC)
    came = tuple(SourceDay((first + n * DAY).date(), first + n * DAY) for n in sorted(days))
    of = SourceRecord("x", Memory(), first, days={"cs.AI" if part else "": came})
    [report] = health.reports(of, first + now * DAY)
    assert report.health in health.Health
    assert report.due is None or (report.last and report.due.date() > report.last)
    assert set(health.again(of, first + now * DAY, grows=True)) <= {(first + n * DAY).date() for n in range(-1, 70)}


# ---------------------------------------------------------------- past days


def test_missed_days_are_asked_for_once_there_is_news_after_them_and_only_once():
    down = source(cs_AI=brought(5, 6, 7))
    assert health.again(down, at(14), grows=False) == []
    back = {"cs_AI": brought(5, 6, 7, 13), "cs_CL": brought(5, 6, 7, 8, 9, 12, 13)}
    assert [day.day for day in health.again(source(**back), at(13), grows=False)] == [12, 9, 8]
    asked = tuple(SourceDay(date(2026, 1, day), None, at(13)) for day in (8, 9, 12))
    assert health.again(source(**back, **{"": asked}), at(13), grows=False) == []


def test_a_day_that_was_asked_for_in_vain_is_tried_again_ever_later():
    back = {"cs_AI": brought(5, 6, 7, 9)}
    for failures, hours in ((1, 2), (2, 4), (4, 16)):
        failed = source(**back, **{"": (SourceDay(date(2026, 1, 8), None, at(9), failures),)})
        tried = [hour for hour in range(40) if health.again(failed, at(9) + timedelta(hours=hour), grows=False)]
        assert tried == [*range(hours, 40)]


def test_a_category_that_leaves_days_out_is_asked_for_only_with_the_others_or_when_all_were_missed():
    small, daily = brought(5, 7, 8, 12, 13, 16), brought(5, 6, 7, 8, 9, 12, 13, 16)
    assert [day.day for day in health.again(source(math_GN=small, cs_CL=daily), at(16), grows=False)] == [15, 14]
    assert [day.day for day in health.again(source(math_GN=small), at(16), grows=False)] == [15, 14, 9, 6]


def test_a_gap_does_not_become_the_rhythm():
    feed = source(**{"": brought(5, 6, 7, 8, 9, 15)})
    assert [day.day for day in health.again(feed, at(15), grows=False)] == [14, 13, 12]
    assert states(feed, at(16, 8)) == {"": "stale"}


def test_few_past_days_are_asked_for_at_a_time_and_none_that_is_long_past():
    away = source(cs_AI=(SourceDay(date(2025, 11, 3), at(1)), *brought(30)))
    assert [day.day for day in health.again(away, at(30), grows=False)] == [29, 28, 27, 26, 23]


def test_days_whose_counts_grow_are_looked_at_ever_more_rarely_for_two_weeks():
    looks, asked = [], None
    for hour in range(24, 30 * 24):
        now = at(1, 0) + timedelta(hours=hour)
        days = (SourceDay(date(2026, 1, 1), at(1), asked), *brought(2, hour=0))
        if health.again(source(**{"": days}), now, grows=True):
            looks.append(hour)
            asked = now
    gaps = [b - a for a, b in pairwise(looks)]
    assert gaps == sorted(gaps)
    assert 5 <= len(looks) <= 10
    assert 10 * 24 < looks[-1] <= 14 * 24
    assert health.again(source(**{"": (*brought(1), *brought(2))}), at(2), grows=False) == []


def test_counts_are_observed_about_fifteen_times_in_two_weeks():
    seen, last = 0, 0.0
    for quarter in range(14 * 24 * 4):
        hour = quarter / 4
        if look_again(timedelta(hours=hour), timedelta(hours=hour - last)):
            seen, last = seen + 1, hour
    assert 13 <= seen <= 16
