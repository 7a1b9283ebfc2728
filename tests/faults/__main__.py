"""Every fault, two at a time, and a table: `make faults`. Exit code 1 when one is not survived."""

import argparse
import random
import sys
from concurrent.futures import ThreadPoolExecutor

from faults.faults import FAULTS
from faults.rows import try_out
from rich.console import Console
from rich.table import Table

COLUMNS = ("fault", "what", "kills", "lost", "doubled", "uncertain", "seconds", "verdict")


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="FAULT", help=f"some of: {', '.join(FAULTS)}")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--together", type=int, default=2, help="faults at a time")
    parser.add_argument("--limit", type=int, default=900, help="seconds after which a fault is taken to hang")
    options = parser.parse_args()
    console, names = Console(width=140), options.names or list(FAULTS)
    console.print(f"{options.kills} kills a fault, {options.people} readers, --seed {options.seed}")

    def tried(name: str) -> list[str]:
        row = try_out(name, options.limit, options.seed, options.kills, options.people)
        console.print(" · ".join(row))
        return row

    table = Table(*COLUMNS)
    with ThreadPoolExecutor(options.together) as pool:
        rows = list(pool.map(tried, names))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return 1 if any(row[-1].startswith("BROKEN") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
