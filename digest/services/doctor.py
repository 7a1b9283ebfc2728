"""Is everything well? Counts, sources and what is wrong, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from digest.catalog import Catalog
from digest.clock import Clock
from digest.errors import DigestError
from digest.model import SourceRecord, State

STALE = timedelta(days=4)
"""no source that is worth having brings nothing new for longer (a weekend and a holiday)"""

BLAMED = timedelta(days=7)
"""how long a refusal that is our fault is shown"""

OVERDUE = timedelta(hours=24)
"""by then every due turn has its row, be it one that says that it was skipped"""


@dataclass(frozen=True)
class Status:
    """*problems*: one line each, with the way out; none when all is well."""

    papers: int
    subscribers: dict[str, int]
    deliveries: dict[State, int]
    editions: int
    newest: date | None
    next_due: datetime | None
    sources: list[SourceRecord]
    paused: str | None
    problems: list[str]


@dataclass
class Doctor:
    catalog: Catalog
    clock: Clock
    sources: Sequence[str]
    """names of the configured sources"""
    sending_problems: Sequence[str] = ()

    def status(self) -> Status:
        dates = self.catalog.editions.dates()
        records = {s.name: s for s in self.catalog.sources.all(self.clock())}
        return Status(
            papers=self.catalog.papers.count(),
            subscribers=self.catalog.subscribers.counts(),
            deliveries=self.catalog.deliveries.counts(),
            editions=len(dates),
            newest=dates[0] if dates else None,
            next_due=self.catalog.subscribers.next_due(),
            sources=[records[name] for name in self.sources if name in records],
            paused=self.catalog.deliveries.paused(),
            problems=self.problems(),
        )

    def notes(self, now: datetime) -> tuple[str, ...]:
        """What readers of an edition that opens now should know is missing, in plain sentences."""
        records = [s for s in self.catalog.sources.all(self.clock()) if s.name in self.sources and s.error]
        return tuple(f"{s.name} could not be read" for s in records)

    def problems(self) -> list[str]:
        """What a person should look at; also when the catalog itself is the trouble."""
        try:
            return [*self.sending_problems, *self._troubles()]
        except DigestError as error:
            return [str(error)]

    def _troubles(self) -> list[str]:
        found = []
        if why := self.catalog.deliveries.paused():
            found.append(f"sending is paused: {why}; mend it, then run `digest resume`")
        for domain, number in self.catalog.feedback.refused(self.clock() - BLAMED).items():
            found.append(
                f"{domain} refused {number} messages in the last week because of us: sender, content or policy"
            )
        if overdue := self.catalog.subscribers.overdue(self.clock() - OVERDUE):
            found.append(
                f"{overdue} subscribers have no digest for a turn long due; run `digest publish`, see its error"
            )
        if uncertain := self.catalog.deliveries.unfinished()[State.UNCERTAIN]:
            found.append(f"{uncertain} messages may or may not have arrived; see `digest deliveries --state uncertain`")
        records = {s.name: s for s in self.catalog.sources.all(self.clock())}
        for name in self.sources:
            found += self._source_troubles(name, records.get(name))
        return found

    def _source_troubles(self, name: str, record: SourceRecord | None) -> list[str]:
        if record is None:
            return [f"source {name} was never asked; run `digest collect`"]
        if record.error:
            return [f"source {record.error}"]
        if record.brought is None or self.clock() - record.brought > STALE:
            since = f"since {record.brought:%Y-%m-%d}" if record.brought else "yet"
            return [f"source {name} answers but has brought nothing new {since}"]
        return []
