from dataclasses import replace
from datetime import timedelta

import pytest
from factories import NOW, candidate, card, digest, pick, subscriber
from sqlalchemy import event

from digest.catalog.deliveries import Composed, Settled
from digest.model import Skipped, Standing, State, Turn, pack

TOMORROW = Turn("2026-01-17", NOW + timedelta(days=1))


@pytest.fixture
def readers(catalog):
    catalog.editions.open(NOW.date(), NOW, [candidate(0), candidate(1)], {})
    return [catalog.subscribers.put(subscriber(), Turn("2026-01-16", NOW)) for _ in range(5)]


def compose(catalog, readers, **fields):
    return catalog.deliveries.add(
        [Composed(digest(r.id, picks=[pick(0)], template=None, **fields), TOMORROW) for r in readers]
    )


@pytest.fixture(autouse=True)
def paper(catalog):
    from factories import batch, listing

    catalog.papers.take("arxiv", batch(listing(), listing()), NOW)


def states(catalog):
    return {state: number for state, number in catalog.deliveries.counts().items() if number}


def test_a_turn_gets_one_row_however_often_it_is_composed(catalog, readers):
    assert compose(catalog, readers) == 5
    assert compose(catalog, readers) == 0
    assert states(catalog) == {State.PENDING: 5}


def test_composing_moves_the_subscriber_on_to_the_next_turn(catalog, readers):
    assert catalog.subscribers.due_chunks(NOW, 2) == [(1, 2), (3, 4), (5, 5)]
    compose(catalog, readers)
    assert catalog.subscribers.due_chunks(NOW, 2) == []
    assert [d.turn for d in catalog.subscribers.due(NOW + timedelta(days=1), 1, 1)] == [TOMORROW]


def test_a_skipped_turn_has_its_row_and_its_reason(catalog, readers):
    catalog.deliveries.add([Composed(digest(readers[0].id, edition=0), TOMORROW, Skipped.NOTHING_NEW)])
    (row,) = catalog.deliveries.of()
    assert (row.state, row.reason) == (State.SKIPPED, "nothing-new")


def test_long_lists_are_read_in_pages_and_in_order(catalog, readers, monkeypatch):
    monkeypatch.setattr("digest.catalog.deliveries.PAGE", 2)
    monkeypatch.setattr("digest.catalog.subscribers.PAGE", 2)
    compose(catalog, readers)
    assert [[d.digest.id for d in page] for page in catalog.deliveries.pages()] == [[1, 2], [3, 4], [5]]
    assert [reader.id for reader in catalog.subscribers.each()] == [1, 2, 3, 4, 5]
    assert not catalog.deliveries.of(state=State.SENT)


def test_two_claims_never_share_a_row(catalog, readers):
    compose(catalog, readers)
    first = catalog.deliveries.claim(3, "a", NOW)
    second = catalog.deliveries.claim(3, "b", NOW)
    assert (len(first), len(second)) == (3, 2)
    assert not {d.digest.id for d in first} & {d.digest.id for d in second}


def test_a_claim_reads_in_the_order_of_an_index_and_sorts_nothing_however_much_is_pending(catalog, readers):
    compose(catalog, readers)
    asked = []
    engine = catalog.store.engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    catalog.deliveries.claim(3, "a", NOW)
    claiming, values = next(given for given in asked if "ORDER BY" in given[0])
    with engine.connect() as db:
        for other_way in () if catalog.store.sqlite else ("seqscan", "bitmapscan", "sort"):
            db.exec_driver_sql(f"SET enable_{other_way} = off")  # what few rows would be read by
        explain = "EXPLAIN QUERY PLAN" if catalog.store.sqlite else "EXPLAIN"
        plan = str(db.exec_driver_sql(f"{explain} {claiming}", values).all())
    assert "ix_digests_open" in plan
    assert "B-TREE" not in plan
    assert "Sort" not in plan


def test_a_claimed_digest_reads_back_as_it_was_frozen(catalog, readers):
    compose(catalog, readers[:1], message_id="m@example.org")
    (row,) = catalog.deliveries.claim(1, "a", NOW)
    assert row.digest.picks == (pick(0),)
    assert (row.digest.message_id, row.digest.date, row.attempts) == ("m@example.org", NOW, 1)


def test_what_is_to_be_tried_later_is_not_claimed_before(catalog, readers):
    compose(catalog, readers[:1])
    (row,) = catalog.deliveries.claim(1, "a", NOW)
    later = NOW + timedelta(minutes=5)
    catalog.deliveries.fold([Settled(row.digest.id, State.PENDING, "450", later, "sha")], "a", NOW)
    assert catalog.deliveries.claim(1, "a", NOW) == []
    (again,) = catalog.deliveries.claim(1, "a", later)
    assert (again.attempts, again.sha256) == (2, "sha")


