"""A PostgreSQL server of one's own, that may be killed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from faults.sinks import free_port, wait_until

BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
FOUND = shutil.which("postgres", path=f"{BIN or ''}:{os.environ.get('PATH', '')}")
USER = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        if USER:
            shutil.chown(folder, **USER)
        made = [Path(FOUND).with_name("initdb"), "-D", folder, "-U", "postgres", "--auth=trust", "--no-sync"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **USER)
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Also while the last children of a killed one are still about."""
        command = [FOUND, "-D", self.folder, "-p", str(self.port), "-k", self.folder, "-h", "127.0.0.1"]
        wait_until(lambda: self._came_up(command))

    def _came_up(self, command: list[object]) -> bool:
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **USER)
        wait_until(lambda: self._process.poll() is not None or self._answers())
        return self._process.poll() is None

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.url.replace("+psycopg", "")):
            return True
        return False

    def kill(self, number: int = signal.SIGKILL) -> None:
        self._process.send_signal(number)
        self._process.wait(60)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    made = Server(folder)
    try:
        yield made
    finally:
        made.kill(signal.SIGINT)
