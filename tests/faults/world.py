"""A small newsletter in a folder of its own: readers, each owed one digest; runs of the real program; the judgement.

The oracle has two halves: what a server stored, and the ledger, in which every turn that was due is one row and ended.
"""

import os
import shutil
import signal
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from random import Random

from factories import NOW, batch, candidate, card, listing, pick
from faults import launch
from faults.launch import ELSEWHERE, POINTS, SELDOM
from faults.sinks import Scripted, SmtpSink, Taken, free_port, wait_until

from digest import config, links
from digest.app import App
from digest.catalog.deliveries import Composed, Delivery
from digest.model import Digest, Interest, Schedule, State

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["__main__", "faults.loaded", "faults.launch"])
CONFIG = """\
publication:
  name: Example Digest
  sender: digest@papers.dev
  base_url: https://papers.dev
  postal_address: 7 Long Lane, 12345 Ribston
topics:
  - {{slug: retrieval, name: Retrieval, description: Finding passages}}
transport: {{kind: smtp, host: {host}, port: {port}, tls: none, insecure: true, command_timeout: 10,
  final_timeout: {patience}}}
delivery: {{connections: {connections}, uncertain: {policy}}}
database: {database}
"""
ONE_FILE = "sqlite:///subscribers.db"
TURN = "2026-01-16"
LAST = {State.SENT, State.UNCERTAIN, State.FAILED, State.SUPPRESSED, State.EXPIRED, State.SKIPPED}


@dataclass
class Judgement:
    """What the two halves of the oracle say together."""

    lost: int
    """turns without a row, rows that did not come to an end, and rows called sent that nobody stored"""
    doubled: int
    states: dict[State, int]
    flaws: list[str] = field(default_factory=list)


class Program:
    """One run of the command line, forked from a process that has loaded everything, which takes most of the time."""

    def __init__(self, script: dict[str, object], arguments: list[str]) -> None:
        file, self._said = tempfile.mkstemp()
        os.close(file)
        self._process = FORKS.Process(target=launch.run, args=(script, arguments, self._said))
        self._process.start()
        self.kill, self.terminate = self._process.kill, self._process.terminate

    @property
    def code(self) -> int | None:
        """As the shell tells it, below 0 for a signal; None while it runs."""
        return self._process.exitcode

    def said(self) -> str:
        """All of its output, once it is over."""
        self._process.join(300)
        assert self.code is not None, "it does not come to an end"
        with suppress(FileNotFoundError):
            self._text = Path(self._said).read_text()
            os.unlink(self._said)
        return self._text


