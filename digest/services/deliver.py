"""Hand over what is pending: claim, begin, send, end, fold; and after a crash, find out first what became of the rest.

The order that nobody is lost by (REQ-49, 50): a claim is committed before a message is built; `begin` is in the journal
before its data goes out; `end` is there before the connection's next data; ends are folded into the ledger in batches,
and the journal is cleared only after that.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

from digest.catalog import Catalog
from digest.catalog.deliveries import Delivery, Settled
from digest.clock import Clock, elapsed
from digest.delivery import Transport
from digest.delivery.address import canonical
from digest.delivery.journal import Journal, Word
from digest.delivery.verdict import Breaker, Stop, Verdict, verdict
from digest.errors import ConfigError, DigestError
from digest.links import Links
from digest.model import Outcome, Outgoing, Phase, State, Subscriber
from digest.services.printing import Printing

CLAIM = 300
FRESH = 0.5
"""seconds: how old the last look at a subscriber's standing may be when their message begins (REQ-15: at most 1)"""
AHEAD = 50
"""how many subscribers one such look takes in"""

DROPS = 3
"""a server may end this many sessions in a row before the run leaves it alone until the next tick"""

HELD = "held: the message would differ from the one that may have arrived"


@dataclass
class Report:
    """What a run did: rows by their new state, what it found after a crash, and why it stopped early."""

    ended: Counter[State] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None
    paused: str | None = None
    open: int = 0
    """rows still pending or sending; a run is finished when there are none"""


@dataclass
class Deliver:
    catalog: Catalog
    links: Links
    printing: Printing
    transport: Transport
    clock: Clock
    journal: Path
    connections: int = 1
    hold: bool = False
    """policy for messages in doubt: hold them for a person, instead of sending the same bytes once more"""
    problems: Sequence[str] = ()
    """what must be mended in the configuration before any mail may leave (REQ-22)"""
    _run: "_Run | None" = None

    def deliver(self, progress: Callable[[int, State], None] = lambda id, state: None) -> Report:
        """Send what is pending and due, resuming whatever a crash left. Raises Busy, ConfigError, TransportError.

        *progress* is told each row's new state, from the thread that sent it.
        """
        if self.problems:
            raise ConfigError("no mail may leave yet:\n" + "\n".join(self.problems))
        report = Report()
        with self.catalog.deliveries.exclusive():
            report.recovered = self._recover()
            report.paused = self.catalog.deliveries.paused()
            if not report.paused:
                with closing(Journal(self.journal)) as journal:
                    self._run = _Run(self, journal, report, progress)
                    self._run.work()
                    journal.clear()
        counts = self.catalog.deliveries.counts()
        report.open = counts[State.PENDING] + counts[State.SENDING]
        return report

    def stop(self) -> None:
        """Finish the messages in flight and begin no other (SIGTERM)."""
        if self._run:
            self._run.stop("asked to stop")

    def _recover(self) -> Counter[str]:
        """Under the lock every `sending` row is a leftover, and the journal knows what became of it."""
        deliveries, now = self.catalog.deliveries, self.clock()
        known, left = Journal.replay(self.journal), deliveries.sending()
        untouched = [d.digest.id for d in left if d.digest.id not in known]
        deliveries.release(untouched)
        touched = [d for d in left if d.digest.id in known]
        deliveries.fold([_settled(d, known[d.digest.id], now) for d in touched], now)
        with closing(Journal(self.journal)) as journal:
            journal.clear()
        again = 0 if self.hold else deliveries.resend_uncertain(now)
        deliveries.expire(now)
        return Counter({"untouched": len(untouched), "told by the journal": len(touched), "sent again": again})

    def test(self, message: Outgoing) -> Outcome:
        """One message past the ledger (REQ-57). Raises ConfigError, TransportError."""
        if self.problems:
            raise ConfigError("no mail may leave yet:\n" + "\n".join(self.problems))
        return next(iter(self.transport.deliver([message])))


def _settled(delivery: Delivery, word: Word, now: datetime) -> Settled:
    """What the journal says of a claimed row: an outcome, or that it was begun and nobody knows."""
    lost = Outcome(delivery.digest.id, Phase.FINAL, 0, "the sender died before the reply")
    found = verdict(word.outcome or lost, delivery.attempts, now, delivery.digest.deadline)
    return Settled(delivery.digest.id, found.state, found.text, found.not_before, word.sha256 or None)


