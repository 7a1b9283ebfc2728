"""Hand over what is pending: claim, begin, send, end, fold; and after a crash, find out first what became of the rest.

The order that nobody is lost by (REQ-49, 50): a claim is committed before a message is built; `begin` is in the journal
before its data goes out; `end` is there before the connection's next data; ends are folded into the ledger in batches,
and the journal is cleared only after that.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from digest.catalog import Catalog
from digest.catalog.deliveries import Delivery, Settled
from digest.catalog.feedback import Lesson, What
from digest.catalog.leases import Lease
from digest.clock import Clock, elapsed, pace
from digest.delivery import Transport
from digest.delivery.address import canonical, domain_of
from digest.delivery.dkim import hash_of
from digest.delivery.journal import FileLog, Journal, Word
from digest.delivery.pace import Lanes, WarmUp
from digest.delivery.refusal import Blame
from digest.delivery.verdict import Breaker, Stop, Verdict, verdict
from digest.errors import CatalogError, ConfigError
from digest.links import Links
from digest.model import Outcome, Outgoing, Phase, State, Subscriber
from digest.services.doctor import OVERDUE
from digest.services.printing import Printing

CLAIM = 300
FRESH = 0.5
"""seconds: how old the last look at a subscriber's standing may be when their message begins (REQ-15: at most 1)"""
OLDEST = 0.9
"""seconds: a mail that was pulled ahead of its turn is looked at again after this"""
AHEAD = 300
"""how many subscribers one such look takes in"""

PATIENCE, PARKED = 60, 1000
"""seconds that a claimed mail may wait for its domain, and how many may; what has to wait longer is given back"""

DROPS = 3
"""a server may end this many sessions in a row before the run leaves it alone until the next tick"""

COPY = "this database is a copy or an older state of itself: its digests may have been sent, or be sent elsewhere"

HELD = "held: the message would differ from the one that may have arrived"


@dataclass
class Report:
    """What a run did: rows by their new state, what it found after a crash, and why it stopped early.

    While the run goes on, the same of what it did so far.
    """

    total: int = 0
    """rows that were pending when it began"""
    began: float = field(default_factory=elapsed)
    ended: Counter[State] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """what was not accepted, by code and phase"""
    recovered: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None
    paused: str | None = None
    open: int = 0
    """rows still pending, to be tried later, or with other deliverers; none is left with this one, or the run raises"""
    overdue: int = 0
    """subscribers whose turn was due long ago and has no row: composing does not work"""

    def __str__(self) -> str:
        """How far it is, in one line."""
        errors = "".join(f", {number} × {what}" for what, number in self.errors.most_common(3))
        return f"{pace(self.ended.total(), self.total, self.began)}{errors}"


