import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from factories import NOW, batch, listing, topic

from digest.errors import CatalogError, NotFound
from digest.model import WELCOME, Cadence, Interest, Schedule, Skipped, State, pack
from digest.services import opening

WEEK = timedelta(days=7)
ARXIV = "sources:\n  - {name: arxiv, kind: feed, url: 'file:gone.xml'}\n"
TEXTS = {
    "retrieval": ("Dense retrieval for long documents", "We rank passages with dense retrieval and a reranker."),
    "robots": ("Grasping with two hands", "A robot learns manipulation and grasping from few demonstrations."),
    "proteins": ("Folding proteins faster", "Protein structure prediction without alignments."),
}


@pytest.fixture
def papers(app):
    """A function that collects one paper about each subject, announced so many hours ago."""

    def collect(*subjects, hours=2, source="arxiv", **fields):
        found = [
            listing(title=TEXTS[s][0], abstract=TEXTS[s][1], announced=app.clock() - timedelta(hours=hours), **fields)
            for s in subjects
        ]
        app.catalog.papers.take(source, batch(*found), app.clock())

    return collect


def add(app, address="ada@example.org", interest=None, schedule=None, welcome=False):
    after = None if welcome else app.clock() - timedelta(hours=12)
    return app.subscriptions.add(address, interest or Interest(), schedule or Schedule(), "asked", after=after)


def rows(app):
    return {(d.digest.subscriber, d.digest.turn): d for d in app.catalog.deliveries.of()}


def sent_titles(app, number=1):
    (row,) = [d for d in app.catalog.deliveries.of(subscriber=number) if d.digest.picks][-1:]
    edition = app.catalog.editions.get(row.digest.edition)
    return {edition.candidates[p.ordinal].card.title for p in row.digest.picks}


def test_an_edition_opens_once_at_its_hour_and_stays_as_it_was(app, papers, clock):
    clock.now = NOW.replace(hour=5, minute=59)
    papers("retrieval")
    assert app.publish.open().edition is None
    clock.now = NOW.replace(hour=6)
    assert app.publish.open().new
    papers("robots")
    assert not app.publish.open().new
    assert [c.card.title for c in app.publish.edition().candidates] == [TEXTS["retrieval"][0]]


def test_candidates_are_what_became_news_in_the_window(app, papers):
    papers("retrieval", hours=24 * 6)
    papers("robots", hours=24 * 8, source="another, seen for the first time")
    app.publish.open()
    assert [c.card.title for c in app.publish.edition().candidates] == [TEXTS["retrieval"][0]]


def test_of_more_papers_than_fit_in_memory_the_newest_are_candidates(app, papers, monkeypatch):
    monkeypatch.setattr(opening, "MOST", 2)
    for hours, subject in enumerate(("proteins", "robots", "retrieval"), 1):
        papers(subject, hours=hours)
    assert app.publish.open().candidates == 2
    assert {c.card.title for c in app.publish.edition().candidates} == {TEXTS[s][0] for s in ("proteins", "robots")}


def test_the_edition_waits_for_a_source_that_answered_lately_and_does_not_now(make_app, papers, clock):
    app = make_app(ARXIV)
    clock.now = NOW.replace(hour=5)
    papers("retrieval")
    clock.now = NOW.replace(hour=6)
    app.catalog.sources.failed("arxiv", "arxiv: no answer", clock())
    add(app, schedule=Schedule(hour=6))
    assert app.publish.open().waiting_for == ("arxiv",)
    assert not app.publish.compose(), "who is due now waits for the edition"
    clock.forward(minutes=90)
    assert app.publish.open().new
    assert app.publish.compose()["pending"] == 1


def test_an_edition_opens_before_its_day_is_over_however_late_a_source_is(make_app, papers, clock):
    app = make_app(ARXIV + "publish: {at: '23:00'}\n")
    papers("retrieval")
    clock.now = NOW.replace(hour=23, minute=30)
    app.catalog.sources.failed("arxiv", "arxiv: no answer", clock())
    assert app.publish.open().waiting_for == ("arxiv",)
    clock.forward(minutes=25)
    assert app.publish.open().edition == NOW.date()
    assert app.publish.waits_from(clock()) > clock()


