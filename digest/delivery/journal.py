"""The journal of a sending process: which messages were begun, and what the server said of each (REQ-50).

Text, one record a line, each written by a single append:

    begin ID SHA256               before the message's data goes out; the hash of its bytes
    end ID PHASE CODE TEXT        after its final reply, before the connection's next data

What was written survives `kill -9` without being on the disk. Waiting for the disk before each message costs as much as
all the rest (0.25 to 4 ms), so the first line names the boot of the machine instead, `boot ID`: after a power cut it is
another one, records may be missing, and whatever was claimed is in doubt. Where boots have no names (macOS), each begin
waits for the disk. One process has a journal at a time; the deliverer's lock sees to that.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from digest.delivery.address import veiled
from digest.errors import TransportError
from digest.model import Outcome, Phase


@dataclass(frozen=True, slots=True)
class Word:
    """The last word on a delivery: its outcome, or None when it was begun and not ended; and what was handed over."""

    outcome: Outcome | None
    sha256: str = ""


BOOT = Path("/proc/sys/kernel/random/boot_id")
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the slower one


class Journal:
    """Appends from any number of threads. Opening keeps what an earlier process left, except for a torn last line."""

    def __init__(self, path: str | Path, *, sync: bool | None = None) -> None:
        """*sync*: each begin waits for the disk; None: where it must."""
        self._path = Path(path)
        self._durable = not boot() if sync is None else sync
        self._lock = Lock()
        self._broken = False
        self._fd = -1
        self._rewrite(self.replay(path))

    @staticmethod
    def replay(path: str | Path) -> dict[int, Word]:
        """The last word on each delivery in the file at *path*."""
        try:
            text = Path(path).read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _trouble(path, error) from error
        whole = text[: text.rfind("\n") + 1]  # a record without its line end was being written when the process died
        found: dict[int, Word] = {}
        for id, word in filter(None, map(_read, whole.split("\n"))):
            begun = found.get(id)
            found[id] = replace(word, sha256=word.sha256 or (begun.sha256 if begun and word.outcome else ""))
        return found

    @staticmethod
    def whole(path: str | Path) -> bool:
        """Whether all that was ever written to it can be read: the machine has been up since, or each begin was synced.

        A journal that is missing is not whole.
        """
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            return file.readline() == _boot(boot())
        return False

    def begin(self, id: int, sha256: str = "") -> None:
        """The message's data goes out next. Raises TransportError, as all writing does, when the disk is full."""
        self._append(_begin(id, sha256), begins=True)

    def end(self, outcome: Outcome) -> None:
        """The final reply came."""
        self._append(_end(outcome))

    def forget(self, ids: Iterable[int]) -> None:
        """Drops what the database knows by now; what others began or ended meanwhile stays."""
        with self._lock:
            known = self.replay(self._path)
            folded = set(ids)
            self._rewrite({id: word for id, word in known.items() if id not in folded})

    def clear(self) -> None:
        """Forgets everything; for when nothing is in flight and all is in the database."""
        with self._lock:
            self._rewrite({})

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, records: bytes, *, begins: bool = False) -> None:
        try:
            with self._lock:
                self._write(records)
            if begins and self._durable:  # outside the lock: the kernel joins the waits of several connections
                _sync(self._fd)
        except OSError as error:
            raise _trouble(self._path, error) from error

    def _write(self, records: bytes) -> None:
        """After a write that the disk cut short nothing may follow: only a last line may be torn."""
        if self._broken:
            raise OSError("an earlier record was not written")
        self._broken = True
        if os.write(self._fd, records) != len(records):
            raise OSError("no space left for a whole record")
        self._broken = False

    def _rewrite(self, records: Mapping[int, Word]) -> None:
        """Replaces the file in one step, so that no crash can lose a begin that still matters."""
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with open(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(_boot(boot()).encode())
                file.write(b"".join(_lines(id, word) for id, word in records.items()))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)
            sync_folder(self._path.parent)
            self._adopt(os.open(self._path, os.O_APPEND | os.O_WRONLY))
        except OSError as error:
            raise _trouble(self._path, error) from error

    def _adopt(self, fd: int) -> None:
        """The number stays, for a thread that is about to sync it; the new file is on the disk already."""
        if self._fd < 0:
            self._fd = fd
        else:
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)


def sync_folder(folder: Path) -> None:
    """Makes the names in *folder* last, not only the files."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def boot() -> str:
    """The name of this run of the machine; empty where it has none."""
    with suppress(OSError):
        return BOOT.read_text("ascii").strip()
    return ""


def _boot(name: str) -> str:
    return f"boot {name}\n"


def _lines(id: int, word: Word) -> bytes:
    return _begin(id, word.sha256) + (_end(word.outcome) if word.outcome else b"")


def _begin(id: int, sha256: str) -> bytes:
    return f"begin {id} {sha256}".rstrip().encode() + b"\n"


def _end(outcome: Outcome) -> bytes:
    text = f"end {outcome.id} {outcome.phase.value} {outcome.code} {veiled(outcome.text)}\n"
    return text.encode("utf-8", "replace")


def _read(line: str) -> tuple[int, Word] | None:
    """None for what is no record: a power cut may leave anything behind."""
    word, id, *said = *line.split(" ", 4), ""
    with suppress(ValueError):
        if word == "begin" and len(said) in (1, 2):
            return int(id), Word(None, said[0])
        if word == "end" and len(said) > 2:
            return int(id), Word(Outcome(int(id), Phase(said[0]), int(said[1]), said[2]))
    return None


def _trouble(path: str | Path, error: OSError) -> TransportError:
    why = error.strerror or error
    return TransportError(f"the journal {path} cannot be used: {why}; make room or fix its permissions, then run again")
