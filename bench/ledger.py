"""The ledger on both databases: rows written, one process and two, the chain on PostgreSQL beside SQLite, a million.

    python bench/ledger.py [--rounds 3] [--count 4000] [--full]

PostgreSQL is the server that DIGEST_TEST_POSTGRES names; without one its rows are left out. Everything goes nowhere, so
that the ledger is what is measured; messages are signed. Read the ratios. Exit code 1 when a promised one is missed.

Seen for `--full` on two cores with nothing else to do: 10,000 readers in 4.0 s, 100,000 in 39.4 s, a million in 390 s,
each in 138 MB: an exponent of 0.99.
"""

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import render
from delivery import FILE, Newsletter, Nowhere, to_nowhere
from promise import Promise, exit_code

from digest import app, clock
from digest.catalog import tables
from digest.catalog.store import Store
from digest.delivery.dkim import Signer
from digest.model import State

SERVER = os.environ.get("DIGEST_TEST_POSTGRES")


@contextmanager
def newsletter(database: str, readers: int) -> Iterator[Newsletter]:
    with tempfile.TemporaryDirectory() as name:
        made = Newsletter(Path(name), 25, readers, connections=2, database=database)
        yield made
        made.app.catalog.store.engine.dispose()


@contextmanager
def fresh_database() -> Iterator[str]:
    import psycopg

    name = f"digest_bench_{os.getpid()}"
    with psycopg.connect(SERVER.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
        yield f"{SERVER.rpartition('/')[0]}/{name}"
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def work(path: Path, pem: bytes, start: Barrier, end: Barrier) -> None:
    """A deliverer in a process of its own, ready before the clock runs."""
    mine = app.load(path, clock.fixed(render.NOON))
    mine.signer, mine.transport = Signer("news.example.org", "d1", pem), Nowhere()
    _ = mine.deliver
    start.wait()
    mine.deliver.deliver()
    end.wait()


def together(made: Newsletter, processes: int) -> float:
    """Messages a second."""
    made.owe()
    context = get_context("spawn")
    start, end = (context.Barrier(processes + 1) for _ in range(2))
    path = made.app.settings.path
    crowd = [context.Process(target=work, args=(path, made.pem, start, end)) for _ in range(processes)]
    for each in crowd:
        each.start()
    start.wait()
    began = time.perf_counter()
    end.wait()
    took = time.perf_counter() - began
    for each in crowd:
        each.join()
    left = made.app.catalog.deliveries.unfinished()
    assert not left[State.PENDING] + left[State.SENDING], left
    return len(made.readers) / took


def written(rounds: int, count: int) -> list[Promise]:
    """Frozen rows into their table with its keys and indexes; beside them the same bytes into a bare table."""
    spent, real = [0.0], Store.insert_many

    def timed(store: Store, db: object, table: object, columns: dict[str, list[object]]) -> int:
        start = time.process_time()
        try:
            return real(store, db, table, columns)
        finally:
            spent[0] += time.process_time() - start

    rates, bare = [], []
    with newsletter(FILE, count) as made:
        Store.insert_many = timed
        for _ in range(rounds):
            spent[0] = 0
            made.owe()
            rates.append(count / spent[0])
            bare.append(count / bare_table(made))
        Store.insert_many = real
    rate, beside = statistics.median(rates), statistics.median(bare)
    print(f"digest rows a second of CPU: {rate:,.0f}; the same into a bare table: {beside:,.0f}")
    return [Promise("digest rows written, over a bare table", rate / beside, least=0.19)]  # 100,000 of 530,000


def bare_table(made: Newsletter) -> float:
    """Seconds of CPU for the newest rows, in a table without keys and indexes."""
    with made.app.catalog.store.read() as db:
        wanted = tables.digests.select().order_by(tables.digests.c.id.desc()).limit(len(made.readers))
        rows = [tuple(map(str, row)) for row in db.execute(wanted)]
    with closing(sqlite3.connect(made.app.settings.root / f"bare-{time.monotonic_ns()}.db")) as db:
        marks = ", ".join("?" * len(rows[0]))
        db.execute(f"CREATE TABLE digests ({', '.join(tables.digests.c.keys())})")
        start = time.process_time()
        db.executemany(f"INSERT INTO digests VALUES ({marks})", rows)
        db.commit()
        return time.process_time() - start


def side_by_side(rounds: int, count: int) -> list[Promise]:
    found: dict[str, list[float]] = {"SQLite": [], "PostgreSQL": [], "PostgreSQL, two processes": []}
    with fresh_database() as url, newsletter(FILE, count) as on_file, newsletter(url, count) as on_server:
        for _ in range(rounds):
            found["SQLite"].append(together(on_file, 1))
            found["PostgreSQL"].append(together(on_server, 1))
            found["PostgreSQL, two processes"].append(together(on_server, 2))
    one, server, two = (statistics.median(rates) for rates in found.values())
    for name, rates in found.items():
        print(f"{name}: {', '.join(f'{rate:,.0f}' for rate in rates)} messages/s")
    return [
        Promise("PostgreSQL over SQLite", server / one, least=0.8),
        Promise("two processes over one", two / server, least=1.5),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=4000, help="messages a round")
    parser.add_argument("--full", action="store_true", help="up to a million readers, to nowhere")
    options = parser.parse_args()
    promises = written(options.rounds, 20_000)
    if SERVER:
        promises += side_by_side(options.rounds, options.count)
    else:
        print("DIGEST_TEST_POSTGRES names no server: SQLite only")
    if options.full:
        promises += to_nowhere()
    return exit_code(promises)


if __name__ == "__main__":
    sys.exit(main())
