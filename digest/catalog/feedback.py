"""What came back of deliveries: every report counts once, a score for each address, and what follows for both."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, func, insert, select, update

from digest.catalog import tables as t
from digest.catalog.store import Store, chunks, count
from digest.model import Standing, State

THRESHOLD = 5
"""days with a bounce after which an address is given up"""

STALE = timedelta(days=7)
"""without a bounce, after which earlier ones are forgotten"""


SIGN_UPS = 1 << 39
"""numbers of return paths from here on are those of sign-ups: confirmation mails bounce too"""


class What(StrEnum):
    """What a report says of a delivery."""

    HARD = "hard"
    SOFT = "soft"
    OURS = "ours"
    COMPLAINT = "complaint"
    LEFT = "left"


class Effect(StrEnum):
    """What followed from a report."""

    SUPPRESSED = "suppressed"
    COUNTED = "counted"  # a point in the score
    OURS = "ours"  # the trouble is with us: told to the operator
    COMPLAINED = "complained"  # suppressed, and unsubscribed
    LEFT = "left"
    KNOWN = "known"  # it was reported before
    UNMATCHED = "unmatched"  # about no message of ours, or not signed
    NOTHING = "nothing"  # delays, answering machines


@dataclass(frozen=True)
class Recipient:
    """Whom a digest, or a confirmation mail (*subscriber* 0), went to. *address* is "" once erased."""

    digest: int
    subscriber: int
    address: str
    since: datetime | None


@dataclass(frozen=True)
class Lesson:
    """What a believed report says. *fingerprint*: of the recipient's canonical address."""

    recipient: Recipient
    fingerprint: str
    what: What
    why: str

    @property
    def key(self) -> str:
        """However often, and by whatever way, a message is reported, it counts once."""
        return f"{self.what}:{self.recipient.digest}"


@dataclass(frozen=True)
class Score:
    """Points of an address, one a day at most."""

    points: int
    last: datetime


@dataclass(frozen=True)
class Refusals:
    """How many deliveries of a domain were refused because of us, of how many."""

    domain: str
    refused: int
    sent: int


def scored(score: Score | None, now: datetime, since: datetime | None) -> Score:
    """With today's point. Stale points, and those from before the address was confirmed (again), do not count."""
    if score is None or now.date() - score.last.date() > STALE or (since and since > score.last):
        return Score(1, now)
    return score if score.last.date() == now.date() else Score(score.points + 1, now)