@dataclass
class Deliver:
    catalog: Catalog
    links: Links
    printing: Printing
    transport: Transport
    clock: Clock
    journal: Path | None
    """a file for the only deliverer; None where there may be several, and the database keeps what it would say"""
    connections: int = 1
    hold: bool = False
    """policy for messages in doubt: hold them for a person, instead of sending the same bytes once more"""
    problems: Sequence[str] = ()
    """what must be mended in the configuration before any mail may leave (REQ-22)"""
    domains: Mapping[str, float] = field(default_factory=dict)
    """messages a second by recipient's domain, `*` for each other one"""
    warm_up: WarmUp | None = None
    stopping: bool = field(default=False, init=False)

    def deliver(self, progress: Callable[[Report], None] = lambda report: None) -> Report:
        """Send what is pending and due, resuming whatever a crash left. Raises Busy, ConfigError, TransportError.

        *progress* is told of each row that came to an end, from the thread that sent it.
        """
        self._allowed()
        report = Report()
        with self.catalog.deliveries.lease() as lease:
            log = FileLog(self.journal) if self.journal else lease
            with closing(Journal(log)) as journal:
                had = log.last()
                if lease.before and (log.copied or self._outdated(had, lease.before)):
                    self.catalog.deliveries.pause(COPY, self.clock())
                report.recovered = self._recover(lease, journal, whole=had is not None)
                log.adopt(lease.number)  # only now: a run that died before would hide from the next what it saw
                report.paused = self.catalog.deliveries.paused()
                report.total = self.catalog.deliveries.unfinished()[State.PENDING]
                if not report.paused:
                    _Run(self, lease, journal, report, progress).work()
            self._audit(report, lease)
        return report

    def _outdated(self, had: int | None, before: int) -> bool:
        """Whether the journal knows of later runs than the database, or is gone although something was sent."""
        return self.catalog.deliveries.tried() if had is None else had > before

    def _allowed(self) -> None:
        if self.problems:
            raise ConfigError("no mail may leave yet:\n" + "\n".join(self.problems))

    def stop(self) -> None:
        """Finish the messages in flight and begin no other, now or in a later run (SIGTERM)."""
        self.stopping = True

    def allowance(self) -> int:
        """How many more messages may be claimed today, whoever claims."""
        if not self.warm_up:
            return sys.maxsize
        midnight = self.clock().replace(hour=0, minute=0, second=0, microsecond=0)
        return self.warm_up.allowed(midnight.date()) - self.catalog.deliveries.sent_since(midnight)

    def _audit(self, report: Report, lease: Lease) -> None:
        """Does the ledger add up (REQ-49)? Under the lease, at the end of a run; raises CatalogError."""
        if claimed := len(self.catalog.deliveries.sending(lease.worker)):
            raise CatalogError(f"{claimed} claimed messages were neither sent nor given back; run `digest deliver`")
        left = self.catalog.deliveries.unfinished()
        report.open = left[State.PENDING] + left[State.SENDING]
        report.overdue = self.catalog.subscribers.overdue(self.clock() - OVERDUE)

    def _recover(self, lease: Lease, journal: Journal, *, whole: bool) -> Counter[str]:
        """What the dead have left is ours, and the journal knows what became of it; without one all is in doubt."""
        deliveries, now = self.catalog.deliveries, self.clock()
        known, left = journal.replay(), deliveries.sending(lease.worker)
        if not whole:
            known = {d.digest.id: Word(None) for d in left} | known
        untouched = [d.digest.id for d in left if d.digest.id not in known]
        deliveries.release(untouched, lease.worker)
        touched = [d for d in left if d.digest.id in known]
        deliveries.fold([_settled(d, known[d.digest.id], now)[0] for d in touched], lease.worker, now)
        again = 0 if self.hold else deliveries.resend_uncertain(now)
        deliveries.expire(now)
        return Counter({"untouched": len(untouched), "told by the journal": len(touched), "to be sent again": again})

    def test(self, message: Outgoing) -> Outcome:
        """One message past the ledger (REQ-57). Raises ConfigError, TransportError."""
        self._allowed()
        return next(iter(self.transport.deliver([message])))


def _settled(delivery: Delivery, word: Word, now: datetime) -> tuple[Settled, Verdict]:
    """What becomes of a row by its last word: an outcome, or that it was begun and nobody knows."""
    said = word.outcome or Outcome(delivery.digest.id, Phase.FINAL, 0, "the sender died before the reply")
    found = verdict(said, delivery.attempts, now, delivery.digest.deadline)
    return Settled(said.id, found.state, found.text, found.not_before, word.sha256 or None, said.named), found


class _Flight(NamedTuple):
    """A message that the transport has pulled, until its end."""

    delivery: Delivery
    address: str
    sha256: str
    looked: float

    @property
    def fresh(self) -> bool:
        """Whether its subscriber was looked at so lately that it may begin now."""
        return elapsed() - self.looked < OLDEST


