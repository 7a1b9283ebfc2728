import threading
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from factories import NOW, batch, listing

from digest.errors import NotFound, SourceError
from digest.model import Batch, Memory
from digest.services.collect import Collect

WEEK = timedelta(days=7)


@dataclass
class Said:
    """A source that has what the test gives it, also by day."""

    name: str
    batch: Batch = field(default_factory=batch)
    days: dict[date, Batch] = field(default_factory=dict)
    grows: bool | None = None
    until: threading.Event | None = None
    asked: list[date | Memory] = field(default_factory=list)

    def fetch(self, http, memory):
        self.asked.append(memory)
        if self.until:
            self.until.wait(20)
        if self.batch is None:
            raise SourceError("no answer", name=self.name)
        return self.batch

    def on(self, day, http):
        self.asked.append(day)
        if day not in self.days:
            raise SourceError("no answer", name=self.name)
        return self.days[day]


@pytest.fixture
def collect(catalog, clock):
    def made(*sources):
        return Collect(catalog, sources, None, clock)

    return made


def test_outcomes_come_in_the_order_of_the_sources_and_one_failure_does_not_silence_the_rest(collect, catalog):
    found = list(collect(Said("a", batch(listing())), Said("b", None), Said("c", batch(listing()))).collect())
    assert [(one.source, one.taken and one.taken.new, str(one.error)) for one in found] == [
        ("a", 1, "None"),
        ("b", None, "b: no answer"),
        ("c", 1, "None"),
    ]
    assert {record.name: record.error for record in catalog.sources.all(NOW)} == {
        "a": None,
        "b": "b: no answer",
        "c": None,
    }


def test_who_hangs_does_not_keep_the_others_waiting(collect):
    hangs = threading.Event()
    outcomes = collect(Said("hangs", until=hangs), *(Said(f"{n}", batch(listing())) for n in range(80))).collect()
    first = [next(outcomes).source for _ in range(80)]
    hangs.set()
    assert [one.source for one in outcomes] == ["hangs"]
    assert first == [f"{n}" for n in range(80)]


def test_a_document_of_which_nothing_could_be_read_is_a_failure(collect):
    [found] = collect(Said("a", batch(complete=False, warnings=("it is cut",)))).collect()
    assert str(found.error) == "a: it is cut"


def test_an_unknown_name_is_refused(collect):
    with pytest.raises(NotFound, match=r"no source is called b; config.yaml has a"):
        list(collect(Said("a")).collect(["b"]))


def days(*numbers):
    return [date(2026, 1, number) for number in numbers]


def of(day, title="", **fields):
    return listing(title=title or f"of the {day.day}th", announced=NOW.replace(day=day.day, hour=6), **fields)


def test_days_that_were_missed_are_taken_up_once_when_the_source_is_back(collect, catalog, clock):
    old, tuesday, wednesday, today = days(12, 13, 14, 16)
    source = Said("arXiv", batch(of(old), dated=True, parts=("cs.CL",)), grows=False)
    clock.now = NOW.replace(day=12)
    list(collect(source).collect())
    clock.now = NOW
    source.batch = batch(of(today), dated=True, parts=("cs.CL",))
    source.days = {tuesday: batch(of(tuesday), dated=True, parts=("cs.CL",)), days(15)[0]: batch()}
    found = list(collect(source).collect())
    assert [(one.day and one.day.day, one.taken and one.taken.new) for one in found] == [
        (None, 1),
        (15, 0),
        (14, None),
        (13, 1),
    ]
    assert source.asked[2:] == days(15, 14, 13)
    del source.asked[:]
    source.days[wednesday] = batch(of(wednesday), dated=True, parts=("cs.CL",))
    for hours in (1, 2, 2):
        clock.forward(hours=hours)
        list(collect(source).collect())
    told = "what failed, after a while, and that once"
    assert [(n, asked) for n, asked in enumerate(source.asked) if isinstance(asked, date)] == [(2, wednesday)], told
    news = {card.title: since for card, since in catalog.papers.news(NOW - WEEK, NOW)}
    assert news["of the 13th"] == NOW, "late by a gap it is news when it comes"
    assert news["of the 16th"] == NOW.replace(hour=6)


def test_past_days_whose_counts_grow_are_looked_at_again_and_a_broken_source_is_left_in_peace(collect, catalog, clock):
    first, second = days(12, 13)
    source = Said("HF", batch(of(first, arxiv="2601.1", signals={"upvotes": 3})), grows=True)
    clock.now = NOW.replace(day=12)
    list(collect(source).collect())
    clock.now = NOW.replace(day=13, hour=23)
    source.batch = batch(of(second, arxiv="2601.2", signals={"upvotes": 1}), dated=True)
    source.days = {first: batch(of(first, arxiv="2601.1", signals={"upvotes": 40}), dated=True)}
    assert [one.day for one in collect(source).collect()] == [None, first]
    assert [signal.value for signal in catalog.papers.signals([1], clock())] == [3, 40]
    clock.forward(days=2)
    source.batch = None
    assert [one.day for one in collect(source).collect()] == [None]
