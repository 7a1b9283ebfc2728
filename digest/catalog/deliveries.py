"""The ledger: one row a turn, in exactly one state; claimed in batches, folded in batches.

What moves a row: `add` (composed: pending or skipped), `claim` (sending), `fold` (what the transport or the journal
said), `release` (never begun), `resend_uncertain` (the policy), `expire`,
and a person's `retry` and `resolve`. Nothing else changes a state.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, select, update

from digest.catalog import tables as t
from digest.catalog.leases import Lease, lease
from digest.catalog.store import PAGE, Store
from digest.model import Digest, Picks, Skipped, State, Turn, pack


class Composed(NamedTuple):
    """A turn's digest as it is written: frozen, or skipped and why; *following*: the next turn."""

    digest: Digest
    following: Turn
    skipped: Skipped | None = None


class Delivery(NamedTuple):
    """A digest as the sender sees it."""

    digest: Digest
    state: State
    reason: str
    attempts: int
    sha256: str | None
    resent: bool
    ended: datetime | None


class Settled(NamedTuple):
    """The new state of one claimed row. *sha256*: `dkim.hash_of` what was to be handed over, where there was any."""

    id: int
    state: State
    reason: str = ""
    not_before: datetime | None = None
    sha256: str | None = None
    named: str = ""


_COLUMNS = (
    *("id", "subscriber_id", "turn", "edition_id", "picks", "template", "message_id", "date", "deadline", "since"),
    *("state", "reason", "attempts", "sha256", "resent", "ended"),
)
REACHED = t.digests.c.state.in_((State.PENDING, State.SENDING, State.SENT, State.UNCERTAIN))
"""what its subscriber got, or may yet get"""