def test_a_source_that_has_been_down_for_days_is_not_waited_for(make_app, papers, clock):
    app = make_app(ARXIV)
    papers("retrieval")
    clock.forward(days=4)
    app.catalog.sources.failed("arxiv", "arxiv: no answer", clock())
    assert app.publish.open().new


def test_each_subscriber_gets_what_is_about_their_interest_with_that_as_the_reason(app, papers):
    papers("retrieval", "robots", "proteins")
    app.publish.open()
    for name, interest in (("ada", Interest({1: 1.0})), ("bob", Interest(texts=("protein structure",)))):
        add(app, f"{name}@example.org", interest)
    assert app.publish.compose() == {"pending": 2}
    assert (sent_titles(app, 1), sent_titles(app, 2)) == ({TEXTS["retrieval"][0]}, {TEXTS["proteins"][0]})
    reasons = app.publish.preview(add(app, "eve@example.org", Interest({1: 1.0}))).items[0].reasons
    assert "Retrieval" in reasons[0]


def test_a_turn_is_composed_once_however_often_the_tick_comes(app, papers, clock):
    papers("retrieval")
    app.publish.open()
    add(app)
    for _ in range(5):
        app.publish.compose()
        clock.forward(minutes=1)
    assert len(rows(app)) == 1


def test_composing_tells_how_far_it_is(app, papers, monkeypatch):
    monkeypatch.setattr("digest.services.publish.CHUNK", 2)
    papers("retrieval")
    app.publish.open()
    for n in range(4):
        add(app, f"reader{n}@example.org")
    told = []
    app.publish.compose(told.append)
    assert [pace.partition(",")[0] for pace in told] == ["2 of 4", "4 of 4"]
    assert gc.isenabled()


def test_a_chunk_that_cannot_be_written_keeps_no_other_from_it_and_is_tried_again(app, papers, monkeypatch):
    monkeypatch.setattr("digest.services.publish.CHUNK", 1)
    papers("retrieval")
    app.publish.open()
    for n in range(3):
        add(app, f"reader{n}@example.org")
    real = app.catalog.deliveries.add

    def add_but_one(composed):
        if composed[0].digest.subscriber == 2:
            raise CatalogError("disk full")
        return real(composed)

    monkeypatch.setattr(app.catalog.deliveries, "add", add_but_one)
    with pytest.raises(CatalogError, match="disk full"):
        app.publish.compose()
    assert [number for number, _ in rows(app)] == [1, 3]
    monkeypatch.setattr(app.catalog.deliveries, "add", real)
    assert app.publish.compose() == {"pending": 1}


def test_a_chunk_by_itself_knows_papers_merged_and_topics_added_since_the_last(app, papers, clock):
    papers("retrieval", "proteins")
    app.publish.open()
    ada = app.catalog.subscribers.put(replace(add(app), count=1), None)
    app.publish.compose_chunk("1-1")
    had, other = (app.publish.edition().candidates[n].card.paper for n in (0, 1))
    app.catalog.papers.join(other, had, "by hand", clock())
    app.catalog.topics.offer([*app.catalog.topics.offered(), topic(3, "Protein structure")])
    clock.forward(days=1)
    bob = add(app, "bob@example.org", Interest({3: 1.0}))
    app.publish.compose_chunk("1-2")
    assert [d.reason for d in app.catalog.deliveries.of(subscriber=ada.id)] == ["", "nothing-new"]
    assert sent_titles(app, bob.id) == {TEXTS["proteins"][0]}


