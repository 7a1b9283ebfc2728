"""Is a source as it should be? Told from the days on which it brought something, and from its usual rhythm.

arXiv's categories follow its calendar; the rhythm of others is learned: the weekdays on which they bring something, how
many of those usually pass in between, and the hour by which they have done so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import groupby, pairwise

from digest.model import SourceDay, SourceRecord, look_again
from digest.sources import calendar

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ENOUGH = 5
"""days that tell a rhythm"""

SLACK = timedelta(hours=1)
"""later than ever by so much is late, where no calendar says when"""

LATELY = timedelta(days=3)
MISSED, WATCHED = timedelta(days=31), timedelta(days=14)
"""how far back missed days are asked for, and days whose counts still grow"""

AT_ONCE = 5
"""past days asked for in one collection"""


class Health(StrEnum):
    FRESH = "fresh"  # brought something within a day
    QUIET = "quiet"  # nothing is expected
    STALE = "stale"  # something is, and did not come
    BROKEN = "broken"  # cannot be read
    CHANGED = "changed-shape"  # lacks what it always had


@dataclass(frozen=True, slots=True)
class Rhythm:
    """On which days something is announced, from when on such a day it is there, and every how many it comes."""

    announces: Callable[[date], bool]
    begins: Callable[[date], datetime]
    usual: int = 1

    def due(self, last: date) -> datetime:
        """When the next is due after the one of *last*."""
        left = self.usual
        while left:
            last += DAY
            left -= self.announces(last)
        return self.begins(last)


@dataclass(frozen=True, slots=True)
class Report:
    """How a source is, or an arXiv category (*part*) of it."""

    name: str
    part: str
    health: Health
    last: date | None
    """the newest day of which something came"""
    due: datetime | None
    """when the next should be there; None while the rhythm is unknown"""
    answered: datetime | None
    brought: datetime | None
    error: str | None
    lacking: Mapping[str, date]

    @property
    def title(self) -> str:
        return f"{self.name} {self.part}".rstrip()

    def overdue(self, now: datetime) -> timedelta | None:
        """For how long it has been late; None when it is not."""
        return now - self.due if self.due and self.due <= now else None

    def awaited(self, now: datetime) -> bool:
        """Whether it may come any moment: should be there, but not for days; or is out of order only lately."""
        if self.due:
            return self.due - SLACK <= now < self.due - SLACK + DAY
        lately = self.answered and now - self.answered < LATELY
        return bool(self.health is Health.BROKEN and self.last and lately)


def reports(source: SourceRecord, now: datetime) -> list[Report]:
    """One report, or one for each arXiv category."""
    return [_report(source, part, days, now) for part, days in _parts(source)]


def _report(source: SourceRecord, part: str, days: Sequence[SourceDay], now: datetime) -> Report:
    came = [day for day in days if day.brought]
    rhythm, last = _rhythm(part, came), came[-1] if came else None
    due = rhythm.due(last.day) if rhythm and last else None
    if source.error:
        health = Health.BROKEN
    elif source.lacking:
        health = Health.CHANGED
    elif due and due <= now:
        health = Health.STALE
    else:
        latest = last.brought if last else source.brought
        health = Health.FRESH if latest and now - latest < DAY else Health.QUIET
    day, brought = last.day if last else None, source.brought
    return Report(source.name, part, health, day, due, source.answered, brought, source.error, source.lacking)


def _parts(source: SourceRecord) -> Iterable[tuple[str, Sequence[SourceDay]]]:
    parts = [(part, days) for part, days in source.days.items() if part]
    return parts or [("", source.days.get("", ()))]


# ---------------------------------------------------------------- rhythm


def _rhythm(part: str, came: Sequence[SourceDay]) -> Rhythm | None:
    if part:
        return Rhythm(calendar.announces, calendar.begins, _usual(came, calendar.announces))
    if len(came) < ENOUGH:
        return None
    weeks = (came[-1].day - came[0].day).days // 7 + 1
    often = {weekday for weekday, n in Counter(day.day.weekday() for day in came).items() if 2 * n >= weeks}
    hours = [day.brought - midnight(day.day) for day in came[-10:] if day.brought and day.brought.date() == day.day]
    hour = (max(hours) if 2 * len(hours) >= ENOUGH else DAY) + SLACK

    def announces(day: date) -> bool:
        return not often or day.weekday() in often

    return Rhythm(announces, lambda day: midnight(day) + hour, _usual(came, announces))


def _usual(came: Sequence[SourceDay], announces: Callable[[date], bool], share: float = 0.9) -> int:
    """How many announcements on the next comes in that *share* of times, bar outages; one more for who skips some."""
    if len(came) < ENOUGH:
        return 1
    gaps = sorted(max(1, sum(map(announces, _between(a.day, b.day))) + announces(b.day)) for a, b in pairwise(came))
    longest = gaps[int(share * (len(gaps) - 1))]
    return longest + (longest > 1)


def _between(first: date, last: date) -> Iterator[date]:
    return (first + DAY * n for n in range(1, (last - first).days))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# ---------------------------------------------------------------- past days


def again(source: SourceRecord, now: datetime, *, grows: bool) -> list[date]:
    """Days that *source* should be asked for by themselves, newest first and a few at a time.

    Those that were missed, once, as soon as there is news after them, and ever more rarely while that fails; and where
    the counts of a day's papers *grow*, those whose turn it is to be looked at again.
    """
    tried = [(day, now - day.asked) for day in source.days.get("", ()) if day.asked]
    asked = {day.day for day, ago in tried if not day.failures or ago < HOUR * 2**day.failures}
    came = {part: [day for day in days if day.brought] for part, days in _parts(source)}
    known = sorted(day.day for days in came.values() for day in days)
    past, wanted = list(_between(known[0], known[-1])) if known else [], set[date]()
    for part, days in came.items():
        rhythm = _rhythm(part, days) or Rhythm(lambda _: True, midnight)
        daily = _usual(days, rhythm.announces, share=0.5) == 1
        has = {day.day for day in days} if daily else known
        wanted |= {day for day in past if rhythm.announces(day) and day not in has}
        for day in days[:-1] if grows else ():
            age, seen = now - midnight(day.day), max(filter(None, (day.brought, day.asked)))
            if age <= WATCHED and look_again(age, now - seen):
                asked.discard(day.day)
                wanted.add(day.day)
    return sorted((d for d in wanted - asked if now - midnight(d) <= MISSED), reverse=True)[:AT_ONCE]


# ---------------------------------------------------------------- in words


def notes(found: Iterable[Report], now: datetime) -> Iterator[str]:
    """What readers should know is missing, a plain sentence each; *found* goes source by source."""
    for name, group in groupby(found, lambda report: report.name):
        of = list(group)
        late = [report for report in of if report.overdue(now) is not None]
        if of[0].error:
            if late or (not any(report.due for report in of) and (of[0].last or not of[0].answered)):
                yield f"{name} could not be read{_since(of[0].answered)}"
        elif lacking := of[0].lacking:
            yield f"{name}: no {' and '.join(lacking)}{_since(min(lacking.values()))}"
        else:
            yield from _late(name, late, now)


def _late(name: str, late: Iterable[Report], now: datetime) -> Iterator[str]:
    by_words: dict[str, list[str]] = {}
    for report in late:
        today = report.part and (report.overdue(now) or DAY) < DAY
        words = " not announced yet" if today else f" {'not announced' if report.part else 'nothing new'}"
        by_words.setdefault(words if today else words + _since(report.last), []).append(report.part)
    for words, parts in by_words.items():
        yield ", ".join(parts) + words if parts[0] else f"{name}:{words}"


def _since(day: date | None) -> str:
    return f" since {day.day} {day:%B}" if day else ""