@dataclass
class _Run:
    """One run over the ledger, shared by its connections."""

    service: Deliver
    lease: Lease
    journal: Journal
    report: Report
    progress: Callable[[Report], None]
    claimed: deque[Delivery] = field(default_factory=deque)
    settled: list[Settled] = field(default_factory=list)
    readers: dict[int, Subscriber] = field(default_factory=dict)
    barred: dict[int, str] = field(default_factory=dict)
    """whom the last look found suppressed, and why"""
    looked: float = 0.0
    breaker: Breaker = field(default_factory=Breaker)
    later: dict[tuple[datetime, str], list[int]] = field(default_factory=dict)
    """given back for later, by when and why"""
    waiter: bool = False
    dropped: int = 0
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.lanes: Lanes[Delivery] = Lanes(self.service.domains)

    def work(self) -> None:
        try:
            if not self.claim():
                return  # no connection is made for nothing
            with ThreadPoolExecutor(self.service.connections) as pool:
                try:
                    for done in as_completed([pool.submit(self.connection) for _ in range(self.service.connections)]):
                        done.result()
                except BaseException:  # also ^C: the other connections finish what is in flight, and no more
                    self.report.stopped = "one connection failed"
                    raise
        finally:
            self.fold()
            unsent = [*self.claimed, *self.lanes.leave()]
            self.service.catalog.deliveries.release((d.digest.id for d in unsent), self.lease.worker)

    def connection(self) -> None:
        """Sessions until all is done; another one where a mail had to be taken back, and when some have waited."""
        while (self.session() or self.waited()) and not self.over():
            pass

    def waited(self) -> bool:
        """Lets those that wait for their domains become ready; one connection is enough for them."""
        with self.lock:
            if self.waiter or not self.lanes:
                return False
            self.waiter = True
        self.lanes.pause()
        self.waiter = False
        return True

    def session(self) -> bool:
        """What one session sends; True when it ended because the next mail must not be sent.

        The transport may pull one mail while another is in flight; then its `begin` follows the `end` of that one, so
        that at most one message of a connection is ever in doubt.
        """
        flying: dict[int, _Flight] = {}
        with closing(self.service.transport.deliver(self.mails(flying))) as outcomes:
            try:
                return any(self.heard(outcome, flying) for outcome in outcomes)
            finally:
                self.journal.flush()  # the end of a mail whose follower is not begun

    def heard(self, outcome: Outcome, flying: dict[int, _Flight]) -> bool:
        """Ends the mail, and begins the one that was pulled ahead; True when that one must not be sent."""
        flight = flying.pop(outcome.id)
        ahead = next(iter(flying.values()), None)
        self.journal.end(outcome, wait=not ahead)
        with self.lock:
            self.note(flight, outcome)
            if ahead and not self.still(ahead):
                return True
        if ahead:
            self.journal.begin(ahead.delivery.digest.id, ahead.sha256)
        return False

    def still(self, ahead: _Flight) -> bool:
        """Whether a mail that was pulled some time ago may go out; if not, its row is given back or ended."""
        if not ahead.fresh:
            wanted = self.standing([ahead.delivery.digest.subscriber])
            if not wanted and not self.over():
                self.unwanted(ahead.delivery)
                return False
        if self.over():
            self.claimed.appendleft(ahead.delivery)
        return not self.over()

    def mails(self, flying: dict[int, _Flight]) -> Iterator[Outgoing]:
        while (taken := self.take()) is not None:
            delivery, reader, looked = taken
            outgoing = self.built(delivery, reader)
            if outgoing is None:
                continue
            sha256 = hash_of(outgoing.message)
            if delivery.resent and delivery.sha256 not in (None, sha256):
                self.settle(delivery, State.UNCERTAIN, HELD)
                continue
            if not flying:
                self.journal.begin(outgoing.id, sha256)
            flying[outgoing.id] = _Flight(delivery, reader.address, sha256, looked)
            yield outgoing

    def built(self, delivery: Delivery, reader: Subscriber) -> Outgoing | None:
        """None, and the row failed, when its message cannot be made (F20); a database in trouble fails nobody."""
        try:
            return self.service.printing.outgoing(delivery.digest, reader)
        except CatalogError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it would be so again, and stand in everybody's way
            self.settle(delivery, State.FAILED, f"cannot be rendered: {error or type(error).__name__}")
            return None

    def take(self) -> tuple[Delivery, Subscriber, float] | None:
        """The next delivery whose subscriber still wants it, as seen when; None when all is done, waits, or stopped."""
        with self.lock:
            while not self.over():
                waited = self.lanes.ready()
                if not waited and not self.claimed and not self.claim():
                    return None
                if waited:
                    self.claimed.appendleft(waited)
                self.look()
                if self.over():
                    return None
                delivery = self.claimed.popleft()
                reader = self.readers.get(delivery.digest.subscriber)
                if not reader:
                    self.unwanted(delivery)
                elif waited or self.admitted(delivery, domain_of(reader.address)):
                    return delivery, reader, self.looked
        return None

    def admitted(self, delivery: Delivery, domain: str) -> bool:
        """Whether its domain may be written to now; else it waits in its lane, or until another run."""
        wait = self.lanes.wait(domain)
        if wait <= PATIENCE and len(self.lanes) < PARKED:
            return self.lanes.enter(domain, delivery)
        when = (self.service.clock() + timedelta(seconds=wait)).replace(second=0, microsecond=0) + timedelta(minutes=1)
        self.later.setdefault((when, f"{domain} gets its mail more slowly"), []).append(delivery.digest.id)
        return False

    def unwanted(self, delivery: Delivery) -> None:
        why = self.barred.get(delivery.digest.subscriber)
        self.told(Settled(delivery.digest.id, State.SUPPRESSED, why or "no longer wanted"))

    def claim(self) -> bool:
        self.fold()
        now, left = self.service.clock(), self.service.allowance()
        if left <= 0:
            self.report.stopped = "a new sender has sent enough for today (delivery.warm_up)"
            return False
        found = self.service.catalog.deliveries.claim(min(CLAIM, left), self.lease.worker, now)
        self.claimed.extend(found)
        self.readers = {}
        return bool(found)

    def look(self) -> None:
        """Read the standing of the next few subscribers, unless that was done just now (REQ-15)."""
        now, next_one = elapsed(), self.claimed[0].digest.subscriber
        if now - self.looked < FRESH and next_one in self.readers:
            return
        self.readers = self.standing([d.digest.subscriber for d, _ in zip(self.claimed, range(AHEAD), strict=False)])
        self.looked = now

    def standing(self, subscribers: Sequence[int]) -> dict[int, Subscriber]:
        """Those who may be mailed now; and whether anybody may."""
        if why := self.service.catalog.deliveries.paused():
            self.report.paused = self.report.stopped = why
        found = self.service.catalog.subscribers.deliverable(subscribers)
        fingerprint = self.service.links.fingerprint
        marks = {number: fingerprint(canonical(reader.address)) for number, reader in found.items()}
        barred = self.service.catalog.consents.barred(set(marks.values()))
        self.barred = {number: barred[mark] for number, mark in marks.items() if mark in barred}
        return {number: reader for number, reader in found.items() if number not in self.barred}

    def over(self) -> bool:
        if self.service.stopping and not self.report.stopped:
            self.report.stopped = "asked to stop"
        if self.lease.lost.is_set():
            self.report.stopped = "another deliverer took over"
        return self.report.stopped is not None

    def note(self, flight: _Flight, outcome: Outcome) -> None:
        """An outcome's consequences for the row, the address and the run."""
        row, found = _settled(flight.delivery, Word(outcome, flight.sha256), self.service.clock())
        self.told(row)
        at_domain = outcome.phase in (Phase.RCPT, Phase.DATA, Phase.FINAL)
        self.lanes.heard(domain_of(flight.address), put_off=at_domain and 400 <= outcome.code < 500)
        if found.blame is not Blame.UNKNOWN:
            self.learn(flight, found)
        self.dropped = self.dropped + 1 if found.stop is Stop.RECONNECT else 0
        if self.breaker.tripped(found) or found.stop is Stop.PAUSE:
            self.pause(found.text)
        elif self.dropped and (outcome.phase in (Phase.CONNECT, Phase.HELLO) or self.dropped >= DROPS):
            self.report.stopped = found.text

    def learn(self, flight: _Flight, found: Verdict) -> None:
        """A refusal teaches what the bounce would that it spares us (REQ-43)."""
        number, feedback = flight.delivery.digest.id, self.service.catalog.feedback
        mark = self.service.links.fingerprint(canonical(flight.address))
        whom = feedback.recipients({number}, {})[number]
        feedback.take([Lesson(whom, mark, What(found.blame), f"refused: {found.text}")], self.service.clock())

    def settle(self, delivery: Delivery, state: State, reason: str) -> None:
        """A row's end without a transport's word; failures in a row stop the run as the server's would."""
        with self.lock:
            self.told(Settled(delivery.digest.id, state, reason))
            if self.breaker.tripped(Verdict(state, reason, counts=state is State.FAILED)):
                self.pause(reason)

    def pause(self, why: str) -> None:
        self.service.catalog.deliveries.pause(why, self.service.clock())
        self.report.paused = self.report.stopped = why

    def told(self, row: Settled) -> None:
        """A row came to its end, or waits again; `fold` tells the ledger."""
        self.settled.append(row)
        self.report.ended[row.state] += 1
        if row.state not in (State.SENT, State.SUPPRESSED):
            self.report.errors[row.reason.partition(":")[0]] += 1
        self.progress(self.report)

    def fold(self) -> None:
        settled, self.settled = self.settled, []
        self.service.catalog.deliveries.fold(settled, self.lease.worker, self.service.clock())
        self.journal.forget(row.id for row in settled)
        later, self.later = self.later, {}
        for (when, why), ids in later.items():
            self.service.catalog.deliveries.release(ids, self.lease.worker, when, why)
