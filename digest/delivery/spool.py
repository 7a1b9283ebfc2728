"""A folder of mails that came back: a Maildir that a mail server delivers into, or any folder of files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from digest.errors import NotFound, TransportError

LIMIT = 1 << 18
"""bytes of a mail that are read: reports come first, and what follows is our own message (F21: 30 MB)"""


@dataclass(frozen=True)
class Spool:
    """Mails stay where they are until `remove` or `quarantine`, so that whoever is killed reads them again."""

    folder: Path

    def files(self) -> Iterator[Path]:
        """The mails, by name: of `new` and `cur` where there are such folders. Raises NotFound without a folder."""
        if not self.folder.is_dir():
            raise NotFound(f"{self.folder}: no such folder; name the Maildir that bounces are delivered into")
        parts = [part for name in ("new", "cur") if (part := self.folder / name).is_dir()]
        for part in parts or [self.folder]:
            yield from sorted(path for path in part.iterdir() if path.is_file() and not path.name.startswith("."))

    def raw(self, path: Path) -> bytes:
        """As much of a mail as is read of any; empty when it is gone. Raises TransportError."""
        try:
            with path.open("rb") as file:
                return file.read(LIMIT)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _trouble(path, "read", error) from error

    def name(self, path: Path) -> str:
        """As told to people: from the folder on."""
        return path.relative_to(self.folder).as_posix()

    def remove(self, path: Path) -> None:
        """Once what it said is in the database. Raises TransportError."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _trouble(path, "removed", error) from error

    @property
    def quarantined(self) -> Path:
        """Where mails are put that a person should look at: beside the folder."""
        return self.folder.with_name(f"{self.folder.name}-quarantine")

    def quarantine(self, path: Path) -> None:
        """Out of the way, and kept, beside another of its name too. Raises TransportError."""
        try:
            self.quarantined.mkdir(mode=0o700, exist_ok=True)
            names = (self.quarantined / f"{path.name}{f'.{n}' * (n > 0)}" for n in count())
            os.replace(path, next(name for name in names if not name.exists()))
        except FileNotFoundError:
            return  # somebody was faster
        except OSError as error:
            raise _trouble(path, "moved to quarantine", error) from error


def _trouble(path: Path, done: str, error: OSError) -> TransportError:
    return TransportError(f"{path}: cannot be {done}: {error.strerror}; check its permissions, then run again")
