"""What an edition is drawn from when it opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from digest.catalog import Catalog
from digest.model import Candidate, Card
from digest.ranking.prior import Announced, Prior, enough, traits
from digest.ranking.trend import trends
from digest.services.updates import Updates

SETTLED, HISTORY = timedelta(days=7), 20_000
"""how old papers are when it is clear whether they trended, and how many of them are learned from"""

MOST = 20_000
"""candidates, the newest: ranking keeps a byte for how alike each two of them are, 400 MB then"""


@dataclass(frozen=True)
class Rhythm:
    """When an edition opens (UTC), how long it waits for a late source, and how far back its candidates go."""

    at: time = time(6)
    wait: timedelta = timedelta(minutes=90)
    window: timedelta = timedelta(days=7)
    recent: timedelta = timedelta(days=3)
    """what daily cadences draw on"""

    def latest(self, opens: datetime) -> datetime:
        """When an edition opens whoever is late: before midnight, for it is of that day."""
        return min(opens + self.wait, opens.replace(hour=23, minute=50))


def candidates(catalog: Catalog, rhythm: Rhythm, now: datetime) -> list[Candidate]:
    """What an edition that opens *now* is drawn from: what became news in its window, with its trend or chance."""
    news = catalog.papers.news(now - rhythm.window, now)[:MOST]
    since = {card.paper: moment for card, moment in news}
    fields = {card.paper: card.categories[0] for card, _ in news if card.categories}
    found = trends(catalog.papers.signals(since, now), since, now, fields)
    unsaid = [card for card, moment in news if card.paper not in found and moment > now - rhythm.recent]
    chances = _chances(catalog, unsaid, now)
    drawn = [
        Candidate(ordinal, card, moment, trend.value, trend.line)
        if (trend := found.get(card.paper))
        else Candidate(ordinal, card, moment, chance=chances.get(card.paper, 0.0))
        for ordinal, (card, moment) in enumerate(news)
    ]
    return Updates(catalog).frozen(drawn, now - rhythm.window, now)[: 2**16]


def _chances(catalog: Catalog, cards: Sequence[Card], now: datetime) -> dict[int, float]:
    """That papers will be spoken of, learned anew every day; empty while the catalog has too little history."""
    past = catalog.papers.history(now - SETTLED, HISTORY)
    trended = [spoken for _, spoken in past]
    if not cards or not enough(trended):
        return {}
    model = Prior((_traits(card) for card, _ in past), trended)
    chances = model.chances(map(_traits, cards)).tolist()
    return {card.paper: chance for card, chance in zip(cards, chances, strict=True)}


def _traits(card: Card) -> set[str]:
    return traits(Announced(card.title, card.abstract, card.authors, card.categories))
