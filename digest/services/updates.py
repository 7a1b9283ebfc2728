"""What happened to papers that subscribers know: a new version, the publication. Told once, to those who want it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from digest.catalog import Catalog
from digest.catalog.subscribers import Due
from digest.model import Candidate, Edition, Pick, Reason, ReasonCode, Subscriber

MOST = 3
"""in one mail"""

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Updates:
    catalog: Catalog

    def frozen(self, news: Sequence[Candidate], after: datetime, until: datetime) -> list[Candidate]:
        """*news* with what happened to them, and behind them the older papers that somebody is to be told of.

        Those became news before *after*, so nothing else can bring them.
        """
        readers = self.catalog.subscribers.told_of_events()
        if not readers:
            return list(news)
        events = {event[0].paper: event for event in self.catalog.papers.events(after, until)}
        unaware = self._unaware(readers, {paper: when for paper, (_, _, _, when) in events.items()})
        found = {candidate.card.paper: candidate for candidate in news}
        for paper in sorted({paper for papers in unaware.values() for paper in papers}):
            card, since, what, when = events[paper]
            candidate = found.get(paper) or Candidate(len(found), card, since)
            found[paper] = replace(candidate, event=what, happened=when)
        return list(found.values())

    def picks(self, edition: Edition, readers: Sequence[Subscriber | Due]) -> dict[int, list[Pick]]:
        """By subscriber, what happened last first; nothing for those who do not want to be told."""
        happened = {c.card.paper: c.happened for c in edition.candidates if c.happened}
        ordinals = {c.card.paper: c.ordinal for c in edition.candidates if c.happened}
        unaware = self._unaware([reader.id for reader in readers if reader.steering.events], happened)
        return {
            who: [
                Pick(ordinals[paper], 0.0, (Reason(ReasonCode.EVENT),))
                for paper in sorted(papers, key=happened.__getitem__, reverse=True)[:MOST]
            ]
            for who, papers in unaware.items()
        }

    def _unaware(self, readers: Sequence[int], happened: Mapping[int, datetime]) -> dict[int, list[int]]:
        """The papers that each reader had before that happened, or voted up and never had."""
        if not readers or not happened:
            return {}
        same = self.catalog.papers.same()
        numbers = {number: paper for paper in happened for number in same.get(paper, (paper,))}
        votes, shown = self.catalog.votes.of(readers), self.catalog.deliveries.shown(readers, numbers)
        found = {}
        for who in readers:
            liked = [(paper, LONG_AGO) for paper, vote in votes.get(who, ()) if vote > 0 and paper in numbers]
            seen: dict[int, datetime] = {}
            for number, when in (*liked, *shown.get(who, ())):
                seen[numbers[number]] = max(when, seen.get(numbers[number], LONG_AGO))
            found[who] = [paper for paper, when in seen.items() if when < happened[paper]]
        return found
