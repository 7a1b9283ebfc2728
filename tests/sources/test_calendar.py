from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from digest.sources import calendar


@pytest.mark.parametrize(
    ("day", "batch"),
    [
        ("2026-01-16", True),  # a Friday
        ("2026-01-17", False),
        ("2026-01-18", False),
        ("2026-01-19", True),  # King's birthday: announced the evening before, and nothing on its own
        ("2026-01-20", False),
        ("2026-01-02", False),  # nothing on the evening of 1 January
        ("2025-09-02", False),  # nor on Labor Day
        ("2025-07-07", False),  # nor on the Sunday that arXiv took for 4 July
        ("2025-07-04", True),
        ("2026-11-27", False),
        ("2026-11-26", True),
        ("2026-12-30", False),
        ("2027-01-19", False),  # rules go on where the list ends
    ],
)
def test_a_batch_has_a_weekday_as_its_date_unless_the_evening_before_was_a_holiday(day, batch):
    assert calendar.announces(date.fromisoformat(day)) == batch


@pytest.mark.parametrize(("day", "hour"), [("2026-01-16", 5), ("2026-07-16", 4), ("2026-03-09", 4), ("2026-11-02", 5)])
def test_the_feeds_change_at_midnight_in_new_york_in_winter_and_summer(day, hour):
    assert calendar.begins(date.fromisoformat(day)) == datetime.fromisoformat(f"{day}T{hour:02}:00Z")


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-01-15", "2026-01-13T19:00Z", "2026-01-14T19:00Z"),
        ("2026-01-12", "2026-01-08T19:00Z", "2026-01-09T19:00Z"),  # Monday: Thursday to Friday
        ("2026-01-13", "2026-01-09T19:00Z", "2026-01-12T19:00Z"),  # Tuesday: the weekend
        ("2025-09-03", "2025-08-29T18:00Z", "2025-09-02T18:00Z"),  # after a holiday: what waited
    ],
)
def test_a_batch_holds_what_was_submitted_since_the_one_before(day, first, last):
    expected = tuple(map(datetime.fromisoformat, (first, last)))
    assert calendar.submitted(date.fromisoformat(day)) == expected


def test_batches_leave_no_moment_out():
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(800)]
    spans = [calendar.submitted(day) for day in days if calendar.announces(day)]
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all(first < last < calendar.begins(day) for day, (first, last) in
               zip(filter(calendar.announces, days), spans, strict=True))  # fmt: skip
    assert spans[0][0].tzinfo is UTC