def test_who_looks_ahead_at_the_same_time_as_others_sees_the_same_as_alone(app, papers):
    papers("retrieval", "robots", "proteins")
    app.publish.open()
    words = [word for title, abstract in TEXTS.values() for word in f"{title} {abstract}".split()] * 3
    readers = [app.publish.anybody(Interest(texts=(f"{word} {n}",))) for n, word in enumerate(words)]
    with ThreadPoolExecutor(8) as many:
        together = [*many.map(app.publish.preview, readers)]
    alone = [app.publish.preview(reader) for reader in readers]
    assert [found.items for found in together] == [found.items for found in alone]


def test_a_paper_that_was_sent_is_not_sent_again(app, papers, clock):
    papers("retrieval", "robots")
    app.publish.open()
    add(app)
    app.publish.compose()
    clock.forward(days=1)
    papers("proteins")
    app.publish.open()
    app.publish.compose()
    assert sent_titles(app) == {TEXTS["proteins"][0]}


def test_votes_bring_papers_like_those_voted_for_whether_they_stand_in_the_edition_or_not(app, papers):
    papers("robots", hours=24 * 20)
    papers("retrieval", "proteins")
    old = listing(title="Grasping with one hand", abstract=TEXTS["robots"][1], announced=app.clock())
    app.catalog.papers.take("arxiv", batch(old), app.clock())
    reader = add(app, interest=Interest(keywords=("proteins",)))
    app.catalog.votes.put(reader.id, [1], 1, "mail", app.clock())
    app.publish.open()
    app.publish.compose()
    assert sent_titles(app, reader.id) == {"Grasping with one hand", TEXTS["proteins"][0]}


def test_a_paper_that_nobody_spoke_of_has_a_chance_learned_from_those_before_it(app, monkeypatch):
    monkeypatch.setattr("digest.ranking.prior.PAPERS_AT_LEAST", 60)
    monkeypatch.setattr("digest.ranking.prior.TREND_AT_LEAST", 10)
    old = app.clock() - timedelta(days=20)
    before = [
        listing(f"2512.{n:05}", title=f"{'Agents' if n % 5 == 0 else 'Proofs'} {n}", announced=old) for n in range(90)
    ]
    app.catalog.papers.take("arxiv", batch(*before), old)
    spoken = [replace(one, source="hf", signals={"upvotes": 9.0}, announced=None) for one in before[::5]]
    app.catalog.papers.take("hf", batch(*spoken), old + timedelta(hours=9))
    new = [listing(title=f"{word} of today", announced=app.clock()) for word in ("Agents", "Proofs")]
    app.catalog.papers.take("arxiv", batch(*new), app.clock())
    app.publish.open()
    chances = {c.card.title: c.chance for c in app.publish.edition().candidates}
    assert chances["Agents of today"] > 2 * chances["Proofs of today"] > 0


def test_a_topic_that_is_added_later_may_bring_back_what_was_sent_before(app, papers, clock):
    app.catalog.topics.offer([topic(0, "Dense retrieval of passages"), topic(0, "Grasping robots")])
    retrieval, robots = (known.id for known in app.catalog.topics.offered())
    papers("retrieval", "robots")
    reader = add(app, interest=Interest({robots: 1.0}, keywords=("retrieval",)))
    app.publish.open()
    app.publish.compose()
    assert len(sent_titles(app)) == 2
    app.catalog.subscribers.put(replace(reader, interest=Interest({robots: 1.0, retrieval: 1.0})), None)
    clock.forward(days=1)
    papers("proteins")
    app.publish.open()
    app.publish.compose()
    assert sent_titles(app) == {TEXTS["retrieval"][0]}
    clock.forward(days=1)
    app.publish.open()
    assert app.publish.compose() == {"nothing-new": 1}


def test_a_turn_with_nothing_new_is_skipped_and_says_so(app, papers, clock):
    papers("retrieval")
    app.publish.open()
    add(app)
    app.publish.compose()
    clock.forward(days=1)
    app.publish.open()
    assert app.publish.compose() == {Skipped.NOTHING_NEW: 1}
    assert rows(app)[1, "2026-01-17"].state is State.SKIPPED


