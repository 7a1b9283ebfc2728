"""Subscribers, what they want and when their next turn is due."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, cast, delete, func, select, update

from digest.catalog import tables as t
from digest.catalog.store import PAGE, Store
from digest.errors import CatalogError
from digest.model import Cadence, Interest, Schedule, Standing, Steering, Subscriber, Turn


class Due(NamedTuple):
    """A subscriber whose turn has come: as much of them as composing asks for, and called the same."""

    id: int
    public_id: str
    count: int  # type: ignore[assignment]
    minimum: int
    since: datetime | None
    schedule: Schedule
    steering: Steering
    turn: Turn
    interest: Interest
    added: Mapping[int, datetime]


class Subscribers:
    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, subscriber: Subscriber, next_turn: Turn | None, *, again: bool = False) -> Subscriber:
        """Insert (id 0) or replace; returns it as it stands then. *next_turn* None keeps the one that is set.

        Whoever left or was erased since *subscriber* was read stays so; with *again* who had left comes back.
        """
        row = _row(subscriber)
        if next_turn:
            row |= {"next_turn": next_turn.label, "next_due": next_turn.due}
        s = t.subscribers
        with self._store.write() as db:
            row["interest"] = _document(subscriber.interest, _before(db, subscriber.id))
            if subscriber.id:
                here = (s.c.id == subscriber.id) & s.c.address.is_not(None)
                if not again and subscriber.standing is not Standing.LEFT:
                    here &= s.c.standing != Standing.LEFT
                db.execute(update(s).where(here).values(row))
                number = subscriber.id
            else:
                db.execute(self._store.ignoring(s), row)  # two confirmations make one subscriber
                number = db.scalar(select(s.c.id).where(_is(subscriber.address))) or 0
        return self.get(number)

    def get(self, number: int) -> Subscriber:
        return next(self._where(t.subscribers.c.id == number))

    def by_public_id(self, public_id: str) -> Subscriber | None:
        return next(self._where(t.subscribers.c.public_id == public_id), None)

    def by_address(self, address: str) -> Subscriber | None:
        return next(self._where(_is(address)), None)

    def all(self) -> list[Subscriber]:
        """All but the erased, by id."""
        return list(self.each())

    def each(self) -> Iterator[Subscriber]:
        """The same, without holding them all."""
        s, after = t.subscribers.c, 0
        while page := list(self._where(s.address.is_not(None) & (s.id > after), PAGE)):
            yield from page
            after = page[-1].id

    def stand(self, number: int, standing: Standing) -> None:
        with self._store.write() as db:
            db.execute(update(t.subscribers).where(t.subscribers.c.id == number).values(standing=standing))

    def erase(self, number: int) -> None:
        """Forget the person; the row stays as a number in the ledger."""
        with self._store.write() as db:
            public_id = db.scalar(select(t.subscribers.c.public_id).where(t.subscribers.c.id == number))
            address = db.scalar(select(t.subscribers.c.address).where(t.subscribers.c.id == number))
            db.execute(delete(t.votes).where(t.votes.c.subscriber_id == number))
            db.execute(delete(t.sign_ups).where(func.lower(t.sign_ups.c.address) == func.lower(address or "")))
            db.execute(update(t.consents).where(t.consents.c.subscriber == public_id).values(proof={}))
            gone: dict[str, Any] = {
                "address": None,
                "standing": Standing.LEFT,
                "next_turn": None,
                "next_due": None,
                "zone": "UTC",
                "steering": None,
                "interest": {},
            }
            db.execute(update(t.subscribers).where(t.subscribers.c.id == number).values(gone))

    def due_chunks(self, now: datetime, size: int) -> list[tuple[int, int]]:
        """Ranges of subscriber ids (first, last) that hold at most *size* due subscribers each."""
        number = t.subscribers.c.id
        chunk = (func.row_number().over(order_by=number + 0) - 1) // size  # plus nothing: the index knows who
        due = select(number, chunk.label("chunk")).where(_due(now)).subquery()
        wanted = select(func.min(due.c.id), func.max(due.c.id)).group_by(due.c.chunk).order_by(due.c.chunk)
        with self._store.read() as db:
            return [(first, last) for first, last in db.execute(wanted)]

    def due(self, now: datetime, first: int, last: int) -> list[Due]:
        """Whose turn has come, with ids from *first* to *last*."""
        s = t.subscribers
        wanted = select(
            s.c.id, s.c.public_id, s.c.count, s.c.minimum, s.c.since, s.c.cadence, s.c.hour, s.c.zone, *_DOCUMENTS,
            s.c.next_turn, s.c.next_due,
        )  # fmt: skip
        with self._store.read() as db:
            found = self._store.columns(db, wanted.where(_due(now) & s.c.id.between(first, last)).order_by(s.c.id))
        *plain, cadence, hour, zone, days, steering, documents, label, due = found
        schedules, steered = map(_schedule, cadence, hour, zone, days), map(_steering, steering)
        interests, added = zip(*_wants(plain[0], documents), strict=True) if documents else ((), ())
        return [*map(Due, *plain, schedules, steered, map(_turn, label, due), interests, added)]

    def turn(self, number: int) -> Turn | None:
        """The next turn of a subscriber; None for nobody."""
        s = t.subscribers
        with self._store.read() as db:
            row = db.execute(select(s.c.next_turn, s.c.next_due).where(s.c.id == number)).first()
        return Turn(row.next_turn, row.next_due) if row and row.next_due else None

    def overdue(self, before: datetime) -> int:
        """How many that should get mail have no next turn, or one that was due *before* and has no row."""
        s = t.subscribers
        forgotten = s.c.next_due.is_(None) | (s.c.next_due < before)
        with self._store.read() as db:
            wanted = select(func.count()).select_from(s).where((s.c.standing == Standing.ACTIVE) & forgotten)
            return db.scalar(wanted) or 0

    def next_due(self) -> datetime | None:
        s = t.subscribers
        with self._store.read() as db:
            found: datetime | None = db.scalar(select(func.min(s.c.next_due)).where(s.c.standing == Standing.ACTIVE))
            return found

    def pauses_over(self, today: date) -> list[Subscriber]:
        s = t.subscribers
        return list(self._where((s.c.standing == Standing.PAUSED) & (s.c.paused_until <= today)))

    def deliverable(self, numbers: Sequence[int]) -> dict[int, Subscriber]:
        """Those of *numbers* that still want their mail, as of now: who and where they are, not their wishes."""
        s, usual = t.subscribers.c, (Standing.ACTIVE, Schedule(), Interest())
        wanted = select(s.id, s.public_id, s.address).where(s.id.in_(numbers) & (s.standing == Standing.ACTIVE))
        with self._store.read() as db:
            return {row[0]: Subscriber(*row, *usual) for row in db.execute(wanted)}

    def addresses(self, numbers: Iterable[int]) -> dict[int, str]:
        """By id; "" for the erased."""
        s = t.subscribers.c
        with self._store.read() as db:
            rows = db.execute(select(s.id, s.address).where(self._store.among(s.id, numbers)))
            return {number: address or "" for number, address in rows}

    def told_of_events(self) -> list[int]:
        """Who gets mail and wants to know what happens to papers."""
        s = t.subscribers
        wanted = (s.c.standing == Standing.ACTIVE) & s.c.steering["events"].as_boolean()
        with self._store.read() as db:
            return list(db.scalars(select(s.c.id).where(wanted).order_by(s.c.id)))

    def counts(self) -> dict[str, int]:
        s = t.subscribers
        with self._store.read() as db:
            rows = db.execute(select(s.c.standing, func.count()).where(s.c.address.is_not(None)).group_by(s.c.standing))
            return {standing: number for standing, number in rows}

    def _where(self, condition: Any, most: int | None = None) -> Iterator[Subscriber]:
        with self._store.read() as db:
            rows = db.execute(_ALL.where(condition).order_by(t.subscribers.c.id).limit(most)).all()
        wanted = _wants([r.id for r in rows], [r.interest for r in rows])
        return (_subscriber(r, *wants) for r, wants in zip(rows, wanted, strict=True))


def _is(address: str) -> Any:
    return func.lower(t.subscribers.c.address) == func.lower(address)


def _due(now: datetime) -> Any:
    return (t.subscribers.c.standing == Standing.ACTIVE) & (t.subscribers.c.next_due <= now)


_DOCUMENTS = [cast(t.subscribers.c[name], Text).label(name) for name in ("days", "steering", "interest")]
"""JSON as it is written: what many have in common is read once, the rest of a chunk at once"""

_ALL = select(
    *(column for column in t.subscribers.c if column.name not in ("days", "steering", "interest")), *_DOCUMENTS
)


def _subscriber(r: Any, interest: Interest, added: Mapping[int, datetime]) -> Subscriber:
    return Subscriber(
        r.id,
        r.public_id,
        r.address or "",
        Standing(r.standing),
        _schedule(r.cadence, r.hour, r.zone, r.days),
        interest,
        r.count,
        r.minimum,
        r.since,
        r.paused_until,
        _steering(r.steering),
        added,
    )


@lru_cache(4096)
def _schedule(cadence: str, hour: int, zone: str, days: str) -> Schedule:
    return Schedule(Cadence(cadence), hour, zone, tuple(json.loads(days)))


@lru_cache(4096)
def _steering(document: str | None) -> Steering:
    said = json.loads(document) if document else {"languages": ()}
    return Steering(**said | {"languages": tuple(said["languages"])})


_turn = lru_cache(4096)(Turn)


def _row(person: Subscriber) -> dict[str, Any]:
    schedule = person.schedule
    return {
        "public_id": person.public_id, "address": person.address, "standing": person.standing,
        "cadence": schedule.cadence, "hour": schedule.hour, "zone": schedule.zone, "days": schedule.days,
        "count": person.count, "minimum": person.minimum, "since": person.since, "paused_until": person.paused_until,
        "steering": None if person.steering == Steering() else asdict(person.steering),
    }  # fmt: skip


def _document(interest: Interest, before: Mapping[int, datetime | None]) -> dict[str, Any]:
    """An interest as it is kept: what there is of it, and of topics that came later the date of what came *before*."""
    weights = [*interest.topics.values()]
    parts = asdict(interest) | {
        "topics": [*interest.topics],
        "weights": weights if set(weights) != {1} else (),
        "added": {topic: date.isoformat() for topic in interest.topics if (date := before[topic])},
    }
    return {name: value for name, value in parts.items() if value}


def _before(db: Connection, number: int) -> Mapping[int, datetime | None]:
    """By topic id the date of the last digest without it; for those that are not followed yet, of the last one."""
    s, d = t.subscribers.c, t.digests.c
    found = db.scalar(select(cast(s.interest, Text)).where(s.id == number)) or "{}"
    [(interest, added)] = _wants([number], [found])
    last = db.scalar(select(func.max(d.date)).where(d.subscriber_id == number))
    return defaultdict(lambda: last, {topic: added.get(topic) for topic in interest.topics})


def _wants(numbers: Sequence[int], documents: Sequence[str]) -> list[tuple[Interest, Mapping[int, datetime]]]:
    """What each subscriber's document says, and the dates before topics that came later; all are parsed at once."""
    different = dict.fromkeys(documents)
    try:
        known = dict(zip(different, map(_wanted, json.loads(f"[{','.join(different)}]")), strict=True))
    except UNREADABLE:
        return [*map(_alone, numbers, documents)]
    return [known[document] for document in documents]


UNREADABLE = (ValueError, TypeError, AttributeError)


def _alone(number: int, document: str) -> tuple[Interest, Mapping[int, datetime]]:
    try:
        return _wanted(json.loads(document))
    except UNREADABLE as error:
        wrong = f"subscriber {number}: what stands in the column interest cannot be read ({error})"
        raise CatalogError(f"{wrong}; correct it by hand, or restore a backup (`digest db restore`)") from error


def _wanted(said: dict[str, Any]) -> tuple[Interest, Mapping[int, datetime]]:
    topics = said.pop("topics", ())
    if not said:  # as of most people
        return Interest(dict.fromkeys(topics, 1.0)), {}
    weights, added = said.pop("weights", ()), said.pop("added", {})
    followed = dict(zip(topics, weights, strict=True)) if weights else dict.fromkeys(topics, 1.0)
    dates = {int(topic): datetime.fromisoformat(date) for topic, date in added.items()}
    return Interest(followed, **{name: tuple(values) for name, values in said.items()}), dates
