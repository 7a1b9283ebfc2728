"""The one place that asks what time it is, so that any day can be replayed with `--now`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

Clock = Callable[[], datetime]

elapsed = monotonic
"""seconds that really pass, for measuring; a replayed day does not change them"""


def system() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def fixed(moment: datetime) -> Clock:
    """A clock that stands still, so that commands of one replayed day agree on the moment."""
    return lambda: moment.astimezone(UTC)


def running(start: datetime) -> Clock:
    """A clock that shows *start* now and runs on from there at the usual speed."""
    offset = start.astimezone(UTC) - system()
    return lambda: system() + offset


def pace(done: int, total: int, began: float) -> str:
    """How far something is that began when `elapsed` was *began*."""
    rate = done / max(elapsed() - began, 0.001)
    left = timedelta(seconds=round(max(total - done, 0) / rate)) if done else "some time"
    return f"{done} of {total}, {rate:.0f}/s, {left} left"