def test_after_three_empty_turns_one_short_mail_says_so_and_then_it_is_quiet(app, papers, clock):
    papers("retrieval")
    app.publish.open()
    ada = add(app)
    for _ in range(50):
        app.publish.compose()
        clock.forward(days=1)
        app.publish.open()
    states = [row.state for row in rows(app).values()]
    assert states == [State.PENDING, *[State.SKIPPED] * 2, State.PENDING, *[State.SKIPPED] * 46]
    (quiet,) = [row.digest for row in rows(app).values() if row.state is State.PENDING and not row.digest.picks]
    assert b"nothing new for you since 16 January 2026" in app.printing.message(quiet, ada).replace(b"=\r\n", b"")
    papers("robots")
    app.publish.open()
    clock.forward(days=1)
    papers("proteins")
    app.publish.open()
    app.publish.compose()
    assert sent_titles(app)


def test_who_heard_from_us_only_when_there_was_no_paper_yet_gets_the_first_there_is(app, papers, clock):
    add(app)
    for _ in range(3):
        app.publish.open()
        app.publish.compose()
        clock.forward(days=1)
    papers("robots")
    app.publish.open()
    assert app.publish.compose() == {State.PENDING: 1}
    assert sent_titles(app) == {TEXTS["robots"][0]}


def test_a_paper_whose_digest_never_arrived_may_come_again(app, papers, clock):
    papers("retrieval")
    app.publish.open()
    add(app)
    app.publish.compose()
    clock.forward(hours=25)
    app.catalog.deliveries.expire(clock())
    app.publish.open()
    app.publish.compose()
    assert sent_titles(app) == {TEXTS["retrieval"][0]}


@pytest.mark.parametrize(("asleep", "expected"), [(1, "pending"), (11, "pending"), (13, Skipped.TOO_LATE)])
def test_after_sleeping_over_the_hour_a_turn_is_late_once_or_skipped(app, papers, clock, asleep, expected):
    add(app, schedule=Schedule(hour=20))  # due the evening before
    clock.now = datetime(2026, 1, 15, 20, tzinfo=UTC) + timedelta(hours=asleep)
    papers("retrieval")
    clock.now = max(clock.now, clock.now.replace(hour=6))
    app.publish.open()
    assert app.publish.compose()[expected] == 1


def test_every_turn_missed_has_its_row(app, papers, clock):
    papers("retrieval")
    app.publish.open()
    add(app)
    clock.forward(days=4)
    papers("robots")
    app.publish.open()
    app.publish.compose()
    assert [(turn, row.state) for (_, turn), row in rows(app).items()] == [
        *((f"2026-01-{day}", State.SKIPPED) for day in (16, 17, 18, 19)),
        ("2026-01-20", State.PENDING),
    ]


def test_a_weekly_reader_gets_the_week_and_a_daily_one_the_last_days(app, papers):
    papers("retrieval", hours=24 * 5)
    papers("robots")
    app.publish.open()
    add(app, "weekly@example.org", schedule=Schedule(Cadence.WEEKLY, 7, "UTC", (5,)))
    add(app, "daily@example.org")
    app.publish.compose()
    assert list(rows(app)) == [(1, "2026-W03"), (2, "2026-01-16")]
    assert (len(sent_titles(app, 1)), len(sent_titles(app, 2))) == (2, 1)


def test_a_welcome_comes_first_and_the_usual_turns_follow(app, papers, clock):
    papers("retrieval")
    app.publish.open()
    add(app, welcome=True)
    app.publish.compose()
    clock.forward(days=1)
    papers("robots")
    app.publish.open()
    app.publish.compose()
    assert [turn for _, turn in rows(app)] == [WELCOME, "2026-01-17"]


def test_without_any_edition_who_is_due_waits(app):
    add(app)
    assert not app.publish.compose()
    assert rows(app) == {}


def test_a_frozen_row_is_small(app, papers):
    papers("retrieval", "robots", "proteins")
    app.publish.open()
    add(app)
    app.publish.compose()
    (row,) = rows(app).values()
    picks = len(pack(row.digest.picks)) / len(row.digest.picks) * 10
    dates_and_edition = 8 + 8 + 4
    assert picks + len(row.digest.template) + len(row.digest.message_id) + dates_and_edition <= 200


