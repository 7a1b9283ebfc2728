from datetime import UTC, date, datetime, timedelta

import pytest
from factories import NOW
from hypothesis import given
from hypothesis import strategies as st

from digest import schedule
from digest.model import Cadence, Interest, Schedule, State

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Tokyo",
    "UTC",
]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "after", "label", "due"),
    [
        (Schedule(hour=7, zone="Europe/Berlin"), "2026-01-16T05:59", "2026-01-16", "2026-01-16T06:00"),
        (Schedule(hour=7, zone="Europe/Berlin"), "2026-01-16T06:00", "2026-01-17", "2026-01-17T06:00"),
        (Schedule(hour=7, zone="Asia/Tokyo"), "2026-01-15T12:00", "2026-01-16", "2026-01-15T22:00"),
        (Schedule(Cadence.WEEKDAYS, 8, "UTC", (1, 3)), "2026-01-16T00:00", "2026-01-19", "2026-01-19T08:00"),
        (Schedule(Cadence.WEEKLY, 8, "UTC", (5,)), "2026-01-16T00:00", "2026-W03", "2026-01-16T08:00"),
        (Schedule(Cadence.WEEKLY, 8, "UTC", (4,)), "2025-12-28T00:00", "2026-W01", "2026-01-01T08:00"),
        # the spring gap: the first valid instant after it; the autumn overlap: the first of the two
        (Schedule(hour=2, zone="Europe/Berlin"), "2026-03-28T12:00", "2026-03-29", "2026-03-29T01:00"),
        (Schedule(hour=2, zone="Europe/Berlin"), "2026-10-24T12:00", "2026-10-25", "2026-10-25T00:00"),
        (Schedule(hour=2, zone="America/New_York"), "2026-03-07T12:00", "2026-03-08", "2026-03-08T07:00"),
        (Schedule(hour=1, zone="America/New_York"), "2026-10-31T12:00", "2026-11-01", "2026-11-01T05:00"),
        (Schedule(hour=2, zone="Australia/Lord_Howe"), "2026-10-03T00:00", "2026-10-04", "2026-10-03T15:30"),
        (Schedule(hour=0, zone="America/Santiago"), "2026-09-05T12:00", "2026-09-06", "2026-09-06T04:00"),
        (Schedule(hour=0, zone="Africa/Cairo"), "2026-04-23T12:00", "2026-04-24", "2026-04-23T22:00"),
    ],
)
def test_a_turn_is_due_at_the_local_hour_of_a_wanted_day(wanted, after, label, due):
    turn = wanted.next(at(after))
    assert (turn.label, turn.due) == (label, at(due))


@given(
    st.sampled_from(ZONES), st.integers(0, 23), st.sampled_from(Cadence), st.sets(st.integers(1, 7), min_size=1),
    st.integers(0, 6 * 365 * 24 * 60),
)  # fmt: skip
def test_turns_follow_one_another_without_a_gap_or_a_repeat(zone, hour, cadence, days, start):
    wanted = Schedule(cadence, hour, zone, tuple(sorted(days))[: 1 if cadence is Cadence.WEEKLY else 7])
    moment, labels = at("2024-01-01") + timedelta(minutes=start), []
    for _ in range(20):
        turn = wanted.next(moment)
        assert turn.due > moment
        assert turn == wanted.next(turn.due - timedelta(seconds=1))
        labels.append(turn.label)
        moment = turn.due
    assert len(set(labels)) == 20
    if cadence is Cadence.DAILY:
        first = date.fromisoformat(labels[0])
        assert labels == [(first + timedelta(days=n)).isoformat() for n in range(20)]


@pytest.fixture
def running(make_app, tmp_path):
    feed = tmp_path / "feed.xml"
    feed.write_text(
        '<rss version="2.0"><channel><title>A journal</title><item><title>Dense retrieval</title>'
        "<link>https://example.org/1</link><description>We retrieve.</description>"
        f"<pubDate>{NOW - timedelta(hours=3):%a, %d %b %Y %H:%M:%S} GMT</pubDate></item></channel></rss>"
    )
    return make_app(
        "sources:\n"
        "  - {name: Journal, kind: feed, url: 'file:feed.xml'}\n"
        "  - {name: Gone, kind: feed, url: 'file:gone.xml'}\n"
    )


def test_one_tick_goes_the_whole_way_and_a_broken_source_does_not_stop_it(running, clock):
    running.subscriptions.add("ada@example.org", Interest(), Schedule(), "asked")
    schedule.tick(running)
    assert running.catalog.deliveries.counts()[State.SENT] == 1
    assert len(list(running.settings.file("outbox").glob("new/*"))) == 1


def test_ticks_ask_the_sources_every_half_hour_and_send_nothing_twice(running, clock):
    running.subscriptions.add("ada@example.org", Interest(), Schedule(), "asked")
    asked = set()
    for _ in range(70):
        schedule.tick(running)
        asked |= {s.asked for s in running.catalog.sources.all(NOW)}
        clock.forward(minutes=1)
    assert len(asked) == 3
    assert len(list(running.settings.file("outbox").glob("new/*"))) == 1


def test_a_bug_in_one_step_does_not_keep_the_next_from_its_work(running, clock, monkeypatch, caplog):
    running.subscriptions.add("ada@example.org", Interest(), Schedule(), "asked")
    schedule.tick(running)
    running.subscriptions.add("bob@example.org", Interest(), Schedule(), "asked")
    running.publish.compose()
    monkeypatch.setattr(schedule, "compose", lambda app: {}["edition"])
    schedule.tick(running)
    assert running.catalog.deliveries.counts()[State.SENT] == 2
    assert "KeyError" in caplog.text


def test_sources_are_asked_again_after_the_clock_was_put_back(running, clock):
    clock.forward(days=3)
    schedule.collect_if_due(running)
    clock.forward(days=-3)
    schedule.collect_if_due(running)
    assert {s.asked for s in running.catalog.sources.all(NOW)} == {NOW}
