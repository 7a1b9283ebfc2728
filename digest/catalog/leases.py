"""Who delivers: one process at a time on SQLite, any number side by side on PostgreSQL.

Each takes a lease with a number that was never used before, and writes it on the rows that it claims. Where there are
several, a lease is over when its holder's session with the database is gone or its heart has not beaten for a while
(a machine that hangs); the next deliverer then takes over rows and records. Whoever lost a lease without noticing is
fenced off: a record needs its living deliverer (a foreign key), an outcome the number on the row.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

from sqlalchemy import Connection, String, cast, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from digest.catalog import tables as t
from digest.catalog.store import Store
from digest.errors import Busy
from digest.model import State

BEAT = 10
"""seconds between two heartbeats"""
LEASE = 60
"""seconds without one after which a deliverer is taken for dead"""

_ALIVE = 0x646967
"""class of the advisory locks that deliverers hold while they live"""


class Lease:
    """A deliverer's right to send; and on PostgreSQL its journal's records (a `delivery.journal.Log`)."""

    copied = False

    def __init__(self, store: Store, number: int, before: int) -> None:
        self.number = number
        self.worker = str(number)
        self.before = before
        """the number of the last lease that is known of, 0 for none"""
        self.lost = Event()
        self.db: Connection
        """for the records alone, where they are kept; each statement is a transaction"""
        self._store = store

    def last(self) -> int:
        """The database's own word: a copy of it cannot be told from it."""
        return self.before

    def adopt(self, number: int) -> None:
        """It is ours by the lease."""
        with self._store.translated():
            self.db.execute(delete(t.records).where(t.records.c.deliverer_id == self.number))

    def append(self, records: Sequence[tuple[int, str]]) -> None:
        """One statement and one way there and back, since messages wait for it."""
        ids, lines = ([*column] for column in zip(*records, strict=True))
        adding = (
            "INSERT INTO records (deliverer_id, digest_id, record) SELECT %s, * FROM unnest(%s::integer[], %s::text[])"
        )
        with self._store.translated():
            try:
                self.db.exec_driver_sql(adding, (self.number, ids, lines))
            except IntegrityError as error:
                self.lost.set()
                raise Busy("another deliverer took over, since this one was not heard of; it goes on there") from error

    def read(self) -> list[str]:
        mine = select(t.records.c.record).where(t.records.c.deliverer_id == self.number).order_by(t.records.c.id)
        with self._store.translated():
            return list(self.db.scalars(mine))

    def forget(self, ids: Iterable[int]) -> None:
        r = t.records.c
        with self._store.translated():
            self.db.execute(delete(t.records).where((r.deliverer_id == self.number) & r.digest_id.in_(list(ids))))

    def close(self) -> None:
        """Nothing: the lease's end is its holder's."""


@contextmanager
def lease(store: Store) -> Iterator[Lease]:
    """A new lease, with all that dead deliverers have left. Raises Busy on SQLite when another holds it."""
    if store.sqlite:
        with store.lock("deliver"):
            with store.write() as db:
                taken = _take(db, store)
            yield taken
        return
    with store.session() as db, store.session(isolation_level="AUTOCOMMIT") as quick:
        with db.begin():
            taken = _take(db, store)
        taken.db = quick
        over = Event()
        heart = Thread(target=_beat, args=(db, taken, over), daemon=True)
        heart.start()
        try:
            yield taken
        finally:
            over.set()
            heart.join()


def _take(db: Connection, store: Store) -> Lease:
    """Under SQLite's lock all others are dead; elsewhere those whose session is gone, or that have been silent."""
    d = t.deliverers
    before = db.scalar(select(func.max(d.c.id))) or 0
    until = func.current_timestamp() if store.sqlite else _until()
    number: int = db.execute(insert(d).values(until=until).returning(d.c.id)).scalar_one()
    dead = d.c.id != number
    if not store.sqlite:
        db.execute(select(func.pg_advisory_lock(_ALIVE, number)))
        dead &= (d.c.until < func.clock_timestamp()) | func.pg_try_advisory_xact_lock(_ALIVE, d.c.id)
    gone = list(db.scalars(select(d.c.id).where(dead).with_for_update(skip_locked=True)))
    db.execute(update(t.records).where(t.records.c.deliverer_id.in_(gone)).values(deliverer_id=number))
    db.execute(delete(d).where(d.c.id.in_(gone)))
    nobodys = t.OPEN & (t.digests.c.state == State.SENDING)
    nobodys &= t.digests.c.worker.is_(None) | t.digests.c.worker.not_in(select(cast(d.c.id, String)))
    db.execute(update(t.digests).where(nobodys).values(worker=str(number)))
    return Lease(store, number, before)


def _until() -> Any:
    return func.clock_timestamp() + text(f"interval '{LEASE} seconds'")


def _beat(db: Connection, lease: Lease, over: Event) -> None:
    """Until the run is *over*; a lease that somebody took is lost, and so is one whose session is gone."""
    alive = update(t.deliverers).where(t.deliverers.c.id == lease.number).values(until=_until())
    while not over.wait(BEAT):
        with suppress(DBAPIError), db.begin():
            if db.execute(alive).rowcount:
                continue
        lease.lost.set()
        return
