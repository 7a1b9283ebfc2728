"""The real command line, made to die by SIGKILL at a chosen moment, or built wrongly on purpose.

The moments are calls of the standard library and of our outermost methods, so that they survive a change within.
"""

import os
import signal
import smtplib
import socket
import sys
from itertools import count

from digest.catalog import store
from digest.catalog.deliveries import Deliveries
from digest.catalog.feedback import Feedback
from digest.catalog.leases import Lease
from digest.delivery.journal import Journal
from digest.delivery.spool import Spool
from digest.errors import TemplateError
from digest.model import Outcome, Phase
from digest.services import deliver, feedback
from digest.services.printing import Printing

POINTS = {
    "before a claim": (Deliveries, "claim", "before"),
    "after a claim": (Deliveries, "claim", "after"),
    "a message was made": (Printing, "outgoing", "after"),
    "before a record": (os, "write", "before"),
    "within a record": (os, "write", "half"),
    "after a record": (os, "write", "after"),
    "before a command": (socket.socket, "sendall", "before"),
    "within a command": (socket.socket, "sendall", "half"),
    "after a command": (socket.socket, "sendall", "after"),
    "before data": (os, "writev", "before"),
    "within data": (os, "writev", "half"),
    "after data": (os, "writev", "after"),
    "a reply came": (smtplib.SMTP, "getreply", "after"),
    "before a fold": (Deliveries, "fold", "before"),
    "after a fold": (Deliveries, "fold", "after"),
    "before the journal is replaced": (os, "replace", "before"),
    "after the journal was replaced": (os, "replace", "after"),
}

ELSEWHERE = {
    "before records are kept": (Lease, "append", "before"),
    "after records were kept": (Lease, "append", "after"),
    "before a lease": (Deliveries, "lease", "before"),
} | {name: point for name, point in POINTS.items() if "record" not in name and "journal" not in name}
"""the moments where the journal is in the database"""

RETURNED = {
    "before reports count": (Feedback, "take", "before"),
    "after reports counted": (Feedback, "take", "after"),
    "before a mail is removed": (Spool, "remove", "before"),
    "after a mail was removed": (Spool, "remove", "after"),
    "before a quarantine": (Spool, "quarantine", "before"),
    "after a quarantine": (Spool, "quarantine", "after"),
}
"""the moments of reading what came back"""

SELDOM = {"lease": 1, "claim": 4, "fold": 4, "replace": 4, "sendall": 2}
"""how often, at least, these calls come about while one batch of messages is claimed, sent and folded"""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fatal(point: str, nth: int) -> None:
    """The *nth* call of what *point* names is the last thing that this process does."""
    owner, name, moment = (POINTS | ELSEWHERE | RETURNED)[point]
    real, calls = getattr(owner, name), count(1)

    def last(*arguments, **options):
        doomed = next(calls) == nth
        if doomed and moment == "half":
            *others, data = arguments
            real(*others, half(data))
        if doomed and moment != "after":
            die()
        result = real(*arguments, **options)
        if doomed:
            die()
        return result

    setattr(owner, name, last)


def half(data: bytes | list[bytes]) -> bytes | list[bytes]:
    return [half(data[0])] if isinstance(data, list) else data[: len(data) // 2]


# ---------------------------------------------------------------- builds that a fault must catch


def sent_before_smtp() -> None:
    """Counts a message as sent when it begins."""
    begin = Journal.begin

    def early(self, id, sha256=""):
        begin(self, id, sha256)
        self.end(Outcome(id, Phase.FINAL, 250, "surely"))

    Journal.begin = early


def cursor_at_claim() -> None:
    """Never looks back at what was claimed."""
    Deliveries.sending = lambda self, worker: []


def gone_when_read() -> None:
    """A mail leaves the spool before what it says is in the database."""
    real = Spool.raw

    def raw(self, path):
        mail = real(self, path)
        self.remove(path)
        return mail

    Spool.raw = raw


# ---------------------------------------------------------------- builds with a trouble of their own


def one_unprintable() -> None:
    """One reader's message cannot be made."""
    real = Printing.outgoing

    def outgoing(self, digest, reader):
        if digest.id == 7:
            raise TemplateError("the message is larger than mail programs show", file="body.mjml")
        return real(self, digest, reader)

    Printing.outgoing = outgoing


BUILDS = {f.__name__.replace("_", " "): f for f in (sent_before_smtp, cursor_at_claim, gone_when_read, one_unprintable)}


def prepare(point: str = "", nth: int = 1, claim: int = 0, batch: int = 0, busy: int = 0, build: str = "") -> None:
    if point:
        fatal(point, nth)
    if claim:
        deliver.CLAIM = claim
    if batch:
        feedback.BATCH = batch
    if busy:
        store.PRAGMAS = tuple(p.replace("60000", str(busy)) for p in store.PRAGMAS)
    if build:
        BUILDS[build]()


def run(script: dict, arguments: list[str], said: str) -> None:
    """In a process of its own: the command line, with its output in the file *said*."""
    from digest.__main__ import main

    with open(said, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv[1:] = arguments
    prepare(**script)
    main()
