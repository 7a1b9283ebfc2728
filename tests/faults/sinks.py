"""Where the mails go: servers that remember what they took, whatever becomes of the sender."""

import asyncio
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.controller import Controller

PROGRAM = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass(frozen=True)
class Taken:
    recipient: str
    message_id: str


def free_port() -> int:
    """Below those that the system gives to connections, of which one might have it when the server begins."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class SmtpSink:
    """Postfix's smtp-sink: one file a message, and no file for a message without its final dot."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)

    @contextmanager
    def __call__(self, *options: str) -> Iterator["SmtpSink"]:
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            [PROGRAM, *user, *options, "-d", f"{self.folder}/%M.", f"127.0.0.1:{self.port}", "99"]
        )
        try:
            wait_until(lambda: listening(self.port))
            yield self
        finally:
            process.terminate()
            process.wait(5)

    @property
    def taken(self) -> list[Taken]:
        return [self._read(file) for file in sorted(self.folder.iterdir())]

    @property
    def count(self) -> int:
        """About how many were taken; the last may be on its way."""
        return len(list(self.folder.iterdir()))

    def _read(self, file: Path) -> Taken:
        head = message_from_bytes(file.read_bytes().partition(b"\n\n")[0])
        return Taken(head["X-Rcpt-Args"].strip("<").partition(">")[0], head["Message-ID"])


@dataclass
class Scripted:
    """An aiosmtpd that has what it takes on the disk before it answers, and answers as it is told."""

    log: Path
    port: int
    refuse: Callable[[str], str | None] = lambda recipient: None
    """the reply to RCPT, where it is no welcome"""
    delay: Callable[[str], float] = lambda recipient: 0.0
    """seconds between storing a message and the reply to its final dot"""
    offers: tuple[str, ...] = ("PIPELINING",)
    last: bytes = b""
    """the newest message, as it came"""

    @contextmanager
    def __call__(self) -> Iterator["Scripted"]:
        self.log.touch()
        controller = Controller(self, hostname="127.0.0.1", port=self.port)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()

    @property
    def taken(self) -> list[Taken]:
        return [Taken(*line.split()) for line in self.log.read_text().splitlines()]

    @property
    def count(self) -> int:
        return len(self.taken)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [*(f"250-{offer}" for offer in self.offers), *responses]

    async def handle_RCPT(self, server, session, envelope, address, options):
        if reply := self.refuse(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        recipient, self.last = envelope.rcpt_tos[0], envelope.content
        with self.log.open("a") as log:
            log.write(f"{recipient} {message_from_bytes(envelope.content)['Message-ID']}\n")
            log.flush()
            os.fsync(log.fileno())
        await asyncio.sleep(self.delay(recipient))
        return "250 2.0.0 taken"


def listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until(condition: Callable[[], object], seconds: float = 60) -> bool:
    """False when it did not become true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