def test_the_public_page_ranks_for_nobody_and_knows_its_neighbours(app, papers, clock):
    papers("retrieval", "robots")
    app.publish.open()
    clock.forward(days=1)
    papers("proteins")
    app.publish.open()
    page = app.publish.page()
    assert len(page.items) == 3
    assert (page.date, page.earlier, page.later) == (clock().date(), NOW.date(), None)
    assert app.publish.page(NOW.date()).later == clock().date()
    assert app.publish.page(NOW.date() - WEEK) is None


def test_a_preview_differs_from_the_mail_only_where_it_must(app, papers):
    import re

    papers("retrieval", "robots")
    app.publish.open()
    reader = add(app)
    preview = app.publish.preview(reader).message
    app.publish.compose()
    (row,) = rows(app).values()
    sent = app.printing.message(row.digest, reader)

    def normal(message):
        """Without what may differ (REQ-2): Message-ID and what follows from it, dates, Feedback-ID, tokens."""
        text = message.replace(b"=\r\n", b"").decode()
        text = re.sub(r"1\.[a-z0-9]\.[\w-]+\.[\w-]{16}", "TOKEN", text)
        boundary = re.search(r'boundary="([^"]+)"', text)[1]
        text = text.replace(boundary, "BOUNDARY")
        return re.sub(r"^(Message-ID|Date|Feedback-ID|To): .*$", r"\1", text, flags=re.M)

    assert preview != sent
    assert normal(preview) == normal(sent)


def test_a_preview_of_an_edition_that_does_not_exist_says_what_to_do(app):
    with pytest.raises(NotFound, match="`digest publish` opens one a day, from 06:00 UTC on"):
        app.publish.preview(app.publish.anybody(Interest()))


def test_a_replayed_day_does_not_wait_for_an_edition_that_is_open(app, papers, clock):
    papers("retrieval")
    app.publish.open()
    clock.forward(days=1)
    app.publish.open()
    clock.now = NOW.replace(hour=6, minute=30)
    add(app, schedule=Schedule(hour=6))
    clock.now = NOW.replace(hour=6, minute=30)
    assert app.publish.compose()["pending"] == 1


def test_all_chunks_together_ask_for_their_stationery_once_and_for_old_editions_once(app, papers, clock, monkeypatch):
    asked = []
    stationery, old = app.printing.stationery, app.catalog.editions.papers
    monkeypatch.setattr(app.printing, "stationery", lambda name: asked.append(name) or stationery(name))
    monkeypatch.setattr(app.catalog.editions, "papers", lambda numbers: asked.extend(numbers) or old(numbers))
    monkeypatch.setattr("digest.services.publish.CHUNK", 3)
    papers("retrieval")
    app.publish.open()
    for n in range(9):
        add(app, f"reader{n}@example.org")
    app.publish.compose()
    assert asked == ["digest"]
    for subject in ("robots", "proteins"):
        asked.clear()
        clock.forward(days=1)
        papers(subject)
        app.publish.open()
        app.publish.compose()
    assert asked == [1, 2, "digest"]


def test_stationery_that_stays_the_same_under_a_newer_compiler_is_compiled_once_more_and_kept(app, monkeypatch):
    app.printing.stationery("digest")
    monkeypatch.setattr("digest.services.printing.fingerprint", lambda *of: "newer")
    again = app.printing.stationery("digest")
    monkeypatch.setattr("digest.services.printing.compiled", None)
    assert app.printing.stationery("digest") == again


def test_an_edition_says_which_source_it_lacks_and_goes_on_saying_so(make_app, papers, clock):
    app = make_app("sources:\n  - {name: Journal, kind: feed, url: 'file:gone.xml'}\n")
    list(app.collect.collect())
    app.publish.open(wait=False)
    assert app.publish.edition().notes == ("Journal could not be read",)
