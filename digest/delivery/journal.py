"""The journal of a sending process: which messages were begun, and what the server said of each (REQ-50).

One record a line:

    begin ID SHA256               before the message's data goes out; its `dkim.hash_of`
    end ID PHASE CODE NAME TEXT   after its final reply, before the connection's next data; NAME: a provider's, or -

A begin, and the ends before it, are on the disk before the message's data goes out, so that a power cut leaves no more
in doubt than `kill -9`. The connections share the waiting: one writes what all have to say meanwhile.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol

from digest.delivery.address import veiled
from digest.errors import TransportError
from digest.model import Outcome, Phase


class Word(NamedTuple):
    """The last word on a delivery: its outcome, or None when it was begun and not ended; and what was handed over."""

    outcome: Outcome | None
    sha256: str = ""


class Log(Protocol):
    """Where records last: a file, or the ledger's database. Its methods are called by one thread at a time."""

    copied: bool

    def last(self) -> int | None:
        """The number of the run that had it before; None when there is none to be had. Changes nothing."""

    def adopt(self, number: int) -> None:
        """Ours from now on, under this number, and empty: the ledger knows by now what earlier runs left."""

    def append(self, records: Sequence[tuple[int, str]]) -> None:
        """Adds lines about deliveries, which last when this returns, whatever dies."""

    def read(self) -> Iterable[str]:
        """All lines, oldest first."""

    def forget(self, ids: Iterable[int]) -> None:
        """Drops the lines about these deliveries, for good before this returns."""

    def close(self) -> None:
        """Nothing is written after this."""


class Journal:
    """Appends from any number of threads."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = Lock()
        self._writing = Lock()
        self._waiting: list[tuple[int, str]] = []
        self._said = self._written = 0

    def begin(self, id: int, sha256: str = "") -> None:
        """The message's data goes out next. Raises, as all writing does, when the disk is full or the database gone."""
        self._append(id, f"begin {id} {sha256}".rstrip())

    def end(self, outcome: Outcome, *, wait: bool = True) -> None:
        """The final reply came. No need to *wait* where a `begin` or `flush` follows: they are written together."""
        name = "".join(outcome.named.split()) or "-"
        text = f"end {outcome.id} {outcome.phase.value} {outcome.code} {name} {veiled(outcome.text)}"
        self._append(outcome.id, text, wait=wait)

    def replay(self) -> dict[int, Word]:
        """The last word on each delivery."""
        found: dict[int, Word] = {}
        for id, word in filter(None, map(_read, self._log.read())):
            begun = found.get(id)
            found[id] = word._replace(sha256=word.sha256 or (begun.sha256 if begun and word.outcome else ""))
        return found

    def flush(self) -> None:
        """What was said before this was called lasts when it returns."""
        mine = self._said
        with self._writing:
            if self._written < mine:  # nobody did it for us
                records = self._waiting[:]
                self._log.append(records)
                with self._lock:  # only now: what could not be written is written with the next
                    del self._waiting[: len(records)]
                self._written += len(records)

    def forget(self, ids: Iterable[int]) -> None:
        """Drops what the ledger knows by now; what others began or ended meanwhile stays."""
        self.flush()  # else an end that still waits would come back
        with self._writing:
            self._log.forget(ids)

    def close(self) -> None:
        self._log.close()

    def _append(self, id: int, record: str, *, wait: bool = True) -> None:
        with self._lock:
            self._waiting.append((id, record))
            self._said += 1
        if wait:
            self.flush()


ROOM = 1 << 17
"""bytes that the file has for new records: to wait for the disk takes half as long where no file has to grow"""


class FileLog:
    """A file, for the one process that delivers at a time. Raises TransportError with the way out."""

    copied = False
    """`last` saw that it was written under another name: this folder copies one that may still be at work"""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        self._flaw = ""
        self._fd = -1

    def last(self) -> int | None:
        """0 for one from before runs were counted; None also for what a disk has emptied."""
        first, ended, _ = self._text().partition("\n")
        if found := re.fullmatch(r"run (\d+) (.*)", first):
            self.copied = found[2] != str(self._path.resolve())
            return int(found[1])
        return 0 if ended else None

    def adopt(self, number: int) -> None:
        self._number = number
        self._rewrite(())

    def append(self, records: Sequence[tuple[int, str]]) -> None:
        data = "".join([f"{record}\n" for _, record in records]).encode("utf-8", "replace")
        with self._changing():
            if os.write(self._fd, data) != len(data):  # waits for the disk
                raise OSError("no space left for a whole record")

    def read(self) -> list[str]:
        """Without the last line where its end is missing: it was being written when the process died."""
        return [line for line in self._text().split("\n")[:-1] if _read(line)]

    def forget(self, ids: Iterable[int]) -> None:
        if folded := {str(id) for id in ids}:  # all lines are ours
            lines = self._text().split("\n")[1:-1]
            self._rewrite(line for line in lines if line.split(" ", 2)[1] not in folded)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8", "replace").rstrip("\0")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise self._trouble(error) from error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One trouble is the last: nothing may follow a torn line, nor go into a file that was replaced already."""
        if self._flaw:
            raise self._trouble(self._flaw)
        self._flaw = "an earlier record was not written"
        try:
            yield
        except OSError as error:
            self._flaw = error.strerror or str(error)
            raise self._trouble(error) from error
        self._flaw = ""

    def _rewrite(self, lines: Iterable[str]) -> None:
        """Replaces the file in one step, so that no crash can lose a begin that still matters."""
        fresh = self._path.with_name(self._path.name + ".new")
        head = f"run {self._number} {self._path.resolve()}"
        text = "".join([f"{line}\n" for line in (head, *lines)]).encode("utf-8", "replace")
        with self._changing():
            with open(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(text + bytes(ROOM))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)
            sync_folder(self._path.parent)
            self.close()
            self._fd = os.open(self._path, os.O_WRONLY | os.O_DSYNC)
            os.lseek(self._fd, len(text), os.SEEK_SET)

    def _trouble(self, error: OSError | str) -> TransportError:
        why = getattr(error, "strerror", None) or error
        advice = "make room or fix its permissions, then run again"
        return TransportError(f"the journal {self._path} cannot be used: {why}; {advice}")


def sync_folder(folder: Path) -> None:
    """Makes the names in *folder* last, not only the files."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(line: str) -> tuple[int, Word] | None:
    """None for what is no record: a power cut may leave anything behind."""
    word, id, *said = *line.split(" ", 5), ""
    with suppress(ValueError):
        if word == "begin" and len(said) in (1, 2):
            return int(id), Word(None, said[0])
        if word == "end" and len(said) > 3:
            phase, code, name, text, *_ = said
            return int(id), Word(Outcome(int(id), Phase(phase), int(code), text, "" if name == "-" else name))
    return None