def test_a_settled_row_is_not_settled_again(catalog, readers):
    compose(catalog, readers[:1])
    (row,) = catalog.deliveries.claim(1, "a", NOW)
    catalog.deliveries.fold([Settled(row.digest.id, State.SENT)], "a", NOW)
    catalog.deliveries.fold([Settled(row.digest.id, State.FAILED)], "a", NOW)
    assert states(catalog) == {State.SENT: 1}


def test_released_rows_are_pending_as_if_nothing_had_happened(catalog, readers):
    compose(catalog, readers)
    claimed = catalog.deliveries.claim(5, "a", NOW)
    catalog.deliveries.release([d.digest.id for d in claimed], "a")
    assert {d.attempts for d in catalog.deliveries.claim(5, "a", NOW)} == {1}


def test_an_uncertain_row_is_sent_again_once_only(catalog, readers):
    compose(catalog, readers[:1])
    for resent in (1, 0):
        (row,) = catalog.deliveries.claim(1, "a", NOW)
        catalog.deliveries.fold([Settled(row.digest.id, State.UNCERTAIN)], "a", NOW)
        assert catalog.deliveries.resend_uncertain(NOW) == resent
    assert states(catalog) == {State.UNCERTAIN: 1}


def test_what_is_past_its_deadline_expires_with_the_last_word_on_it(catalog, readers):
    compose(catalog, readers[:2])
    rows = catalog.deliveries.claim(1, "a", NOW)
    catalog.deliveries.fold([Settled(rows[0].digest.id, State.PENDING, "450 busy", NOW)], "a", NOW)
    assert catalog.deliveries.expire(NOW + timedelta(days=2)) == 2
    assert sorted(d.reason for d in catalog.deliveries.of(state=State.EXPIRED)) == ["450 busy", "deadline"]


def test_papers_had_are_those_of_digests_that_reached_the_reader_or_may(catalog, readers):
    compose(catalog, readers[:2])
    (first, second) = catalog.deliveries.claim(2, "a", NOW)
    catalog.deliveries.fold([Settled(first.digest.id, State.SENT), Settled(second.digest.id, State.FAILED)], "a", NOW)
    had = catalog.deliveries.had([readers[0].id, readers[1].id], NOW - timedelta(days=31), TOMORROW.due)
    assert [*map(list, had)] == [[readers[0].id], [1], [pack([pick(0)])], [NOW]]


def test_whose_digests_had_a_paper_is_asked_of_few_editions_however_long_the_ledger(catalog, readers):
    compose(catalog, readers)
    catalog.editions.open(TOMORROW.due.date(), TOMORROW.due, [candidate(0, card(2))], {})
    compose(catalog, readers[:1], turn="2026-01-17", edition=2)
    fetched = []
    event.listen(catalog.store.engine, "after_cursor_execute", lambda *given: fetched.append(given[2:4]))
    assert catalog.deliveries.shown([readers[0].id], [1]) == {readers[0].id: [(1, NOW)]}
    asked, values = fetched[-1]
    with catalog.store.engine.connect() as db:
        assert [row[1] for row in db.exec_driver_sql(asked, values)] == [1]


def test_pausing_keeps_the_first_reason(catalog):
    catalog.deliveries.pause("first", NOW)
    catalog.deliveries.pause("second", NOW)
    assert catalog.deliveries.paused() == "first"
    assert catalog.deliveries.resume()
    assert not catalog.deliveries.resume()


def test_only_active_subscribers_are_deliverable(catalog, readers):
    catalog.subscribers.stand(readers[0].id, Standing.LEFT)
    assert catalog.subscribers.deliverable([r.id for r in readers]).keys() == {r.id for r in readers[1:]}


def test_who_left_while_their_preferences_were_being_saved_stays_away(catalog, readers):
    catalog.subscribers.stand(readers[0].id, Standing.LEFT)
    assert catalog.subscribers.put(replace(readers[0], count=3), TOMORROW).standing is Standing.LEFT
    assert catalog.subscribers.put(readers[0], TOMORROW, again=True).standing is Standing.ACTIVE


def test_an_erased_address_does_not_come_back_with_a_late_change(catalog, readers):
    catalog.subscribers.erase(readers[0].id)
    assert catalog.subscribers.put(readers[0], TOMORROW, again=True).address == ""


