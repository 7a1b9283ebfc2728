"""What collecting costs: reading 2,000 arXiv entries beside feedparser alone, storing them, and storing them again; and
how long 155 feeds take beside 45 that hang, fail or send bombs.

python bench/collect.py [ROUNDS]

Exits with 1 beyond a limit. Reading is processor time, for other work on the machine is not ours; all else is real
time. Quotients are medians over the rounds.
"""

import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import feedparser
from promise import Promise, exit_code

from digest.catalog import Catalog
from digest.model import Batch, Memory
from digest.services.collect import Collect
from digest.sources.arxiv import ArxivSource
from digest.sources.feed import FeedSource
from digest.sources.http import Answer, Http

ENTRIES = 2_000
NOW = datetime(2026, 1, 30, 8, 30, tzinfo=UTC)
GOOD, BAD = 155, {"hang": 20, "error": 20, "bomb": 5}
HEAD = """<?xml version='1.0' encoding='UTF-8'?>
<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" version="2.0"><channel>
<title>cs.CL updates on arXiv.org</title><link>http://rss.arxiv.org/rss/cs.CL</link>
"""


def item(number: int, chance: random.Random, words: list[str]) -> str:
    """An entry as long as a real one, without LaTeX."""
    arxiv = f"2601.{number:05d}"
    said, title = " ".join(chance.choices(words, k=185)), " ".join(chance.choices(words, k=10))
    people = ", ".join(f"{chance.choice(words).title()} {chance.choice(words).title()}" for _ in range(5))
    return f"""<item><title>{title}</title><link>https://arxiv.org/abs/{arxiv}</link>
<description>arXiv:{arxiv}v1 Announce Type: new
Abstract: {said}.</description><guid isPermaLink="false">oai:arXiv.org:{arxiv}v1</guid>
<category>cs.CL</category><category>cs.LG</category><pubDate>Fri, 30 Jan 2026 00:00:00 -0500</pubDate>
<arxiv:announce_type>new</arxiv:announce_type>
<dc:rights>http://creativecommons.org/licenses/by/4.0/</dc:rights><dc:creator>{people}</dc:creator></item>
"""


def document() -> bytes:
    """The same every time."""
    chance = random.Random(20260130)
    words = re.findall(r"[a-z-]{2,}", Path(__file__).with_name("startup.py").read_text("utf-8")) * 2
    words += [f"{word}{chance.randrange(500)}" for word in words]
    return f"{HEAD}{''.join(item(n, chance, words) for n in range(ENTRIES))}</channel></rss>".encode()


class Local(Http):
    """Has one document."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def get(self, url: str, memory: Memory | None = None, accept: str = "", *, internal: bool = False) -> Answer:
        return Answer(url, self.body, "application/rss+xml")


def seconds(work: Callable[[], object], watch: Callable[[], float] = perf_counter) -> float:
    begun = watch()
    work()
    return watch() - begun


def read(body: bytes) -> Batch:
    return ArxivSource("arXiv", categories=("cs.CL",)).fetch(Local(body), Memory())


def stored(batch: Batch) -> tuple[float, float]:
    """Seconds to store a batch in an empty catalog, and to store it again."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(f"sqlite:///{folder}/bench.db")
        catalog.store.create()
        times = [seconds(lambda: catalog.papers.take("arXiv", batch, NOW)) for _ in range(2)]
        catalog.store.engine.dispose()
    return times[0], times[1]


def collected(port: str, bad: bool) -> None:
    """Prints the seconds until all good feeds are in, and this process's memory; then leaves those that hang."""
    kinds = ["good"] * GOOD + [kind for kind, number in BAD.items() for _ in range(number if bad else 0)]
    random.Random(1).shuffle(kinds)
    urls = [f"http://127.0.0.1:{port}/{kind}/{n}" for n, kind in enumerate(kinds)]
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(f"sqlite:///{folder}/bench.db")
        catalog.store.create()
        sources = [FeedSource(url, url, internal=True) for url in urls]
        begun, left = perf_counter(), len(kinds) - (BAD["hang"] if bad else 0)
        for found in Collect(catalog, sources, Http("bench"), lambda: NOW).collect():
            left -= 1
            if "/good/" in found.source:
                assert found.taken, found.error
                last = perf_counter() - begun
            if not left:
                break
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": last, "megabytes": megabytes, "papers": catalog.papers.count()}), flush=True)
    os._exit(0)


def side_by_side(rounds: int) -> tuple[list[float], list[float], float]:
    """Seconds of the good feeds beside the bad ones, and alone; and the most memory."""
    here = Path(__file__)
    with subprocess.Popen([sys.executable, here.parent / "servers" / "feeds.py"], stdout=subprocess.PIPE) as server:
        assert server.stdout
        port, found = server.stdout.readline().decode().strip(), []
        for _ in range(rounds):
            for kind in ("all", "good"):
                done = subprocess.run([sys.executable, here, kind, port], stdout=subprocess.PIPE, check=True)
                found.append(json.loads(done.stdout))
        server.kill()
    assert {one["papers"] for one in found} == {GOOD * 50}
    beside, alone = ([one["seconds"] for one in found[n::2]] for n in (0, 1))
    return beside, alone, max(one["megabytes"] for one in found[::2])


def main(rounds: int) -> int:
    body = document()
    batch = read(body)
    assert len(batch.listings) == ENTRIES
    assert batch.complete
    plain = {"sanitize_html": False, "resolve_relative_uris": False}
    ours, alone, default, first, again = [], [], [], [], []
    for _ in range(rounds):
        alone.append(seconds(lambda: feedparser.parse(BytesIO(body), **plain), process_time))
        ours.append(seconds(lambda: read(body), process_time))
        default.append(seconds(lambda: feedparser.parse(BytesIO(body)), process_time))
        once, twice = stored(batch)
        first.append(once)
        again.append(twice)
    beside, apart, megabytes = side_by_side(rounds)
    print(f"{platform.python_implementation()} {platform.python_version()}, {ENTRIES:,} entries, {len(body):,} bytes")
    for what, times in (
        ("feedparser with our settings", alone),
        ("feedparser as it comes", default),
        ("reading and normalising", ours),
        ("storing", first),
        ("storing again", again),
        (f"{GOOD} good feeds alone", apart),
        (f"{GOOD} good and {sum(BAD.values())} bad", beside),
    ):
        print(f"{what:32} {min(times) * 1000:8.1f} ms")
    print(f"{'reading, of feedparser as it comes':34} {quotient(ours, default):.2f}")
    return exit_code(
        [
            Promise("reading, as multiple of feedparser", quotient(ours, alone), most=1.2),
            Promise("storing again, as part of storing", quotient(again, first), most=0.1),
            Promise("listings stored a second", ENTRIES / min(first), least=5_000),
            Promise("good feeds beside bad, of alone", quotient(beside, apart), most=1.3),
            Promise("memory beside bad feeds, MB", megabytes, most=200),
        ]
    )


def quotient(these: list[float], those: list[float]) -> float:
    return median(this / that for this, that in zip(these, those, strict=True))


if __name__ == "__main__":
    if sys.argv[1:2] in (["all"], ["good"]):
        collected(sys.argv[2], sys.argv[1] == "all")
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
