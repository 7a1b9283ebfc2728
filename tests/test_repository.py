"""What the repository promises around the code: the locks, the Makefile and the bundled sample."""

import csv
import json
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import feedparser
import pytest
import yaml
from packaging.requirements import Requirement

from digest.model import Cadence, Schedule

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
FEEDS = EXAMPLES / "feeds"
NOW = datetime(2026, 1, 30, 8, 30, tzinfo=UTC)

# ---------------------------------------------------------------- locks

LOCKS = ("requirements.txt", "requirements-dev.txt")
PIN = re.compile(r"([a-z0-9-]+)==(\S+)( ; [A-Za-z0-9_.'<>=! -]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        if pin := PIN.fullmatch(line):
            found.setdefault(pin[1], set()).add(pin[2])
    return found


def wanted(*groups: str) -> list[Requirement]:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = said["project"]["dependencies"] + said["build-system"]["requires"]
    return [
        Requirement(line) for line in lines + [each for group in groups for each in said["dependency-groups"][group]]
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_and_hashes_and_so_no_host_and_no_path(lock: str) -> None:
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    assert [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)] == []
    for pin, following in pairwise(lines):
        assert not PIN.fullmatch(pin) or HASH.fullmatch(following), f"{pin} has no hash"


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.txt", ["build"]), ("requirements-dev.txt", ["build", "dev"])]
)
def test_a_lock_has_everything_the_project_asks_for_in_a_version_it_accepts(lock: str, groups: list[str]) -> None:
    locked = pins(lock)
    for need in wanted(*groups):
        assert any(need.specifier.contains(version) for version in locked.get(need.name, ())), (
            f"{need}: run `make lock`"
        )


def test_the_tests_run_with_what_users_get() -> None:
    runtime, dev = map(pins, LOCKS)
    assert {name: dev.get(name) for name in runtime} == runtime


# ---------------------------------------------------------------- make

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not here")

# A Python that does as told without doing anything, and writes down what it was asked.
WORKING = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in
    --version) echo Python 3.13.1 ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python
        printf '#!/bin/sh\\necho the digest ran' > .venv/bin/digest && chmod +x .venv/bin/digest ;;
    *read*) exec cat .venv/.runtime ;;
    *"$FAILING"*) exit 1 ;;
