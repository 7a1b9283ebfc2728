"""Readers composed from a SQLite file and into it, with all that `Publish.compose` does; `bench/ranking.py` runs this.

python bench/composed.py [READERS [DIGESTS]]

The readers of `bench/ranking.py`, each with up to three DIGESTS (0) of ten papers from earlier editions of the same
papers. Prints JSON: readers a second, time of the later half of the chunks over the earlier, megabytes.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import ranking

from digest import app, config
from digest.catalog import tables
from digest.model import Batch, Interest, Listing, Schedule, State, Steering
from digest.ranking.compose import FROZEN
from digest.services.publish import CHUNK

CONFIG = """\
publication: {name: Trending Papers, sender: digest@news.example.org, base_url: "http://127.0.0.1:8000",
  postal_address: 1 Library Street}
publish: {recent: 7}
topics:
"""
EARLIER = [ranking.NOW - timedelta(days=n) for n in (3, 2, 1)]
WARM = 4  # chunks before the clock runs: the ranker is made, and has met most things that people ask for


def world(folder: Path) -> tuple[app.App, list[Any]]:
    """Topics, papers, editions; and for each earlier edition the ordinals of the papers."""
    topics = [
        {"slug": f"t{n}", "name": f"topic{n}word0 topic{n}word1", "description": said}
        for n, said in enumerate(ranking.SAID)
    ]
    path = folder / "config.yaml"
    path.write_text(CONFIG + "".join(f"  - {json.dumps(topic)}\n" for topic in topics))
    made = app.App(config.load(path), lambda: ranking.NOW)
    texts = [*ranking.documents(ranking.PAPERS, 0), *ranking.documents(ranking.PAPERS, 1)]
    papers = [
        Listing("bench", f"{n:04}", *text, ids={"url": f"https://example.org/{n}"}) for n, text in enumerate(texts)
    ]
    made.catalog.papers.take("bench", Batch(tuple(papers)), EARLIER[0])
    candidates = ranking.candidates(texts[: ranking.PAPERS])
    frozen = [replace(c, card=replace(c.card, paper=c.card.paper + 1)) for c in candidates]
    chance, ordinals = np.random.default_rng(5), []
    for day in EARLIER:
        order = chance.permutation(ranking.PAPERS)
        shuffled = [replace(frozen[paper], ordinal=n) for n, paper in enumerate(order.tolist())]
        made.catalog.editions.open(day.date(), day, shuffled, {})
        ordinals.append(np.argsort(order))
    made.catalog.editions.open(ranking.NOW.date(), ranking.NOW, frozen, {})
    return made, ordinals


def subscribe(made: app.App, ordinals: list[Any], readers: int, digests: int) -> None:
    """Straight into the tables, as many as are wanted."""
    made.subscriptions.add("r0@example.net", Interest(), Schedule(hour=6), "bench", after=EARLIER[-1])
    template, store = made.printing.stationery("digest").hash, made.catalog.store
    with store.write() as db:
        like = dict(db.execute(tables.subscribers.select()).mappings().one())
        db.execute(tables.subscribers.delete())
    first = 1
    for wishes in ranking.batches(readers):
        people = list(enumerate(wishes, first))
        first += len(wishes)
        with store.write() as db:
            db.execute(tables.subscribers.insert(), [like | reader(n, wish) for n, wish in people])
            if votes := [vote for n, wish in people for vote in voted(n, wish)]:
                db.execute(tables.votes.insert(), votes)
            for number, day in enumerate(EARLIER[:digests]):
                frozen = np.zeros((len(wishes), 10), FROZEN)
                frozen["ordinal"] = ordinals[number][np.array([wish.had for wish in wishes])[:, number * 10 :][:, :10]]
                rows = {
                    "subscriber_id": [n for n, _ in people],
                    "message_id": [f"{n:022}.{number}@news.example.org" for n, _ in people],
                    "picks": [row.tobytes() for row in frozen],
                }
                same = {
                    "turn": day.date().isoformat(), "edition_id": number + 1, "template": template, "date": day,
                    "deadline": day + timedelta(days=1), "ended": day, "state": State.SENT.value,
                }  # fmt: skip
                store.insert_many(db, tables.digests, rows | {name: [v] * len(wishes) for name, v in same.items()})


def reader(number: int, wish: Any) -> dict[str, Any]:
    steering = None if wish.steering == Steering() else asdict(wish.steering)
    interest = {name: value for name, value in asdict(wish.interest).items() if value}
    interest["topics"] = [*wish.interest.topics]
    return {
        "id": number, "public_id": f"{number:011}", "address": f"r{number}@example.net", "steering": steering,
        "interest": interest,
    }  # fmt: skip


def voted(number: int, wish: Any) -> Iterator[dict[str, Any]]:
    for paper, value in dict(wish.votes).items():
        yield {"subscriber_id": number, "paper_id": paper + 1, "value": value, "at": EARLIER[-1], "origin": "mail"}


def measured(path: Path) -> dict[str, float]:
    """In a process that has done nothing else."""
    made = app.load(path, lambda: ranking.NOW)
    listing = ranking.seconds(lambda: made.catalog.subscribers.due_chunks(ranking.NOW, CHUNK))
    ends: list[float] = []
    composed = made.publish.compose(lambda _: ends.append(perf_counter()))
    assert composed.keys() == {"pending"}, composed
    spent = np.diff(ends)[WARM - 1 : -1]
    half = len(spent) // 2
    return {
        "readers a second": 1 / (float(spent.mean()) / CHUNK + listing / composed.total()),
        "second half": float(spent[-half:].sum() / spent[:half].sum()),
        "MB resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(readers: int = 20_000, digests: int = 0) -> None:
    with tempfile.TemporaryDirectory() as name:
        made, ordinals = world(Path(name))
        subscribe(made, ordinals, readers + WARM * CHUNK, digests)
        with get_context("spawn").Pool(1) as pool:
            print(json.dumps(pool.apply(measured, (Path(name) / "config.yaml",))))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
