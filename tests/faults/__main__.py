"""Every fault, one after the other, and a table: `make faults`. Exit code 1 when one is not survived."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from faults.faults import FAULTS, Bench, Result, Unavailable
from rich.console import Console
from rich.table import Table

from digest.model import State

COLUMNS = ("fault", "what", "kills", "lost", "doubled", "uncertain", "seconds", "verdict")


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="FAULT", help=f"some of: {', '.join(FAULTS)}")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    console = Console(width=140)
    console.print(f"{options.kills} kills a fault, {options.people} readers, --seed {options.seed}")
    table = Table(*COLUMNS)
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # smtp-sink runs as nobody
        for name in options.names or FAULTS:
            what, fault = FAULTS[name]
            bench = Bench(Path(folder), random.Random(f"{options.seed} {name}"), options.kills, options.people)
            start = time.monotonic()
            try:
                found = fault(bench)
            except Unavailable as error:
                table.add_row(name, what, "", "", "", "", "", f"not tried: {error}")
                continue
            passed &= found.passed
            row = (name, what, *numbers(found), f"{time.monotonic() - start:.0f}", verdict(found))
            table.add_row(*row)
            console.print(" · ".join(row))
    console.print(table)
    return 0 if passed else 1


def numbers(found: Result) -> list[str]:
    told = found.judgement
    return [str(n) for n in (found.kills, told.lost, told.doubled, told.states[State.UNCERTAIN])]


def verdict(found: Result) -> str:
    return "survived" if found.passed else "BROKEN: " + "; ".join(found.broken[:5])


if __name__ == "__main__":
    sys.exit(main())
