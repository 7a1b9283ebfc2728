"""What a transport's word means for a delivery: sent, again later, or never; and for the run (REQ-44, 51, 52)."""

import zlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from digest.delivery.address import veiled
from digest.delivery.refusal import CONTENT, Blame, blame, class_in, status_in
from digest.model import Outcome, Phase, State


class Stop(StrEnum):
    """What becomes of the run."""

    NONE = "none"
    RECONNECT = "reconnect"  # this server wants no more now: go on at the next tick
    PAUSE = "pause"  # until a person looked at it


class Verdict(NamedTuple):
    """The row's next state, and when to try again (*not_before*, for `pending` only)."""

    state: State
    text: str
    """for the ledger: code, phase and the server's words, without addresses"""
    not_before: datetime | None = None
    stop: Stop = Stop.NONE
    blame: Blame = Blame.UNKNOWN
    """what a refusal tells of the address, or of us: as much as the bounce that it spares us (REQ-43)"""
    counts: bool = False
    """towards the breaker: the trouble is ours or the server's, not the recipient's"""


def verdict(outcome: Outcome, attempts: int, now: datetime, deadline: datetime) -> Verdict:
    """Decides after the *attempts*-th attempt. What could be tried again only after its *deadline* is expired."""
    code, phase = outcome.code, outcome.phase
    text = f"{code or 'no reply'} at {phase}: {veiled(outcome.text)}"
    if outcome.accepted:
        return Verdict(State.SENT, text)
    if phase is Phase.FINAL and not 400 <= code < 600:
        return Verdict(State.UNCERTAIN, text, counts=True)
    if 500 <= code < 600 and phase is not Phase.CONNECT:
        return _refused(outcome, text, now)
    offline = phase in (Phase.CONNECT, Phase.HELLO)
    stop = Stop.RECONNECT if offline or code in (0, 421) else Stop.NONE
    again = now if offline else now + backoff(outcome.id, attempts)
    if again >= deadline:
        put_off = phase is Phase.RCPT and 400 <= code < 500
        return Verdict(State.EXPIRED, text, stop=stop, blame=Blame.SOFT if put_off else Blame.UNKNOWN)
    return Verdict(State.PENDING, text, again, stop)


def backoff(id: int, attempts: int) -> timedelta:
    """A minute, doubling up to an hour, and up to a quarter less: what failed together does not come back together."""
    share = zlib.crc32(b"%d %d" % (id, attempts)) / 2**32
    return timedelta(minutes=min(2 ** min(attempts - 1, 6), 60) * (1 - share / 4))


def _refused(outcome: Outcome, text: str, now: datetime) -> Verdict:
    if outcome.phase in (Phase.HELLO, Phase.MAIL):  # whoever comes next would hear the same
        return Verdict(State.PENDING, text, now, Stop.PAUSE)
    at_recipient = outcome.phase is Phase.RCPT
    status = status_in(outcome.text) or class_in(str(outcome.code))
    found = blame(status, outcome.text, after_data=not at_recipient)
    if status.startswith(CONTENT) if at_recipient else found is Blame.SOFT:  # an address that is not ASCII; the message
        found = Blame.UNKNOWN
    counts = found is Blame.OURS or not (at_recipient or found is Blame.HARD)
    return Verdict(State.FAILED, text, blame=found, counts=counts)


class Breaker:
    """Trips after *limit* errors in a row that are not about the recipient; an accepted message starts anew."""

    def __init__(self, limit: int = 20) -> None:
        self.limit = limit
        self.errors = 0

    def tripped(self, verdict: Verdict) -> bool:
        """Takes note of *verdict*; True when it is time to pause and tell a person."""
        if verdict.state is State.SENT:
            self.errors = 0
        self.errors += verdict.counts
        return self.errors >= self.limit
