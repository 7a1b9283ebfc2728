"""The harness in short, on every run of the tests; and that it can fail. The whole of it: `make faults`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from faults import faults
from faults.faults import FAULTS, Bench, Unavailable
from faults.rows import try_out


@pytest.fixture
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # smtp-sink runs as nobody
        yield Bench(Path(folder), Random(7), kills=3, people=24)


@pytest.mark.parametrize("name", ["F1", "F1 hold", "F1 server", "F9 server", "F18", "F19", "F21"])
@pytest.mark.service
def test_a_fault_is_survived(bench: Bench, name: str):
    try:
        found = FAULTS[name][1](bench)
    except Unavailable as why:
        pytest.skip(str(why))
    assert found.broken == []


@pytest.mark.service
def test_any_number_of_schedulers_and_workers_send_once(bench: Bench):
    assert faults.f13(bench, rounds=2).broken == []


# ---------------------------------------------------------------- builds that must not pass


@pytest.mark.parametrize("build", ["sent before smtp", "cursor at claim"])
def test_a_build_that_loses_mail_in_a_crash_is_caught(bench: Bench, build: str):
    bench.build, bench.points = build, ("within data",)
    found = faults.f1_fsync(bench)
    assert found.judgement.lost > 0
    assert not found.passed


def test_a_build_that_loses_reports_in_a_crash_is_caught(bench: Bench):
    bench.build = "gone when read"
    assert faults.f21(bench).judgement.lost > 0


def test_a_fault_that_hangs_or_breaks_the_harness_is_a_row_of_its_own():
    assert try_out("F20", 0, 1, 3, 24)[-1] == "BROKEN: no end in 0 s"
    assert try_out("F21", 60, 1, 0, 24)[-1] == "BROKEN: the harness failed, see above"


@pytest.mark.service
def test_a_build_without_a_unique_key_on_the_turn_is_caught(bench: Bench):
    bench.build = "no unique key"
    found = faults.f13(bench, rounds=2)
    assert found.judgement.doubled > 0
    assert any("rows" in flaw for flaw in found.broken)
