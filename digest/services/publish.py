"""Open the day's edition, compose the digests that fall due, and show both before anybody gets them."""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

from digest.catalog import Catalog
from digest.catalog.deliveries import Composed
from digest.catalog.subscribers import Due
from digest.clock import Clock, elapsed, pace
from digest.errors import NotFound
from digest.links import Links
from digest.model import (
    WELCOME,
    Candidate,
    Card,
    Day,
    Digest,
    Edition,
    Interest,
    Pick,
    Picks,
    Schedule,
    Skipped,
    Standing,
    Steering,
    Subscriber,
    Topic,
    Turn,
    pack,
)
from digest.ranking.compose import Ranker, Wish
from digest.ranking.prior import Announced, Prior, enough, traits
from digest.ranking.text import Meaning
from digest.ranking.trend import trends
from digest.rendering.press import Item, Parts, items
from digest.services.engine import ChunkId, Engine, Local
from digest.services.past import END, NOTHING, Had, Past
from digest.services.printing import Printing, layout
from digest.services.updates import Updates

if TYPE_CHECKING:
    from digest.services.doctor import Doctor

LATE = timedelta(hours=12)
"""a turn later than this is skipped: nobody wants the morning's mail at night"""

SILENCE = 3
"""empty turns in a row after which one short mail says that nothing was forgotten"""

MEMORY = timedelta(days=31)
"""picks of digests this young are not picked again"""

CHUNK = 1_000

SETTLED, HISTORY = timedelta(days=7), 20_000
"""how old papers are when it is clear whether they trended, and how many of them are learned from"""


@dataclass(frozen=True)
class Rhythm:
    """When an edition opens (UTC), how long it waits for a late source, and how far back its candidates go."""

    at: time = time(6)
    wait: timedelta = timedelta(minutes=90)
    window: timedelta = timedelta(days=7)
    recent: timedelta = timedelta(days=3)
    """what daily cadences draw on"""


@dataclass(frozen=True)
class Opened:
    """The edition, and whether this call opened it; or why there is none yet."""

    edition: date | None
    new: bool = False
    candidates: int = 0
    waiting_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class EditionPage:
    """What everybody may see of an edition: its general ranking, and the way to its neighbours."""

    date: Day
    items: list[Item]
    earlier: Day | None
    later: Day | None


@dataclass(frozen=True)
class Preview:
    """What one person's next digest would be."""

    edition: Edition
    turn: str
    items: list[Item]
    parts: Parts
    message: bytes