class Deliveries:
    def __init__(self, store: Store) -> None:
        self._store = store

    def lease(self) -> AbstractContextManager[Lease]:
        """The right to deliver, and with it every `sending` row that no living deliverer has. Raises Busy."""
        return lease(self._store)

    def add(self, composed: Sequence[Composed]) -> int:
        """Write the digests of due turns and move their subscribers on, in one transaction; returns how many were new.

        UNIQUE(subscriber, turn) is the only once-key: a turn that has a row keeps it.
        """
        if not composed:
            return 0
        s = t.subscribers
        moves: dict[tuple[str, Turn], list[int]] = {}
        for c in composed:
            moves.setdefault((c.digest.turn, c.following), []).append(c.digest.subscriber)
        with self._store.write() as db:
            new = self._store.insert_many(db, t.digests, _columns(composed))
            for (had, following), subscribers in moves.items():
                still = self._store.among(s.c.id, subscribers) & (s.c.next_turn == had)  # a new schedule stays
                db.execute(update(s).where(still).values(next_turn=following.label, next_due=following.due))
        return new

    def claim(self, limit: int, worker: str, now: datetime) -> list[Delivery]:
        """Up to *limit* pending rows, now `sending` and ours; committed before this returns."""
        d = t.digests
        open_ = t.OPEN & (d.c.state == State.PENDING) & (d.c.not_before <= now) & (d.c.deadline > now)
        wanted = select(d.c.id).where(open_).order_by(d.c.not_before, d.c.id).limit(limit)
        with self._store.write(alone=False) as db:
            ids = list(db.scalars(wanted.with_for_update(skip_locked=True)))
            taken = {"state": State.SENDING, "worker": worker, "attempts": d.c.attempts + 1}
            claimed = self._store.among(d.c.id, ids)
            db.execute(update(d).where(claimed).values(taken))
            rows = {delivery.digest.id: delivery for delivery in self._found(db, claimed)}
        return [rows[number] for number in ids]

    def fold(self, settled: Sequence[Settled], worker: str, now: datetime) -> None:
        """What became of claimed rows, in one transaction; rows that are not this worker's any more are left alone."""
        if not settled:
            return
        d = t.digests.c
        kinds = {
            "key": d.id,
            "to": d.state,
            "why": d.reason,
            "wait": d.not_before,
            "sha": d.sha256,
            "name": d.provider_id,
        }
        rows = ((v.id, v.state, v.reason, v.not_before, v.sha256, v.named or None) for v in settled)
        said = self._store.table(kinds, rows)
        new = {
            "state": said["to"], "reason": said["why"], "not_before": said["wait"], "ended": now, "worker": None,
            "sha256": func.coalesce(said["sha"], d.sha256), "provider_id": func.coalesce(said["name"], d.provider_id),
        }  # fmt: skip
        folding = update(t.digests).where((d.id == said["key"]) & _claimed(worker)).values(new)
        with self._store.write(alone=False) as db:
            db.execute(folding)

    def release(self, ids: Iterable[int], worker: str, later: datetime | None = None, why: str = "") -> None:
        """Claimed but never begun: pending again, as if nothing had happened; or to be sent *later*, and *why*."""
        d = t.digests
        back: dict[str, Any] = {"state": State.PENDING, "worker": None, "attempts": d.c.attempts - 1}
        if later:
            back |= {"not_before": later, "reason": why}
        with self._store.write(alone=False) as db:
            db.execute(update(d).where(self._store.among(d.c.id, ids) & _claimed(worker)).values(back))

    def sending(self, worker: str) -> list[Delivery]:
        """Rows that a worker claimed or took over, and has not told the end of."""
        return self._where(t.OPEN, _claimed(worker))

    def tried(self) -> bool:
        """Whether any row was ever claimed and not given back: a first run that died early has left only its lease."""
        with self._store.read() as db:
            return db.scalar(select(t.digests.c.id).where(t.digests.c.attempts > 0).limit(1)) is not None

    def resend_uncertain(self, now: datetime) -> int:
        """Policy `resend`: each uncertain row goes out once more, the same bytes; how many."""
        d = t.digests
        doubtful = t.OPEN & (d.c.state == State.UNCERTAIN) & ~d.c.resent & (d.c.deadline > now)
        with self._store.write() as db:
            values = {"state": State.PENDING, "resent": True, "not_before": now}
            return db.execute(update(d).where(doubtful).values(values)).rowcount

    def retry(self, now: datetime, deadline: datetime, edition: int | None = None) -> int:
        """Failed and expired rows are pending again until *deadline*; how many.

        Those of one edition; else the last one of each subscriber, whose papers came in no later digest.
        """
        d, later = t.digests, t.digests.alias()
        over = d.c.state.in_((State.FAILED, State.EXPIRED)) & (d.c.edition_id.is_not(None))
        if edition is not None:
            over &= d.c.edition_id == edition
        else:
            newer = (later.c.subscriber_id == d.c.subscriber_id) & (later.c.id > d.c.id)
            over &= ~exists().where(newer & (later.c.state != State.SKIPPED))
        values = {"state": State.PENDING, "not_before": now, "deadline": deadline, "attempts": 0}
        with self._store.write() as db:
            return db.execute(update(d).where(over).values(values)).rowcount

    def resolve(self, number: int, state: State, now: datetime, deadline: datetime) -> bool:
        """A person's word on an uncertain row: `sent`, `failed`, or `pending` for once more; False if it is none."""
        d = t.digests
        values: dict[str, Any] = {"state": state, "reason": "resolved by hand", "ended": now}
        if state is State.PENDING:
            values |= {"resent": True, "not_before": now, "deadline": deadline}
        with self._store.write() as db:
            doubtful = (d.c.id == number) & (d.c.state == State.UNCERTAIN)
            return db.execute(update(d).where(doubtful).values(values)).rowcount > 0

    def expire(self, now: datetime) -> int:
        """Pending rows past their deadline; how many."""
        d = t.digests
        over = t.OPEN & (d.c.state == State.PENDING) & (d.c.deadline <= now)
        with self._store.write() as db:
            values = {
                "state": State.EXPIRED,
                "reason": func.coalesce(func.nullif(d.c.reason, ""), "deadline"),
                "ended": now,
            }
            return db.execute(update(d).where(over).values(values)).rowcount

    def had(self, subscribers: Iterable[int], after: datetime, before: datetime) -> list[Sequence[Any]]:
        """Subscribers in order, editions, packed picks, dates: of digests in between that reached them or may yet."""
        d = t.digests.c
        theirs = self._store.among(d.subscriber_id, subscribers) & _since(after) & (d.date > after) & (d.date < before)
        with self._store.read() as db:
            wanted = select(d.subscriber_id, d.edition_id, d.picks, d.date).where(theirs & REACHED)
            return self._store.columns(db, wanted.order_by(d.subscriber_id))

    def shown(self, subscribers: Sequence[int], papers: Collection[int]) -> dict[int, list[tuple[int, datetime]]]:
        """By subscriber: which of *papers* their digests had, and when the edition opened that it was in."""
        c, e, d = t.candidates.c, t.editions.c, t.digests.c
        places: dict[tuple[int, int], tuple[int, datetime]] = {}
        found: dict[int, list[tuple[int, datetime]]] = {}
        with self._store.read() as db:
            stood = select(c.edition_id, c.ordinal, c.paper_id, e.opened).join(t.editions, e.id == c.edition_id)
            for edition, ordinal, paper, opened in db.execute(stood.where(self._store.among(c.paper_id, papers))):
                places[edition, ordinal] = paper, opened
            theirs = self._store.among(d.subscriber_id, subscribers)
            ours = self._store.among(d.edition_id, {edition for edition, _ in places})
            digests = select(d.subscriber_id, d.edition_id, d.picks).where(REACHED, theirs, ours)
            for who, edition, picks in db.execute(digests):
                had = (places.get((edition, ordinal)) for ordinal in Picks(picks).ordinals)
                found.setdefault(who, []).extend(filter(None, had))
        return found

    def empty_turns(self, subscribers: Sequence[int], after: datetime) -> dict[int, int]:
        """By subscriber: how many turns in a row, up to now, brought nothing new; 0 once that has been said to them.

        Turns long before *after* are not looked at.
        """
        d = t.digests.c
        found: dict[int, int] = dict.fromkeys(subscribers, 0)
        over: set[int] = set()
        wanted = select(d.subscriber_id, d.reason, d.state, d.picks).order_by(d.id.desc()).where(_since(after))
        with self._store.read() as db:
            for who, reason, state, picks in db.execute(wanted.where(self._store.among(d.subscriber_id, subscribers))):
                if who in over:
                    continue
                if state == State.SKIPPED:
                    found[who] += reason == Skipped.NOTHING_NEW
                    continue
                over.add(who)
                if not picks:
                    found[who] = 0
        return found

    def last_papers(self, subscriber: int, before: int) -> date | None:
        """The date of the last digest with papers, composed before the row with the number *before* (0: any)."""
        d = t.digests
        wanted = select(func.max(d.c.date)).where(d.c.subscriber_id == subscriber, func.length(d.c.picks) > 0)
        with self._store.read() as db:
            moment: datetime | None = db.scalar(wanted.where(d.c.id < before) if before else wanted)
        return moment.date() if moment else None

    def by_edition(self) -> dict[date, dict[State, int]]:
        """Rows by edition's date and state."""
        d, e = t.digests, t.editions
        wanted = (
            select(e.c.date, d.c.state, func.count()).join(e, e.c.id == d.c.edition_id).group_by(e.c.date, d.c.state)
        )
        found: dict[date, dict[State, int]] = {}
        with self._store.read() as db:
            for day, state, number in db.execute(wanted):
                found.setdefault(day, {})[State(state)] = number
        return found

    def get(self, number: int) -> Delivery | None:
        return next(iter(self._where(t.digests.c.id == number)), None)

    def of(
        self, *, edition: int | None = None, state: State | None = None, subscriber: int | None = None
    ) -> list[Delivery]:
        return [*chain.from_iterable(self.pages(edition=edition, state=state, subscriber=subscriber))]

    def pages(
        self, *, edition: int | None = None, state: State | None = None, subscriber: int | None = None
    ) -> Iterator[list[Delivery]]:
        """In the order of their numbers, some thousand at a time: ledgers are long."""
        d, after = t.digests.c, 0
        asked = ((d.edition_id, edition), (d.state, state), (d.subscriber_id, subscriber))
        conditions = [column == value for column, value in asked if value is not None]
        while page := self._where(*conditions, d.id > after, most=PAGE):
            yield page
            if len(page) < PAGE:
                return
            after = page[-1].digest.id

    def counts(self) -> dict[State, int]:
        """Rows by state; reads the whole ledger."""
        return self._counts()

    def sent_since(self, moment: datetime) -> int:
        """How many messages servers have had from us since, or are about to get."""
        d = t.digests
        had = d.c.state.in_((State.SENT, State.FAILED, State.UNCERTAIN)) & (d.c.ended >= moment)
        had |= d.c.state == State.SENDING
        with self._store.read() as db:
            return db.scalar(select(func.count()).select_from(d).where(had)) or 0

    def unfinished(self) -> dict[State, int]:
        """Of `counts` only pending, sending and uncertain, which is quick however long the ledger."""
        return self._counts(t.OPEN)

    def _counts(self, *conditions: Any) -> dict[State, int]:
        d = t.digests
        with self._store.read() as db:
            rows = db.execute(select(d.c.state, func.count()).where(*conditions).group_by(d.c.state))
            found = {State(state): number for state, number in rows}
        return {state: found.get(state, 0) for state in State}

    # ---- the pause switch

    def pause(self, why: str, now: datetime) -> None:
        with self._store.write() as db:
            db.execute(self._store.ignoring(t.switches), {"name": "paused", "why": why, "at": now})

    def resume(self) -> bool:
        """False when nothing was paused."""
        with self._store.write() as db:
            return db.execute(t.switches.delete().where(t.switches.c.name == "paused")).rowcount > 0

    def paused(self) -> str | None:
        """Why sending is paused; None when it is not."""
        with self._store.read() as db:
            return db.scalar(select(t.switches.c.why).where(t.switches.c.name == "paused"))

    def _where(self, *conditions: Any, most: int | None = None) -> list[Delivery]:
        with self._store.read() as db:
            return self._found(db, *conditions, most=most)

    def _found(self, db: Connection, *conditions: Any, most: int | None = None) -> list[Delivery]:
        """In the order of their numbers."""
        d = t.digests.c
        wanted = select(*(d[name] for name in _COLUMNS)).where(*conditions).order_by(d.id).limit(most)
        return [
            Delivery(
                Digest(id_, who, turn, edition or 0, Picks(picks), template or "", name, date_, deadline, since),
                State(state), *rest,
            )
            for id_, who, turn, edition, picks, template, name, date_, deadline, since, state, *rest
            in zip(*self._store.columns(db, wanted), strict=True)
        ]  # fmt: skip


def _since(moment: datetime) -> Any:
    """By the index: no turn is much older than its digest, and weeks and the welcome sort behind the dates."""
    return t.digests.c.turn >= (moment - timedelta(days=8)).date().isoformat()


def _claimed(worker: str) -> Any:
    return (t.digests.c.state == State.SENDING) & (t.digests.c.worker == worker)


def _columns(composed: Sequence[Composed]) -> dict[str, Sequence[Any]]:
    """In what drivers take as it is: no subclass of str, no bytes for SQLite to look up how they are adapted."""
    _, subscribers, turns, editions, picks, templates, names, dates, deadlines, since = zip(
        *[c.digest for c in composed], strict=True
    )
    return {
        "subscriber_id": subscribers, "turn": turns, "edition_id": [edition or None for edition in editions],
        "picks": [bytearray(pack(some)) for some in picks], "template": [template or None for template in templates],
        "message_id": names, "date": dates, "deadline": deadlines, "since": since,
        "not_before": [None if c.skipped else c.digest.date for c in composed],
        "state": [(State.SKIPPED if c.skipped else State.PENDING).value for c in composed],
        "reason": [c.skipped.value if c.skipped else "" for c in composed],
    }  # fmt: skip
