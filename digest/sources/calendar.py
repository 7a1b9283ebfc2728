"""arXiv's calendar: which days have a batch, from when on it is in the feeds, and when its papers were submitted.

Announced is in the evening, Sunday to Thursday, in New York; the batch carries the date of the day after, and the feeds
change when that day begins there. On the evening of a holiday nothing is announced.
https://info.arxiv.org/help/availability.html, https://info.arxiv.org/help/rss.html
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
DAY = timedelta(days=1)
DEADLINE = time(14)
"""what is submitted later waits for the next announcement"""

FIXED = {(1, 1), (6, 19), (7, 4), (12, 25)}
FLOATING = {(1, 1): 3, (9, 1): 1, (11, 4): 4}
"""(month, weekday from Monday = 1): which of them in its month; King's birthday, Labor Day, Thanksgiving"""

OTHERS = {date(2025, 7, 6), date(2026, 12, 29), date(2026, 12, 31)}
"""evenings that arXiv kept free beyond its usual holidays"""


def announces(day: date) -> bool:
    """Whether there is a batch that carries this date."""
    evening = day - DAY
    nth = (evening.day + 6) // 7
    holiday = (evening.month, evening.day) in FIXED or FLOATING.get((evening.month, evening.isoweekday())) == nth
    return day.isoweekday() <= 5 and not holiday and evening not in OTHERS


def begins(day: date) -> datetime:
    """When the feeds change to the batch of *day*."""
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def submitted(day: date) -> tuple[datetime, datetime]:
    """Between which moments the papers of a batch were submitted, unless moderation held them back."""
    before = day - DAY
    while not announces(before):
        before -= DAY
    return _deadline(before), _deadline(day)


def _deadline(day: date) -> datetime:
    """Of the batch of *day*: the last working day before it."""
    last = day - (3 if day.isoweekday() == 1 else 1) * DAY
    return datetime.combine(last, DEADLINE, ZONE).astimezone(UTC)
