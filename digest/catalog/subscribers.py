"""Subscribers, what they want and when their next turn is due."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from digest.catalog import tables as t
from digest.catalog.store import Store, chunks
from digest.model import Cadence, Interest, Schedule, Standing, Steering, Subscriber, Turn


@dataclass(frozen=True)
class Due:
    """A subscriber whose turn has come."""

    subscriber: Subscriber
    turn: Turn


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
            if subscriber.id:
                here = (s.c.id == subscriber.id) & s.c.address.is_not(None)
                if not again and subscriber.standing is not Standing.LEFT:
                    here &= s.c.standing != Standing.LEFT
                changed = db.execute(update(s).where(here).values(row)).rowcount > 0
                number = subscriber.id
            else:
                changed = db.execute(self._store.ignoring(s), row).rowcount > 0  # two confirmations make one subscriber
                number = db.scalar(select(s.c.id).where(_is(subscriber.address))) or 0
            if changed:
                before = _before(db, number)
                db.execute(delete(t.interests).where(t.interests.c.subscriber_id == number))
                if wants := _interest_rows(number, subscriber.interest, before):
                    db.execute(insert(t.interests), wants)
        return self.get(number)

    def get(self, number: int) -> Subscriber:
        return next(self._where(t.subscribers.c.id == number))

    def by_public_id(self, public_id: str) -> Subscriber | None:
        return next(self._where(t.subscribers.c.public_id == public_id), None)

    def by_address(self, address: str) -> Subscriber | None:
        return next(self._where(_is(address)), None)

    def all(self) -> list[Subscriber]:
        """All but the erased, by id."""
        return list(self._where(t.subscribers.c.address.is_not(None)))

    def stand(self, number: int, standing: Standing) -> None:
        with self._store.write() as db:
            db.execute(update(t.subscribers).where(t.subscribers.c.id == number).values(standing=standing))

    def erase(self, number: int) -> None:
        """Forget the person; the row stays as a number in the ledger."""
        with self._store.write() as db:
            public_id = db.scalar(select(t.subscribers.c.public_id).where(t.subscribers.c.id == number))
            address = db.scalar(select(t.subscribers.c.address).where(t.subscribers.c.id == number))
            for what in (t.interests, t.votes):
                db.execute(delete(what).where(what.c.subscriber_id == number))
            db.execute(delete(t.sign_ups).where(func.lower(t.sign_ups.c.address) == func.lower(address or "")))
            db.execute(update(t.consents).where(t.consents.c.subscriber == public_id).values(proof={}))
            gone = {
                "address": None,
                "standing": Standing.LEFT,
                "next_turn": None,
                "next_due": None,
                "zone": "UTC",
                "steering": None,
            }
            db.execute(update(t.subscribers).where(t.subscribers.c.id == number).values(gone))

    def due_chunks(self, now: datetime, size: int) -> list[tuple[int, int]]:
        """Ranges of subscriber ids (first, last) that hold at most *size* due subscribers each."""
        with self._store.read() as db:
            ids = sorted(db.scalars(select(t.subscribers.c.id).where(_due(now))))  # sorted here: the index knows who
        return [(ids[i], ids[min(i + size, len(ids)) - 1]) for i in range(0, len(ids), size)]

    def due(self, now: datetime, first: int, last: int) -> list[Due]:
        """Whose turn has come, with ids from *first* to *last*."""
        s = t.subscribers
        wanted = _due(now) & s.c.id.between(first, last)
        with self._store.read() as db:
            rows = list(db.execute(select(s).where(wanted).order_by(s.c.id)))
            people = _people(db, rows)
        return [Due(person, Turn(r.next_turn, r.next_due)) for person, r in zip(people, rows, strict=True)]

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
        s, found = t.subscribers, dict[int, str]()
        with self._store.read() as db:
            for chunk in chunks(numbers):
                rows = db.execute(select(s.c.id, s.c.address).where(s.c.id.in_(chunk)))
                found |= {number: address or "" for number, address in rows}
        return found

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

    def _where(self, condition: Any) -> Iterator[Subscriber]:
        with self._store.read() as db:
            rows = list(db.execute(select(t.subscribers).where(condition).order_by(t.subscribers.c.id)))
            return iter(_people(db, rows))


def _is(address: str) -> Any:
    return func.lower(t.subscribers.c.address) == func.lower(address)


def _due(now: datetime) -> Any:
    return (t.subscribers.c.standing == Standing.ACTIVE) & (t.subscribers.c.next_due <= now)


def _people(db: Connection, rows: Sequence[Any]) -> list[Subscriber]:
    interests: dict[int, list[Any]] = {r.id: [] for r in rows}
    numbers = list(interests)
    for start in range(0, len(numbers), 400):
        i = t.interests
        wanted = i.c.subscriber_id.in_(numbers[start : start + 400])
        for row in db.execute(select(i).where(wanted).order_by(i.c.subscriber_id, i.c.position)):
            interests[row.subscriber_id].append(row)
    added = {number: {i.topic_id: i.before for i in wants if i.before} for number, wants in interests.items()}
    return [_subscriber(r, _interest(interests[r.id]), added[r.id]) for r in rows]


def _subscriber(r: Any, interest: Interest, added: Mapping[int, datetime]) -> Subscriber:
    schedule = Schedule(Cadence(r.cadence), r.hour, r.zone, tuple(r.days))
    return Subscriber(
        r.id,
        r.public_id,
        r.address or "",
        Standing(r.standing),
        schedule,
        interest,
        r.count,
        r.minimum,
        r.since,
        r.paused_until,
        _steering(r.steering) if r.steering else Steering(),
        added,
    )


def _steering(row: dict[str, Any]) -> Steering:
    return Steering(**row | {"languages": tuple(row["languages"])})


def _row(person: Subscriber) -> dict[str, Any]:
    schedule = person.schedule
    return {
        "public_id": person.public_id, "address": person.address, "standing": person.standing,
        "cadence": schedule.cadence, "hour": schedule.hour, "zone": schedule.zone, "days": schedule.days,
        "count": person.count, "minimum": person.minimum, "since": person.since, "paused_until": person.paused_until,
        "steering": None if person.steering == Steering() else asdict(person.steering),
    }  # fmt: skip


_PLURALS = {
    "text": "texts",
    "keyword": "keywords",
    "category": "categories",
    "author": "authors",
    "exclusion": "exclusions",
}


def _before(db: Connection, number: int) -> dict[int, datetime | None]:
    """By topic id the date of the last digest without it; for those that are not followed yet, of the last one."""
    i, d = t.interests.c, t.digests.c
    last = db.scalar(select(func.max(d.date)).where(d.subscriber_id == number))
    followed = select(i.topic_id, i.before).where((i.subscriber_id == number) & (i.kind == "topic"))
    return defaultdict(lambda: last, {topic: before for topic, before in db.execute(followed)})


def _interest(rows: Iterable[Any]) -> Interest:
    topics: dict[int, float] = {}
    words: dict[str, tuple[str, ...]] = dict.fromkeys(_PLURALS.values(), ())
    for r in rows:
        if r.kind == "topic":
            topics[r.topic_id] = r.weight
        else:
            words[_PLURALS[r.kind]] += (r.text,)
    return Interest(topics, **words)


def _interest_rows(number: int, interest: Interest, before: Mapping[int, datetime | None]) -> list[dict[str, Any]]:
    wants: list[tuple[str, int | None, str | None, float]] = []
    wants += [("topic", topic, None, weight) for topic, weight in interest.topics.items()]
    wants += [(kind, None, text, 1.0) for kind, plural in _PLURALS.items() for text in getattr(interest, plural)]
    return [
        {
            "subscriber_id": number,
            "position": position,
            "kind": kind,
            "topic_id": topic,
            "text": text,
            "weight": weight,
            "before": before[topic] if topic else None,
        }
        for position, (kind, topic, text, weight) in enumerate(wants)
    ]
