"""One fault, tried out in a process of its own, as a row of the table."""

import signal
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from faults.faults import FAULTS, Bench, Result, Unavailable

from digest.model import State

PROCESSES = get_context("spawn")


def try_out(name: str, limit: int, *bench: int) -> list[str]:
    """One row, from a process of its own: it may hang or die, and the other rows do not care."""
    start, (ours, theirs) = time.monotonic(), PROCESSES.Pipe()
    process = PROCESSES.Process(target=fault, args=(theirs, name, *bench))
    process.start()
    theirs.close()
    try:
        told = ours.recv() if ours.poll(limit) else ["", "", "", "", f"BROKEN: no end in {limit} s"]
    except EOFError:
        told = ["", "", "", "", "BROKEN: the harness failed, see above"]
    process.terminate()
    process.join(60)
    process.kill()
    return [name, FAULTS[name][0], *told[:4], f"{time.monotonic() - start:.0f}", told[4]]


def fault(answer: Connection, name: str, seed: int, kills: int, people: int) -> None:
    """In its own process: the servers of a row that hangs are stopped as those of any other."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # smtp-sink runs as nobody
        bench = Bench(Path(folder), Random(f"{seed} {name}"), kills, people)
        try:
            found = FAULTS[name][1](bench)
        except Unavailable as error:
            told = ["", "", "", "", f"not tried: {error}"]
        else:
            told = [*numbers(found), verdict(found)]
            sys.stderr.writelines(f"{name}: {said}\n" for said in found.broken)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answer.send(told)


def numbers(found: Result) -> list[str]:
    told = found.judgement
    return [str(n) for n in (found.kills, told.lost, told.doubled, told.states[State.UNCERTAIN])]


def verdict(found: Result) -> str:
    return (
        "survived"
        if found.passed
        else "BROKEN: " + "; ".join(said[said.rfind("\n") + 1 :] for said in found.broken[:5])
    )