esac
"""
BARE = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; *print*) echo 3.12 ;; esac\n'
OLD = '#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; esac\n'
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


class Machine:
    """A folder with our Makefile, on a machine with the Pythons we say."""

    def __init__(self, home: Path) -> None:
        self.folder, self.bin, self.log = home / "clone", home / "bin", home / "log"
        self.folder.mkdir()
        self.bin.mkdir()
        for name in ("Makefile", "pyproject.toml", *LOCKS):
            shutil.copy(ROOT / name, self.folder)
        for name in ("python3.14", "python3.13", "python3.12", "python3.11", "python3"):
            self.has(name, SHIM)

    def has(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def make(self, target: str, failing: str = "nothing at all") -> subprocess.CompletedProcess[str]:
        env = {"PATH": f"{self.bin}:/usr/bin:/bin", "LOG": str(self.log), "FAILING": failing}
        command = [str(shutil.which("make")), "--no-print-directory", target]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=60)

    @property
    def environments_made(self) -> int:
        return self.log.read_text().count("-m venv .venv\n") if self.log.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@needs_make
@pytest.mark.parametrize("target", ["help", "demo", "test", "lint", "bench", "lock", "clean"])
def test_every_target_is_understood_and_listed(target: str) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    shown = subprocess.run(["make", "-n", target], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert target == "help" or f"make {target} " in (ROOT / "Makefile").read_text("utf-8")


@needs_make
def test_without_a_new_enough_python_make_says_how_to_get_one(machine: Machine) -> None:
    machine.has("python3", OLD)
    told = machine.make("demo")
    assert told.returncode != 0
    for way in ("apt-get install python3 ", "dnf install python3", "brew install python@"):
        assert way in told.stderr


@needs_make
def test_a_python_without_ensurepip_is_told_the_package_that_has_it(machine: Machine) -> None:
    machine.has("python3.12", BARE)
    told = machine.make("demo")
    assert told.returncode != 0
    for way in ("apt-get install python3.12-venv", "dnf install", "brew install python@3.12"):
        assert way in told.stderr
    assert not (machine.folder / ".venv").exists()


@needs_make
def test_a_python_that_can_make_environments_is_preferred_to_a_newer_one_that_cannot(machine: Machine) -> None:
    machine.has("python3.12", BARE)
    machine.has("python3.11", WORKING)
    assert machine.make("demo").stdout.endswith("the digest ran\n")


@needs_make
def test_the_environment_is_made_from_hashes_and_only_once(machine: Machine) -> None:
    machine.has("python3.13", WORKING)
    first, again = machine.make("demo"), machine.make("demo")
    assert first.stdout.startswith("Making .venv with Python 3.13.1 ...\n")
    assert again.stdout == "the digest ran\n"
    asked = machine.log.read_text()
    assert "--require-hashes -r requirements.txt" in asked
    assert "--no-deps --no-build-isolation --editable ." in asked
    assert machine.environments_made == 1


@needs_make
@pytest.mark.parametrize("interrupted", ["-r requirements.txt", "--editable"])
def test_a_half_made_environment_is_made_again(machine: Machine, interrupted: str) -> None:
    machine.has("python3.13", WORKING)
    assert machine.make("demo", failing=interrupted).returncode != 0
    assert machine.make("demo").returncode == 0
    assert machine.environments_made == 2


@needs_make
def test_development_tools_go_on_top_and_when_interrupted_all_is_made_again(machine: Machine) -> None:
    machine.has("python3.13", WORKING)
    machine.make("demo")
    assert machine.make(".venv/.dev", failing="requirements-dev").returncode != 0
    assert machine.environments_made == 1
    assert machine.make(".venv/.dev").returncode == 0
    assert machine.make("demo").stdout == "the digest ran\n"
    assert machine.environments_made == 2


@needs_make
@pytest.mark.parametrize("changed", ["requirements.txt", "pyproject.toml"])
def test_a_newer_lock_or_project_makes_it_anew(machine: Machine, changed: str) -> None:
    machine.has("python3.13", WORKING)
    machine.make("demo")
    old = time.time() - 1_000
    os.utime(machine.folder / ".venv/.runtime", (old, old))
    for name in ("requirements.txt", "pyproject.toml"):
        os.utime(machine.folder / name, (old, old) if name != changed else None)
    machine.make("demo")
    assert machine.environments_made == 2


@needs_make
def test_an_environment_that_was_moved_is_made_again(machine: Machine) -> None:
    machine.has("python3.13", WORKING)
    machine.make("demo")
    machine.folder = machine.folder.rename(machine.folder.with_name("elsewhere"))
    machine.make("demo")
    assert machine.environments_made == 2


# ---------------------------------------------------------------- the bundled sample


def parsed(name: str) -> feedparser.FeedParserDict:
    found = feedparser.parse((FEEDS / name).read_bytes())
    assert not found.bozo, name
    return found


def entries(name: str) -> Iterator[tuple[str, str, str]]:
    """arXiv id, title and summary of everything in a document."""
    if name.endswith(".json"):
        for entry in json.loads((FEEDS / name).read_text("utf-8")):
            yield entry["paper"]["id"], entry["title"], entry["paper"]["summary"]
        return
    for entry in parsed(name).entries:
        arxiv = re.search(r"\d{4}\.\d{5}", entry.id)
        assert arxiv, entry.id
        summary = re.sub(r"^arXiv:\S+ Announce Type: (new|cross)\s+Abstract: |</?p>", "", entry.summary)
        yield arxiv[0], entry.title, summary


DOCUMENTS = sorted(path.name for path in FEEDS.iterdir())
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEMO = yaml.safe_load((EXAMPLES / "demo.yaml").read_text("utf-8"))


def test_the_sample_has_many_papers_each_with_one_title_and_one_summary() -> None:
    told = {arxiv: (title, summary) for name in DOCUMENTS for arxiv, title, summary in entries(name)}
    assert len(told) >= 60
    assert len({summary for _, summary in told.values()}) == len(told)
    for name in DOCUMENTS:
        for arxiv, title, summary in entries(name):
            assert (title, summary) == told[arxiv]
            assert 30 <= len(summary.split()) <= 90, arxiv


def test_the_documents_are_of_the_formats_they_stand_for() -> None:
    versions = {name: parsed(name).version for name in DOCUMENTS if name.endswith(".xml")}
    assert versions == {
        "arxiv-cs.CL.xml": "rss20",
        "arxiv-cs.CV.xml": "rss20",
        "arxiv-query.xml": "atom10",
        "journal.xml": "rss10",
    }
    for entry in json.loads((FEEDS / "daily-papers.json").read_text("utf-8")):
        assert {"id", "title", "summary", "authors", "publishedAt", "submittedOnDailyAt", "upvotes"} <= set(
            entry["paper"]
        )
        assert isinstance(entry["paper"]["upvotes"], int)
        assert isinstance(entry["numComments"], int)


def test_some_papers_stand_in_several_documents_so_that_merging_shows() -> None:
    places = [arxiv for name in DOCUMENTS for arxiv in {arxiv for arxiv, _, _ in entries(name)}]
    assert len(places) - len(set(places)) >= 10


def test_every_file_of_the_sample_is_explained_and_every_document_is_a_source() -> None:
    page = (EXAMPLES / "README.md").read_text("utf-8")
    files = [path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*") if path.is_file()]
    assert [name for name in files if f"`{name}`" not in page] == []
    assert sorted(source["url"] for source in DEMO["sources"]) == [f"file:feeds/{name}" for name in DOCUMENTS]


def test_the_pictures_in_the_readme_are_there_and_load_fast() -> None:
    shown = re.findall(r'<img src="([^"]+)"', (ROOT / "README.md").read_text("utf-8"))
    assert len(shown) >= 3
    for name in shown:
        assert (ROOT / name).read_bytes().startswith(b"\x89PNG"), name
        assert (ROOT / name).stat().st_size < 200_000, name


def test_what_a_run_leaves_in_the_sample_is_not_packed() -> None:
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    names = {name for name in packed["force-include"] if name.startswith("examples")}
    assert names == {"examples/demo.yaml", "examples/subscribers.csv", "examples/feeds"}


def test_the_four_sample_subscribers_are_due_at_the_moment_of_the_demo() -> None:
    assert NOW.strftime("%Y-%m-%dT%H:%M:%SZ") in (EXAMPLES / "README.md").read_text("utf-8")
    with (EXAMPLES / "subscribers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    slugs = {topic["slug"] for topic in DEMO["topics"]}
    for row in rows:
        days = tuple(WEEK.index(day) + 1 for day in row["days"].split(";") if day) or (1, 2, 3, 4, 5, 6, 7)
        turn = Schedule(Cadence(row["cadence"]), int(row["hour"]), row["zone"], days).next(NOW - timedelta(hours=12))
        assert turn.due <= NOW, row["address"]
        assert {slug for slug in row["topics"].split(";") if slug} <= slugs
    assert len(rows) == 4
    assert {row["cadence"] for row in rows} == {"daily", "weekdays", "weekly"}
    assert sum(bool(row["text"]) for row in rows) == 1
    assert len({row["zone"] for row in rows}) == 4
