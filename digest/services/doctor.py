"""Is everything well? Counts, sources and what is wrong, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from digest.catalog import Catalog
from digest.clock import Clock
from digest.errors import DigestError
from digest.model import State
from digest.sources import health
from digest.sources.health import Report

PATIENCE = timedelta(hours=12)
"""a source that is later than that needs a look"""

SILENT = timedelta(days=31)
"""a source without a rhythm that brought nothing for longer, likewise"""

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
    sources: list[Report]
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
        now = self.clock()
        return Status(
            papers=self.catalog.papers.count(),
            subscribers=self.catalog.subscribers.counts(),
            deliveries=self.catalog.deliveries.counts(),
            editions=len(dates),
            newest=dates[0] if dates else None,
            next_due=self.catalog.subscribers.next_due(),
            sources=self.reports(now),
            paused=self.catalog.deliveries.paused(),
            problems=self.problems(),
        )

    def reports(self, now: datetime) -> list[Report]:
        """How each configured source is that was asked, and each arXiv category, in the order of the configuration."""
        records = {s.name: s for s in self.catalog.sources.all(now)}
        known = [records[name] for name in self.sources if name in records]
        return [report for record in known for report in health.reports(record, now)]

    def notes(self, now: datetime) -> tuple[str, ...]:
        """What readers of an edition that opens now should know is missing, in plain sentences."""
        return tuple(health.notes(self.reports(now), now))

    def awaited(self, now: datetime) -> tuple[str, ...]:
        """Sources that should have brought something by now and may do so any moment."""
        return tuple(dict.fromkeys(r.name for r in self.reports(now) if r.awaited(now)))

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
        if number := self.catalog.consents.overflowed(self.clock() - timedelta(days=1)):
            found.append(
                f"{number} requests to subscribe got no mail in the last day because `sign_up.total_hour` was reached; "
                "raise it if they are people, else block where they come from"
            )
        if overdue := self.catalog.subscribers.overdue(self.clock() - OVERDUE):
            found.append(
                f"{overdue} subscribers have no digest for a turn long due; run `digest publish`, see its error"
            )
        if uncertain := self.catalog.deliveries.unfinished()[State.UNCERTAIN]:
            found.append(f"{uncertain} messages may or may not have arrived; see `digest deliveries --state uncertain`")
        reports = self.reports(self.clock())
        missing = set(self.sources) - {report.name for report in reports}
        found += [f"source {name} was never asked; run `digest collect`" for name in self.sources if name in missing]
        return found + list(dict.fromkeys(filter(None, map(self._source_trouble, reports))))

    def _source_trouble(self, of: Report) -> str:
        name, now = f"source {of.name}", self.clock()
        if of.error:
            return f"source {of.error}"
        if of.lacking:
            gone = " and ".join(of.lacking)
            return f"{name} answers, but {gone} are gone since {min(of.lacking.values())}; see `digest sources test`"
        silent = of.due is None and (of.brought is None or now - of.brought > SILENT)
        if silent or (of.overdue(now) or timedelta()) > PATIENCE:
            since = f"since {of.last or of.brought.date()}" if of.brought else "yet"
            return f"{name} answers but has brought nothing new {since}{f' in {of.part}' if of.part else ''}"
        return ""
