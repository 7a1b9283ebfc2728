"""How fast mail may leave: over all connections of a transport, to each domain, and in the first days of a sender."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from heapq import heappop, heappush
from threading import Lock
from typing import Generic, TypeVar

from digest.clock import elapsed

SLACK = 0.1
"""seconds of permits that may be saved up while nobody asks"""

PUT_OFF, REST = 3, 300.0
"""after so many temporary refusals in a row a domain is left alone for that many seconds"""

TOGETHER = 1.0
"""seconds until what waits in a lane is looked for again: it goes out in one session"""

T = TypeVar("T")


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


class Lanes(Generic[T]):
    """A lane for each recipient's domain, at its own rate: what has to wait there holds up nobody else."""

    def __init__(self, rates: Mapping[str, float], *, now: Callable[[], float] = elapsed) -> None:
        """*rates*: messages a second by domain; `*` is each other one's; 0, or none said: no limit."""
        self._rates, self._now = rates, now
        self._next: dict[str, float] = {}
        self._waiting: list[tuple[float, int, T]] = []
        self._entered = 0
        self._refusals: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, domain: str) -> float:
        """Seconds until the next permit of *domain*; 0 when there is one now."""
        return max(0.0, self._next.get(domain, 0.0) - self._now())

    def enter(self, domain: str, item: T) -> bool:
        """Takes the next permit of *domain*; True when that is for now, else *item* waits until it is `ready`."""
        now, rate = self._now(), self._rates.get(domain, self._rates.get("*", 0))
        at = max(now, self._next.get(domain, 0.0))
        if rate:
            self._next[domain] = at + 1 / rate
        if at > now:
            self._entered += 1
            heappush(self._waiting, (at, self._entered, item))
        return at <= now

    def ready(self) -> T | None:
        """One that has waited long enough, the earliest first."""
        return heappop(self._waiting)[2] if self._waiting and self._waiting[0][0] <= self._now() else None

    def pause(self) -> None:
        """Time for some to become ready."""
        time.sleep(TOGETHER)

    def leave(self) -> list[T]:
        """All that still wait, and wait no longer."""
        left, self._waiting = [item for _, _, item in self._waiting], []
        return left

    def heard(self, domain: str, *, put_off: bool) -> None:
        """What *domain* said to the last message: a temporary refusal or anything else."""
        if not put_off:
            self._refusals.pop(domain, None)
            return
        self._refusals[domain] += 1
        if self._refusals[domain] >= PUT_OFF:
            self._next[domain] = self._now() + REST


@dataclass(frozen=True)
class WarmUp:
    """A sender whom nobody knows begins with few a day: *first* on the day *since*, each day *growth* times as many."""

    since: date
    first: int = 200
    growth: float = 1.5

    def allowed(self, today: date) -> int:
        """How many messages may be sent *today*."""
        return int(self.first * self.growth ** min(max((today - self.since).days, 0), 100))
