"""What an edition has for whom: the wishes of its readers, and the picks that ranking makes of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from digest.catalog import Catalog
from digest.catalog.subscribers import Due
from digest.model import Digest, Edition, Picks, Subscriber, Topic, Turn, pack
from digest.ranking.compose import Ranker, Wish
from digest.ranking.text import Meaning
from digest.services.opening import Rhythm
from digest.services.past import END, Past
from digest.services.updates import Updates

MEMORY = timedelta(days=31)
"""picks of digests this young are not picked again"""


@dataclass
class Choosing:
    catalog: Catalog
    rhythm: Rhythm
    meaning: Meaning | None = None
    """a sentence-embedding model, if there is one"""
    _ranker: tuple[int, list[Topic], Ranker] | None = field(default=None, repr=False)
    _ranking: Lock = field(default_factory=Lock, init=False, repr=False)
    """a ranker learns from each batch of wishes, and pages are looked at by many at once"""

    def wishes(
        self,
        past: Past,
        readers: Sequence[Subscriber | Due],
        turns: Iterable[Turn],
        now: datetime,
        before: datetime = END,
    ) -> list[Wish]:
        """What these turns of *readers*, in the order of their ids, ask of an edition, whatever they had *before*."""
        ids = [reader.id for reader in readers]
        had, votes = past.had(ids, now - MEMORY, before), self.catalog.votes.of(ids)
        day, week = past.edition.opened - self.rhythm.recent, past.edition.opened - self.rhythm.window
        return [
            Wish(
                reader.interest,
                reader.count,
                week if turn.whole else day,
                had.of(nth),
                votes.get(reader.id, ()),
                reader.steering,
                turn.whole,
                had.again(nth, reader.added),
                reader.id + past.edition.id,  # so that who had the best of today's has not that of tomorrow's
            )
            for nth, (reader, turn) in enumerate(zip(readers, turns, strict=True))
        ]

    def picked(
        self,
        edition: Edition,
        readers: Sequence[Subscriber | Due],
        wishes: Sequence[Wish],
        topics: list[Topic] | None = None,
    ) -> list[Picks]:
        """What each gets: in the last places what happened to papers that they know."""
        told = Updates(self.catalog).picks(edition, readers)
        picked = self.ranked(edition, wishes, topics)
        for n, reader in enumerate(readers):
            if last := told.get(reader.id, [])[: reader.count]:
                there = {pick.ordinal for pick in last}
                others = [pick for pick in picked[n] if pick.ordinal not in there]
                picked[n] = Picks(pack([*others[: reader.count - len(last)], *last]))
        return picked

    def ranked(self, edition: Edition, wishes: Sequence[Wish], topics: list[Topic] | None = None) -> list[Picks]:
        with self._ranking:
            return self.ranker(edition, wishes, topics).picks(wishes)

    def ranker(self, edition: Edition, wishes: Sequence[Wish], topics: list[Topic] | None = None) -> Ranker:
        """Of *edition*, ready for these wishes; the last one is kept. *topics*: all, where they are known."""
        topics = topics or self.catalog.topics.all()
        kept = self._ranker
        if kept is None or kept[:2] != (edition.id, topics):
            kept = self._ranker = edition.id, topics, Ranker(edition.candidates, topics, edition.opened, self.meaning)
        ranker = kept[2]
        if unread := ranker.unread(wishes):
            texts = self.catalog.votes.texts(unread)
            ranker.read({paper: texts.get(paper, "") for paper in unread})
        return ranker

    def wish(self, edition: Edition, reader: Subscriber, now: datetime, past: Digest | None = None) -> Wish:
        """What their next digest asks of an edition; with *past*, what that one would ask if it were composed again."""
        turn = Turn(past.turn, now) if past else self.catalog.subscribers.turn(reader.id) or Turn("", now)
        now, before = (past.date, past.date) if past else (now, END)
        return self.wishes(Past(self.catalog, edition), [reader], [turn], now, before)[0]
