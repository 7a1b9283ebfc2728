"""A number that was measured, and what it may be; the same for every bench."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    what: str
    found: float
    least: float = 0
    most: float = math.inf

    @property
    def kept(self) -> bool:
        return self.least <= self.found <= self.most

    def __str__(self) -> str:
        asked = f"at most {self.most:,g}" if self.most < math.inf else f"at least {self.least:,g}"
        found = f"{self.found:,.0f}" if self.found >= 1000 else f"{self.found:.4g}"
        return f"{'kept  ' if self.kept else 'MISSED'} {self.what:44} {found:>9}   {asked}"


def exit_code(promises: Iterable[Promise]) -> int:
    """Prints them all; 1 when one was missed."""
    promises = list(promises)
    for promise in promises:
        print(promise)
    return 0 if all(promise.kept for promise in promises) else 1
