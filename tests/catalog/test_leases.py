from contextlib import ExitStack

import pytest
from factories import NOW, batch, candidate, digest, listing, pick, subscriber
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from digest.catalog import tables as t
from digest.catalog.deliveries import Composed, Settled
from digest.delivery.journal import Journal
from digest.errors import Busy, CatalogError
from digest.model import State, Turn

several = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""about deliverers side by side, which only a server has"""


@pytest.fixture
def deliveries(catalog):
    """A ledger with four pending rows."""
    catalog.papers.take("arxiv", batch(listing()), NOW)
    catalog.editions.open(NOW.date(), NOW, [candidate(0)], {})
    readers = [catalog.subscribers.put(subscriber(), Turn("2026-01-16", NOW)) for _ in range(4)]
    rows = [digest(reader.id, picks=[pick(0)], template=None) for reader in readers]
    catalog.deliveries.add([Composed(row, Turn("2026-01-17", NOW)) for row in rows])
    return catalog.deliveries


@pytest.fixture
def leases(deliveries):
    """Opens leases that end with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(deliveries.lease())


def ids(claimed):
    return {delivery.digest.id for delivery in claimed}


def frozen(catalog, lease):
    """As if the deliverer's machine had hung until its lease was over: its session stands, its heart does not beat."""
    with catalog.store.write() as db:
        db.execute(update(t.deliverers).where(t.deliverers.c.id == lease.number).values(until=NOW))


@pytest.mark.sqlite
def test_on_one_file_only_one_process_delivers_at_a_time(deliveries):
    with deliveries.lease(), pytest.raises(Busy, match="another process"), deliveries.lease():
        pass


def test_no_number_is_used_twice_and_the_last_one_is_known(deliveries):
    found = []
    for _ in range(3):
        with deliveries.lease() as lease:
            found.append((lease.before, lease.number))
    assert found == [(0, 1), (1, 2), (2, 3)]


def test_what_a_dead_deliverer_had_claimed_belongs_to_the_next(deliveries):
    with deliveries.lease() as dead:
        claimed = deliveries.claim(3, dead.worker, NOW)
    with deliveries.lease() as lease:
        assert ids(deliveries.sending(lease.worker)) == ids(claimed)
        assert deliveries.sending(dead.worker) == []


def test_a_row_that_was_claimed_before_there_were_leases_is_taken_over(deliveries):
    deliveries.claim(2, "local", NOW)
    with deliveries.lease() as lease:
        assert len(deliveries.sending(lease.worker)) == 2


@several
@pytest.mark.service
def test_deliverers_side_by_side_share_the_rows_and_leave_each_others_alone(deliveries, leases):
    one, other = leases(), leases()
    claimed = [ids(deliveries.claim(2, lease.worker, NOW)) for lease in (one, other)]
    assert [len(part) for part in claimed] == [2, 2]
    assert not claimed[0] & claimed[1]
    leases()
    assert [ids(deliveries.sending(lease.worker)) for lease in (one, other)] == claimed


@several
@pytest.mark.service
def test_the_records_of_a_dead_deliverer_are_read_by_the_next(deliveries):
    with deliveries.lease() as dead:
        dead.append([(7, "begin 7 aa"), (8, "begin 8 bb")])
    with deliveries.lease() as lease:
        assert lease.read() == ["begin 7 aa", "begin 8 bb"]
        lease.forget([7])
        assert lease.read() == ["begin 8 bb"]


@several
@pytest.mark.service
def test_a_record_that_could_not_be_written_is_written_with_the_next(leases):
    lease = leases()
    journal = Journal(lease)
    quick, lease.db = lease.db, Gone()
    with pytest.raises(CatalogError, match=r"server closed the connection.*run again"):
        journal.begin(7)
    lease.db = quick
    journal.begin(8)
    assert lease.read() == ["begin 7", "begin 8"]


class Gone:
    def exec_driver_sql(self, statement, values):
        raise OperationalError(statement, values, Exception("server closed the connection unexpectedly"))


@several
@pytest.mark.service
def test_who_lost_its_lease_can_neither_begin_a_message_nor_write_an_outcome(catalog, deliveries, leases):
    hung = leases()
    claimed = ids(deliveries.claim(2, hung.worker, NOW))
    frozen(catalog, hung)
    heir = leases()
    assert ids(deliveries.sending(heir.worker)) == claimed
    with pytest.raises(Busy, match="took over"):
        hung.append([(1, "begin 1")])
    assert hung.lost.is_set()
    deliveries.fold([Settled(number, State.SENT) for number in claimed], hung.worker, NOW)
    deliveries.release(claimed, hung.worker)
    assert ids(deliveries.sending(heir.worker)) == claimed


@several
@pytest.mark.service
def test_a_heart_that_beats_keeps_the_lease_and_notices_when_it_is_lost(catalog, deliveries, leases, monkeypatch):
    monkeypatch.setattr("digest.catalog.leases.BEAT", 0.01)
    monkeypatch.setattr("digest.catalog.leases.LEASE", 1)
    slow = leases()
    claimed = ids(deliveries.claim(2, slow.worker, NOW))
    assert not slow.lost.wait(1.5), "it lived longer than its first term"
    heir = leases()
    assert deliveries.sending(heir.worker) == []
    with catalog.store.write() as db:
        db.execute(t.deliverers.delete().where(t.deliverers.c.id == slow.number))
    assert slow.lost.wait(5)
    assert ids(deliveries.sending(leases().worker)) == claimed