@contextmanager
def _unswept() -> Iterator[None]:
    """Python looks for no cycles meanwhile: going over all that a ranker holds costs a third of composing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass
class Publish:
    catalog: Catalog
    links: Links
    printing: Printing
    rhythm: Rhythm
    clock: Clock
    deadline: timedelta = timedelta(hours=24)
    doctor: Callable[[], "Doctor | None"] = lambda: None
    """who knows what an edition waits for or lacks; asked for only when one opens"""
    meaning: Meaning | None = None
    """a sentence-embedding model, if there is one"""
    engine: Callable[["Publish"], Engine] = lambda self: Local({"compose": self._chunk})
    _edition: Edition | None = field(default=None, repr=False)
    _pages: dict[tuple[int, str | None, int], Picks] = field(default_factory=dict, repr=False)
    _shared: tuple[Edition, Past, list[Topic]] | None = field(default=None, repr=False)
    """what the chunks of one call have in common"""
    _composed: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    _told: Callable[[], None] = field(default_factory=lambda: lambda: None, init=False, repr=False)
    _ranker: tuple[int, list[Topic], Ranker] | None = field(default=None, repr=False)
    _ranking: Lock = field(default_factory=Lock, init=False, repr=False)
    """a ranker learns from each batch of wishes, and pages are looked at by many at once"""

    # ---- the edition

    def open(self, *, wait: bool = True) -> Opened:
        """Freeze today's edition if it is time and it has not been done; *wait* for a late source as configured."""
        now = self.clock()
        day, opens = now.date(), self._opens(now.date())
        if now < opens:
            return Opened(None)
        if day in self.catalog.editions.dates():
            return Opened(day)
        doctor = self.doctor()
        late = doctor.awaited(now) if doctor and wait and now < opens + self.rhythm.wait else ()
        if late:
            return Opened(None, waiting_for=late)
        candidates = self._candidates(now)
        topics = {topic.id: topic.name for topic in self.catalog.topics.all()}
        new = self.catalog.editions.open(day, now, candidates, topics, doctor.notes(now) if doctor else ())
        return Opened(day, new, len(candidates))

    def _opens(self, day: date) -> datetime:
        return datetime.combine(day, self.rhythm.at, tzinfo=UTC)

    def _candidates(self, now: datetime) -> list[Candidate]:
        news = self.catalog.papers.news(now - self.rhythm.window, now)
        since = {card.paper: moment for card, moment in news}
        fields = {card.paper: card.categories[0] for card, _ in news if card.categories}
        found = trends(self.catalog.papers.signals(since, now), since, now, fields)
        unsaid = [card for card, moment in news if card.paper not in found and moment > now - self.rhythm.recent]
        chances = self._chances(unsaid, now)
        candidates = [
            Candidate(ordinal, card, moment, trend.value, trend.line)
            if (trend := found.get(card.paper))
            else Candidate(ordinal, card, moment, chance=chances.get(card.paper, 0.0))
            for ordinal, (card, moment) in enumerate(news)
        ]
        return Updates(self.catalog).frozen(candidates, now - self.rhythm.window, now)[: 2**16]

    def _chances(self, cards: Sequence[Card], now: datetime) -> dict[int, float]:
        """That papers will be spoken of, learned anew every day; empty while the catalog has too little history."""
        past = self.catalog.papers.history(now - SETTLED, HISTORY)
        trended = [spoken for _, spoken in past]
        if not cards or not enough(trended):
            return {}
        model = Prior((_traits(card) for card, _ in past), trended)
        chances = model.chances(map(_traits, cards)).tolist()
        return {card.paper: chance for card, chance in zip(cards, chances, strict=True)}

    def edition(self, day: date | None = None) -> Edition | None:
        """The edition of *day*, or the newest; the last one asked for is kept."""
        if day is None:
            day = next((d for d in self.catalog.editions.dates() if d <= self.clock().date()), None)
        kept = self._edition  # one look: other threads may put theirs there
        if day and (kept is None or kept.date != day):
            kept = self._edition = self.catalog.editions.of(day)
        return kept if day else None

    def page(self, day: date | None = None, topic: str | None = None, count: int = 20) -> EditionPage | None:
        """An edition as the public sees it, ranked for nobody or for one topic; None where there is none."""
        edition = self.edition(day)
        if edition is None:
            return None
        picks = self._general(edition, topic, count)
        dates = self.catalog.editions.dates()
        earlier = max((d for d in dates if d < edition.date), default=None)
        later = min((d for d in dates if d > edition.date), default=None)
        return EditionPage(edition.date, items(edition, picks), earlier, later)

    def _general(self, edition: Edition, topic: str | None, count: int) -> Picks:
        """Ranked once per edition and topic: every visitor asks for the same."""
        key = edition.id, topic, count
        if key not in self._pages:
            interest = Interest({t.id: 1.0 for t in self.catalog.topics.offered() if t.slug == topic})
            anybody = replace(self.anybody(interest, count), steering=Steering(explore=0))
            everything = Turn(WELCOME, edition.opened)
            self._pages[key] = self._ranked(edition, self._wishes(edition, [anybody], [everything]))[0]
        return self._pages[key]

    # ---- digests

    def compose(self, progress: Callable[[str], None] = lambda pace: None) -> Counter[str]:
        """Write the digest of every turn that is due, in chunks; how many rows by state or reason for skipping.

        *progress* is told after each chunk.
        """
        self._composed, self._shared = Counter(), None
        now, began = self.clock(), elapsed()
        while chunks := self.catalog.subscribers.due_chunks(now, CHUNK):
            before = self._composed.total()
            total = before + CHUNK * len(chunks)
            self._told = lambda: progress(pace(self._composed.total(), total, began))  # noqa: B023  told at once
            self.engine(self).map("compose", [f"{first}-{last}" for first, last in chunks])
            if self._composed.total() == before:
                break  # whoever is still due waits for an edition
        return self._composed

    def compose_chunk(self, chunk: ChunkId) -> None:
        """The due turns of subscribers FIRST-LAST; running it twice adds nothing (UNIQUE(subscriber, turn))."""
        self._shared = None  # papers may have been merged, topics added, since this process composed the last one
        self._chunk(chunk)

    def _chunk(self, chunk: ChunkId) -> None:
        with _unswept():
            composed = self._compose(chunk)
            self.catalog.deliveries.add(composed)
        self._composed.update(c.skipped or "pending" for c in composed)
        self._told()

    def _compose(self, chunk: ChunkId) -> list[Composed]:
        now = self.clock()
        first, _, last = chunk.partition("-")
        due = self.catalog.subscribers.due(now, int(first), int(last))
        late, waits_from = now - LATE, self._waits_from(now)
        missed = [d for d in due if d.turn.due < late and d.turn.label != WELCOME]
        composed = [self._skipped(d, Skipped.TOO_LATE, now) for d in missed]
        if edition := self.edition():
            gone = {d.id for d in missed}
            timely = [d for d in due if d.turn.due < waits_from and d.id not in gone]
            composed += self._digests(edition, timely, now)
        return composed

    def _waits_from(self, now: datetime) -> datetime:
        """Turns since the opening hour wait for the edition that is itself waiting for a source."""
        opens = self._opens(now.date())
        opening = opens <= now < opens + self.rhythm.wait and now.date() not in self.catalog.editions.dates()
        return opens if opening else datetime.max.replace(tzinfo=UTC)

    def _digests(self, edition: Edition, due: Sequence[Due], now: datetime) -> list[Composed]:
        readers = [d.id for d in due]
        if self._shared is None or self._shared[0] is not edition:
            self._shared = edition, Past(self.catalog, edition), self.catalog.topics.all()
        _, past, topics = self._shared
        had, votes = past.had(readers, now - MEMORY), self.catalog.votes.of(readers)
        wishes = self._wishes(edition, due, (d.turn for d in due), votes, had)
        picked = self._picked(edition, due, wishes, topics) if due else []
        empty = [d.id for d, picks in zip(due, picked, strict=True) if len(picks) < d.minimum]
        silence = self.catalog.deliveries.empty_turns(empty)
        frozen = self._freezing(edition, now)

        def composed(d: Due, picks: Sequence[Pick]) -> Composed:
            before = silence.get(d.id)
            if before is not None and before + 1 < SILENCE:
                return self._skipped(d, Skipped.NOTHING_NEW, now)
            return Composed(frozen(d, d.turn, picks if before is None else ()), self._following(d, now))

        return [composed(d, picks) for d, picks in zip(due, picked, strict=True)]

    def _freezing(self, edition: Edition, now: datetime) -> Callable[[Subscriber | Due, Turn, Sequence[Pick]], Digest]:
        """What makes digests of an edition, at one moment: what they have in common is asked for once."""
        date, deadline, name = now.replace(microsecond=0), now + self.deadline, self.links.message_id
        domain = self.printing.publication.sender.rpartition("@")[2]
        template = cache(lambda folder: self.printing.stationery(folder).hash)

        def frozen(reader: Subscriber | Due, turn: Turn, picks: Sequence[Pick]) -> Digest:
            return Digest(
                0,
                reader.id,
                turn.label,
                edition.id,
                picks,
                template(layout(turn.label, picks)),
                name(reader.id, reader.public_id, turn.label, domain),
                date,
                deadline,
                reader.since.date() if reader.since else None,
            )

        return frozen

    def _skipped(self, due: Due, why: Skipped, now: datetime) -> Composed:
        nothing = Digest(0, due.id, due.turn.label, 0, (), "", "", now, now)
        return Composed(nothing, self._following(due, now), why)

    def _following(self, due: Due, now: datetime) -> Turn:
        """After a welcome the usual turns begin; otherwise one after the other, so that each gets its row."""
        return _next(due.schedule, now if due.turn.label == WELCOME else due.turn.due)

    # ---- ranking

    def _wishes(
        self,
        edition: Edition,
        readers: Sequence[Subscriber | Due],
        turns: Iterable[Turn],
        said: Mapping[int, tuple[tuple[int, int], ...]] = MappingProxyType({}),
        had: Had = NOTHING,
    ) -> list[Wish]:
        """For these turns of *readers*: what they *said* of papers by their ids, what they *had* in their order."""
        day, week = edition.opened - self.rhythm.recent, edition.opened - self.rhythm.window
        return [
            Wish(
                reader.interest,
                reader.count,
                week if turn.whole else day,
                had.of(nth),
                said.get(reader.id, ()),
                reader.steering,
                turn.whole,
                had.again(nth, reader.added),
                reader.id + edition.id,  # so that who had the best of today's has not that of tomorrow's
            )
            for nth, (reader, turn) in enumerate(zip(readers, turns, strict=True))
        ]

    def _picked(
        self,
        edition: Edition,
        readers: Sequence[Subscriber | Due],
        wishes: Sequence[Wish],
        topics: list[Topic] | None = None,
    ) -> list[Picks]:
        """What each gets: in the last places what happened to papers that they know."""
        told = Updates(self.catalog).picks(edition, readers)
        picked = self._ranked(edition, wishes, topics)
        for n, reader in enumerate(readers):
            if last := told.get(reader.id, [])[: reader.count]:
                there = {pick.ordinal for pick in last}
                others = [pick for pick in picked[n] if pick.ordinal not in there]
                picked[n] = Picks(pack([*others[: reader.count - len(last)], *last]))
        return picked

    def _ranked(self, edition: Edition, wishes: Sequence[Wish], topics: list[Topic] | None = None) -> list[Picks]:
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

    # ---- looking ahead

    def wish(self, edition: Edition, reader: Subscriber, past: Digest | None = None) -> Wish:
        """What their next digest asks of an edition; with *past*, what that one would ask if it were composed again."""
        now = past.date if past else self.clock()
        turn = Turn(past.turn, now) if past else self.catalog.subscribers.turn(reader.id) or Turn("", now)
        had = Past(self.catalog, edition).had([reader.id], now - MEMORY, past.date if past else END)
        return self._wishes(edition, [reader], [turn], self.catalog.votes.of([reader.id]), had)[0]

    def preview(self, reader: Subscriber, day: date | None = None) -> Preview:
        """Their next digest as it would be sent, with links that do nothing. Raises NotFound without an edition."""
        edition = self.edition(day)
        if edition is None:
            raise NotFound(f"there is no edition {'of ' + day.isoformat() if day else 'yet'}; run `digest publish`")
        now = self.clock()
        turn = self.catalog.subscribers.turn(reader.id) or Turn(now.date().isoformat(), now)
        picks = self._picked(edition, [reader], [self.wish(edition, reader)])[0]
        digest = self._freezing(edition, now)(reader, turn, picks)
        press = self.printing.press(digest.template, edition)
        urls = self.printing.urls(reader.public_id, edition.date, inert=True)
        last = None if picks else self.catalog.deliveries.last_papers(reader.id, 0)
        parts = press.parts(digest, digest.since, urls, last)
        message = self.printing.signed(press.message(digest, reader.address, digest.since, urls, last), digest.date)
        return Preview(edition, turn.label, items(edition, picks), parts, message)

    def anybody(self, interest: Interest, count: int = 10, address: str = "reader@example.org") -> Subscriber:
        """A reader for previews, who is not in the catalog."""
        return Subscriber(0, "preview", address, Standing.ACTIVE, Schedule(), interest, count)


def _traits(card: Card) -> set[str]:
    return traits(Announced(card.title, card.abstract, card.authors, card.categories))


_next = lru_cache(1 << 12)(Schedule.next)  # thousands share theirs
