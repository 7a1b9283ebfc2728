"""Several schedulers and workers on one database, as processes that begin each round at the same moment (F13)."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import Any

from factories import NOW, batch, listing
from faults.world import World

from digest import services
from digest.app import App, load
from digest.catalog.deliveries import Deliveries
from digest.errors import Busy
from digest.model import Interest, Schedule, State

SCHEDULERS, WORKERS = 2, 4


def once_each(world: World, rounds: int) -> None:
    """Everybody is due once a round; the crowd composes and delivers."""
    context = get_context("spawn")
    start, end = (context.Barrier(SCHEDULERS + WORKERS + 1) for _ in range(2))
    work = (world.path, rounds, world.people, start, end)
    crowd = [context.Process(target=schedule, args=work) for _ in range(SCHEDULERS)]
    crowd += [context.Process(target=deliver, args=work) for _ in range(WORKERS)]
    for each in crowd:
        each.start()
    with world.app() as app:
        for number in range(rounds):
            now = NOW + timedelta(days=number)
            app.catalog.papers.take("arxiv", batch(listing(announced=now)), now)
            start.wait(120)
            end.wait(120)
    for each in crowd:
        each.join(60)
        assert each.exitcode == 0
    world.finish(NOW + timedelta(days=rounds - 1))


def subscribe(world: World) -> None:
    with world.app() as app:
        for n in range(world.people):
            app.subscriptions.add(f"r{n}@example.org", Interest(), Schedule(), "asked", after=NOW - timedelta(days=1))


def without_a_key(world: World) -> None:
    """The build with no unique key on the turn."""
    with world.app() as app, app.catalog.store.engine.connect() as db:
        old = db.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'digests'").scalar_one()
        new = old.replace("UNIQUE (subscriber_id, turn)", "CHECK (1)")
        assert new != old
        for statement in ("PRAGMA foreign_keys = OFF", "DROP TABLE digests", new):
            db.exec_driver_sql(statement)
        db.exec_driver_sql("COMMIT")


def schedule(path: Path, rounds: int, people: int, start: Barrier, end: Barrier) -> None:
    """A tick's first half. Between its looking and its writing there is room for the other scheduler."""
    real = Deliveries.add
    Deliveries.add = lambda self, composed: time.sleep(0.05) or real(self, composed)

    def tick(app: App, number: int) -> None:
        app.publish.open(wait=False)
        app.publish.compose()

    _rounds(path, rounds, start, end, tick)


def deliver(path: Path, rounds: int, people: int, start: Barrier, end: Barrier) -> None:
    services.deliver.CLAIM = 2  # so that there is something for each of them

    def work(app: App, number: int) -> None:
        for _ in range(500):
            with suppress(Busy):
                app.deliver.deliver()
            counts = app.catalog.deliveries.counts()
            if sum(counts.values()) >= people * number and not counts[State.PENDING] + counts[State.SENDING]:
                return
            time.sleep(0.01)

    _rounds(path, rounds, start, end, work)


def _rounds(path: Path, rounds: int, start: Barrier, end: Barrier, work: Callable[[App, int], Any]) -> None:
    now = NOW
    app = load(path, lambda: now)
    for number in range(rounds):
        now = NOW + timedelta(days=number)
        start.wait(120)
        work(app, number + 1)
        end.wait(120)
