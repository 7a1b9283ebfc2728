from dataclasses import replace
from datetime import date, timedelta

import pytest
from factories import NOW, batch, listing

from digest.model import Memory, SourceDay

WEEK = timedelta(days=7)


def take(catalog, *listings, now=NOW, day=None, **fields):
    return catalog.papers.take("source", batch(*listings, **fields), now, day=day)


def record(catalog, now=NOW):
    (found,) = catalog.sources.all(now)
    return found


def days(catalog, part="", now=NOW):
    return [(day.day.isoformat(), day.brought) for day in record(catalog, now).days.get(part, ())]


def test_at_first_sight_the_days_of_a_feed_are_those_of_its_entries(catalog):
    take(catalog, listing(announced=NOW - timedelta(days=3)), listing(announced=None))
    assert [day for day, _ in days(catalog)] == ["2026-01-13", "2026-01-16"]


def test_later_a_feed_has_a_new_day_when_it_shows_what_it_never_showed(catalog):
    known = listing(announced=NOW - timedelta(days=3))
    take(catalog, known)
    later = NOW + timedelta(days=2)
    take(catalog, replace(known, announced=later), now=later)
    assert [day for day, _ in days(catalog)] == ["2026-01-13"], "a new date on an old entry is no news"
    take(catalog, known, listing(announced=NOW), now=later)
    assert days(catalog)[1:] == [("2026-01-18", later)]


def test_each_arxiv_category_has_the_days_on_which_it_was_announced_itself(catalog):
    parts, yesterday = ("cs.AI", "cs.CL", "math"), NOW - timedelta(days=1)
    take(catalog, listing(), dated=True, parts=parts)
    take(
        catalog,
        listing(categories=("cs.AI",), announced=yesterday),
        listing(categories=("cs.CL", "cs.AI"), announced=NOW),
        listing(categories=("math.GT",), announced=NOW),
        dated=True,
        parts=parts,
    )
    assert [[day for day, _ in days(catalog, part)] for part in parts] == [
        ["2026-01-15"],
        ["2026-01-16"],
        ["2026-01-16"],
    ]


def test_a_category_that_is_no_longer_asked_for_is_not_missed(catalog):
    for parts in (("cs.AI", "cs.CL"), ("cs.CL",)):
        take(catalog, listing(categories=("cs.AI",)), listing(categories=("cs.CL",)), dated=True, parts=parts)
    assert list(record(catalog).days) == ["cs.CL"]


def test_a_day_that_was_asked_for_is_noted_and_the_memory_stays(catalog):
    take(catalog, listing(), memory=Memory(etag="one"))
    missed = date(2026, 1, 14)
    take(catalog, day=missed, memory=Memory(etag="another"))
    assert record(catalog).memory == Memory(etag="one")
    assert record(catalog).days[""][0] == SourceDay(missed, None, NOW)
    take(catalog, listing(announced=NOW - timedelta(days=2)), day=missed, dated=True, now=NOW + WEEK)
    assert record(catalog).days[""][0] == SourceDay(missed, NOW + WEEK, NOW + WEEK)


def test_failures_of_a_day_are_counted_until_it_answers(catalog):
    take(catalog, listing())
    missed = date(2026, 1, 14)
    counted = []
    for answers in (False, False, True, False):
        take(catalog, day=missed) if answers else catalog.sources.failed("source", "no answer", NOW, day=missed)
        counted.append(record(catalog).days[""][0].failures)
    assert (counted, record(catalog).error) == ([1, 2, 0, 1], None)


def test_who_has_nothing_to_watch_is_not_silent_and_lacks_nothing(catalog):
    take(catalog, listing(), news=False)
    take(catalog, news=False)
    assert (record(catalog).brought, record(catalog).lacking) == (NOW, {})


BARE = {"abstract": "", "authors": (), "announced": None}


@pytest.mark.parametrize(
    ("fields", "lost"), [({"abstract": ""}, ["abstracts"]), (BARE, ["abstracts", "authors", "dates"])]
)
def test_what_all_entries_had_and_none_has_any_more_is_lacking_until_it_comes_back(catalog, fields, lost):
    take(catalog, *(listing() for _ in range(5)))
    assert not record(catalog).lacking
    for day in (1, 2):
        take(catalog, *(listing(**fields) for _ in range(5)), now=NOW + timedelta(days=day))
    assert record(catalog).lacking == dict.fromkeys(lost, date(2026, 1, 17))
    take(catalog, *(listing() for _ in range(5)), now=NOW + timedelta(days=3))
    assert not record(catalog).lacking


def test_what_is_lacking_for_two_weeks_is_no_longer_missed(catalog):
    for day in range(20):
        take(catalog, *(listing(abstract="" if day else "Some.") for _ in range(5)), now=NOW + timedelta(days=day))
        assert bool(record(catalog).lacking) == (1 <= day < 15)


def test_a_feed_without_any_entries_lacks_them_but_a_calendar_knows_better(catalog):
    take(catalog, listing())
    take(catalog)
    assert list(record(catalog).lacking) == ["entries"]
    catalog.papers.take("arXiv", batch(listing(), parts=("cs.CL",)), NOW)
    catalog.papers.take("arXiv", batch(parts=("cs.CL",)), NOW)
    assert not next(r for r in catalog.sources.all(NOW) if r.name == "arXiv").lacking


def test_a_document_that_was_cut_says_nothing_of_the_shape(catalog):
    take(catalog, listing())
    take(catalog, complete=False)
    assert not record(catalog).lacking


def test_who_only_tells_more_of_known_papers_has_no_days(catalog):
    take(catalog, listing(signals={"stars": 3}), news=False)
    assert (record(catalog).brought, record(catalog).days) == (NOW, {})
