"""How long the commands that people wait for take, as multiples of an empty Python; exits with 1 above a limit.

python bench/startup.py [ROUNDS]
"""

import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

PAPERS = 1_000
NOW = "2026-01-30T08:30:00Z"
DIGEST = ("-m", "digest", "--config", "config.yaml", "--now", NOW)
EMPTY = "python -c pass"
COMMANDS = {
    EMPTY: ("-c", "pass"),
    "digest --help": ("-m", "digest", "--help"),
    f"digest preview, {PAPERS:,} papers": (*DIGEST, "preview", "--topics", "speech,robots that learn from video"),
}
LIMITS = dict(zip(COMMANDS, (1.0, 9.0, 95.0), strict=True))

CONFIG = """
publication: {name: Bench, sender: digest@bench.example.org, postal_address: "1 Bench Street"}
sources: [{name: arXiv, kind: arxiv, url: "file:papers.xml"}]
topics:
  - {slug: speech, name: Speech, description: Speech recognition and audio, keywords: [speech, audio]}
  - {slug: agents, name: Agents, description: Language models that act and use tools, keywords: [agent, tool]}
"""
SAMPLE = Path(__file__).parent.parent / "examples" / "feeds" / "daily-papers.json"


def prose(length: int, chance: random.Random, text: list[str]) -> str:
    """Words drawn from running text, so common ones stay common; one in twelve is made rare."""
    words = chance.choices(text, k=length)
    return " ".join(word if chance.randrange(12) else f"{word}{chance.randrange(2_000)}" for word in words)


def item(number: int, chance: random.Random, text: list[str]) -> str:
    """An entry of arXiv's RSS about nothing, as long as a real one."""
    arxiv = f"2601.{number:05d}"
    return f"""<item><title>{prose(9, chance, text)}</title><link>https://arxiv.org/abs/{arxiv}</link>
<description>arXiv:{arxiv}v1 Announce Type: new
Abstract: {prose(180, chance, text)}.</description><guid isPermaLink="false">oai:arXiv.org:{arxiv}v1</guid>
<category>{chance.choice(("cs.CL", "cs.CV", "cs.LG", "cs.RO"))}</category>
<pubDate>Fri, 30 Jan 2026 00:00:00 -0500</pubDate><arxiv:announce_type>new</arxiv:announce_type>
<dc:creator>Author {number}, Author {chance.randrange(PAPERS)}</dc:creator></item>"""


def feed(papers: int) -> str:
    """An arXiv RSS document of *papers* entries, the same every time."""
    chance = random.Random(20260130)
    text = re.findall(r"[A-Za-z-]+", " ".join(entry["summary"] for entry in json.loads(SAMPLE.read_text("utf-8"))))
    items = "\n".join(item(number, chance, text) for number in range(papers))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" version="2.0"><channel>
<title>cs updates on arXiv.org</title><link>http://rss.arxiv.org/rss/cs</link><description>for measuring</description>
<pubDate>Fri, 30 Jan 2026 00:00:00 -0500</pubDate>{items}</channel></rss>"""


def prepare(folder: Path) -> None:
    """A catalog of PAPERS papers with today's edition open, made by the commands themselves."""
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "papers.xml").write_text(feed(PAPERS), encoding="utf-8")
    for command in ("collect", "publish"):
        run((*DIGEST, command), folder)


def run(arguments: tuple[str, ...], folder: Path) -> float:
    """Seconds that Python needs for *arguments*. Exits with what it said when it fails."""
    start = perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
    taken = perf_counter() - start
    if done.returncode:
        sys.exit(f"python {' '.join(arguments)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return taken


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """The median seconds of each command; in turns, so that a busy machine slows all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            taken = run(arguments, folder)
            if turn:  # the first writes bytecode and warms the disk
                times[name].append(taken)
    return {name: median(taken) for name, taken in times.items()}


def main() -> int:
    rounds = max(7, int(sys.argv[1])) if sys.argv[1:] else 9
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        seconds = measure(Path(folder), rounds)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; medians of {rounds}")
    print(f"{'command':34}{'ms':>8}{'ratio':>8}{'limit':>8}")
    ratios = {name: taken / seconds[EMPTY] for name, taken in seconds.items()}
    exceeded = [name for name, ratio in ratios.items() if ratio > LIMITS[name]]
    for name, ratio in ratios.items():
        verdict = "  EXCEEDED" if name in exceeded else ""
        print(f"{name:34}{seconds[name] * 1e3:8.0f}{ratio:7.1f}x{LIMITS[name]:7.0f}x{verdict}")
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