def test_a_schedule_changed_while_its_digest_was_composed_is_kept(catalog, readers):
    next_week = Turn("2026-W04", NOW + timedelta(days=7))
    catalog.subscribers.put(readers[0], next_week)
    compose(catalog, readers[:1])
    assert catalog.subscribers.turn(readers[0].id) == next_week


def test_what_is_past_its_deadline_is_not_claimed_even_within_a_long_run(catalog, readers):
    compose(catalog, readers[:1], deadline=NOW + timedelta(hours=1))
    assert catalog.deliveries.claim(1, "a", NOW + timedelta(hours=1)) == []


@pytest.mark.sqlite
def test_work_is_found_by_an_index_however_long_the_ledger_and_the_list_of_readers(catalog):
    plans = []

    @event.listens_for(catalog.store.engine, "before_cursor_execute")
    def explain(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith(("SELECT", "UPDATE")):
            plan = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in plan.fetchall())

    deliveries = catalog.deliveries
    deliveries.claim(1, "a", NOW), deliveries.sending("a"), deliveries.resend_uncertain(NOW), deliveries.expire(NOW)
    deliveries.unfinished(), catalog.subscribers.due_chunks(NOW, 1)
    assert len(plans) >= 6
    whole = ("SCAN digests", "SCAN subscribers")
    assert [plan for plan in plans if plan.startswith(whole) and "INDEX" not in plan] == []


def test_who_should_get_mail_and_has_no_row_for_a_turn_long_past_is_counted(catalog, readers):
    assert catalog.subscribers.overdue(NOW) == 0
    assert catalog.subscribers.overdue(NOW + timedelta(hours=1)) == 5
    compose(catalog, readers)
    assert catalog.subscribers.overdue(NOW + timedelta(hours=1)) == 0


@pytest.mark.parametrize("address", ["Ada@example.org", "Änne@example.org"])
def test_an_address_is_found_as_it_is_stored_whatever_its_letters(catalog, address):
    catalog.subscribers.put(subscriber(address=address), TOMORROW)
    assert catalog.subscribers.by_address(address).address == address


def test_what_failed_can_be_tried_again_until_a_new_deadline(catalog, readers):
    compose(catalog, readers[:2])
    rows = catalog.deliveries.claim(2, "a", NOW)
    catalog.deliveries.fold(
        [Settled(rows[0].digest.id, State.FAILED), Settled(rows[1].digest.id, State.SENT)], "a", NOW
    )
    assert catalog.deliveries.retry(NOW, NOW + timedelta(days=2), edition=99) == 0
    assert catalog.deliveries.retry(NOW, NOW + timedelta(days=2)) == 1
    (again,) = catalog.deliveries.claim(2, "a", NOW + timedelta(days=1))
    assert again.digest.id == rows[0].digest.id


def test_of_many_days_that_failed_only_the_last_is_tried_again_unless_an_edition_is_named(catalog, readers):
    for turn, reached in (("2026-01-14", False), ("2026-01-15", False), ("2026-01-16", True)):
        compose(catalog, readers[:2], turn=turn)
        for n, row in enumerate(catalog.deliveries.claim(2, "a", NOW)):
            state = State.SENT if reached and n else State.FAILED
            catalog.deliveries.fold([Settled(row.digest.id, state)], "a", NOW)
    deadline = NOW + timedelta(days=2)
    assert catalog.deliveries.retry(NOW, deadline) == 1  # the other one got a later digest, with the papers of before
    assert [row.digest.turn for row in catalog.deliveries.of(state=State.PENDING)] == ["2026-01-16"]
    assert catalog.deliveries.retry(NOW, deadline, edition=1) == 4


@pytest.mark.parametrize("state", [State.SENT, State.FAILED, State.PENDING])
def test_a_person_has_the_last_word_on_an_uncertain_row_and_on_no_other(catalog, readers, state):
    compose(catalog, readers[:2])
    rows = catalog.deliveries.claim(2, "a", NOW)
    catalog.deliveries.fold(
        [Settled(rows[0].digest.id, State.UNCERTAIN), Settled(rows[1].digest.id, State.SENT)], "a", NOW
    )
    assert catalog.deliveries.resolve(rows[0].digest.id, state, NOW, NOW + timedelta(days=1))
    assert not catalog.deliveries.resolve(rows[1].digest.id, state, NOW, NOW + timedelta(days=1))
    assert catalog.deliveries.get(rows[0].digest.id).state is state
    assert len(catalog.deliveries.claim(2, "a", NOW)) == (state is State.PENDING)
