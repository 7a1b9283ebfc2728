"""Messages a second, over all connections of a transport."""

import time
from collections.abc import Callable
from threading import Lock

from digest.clock import elapsed

SLACK = 0.1
"""seconds of permits that may be saved up while nobody asks"""


class Pace:
    """A bucket that gives *rate* permits a second; with a rate of 0 there is always one."""

    def __init__(
        self, rate: float, *, now: Callable[[], float] = elapsed, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._spacing = 1 / rate if rate else 0.0
        self._now, self._sleep = now, sleep
        self._next = now()
        self._lock = Lock()

    def permit(self) -> bool:
        """Takes a permit if there is one now."""
        with self._lock:
            if self._wait() > 0:
                return False
            self._next += self._spacing
            return True

    def wait(self) -> None:
        """Takes the next permit, in its time."""
        with self._lock:
            span = self._wait()
            self._next += self._spacing
        if span > 0:
            self._sleep(span)

    def _wait(self) -> float:
        now = self._now()
        self._next = max(self._next, now - SLACK)
        return self._next - now
