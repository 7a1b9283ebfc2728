"""The one place that asks what time it is, so that any day can be replayed with `--now`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def replayed(start: datetime) -> Clock:
    """A clock that shows *start* now and runs on from there at the usual speed."""
    offset: timedelta = start.astimezone(UTC) - system()
    return lambda: system() + offset
