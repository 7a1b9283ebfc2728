"""The default transport: writes real messages into a Maildir, where any mail program can read them."""

import hashlib
import os
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from digest.delivery.journal import sync_folder
from digest.errors import TransportError
from digest.model import Outcome, Outgoing, Phase

_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Maildir:
    """A folder of messages. A file's name follows from the delivery, so what is there already is not written again."""

    path: str = "outbox"

    def deliver(self, mails: Iterable[Outgoing]) -> Generator[Outcome]:
        """As `Transport`; a full disk is `DATA` 452. Raises TransportError when the folder cannot be used at all."""
        box = _opened(Path(self.path))
        read = {name.partition(":")[0] for name in os.listdir(box / "cur")}  # a mail program moves what it showed
        for mail in mails:
            yield _stored(box, mail, read)


TRANSPORT = Maildir


def _opened(box: Path) -> Path:
    try:
        for folder in (box, *(box / name for name in ("tmp", "new", "cur"))):
            folder.mkdir(0o700, parents=True, exist_ok=True)
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(None, "permission denied", str(folder))
    except OSError as error:
        raise TransportError(
            f"the outbox {box} cannot be written: {error.strerror} ({error.filename});"
            " make it writable, or name another folder in transport.path"
        ) from error
    return box


def _stored(box: Path, mail: Outgoing, read: set[str]) -> Outcome:
    name = _name(mail)
    try:
        if name in read or (box / "new" / name).exists():
            return Outcome(mail.id, Phase.FINAL, 250, f"{name} is there already")
        _write(box, name, mail.message)
    except OSError as error:
        return Outcome(mail.id, Phase.DATA, 452, f"{box}: {error.strerror or error}")
    return Outcome(mail.id, Phase.FINAL, 250, f"stored as {name}")


def _name(mail: Outgoing) -> str:
    """The id alone may recur, in another database that shares the outbox."""
    found = _MESSAGE_ID.search(mail.message.partition(b"\r\n\r\n")[0])
    digest = hashlib.sha256(found[1] if found else mail.message).hexdigest()
    return f"digest-{mail.id}.{digest[:16]}"


def _write(box: Path, name: str, message: bytes) -> None:
    """The message appears in `new` whole or not at all."""
    draft = box / "tmp" / name
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(box / "new" / name)
        sync_folder(box / "new")
    finally:
        draft.unlink(missing_ok=True)