class Feedback:
    def __init__(self, store: Store) -> None:
        self._store = store

    def recipients(self, digests: Collection[int], names: Mapping[str, int]) -> dict[int | str, Recipient]:
        """Who is behind numbers and names of messages, ours or a provider's; unknown ones are left out.

        By each name the number of the subscriber that it would be for if it were ours.
        """
        d, s = t.digests, t.subscribers
        names = {name: number for name, number in names.items() if "\0" not in name}  # which PostgreSQL would refuse
        wanted = select(d.c.id, d.c.subscriber_id, s.c.address, s.c.since).join(s)
        ours = self._store.among(d.c.subscriber_id, names.values()) & d.c.message_id.in_(names)
        asked = {number - SIGN_UPS for number in digests if number > SIGN_UPS}
        sent = [number for number in digests if number <= SIGN_UPS]
        found: dict[int | str, Recipient] = {}
        with self._store.read() as db:
            for row in db.execute(wanted.where(d.c.id.in_(sent))) if sent else ():
                found[row.id] = Recipient(row.id, row.subscriber_id, row.address or "", row.since)
            for name, meant in ((d.c.message_id, ours), (d.c.provider_id, d.c.provider_id.in_(names))) if names else ():
                for row in db.execute(wanted.add_columns(name.label("name")).where(meant)):
                    found[row.name] = Recipient(row.id, row.subscriber_id, row.address or "", row.since)
            for row in db.execute(select(t.sign_ups).where(t.sign_ups.c.id.in_(asked))) if asked else ():
                found[SIGN_UPS + row.id] = Recipient(SIGN_UPS + row.id, 0, row.address, None)
        return found

    def last(self, addresses: Collection[str]) -> dict[str, Recipient]:
        """The last digest that went to each of *addresses*, which are in lower case."""
        d, s = t.digests, t.subscribers
        theirs = (d.c.subscriber_id == s.c.id) & d.c.state.in_((State.SENT, State.UNCERTAIN))
        newest = select(func.max(d.c.id)).where(theirs).scalar_subquery()
        known = func.lower(s.c.address).in_([address for address in addresses if "\0" not in address])
        wanted = select(newest, s.c.id, s.c.address, s.c.since).where(known)
        with self._store.read() as db:
            return {row.address.lower(): Recipient(*row) for row in db.execute(wanted) if row[0]}

    def take(self, lessons: Sequence[Lesson], now: datetime) -> list[Effect]:
        """Apply what was learned, in one transaction: all of it is committed when this returns, or none."""
        if not lessons:
            return []
        with self._store.write() as db:
            return [self._take(db, lesson, now) for lesson in lessons]

    def of(self, digests: Iterable[int]) -> dict[int, str]:
        """What came back of each, in words of `What`; those of which nothing did are left out."""
        f, found = t.feedback.c, dict[int, str]()
        with self._store.read() as db:
            for some in chunks(f"{what}:{number}" for number in digests for what in What):
                for key in db.scalars(select(f.key).where(f.key.in_(some)).order_by(f.at, f.key)):
                    what, _, number = key.partition(":")
                    found[int(number)] = f"{found[int(number)]}, {what}" if int(number) in found else what
        return found

    def refusals(self, after: datetime, domains: Collection[str], few: int) -> list[Refusals]:
        """For each domain that refused *few* or more deliveries since *after* because of us: those, and all sent."""
        refused, d, s = self.refused(after), t.digests, t.subscribers
        found = []
        with self._store.read() as db:
            for domain in sorted(domain for domain in domains if refused.get(domain, 0) >= few):
                there = s.c.address.endswith(f"@{domain}", autoescape=True)
                sent = count(db, d.join(s), d.c.state == State.SENT, d.c.ended > after, there)
                found.append(Refusals(domain, refused[domain], sent))
        return found

    def refused(self, after: datetime) -> dict[str, int]:
        """How many deliveries were refused because of us since *after*, by domain."""
        f = t.feedback
        wanted = select(f.c.domain, func.count()).where((f.c.what == What.OURS) & (f.c.at > after)).group_by(f.c.domain)
        with self._store.read() as db:
            return {domain: number for domain, number in db.execute(wanted)}

    def _take(self, db: Connection, lesson: Lesson, now: datetime) -> Effect:
        domain = lesson.recipient.address.rpartition("@")[2]
        row = {"key": lesson.key, "what": lesson.what, "domain": domain, "at": now}
        if not db.execute(self._store.ignoring(t.feedback), row).rowcount:
            return Effect.KNOWN
        if lesson.what is What.OURS:
            return Effect.OURS
        if lesson.what is What.SOFT:
            return self._point(db, lesson, now)
        if lesson.what is not What.LEFT:
            self._suppress(db, lesson, now)
        return Effect.SUPPRESSED if lesson.what is What.HARD else self._end(db, lesson, now)

    def _point(self, db: Connection, lesson: Lesson, now: datetime) -> Effect:
        b, whose = t.bounce_scores, t.bounce_scores.c.fingerprint == lesson.fingerprint
        row = db.execute(select(b.c.points, b.c.last).where(whose)).first()
        score = scored(Score(*row) if row else None, now, lesson.recipient.since)
        db.execute(delete(b).where(whose))
        if score.points >= THRESHOLD:
            self._suppress(db, lesson, now)
            return Effect.SUPPRESSED
        db.execute(insert(b).values(fingerprint=lesson.fingerprint, **vars(score)))
        return Effect.COUNTED

    def _suppress(self, db: Connection, lesson: Lesson, now: datetime) -> None:
        row = {"fingerprint": lesson.fingerprint, "reason": lesson.why, "at": now}
        db.execute(self._store.ignoring(t.suppressions), row)

    def _end(self, db: Connection, lesson: Lesson, now: datetime) -> Effect:
        """End the subscription, and keep that it was ended; who has none yet is only never asked again."""
        if not lesson.recipient.subscriber:
            return Effect.SUPPRESSED
        s, whose = t.subscribers, t.subscribers.c.id == lesson.recipient.subscriber
        public_id = db.scalar(select(s.c.public_id).where(whose))
        db.execute(update(s).where(whose).values(standing=Standing.LEFT))
        effect = Effect.COMPLAINED if lesson.what is What.COMPLAINT else Effect.LEFT
        db.execute(insert(t.consents).values(subscriber=public_id, event=effect, at=now, proof={"why": lesson.why}))
        return effect