class World:
    def __init__(self, folder: Path, people: int = 500, **settings: object) -> None:
        self.folder, self.people, self.port = folder, people, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = {
            "database": ONE_FILE,
            "connections": 1,
            "policy": "resend",
            "host": "127.0.0.1",
            "patience": 600,
        } | settings
        self.path = folder / "config.yaml"
        self.configure()
        self.kills = 0
        self.complaints: list[str] = []
        """what the program itself found wrong at the end"""

    def configure(self, **settings: object) -> None:
        self.settings |= settings
        self.path.write_text(CONFIG.format(port=self.port, **self.settings))

    @contextmanager
    def app(self) -> Iterator[App]:
        app = App(config.load(self.path), lambda: NOW)
        try:
            yield app
        finally:
            app.catalog.store.engine.dispose()

    def compose(self) -> None:
        """Everybody is owed one digest. Made once, and copied for the next world of that size, where that is easy."""
        if self.settings["database"] != ONE_FILE:
            links.create(self.folder / "digest.keys")
            with self.app() as app:
                owe(app, self.people)
            return
        kept = self.folder.parent / f"composed-{self.people}"
        if not kept.exists():
            with self.app() as app:
                owe(app, self.people)
            kept.mkdir()
            for file in self.folder.glob("*.[dk]*"):
                shutil.copy2(file, kept)
        for file in kept.iterdir():
            shutil.copy2(file, self.folder)

    # ---- running the program

    def start(self, *command: str, now: datetime = NOW, **script: object) -> "Program":
        """*script*: see `launch.prepare`."""
        return Program(script, ["--config", str(self.path), "--now", now.isoformat(), *(command or ("deliver",))])

    def begun(self, sink: SmtpSink | Scripted, **script: object) -> "Program":
        """A run that has handed over a message, or is over."""
        before, process = sink.count, self.start(**script)
        wait_until(lambda: process.code is not None or sink.count > before)
        return process

    def run(self, *command: str, now: datetime = NOW, **script: object) -> tuple[int, str]:
        """Exit code and what was said; counts the kills."""
        process = self.start(*command, now=now, **script)
        said = process.said()
        self.kills += process.code == -signal.SIGKILL
        return process.code, said

    def kill(self, chance: Random, times: int, points: Sequence[str], **script: object) -> None:
        """Runs that end by SIGKILL, at one of *points*; each gets on so far that there is work for all of them."""
        reach = max(2, self.people // times)
        while times and self.open():
            point = chance.choice(points)
            nth = chance.randint(1, SELDOM.get((POINTS | ELSEWHERE)[point][1], reach))
            code, said = self.run(point=point, nth=nth, claim=max(1, reach // 4), **script)
            if code not in (0, -signal.SIGKILL):
                self.complaints.append(said.strip())
            times -= 1

    def finish(self, now: datetime = NOW, **script: object) -> None:
        """Runs until nothing is open any more, an hour apart: what a server put off is tried again.

        Nothing stands in the way now, so that a run which waits for a server in vain has a flaw.
        """
        for hours in range(5):
            code, said = self.run(now=now + timedelta(hours=hours), **script)
            if code or "no reply" in said:
                self.complaints.append(said.strip())
            if code or (not self.open() and not self.counts()[State.UNCERTAIN]):
                return

    def counts(self) -> dict[State, int]:
        with self.app() as app:
            return app.catalog.deliveries.counts()

    def open(self) -> int:
        counts = self.counts()
        return counts[State.PENDING] + counts[State.SENDING]

    # ---- the judgement

    def judge(self, taken: Iterable[Taken], turns: int = 1) -> Judgement:
        """Every reader was due *turns* times."""
        copies = Counter(taken)
        rows: dict[tuple[int, str], list[Delivery]] = defaultdict(list)
        known: set[Taken] = set()
        unfinished = unstored = 0
        with self.app() as app:
            addresses = {person.id: person.address for person in app.catalog.subscribers.all()}
            for row in app.catalog.deliveries.of():
                rows[row.digest.subscriber, row.digest.turn].append(row)
                mail = Taken(addresses.get(row.digest.subscriber, "erased"), f"<{row.digest.message_id}>")
                known.add(mail)
                unfinished += row.state not in LAST
                unstored += row.state is State.SENT and not copies[mail]
            states = app.catalog.deliveries.counts()
        flaws = [
            *self.complaints,
            *(f"turn {turn} of {who} has {len(them)} rows" for (who, turn), them in rows.items() if len(them) > 1),
        ]
        flaws += [f"{mail.recipient} got {mail.message_id}, which no row knows" for mail in copies if mail not in known]
        lost = self.people * turns - len(rows) + unfinished + unstored
        return Judgement(lost, sum(copies.values()) - len(copies), states, flaws)


def owe(app: App, people: int, **paper: object) -> None:
    app.catalog.papers.take("arxiv", batch(listing()), NOW)
    app.catalog.editions.open(NOW.date(), NOW, [candidate(0, card(1, **paper))], {})
    template = app.printing.stationery("digest").hash
    rows = []
    for n in range(people):
        reader = app.subscriptions.add(f"r{n}@example.org", Interest(), Schedule(), "asked", after=NOW)
        message_id = app.links.message_id(reader.id, reader.public_id, TURN, "news.example.org")
        row = Digest(0, reader.id, TURN, 1, (pick(0),), template, message_id, NOW, NOW + timedelta(days=1))
        rows.append(Composed(row, Schedule().next(NOW)))
    app.catalog.deliveries.add(rows)