@dataclass
class _Run:
    """One run over the ledger, shared by its connections."""

    service: Deliver
    journal: Journal
    report: Report
    progress: Callable[[int, State], None]
    claimed: deque[Delivery] = field(default_factory=deque)
    settled: list[Settled] = field(default_factory=list)
    readers: dict[int, Subscriber] = field(default_factory=dict)
    looked: float = 0.0
    breaker: Breaker = field(default_factory=Breaker)
    dropped: int = 0
    lock: Lock = field(default_factory=Lock)

    def work(self) -> None:
        try:
            if not self.claim():
                return  # no connection is made for nothing
            if self.service.connections == 1:
                self.connection()
            else:
                with ThreadPoolExecutor(self.service.connections) as pool:
                    for done in [pool.submit(self.connection) for _ in range(self.service.connections)]:
                        done.result()
        finally:
            self.fold()
            self.service.catalog.deliveries.release(d.digest.id for d in self.claimed)

    def connection(self) -> None:
        """Everything one connection sends. The transport pulls a mail when it can send it; `begin` is written then."""
        flying: dict[int, tuple[Delivery, str]] = {}
        for outcome in self.service.transport.deliver(self.mails(flying)):
            self.journal.end(outcome)
            delivery, sha256 = flying.pop(outcome.id)
            found = verdict(outcome, delivery.attempts, self.service.clock(), delivery.digest.deadline)
            with self.lock:
                self.note(delivery, outcome, found, sha256)

    def mails(self, flying: dict[int, tuple[Delivery, str]]) -> Iterator[Outgoing]:
        while (taken := self.take()) is not None:
            delivery, reader = taken
            outgoing = self.built(delivery, reader)
            if outgoing is None:
                continue
            sha256 = hashlib.sha256(outgoing.message).hexdigest()
            if delivery.resent and delivery.sha256 not in (None, sha256):
                self.settle(delivery, State.UNCERTAIN, HELD)
                continue
            flying[outgoing.id] = delivery, sha256
            self.journal.begin(outgoing.id, sha256)
            yield outgoing

    def built(self, delivery: Delivery, reader: Subscriber) -> Outgoing | None:
        """None, and the row failed, when its message cannot be made (F20)."""
        try:
            return self.service.printing.outgoing(delivery.digest, reader)
        except DigestError as error:
            self.settle(delivery, State.FAILED, f"cannot be rendered: {error}")
            return None

    def take(self) -> tuple[Delivery, Subscriber] | None:
        """The next claimed delivery whose subscriber still wants it; None when all is done or the run stops."""
        with self.lock:
            while not self.report.stopped:
                if not self.claimed and not self.claim():
                    return None
                self.look()
                delivery = self.claimed.popleft()
                if reader := self.readers.get(delivery.digest.subscriber):
                    return delivery, reader
                self.settled.append(Settled(delivery.digest.id, State.SUPPRESSED, "no longer wanted"))
                self.told(delivery.digest.id, State.SUPPRESSED)
        return None

    def claim(self) -> bool:
        self.fold()
        now = self.service.clock()
        self.claimed.extend(self.service.catalog.deliveries.claim(CLAIM, "local", now))
        self.readers = {}
        return bool(self.claimed)

    def look(self) -> None:
        """Read the standing of the next few subscribers, unless that was done just now (REQ-15)."""
        now, next_one = elapsed(), self.claimed[0].digest.subscriber
        if now - self.looked < FRESH and next_one in self.readers:
            return
        ahead = [d.digest.subscriber for d, _ in zip(self.claimed, range(AHEAD), strict=False)]
        found = self.service.catalog.subscribers.deliverable(ahead)
        fingerprint = self.service.links.fingerprint
        marks = {number: fingerprint(canonical(reader.address)) for number, reader in found.items()}
        barred = self.service.catalog.consents.barred(set(marks.values()))
        self.readers = {number: reader for number, reader in found.items() if marks[number] not in barred}
        self.looked = now

    def note(self, delivery: Delivery, outcome: Outcome, found: Verdict, sha256: str) -> None:
        """A verdict's consequences for the row, the address and the run."""
        number = delivery.digest.id
        self.settled.append(Settled(number, found.state, found.text, found.not_before, sha256))
        self.told(number, found.state)
        if found.suppress and (reader := self.readers.get(delivery.digest.subscriber)):
            mark = self.service.links.fingerprint(canonical(reader.address))
            self.service.catalog.consents.suppress(mark, f"no such address: {found.text}", self.service.clock())
        self.dropped = self.dropped + 1 if found.stop is Stop.RECONNECT else 0
        if self.breaker.tripped(found) or found.stop is Stop.PAUSE:
            self.service.catalog.deliveries.pause(found.text, self.service.clock())
            self.report.paused = self.report.stopped = found.text
        elif self.dropped and (outcome.phase in (Phase.CONNECT, Phase.HELLO) or self.dropped >= DROPS):
            self.report.stopped = found.text
        if len(self.settled) >= CLAIM:
            self.fold()

    def settle(self, delivery: Delivery, state: State, reason: str) -> None:
        with self.lock:
            self.settled.append(Settled(delivery.digest.id, state, reason))
            self.told(delivery.digest.id, state)

    def told(self, number: int, state: State) -> None:
        self.report.ended[state] += 1
        self.progress(number, state)

    def fold(self) -> None:
        settled, self.settled = self.settled, []
        self.service.catalog.deliveries.fold(settled, self.service.clock())
        self.journal.forget(row.id for row in settled)

    def stop(self, why: str) -> None:
        self.report.stopped = self.report.stopped or why
