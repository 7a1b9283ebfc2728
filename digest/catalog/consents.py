"""Who asked to be written to, who agreed to it, and who must never be written to again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from digest.catalog import tables as t
from digest.catalog.store import Store, count
from digest.errors import CatalogError

WAITING = 10_000
"""requests in the queue at most"""


@dataclass(frozen=True)
class SignUp:
    """A request to subscribe. *state*: `queued`, then `sending`, `mailed` or `failed`; no mail follows on `suppressed`,
    `refused` (by the limits of an address or a network) or `overflow` (of all together)."""

    id: int
    public_id: str
    address: str
    fingerprint: str
    network: str
    wishes: Mapping[str, Any]
    proof: Mapping[str, Any]
    at: datetime
    state: str = "queued"
    confirmed: datetime | None = None


class Consents:
    def __init__(self, store: Store) -> None:
        self._store = store

    def queue(self, sign_up: SignUp) -> None:
        """Remember a request; whether a mail follows is decided when the queue is worked off.

        Raises CatalogError while too many are waiting: a flood must not fill the disk.
        """
        with self._store.write() as db:
            if count(db, t.sign_ups, t.sign_ups.c.state == "queued") >= WAITING:
                raise CatalogError(f"{WAITING} requests to subscribe are waiting; `digest run` works them off")
            db.execute(insert(t.sign_ups).values({k: v for k, v in vars(sign_up).items() if k != "id"}))

    def queued(self, untried_since: datetime, limit: int = 500) -> list[SignUp]:
        """Oldest first, without those that were tried after *untried_since*."""
        s = t.sign_ups
        return self._sign_ups((s.c.state == "queued") & (s.c.mailed.is_(None) | (s.c.mailed <= untried_since)), limit)

    def sign_up(self, public_id: str) -> SignUp | None:
        return next(iter(self._sign_ups(t.sign_ups.c.public_id == public_id, 1)), None)

    def mark(self, sign_up: SignUp, state: str, now: datetime) -> None:
        """Committed before the confirmation mail leaves: a crash loses a mail, never sends two."""
        values: dict[str, Any] = {"state": state} | ({"mailed": now} if state == "sending" else {})
        with self._store.write() as db:
            db.execute(update(t.sign_ups).where(t.sign_ups.c.id == sign_up.id).values(values))

    def confirm(self, sign_up: SignUp, now: datetime) -> None:
        with self._store.write() as db:
            db.execute(update(t.sign_ups).where(t.sign_ups.c.id == sign_up.id).values(confirmed=now))

    def mailed_since(self, after: datetime, **whose: str) -> int:
        """Confirmation mails that left since *after*: to a `fingerprint`, for a `network`, or in all."""
        s = t.sign_ups.c
        wanted = (s.mailed > after) & (s.state != "queued")  # back in the queue, it has not used up its budget
        with self._store.read() as db:
            return count(db, t.sign_ups, wanted, *(s[name] == value for name, value in whose.items()))

    def overflowed(self, after: datetime) -> int:
        """How many requests since *after* got no mail because too many left already."""
        s = t.sign_ups.c
        with self._store.read() as db:
            return count(db, t.sign_ups, s.state == "overflow", s.at > after)

    def forget(self, before: datetime, refused: datetime) -> int:
        """Delete requests older than *before*, and those that were *refused* before that; how many."""
        s = t.sign_ups.c
        old = (s.at < before) | (s.state.in_(("refused", "overflow", "suppressed")) & (s.at < refused))
        with self._store.write() as db:
            return db.execute(t.sign_ups.delete().where(old)).rowcount

    def record(self, subscriber: str, event: str, at: datetime, proof: Mapping[str, Any]) -> None:
        """Keep the proof of one event (REQ-18); *subscriber* is the public id."""
        with self._store.write() as db:
            db.execute(insert(t.consents).values(subscriber=subscriber, event=event, at=at, proof=dict(proof)))

    def history(self, subscriber: str) -> list[dict[str, Any]]:
        c = t.consents
        with self._store.read() as db:
            rows = db.execute(select(c.c.event, c.c.at, c.c.proof).where(c.c.subscriber == subscriber).order_by(c.c.id))
            return [dict(r._mapping) for r in rows]

    def suppress(self, fingerprint: str, reason: str, now: datetime) -> None:
        """Never write to this address again; the first reason stays."""
        with self._store.write() as db:
            db.execute(self._store.ignoring(t.suppressions), {"fingerprint": fingerprint, "reason": reason, "at": now})

    def suppressed(self, fingerprint: str) -> str | None:
        """Why this address must not be written to; None when it may."""
        with self._store.read() as db:
            return db.scalar(select(t.suppressions.c.reason).where(t.suppressions.c.fingerprint == fingerprint))

    def barred(self, fingerprints: Collection[str]) -> dict[str, str]:
        """Those of *fingerprints* that are suppressed, and why."""
        s = t.suppressions.c
        with self._store.read() as db:
            rows = db.execute(select(s.fingerprint, s.reason).where(s.fingerprint.in_(fingerprints)))
            return {fingerprint: reason for fingerprint, reason in rows}

    def lift(self, fingerprint: str) -> None:
        """Forget that an address was suppressed, and its bounces (REQ-21)."""
        with self._store.write() as db:
            for table in (t.suppressions, t.bounce_scores):
                db.execute(table.delete().where(table.c.fingerprint == fingerprint))

    def _sign_ups(self, condition: Any, limit: int) -> list[SignUp]:
        s = t.sign_ups.c
        wanted = select(*(s[field.name] for field in fields(SignUp))).where(condition).order_by(s.id).limit(limit)
        with self._store.read() as db:
            return [SignUp(*row) for row in db.execute(wanted)]
