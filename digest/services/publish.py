"""Open the day's edition, compose the digests that fall due, and show both before anybody gets them."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from digest.catalog import Catalog
from digest.catalog.deliveries import Composed
from digest.catalog.subscribers import Due
from digest.clock import Clock, elapsed, pace
from digest.errors import NotFound
from digest.links import Links
from digest.model import (
    WELCOME,
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
    Turn,
)
from digest.rendering.press import Item, Parts, items
from digest.services.choosing import MEMORY, Choosing
from digest.services.engine import ChunkId, Engine, Local, Task
from digest.services.opening import Rhythm, candidates
from digest.services.past import Past
from digest.services.printing import Printing, layout

if TYPE_CHECKING:
    from digest.services.doctor import Doctor

LATE = timedelta(hours=12)
"""a turn later than this is skipped: nobody wants the morning's mail at night"""

DEADLINE = timedelta(hours=24)
"""after which a digest is not worth sending (REQ-51)"""

SILENCE = 3
"""empty turns in a row after which one short mail says that nothing was forgotten"""

CHUNK = 4_000
"""turns; what a chunk asks of the database before its first reader would be a tenth of the time of a thousand"""


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


@dataclass
class Publish:
    catalog: Catalog
    links: Links
    printing: Printing
    choosing: Choosing
    rhythm: Rhythm
    clock: Clock
    doctor: Callable[[], "Doctor | None"] = lambda: None
    """who knows what an edition waits for or lacks; asked for only when one opens"""
    engine: Callable[[Mapping[str, Task]], Engine] = Local
    _edition: Edition | None = field(default=None, init=False, repr=False)
    _pages: dict[int, Picks] = field(default_factory=dict, init=False, repr=False)

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
        late = doctor.awaited(now) if doctor and wait and now < self.rhythm.latest(opens) else ()
        if late:
            return Opened(None, waiting_for=late)
        drawn = candidates(self.catalog, self.rhythm, now)
        topics = {topic.id: topic.name for topic in self.catalog.topics.all()}
        new = self.catalog.editions.open(day, now, drawn, topics, doctor.notes(now) if doctor else ())
        return Opened(day, new, len(drawn))

    def _opens(self, day: date) -> datetime:
        return datetime.combine(day, self.rhythm.at, tzinfo=UTC)

    def edition(self, day: date | None = None) -> Edition | None:
        """The edition of *day*, or the newest; the last one asked for is kept."""
        if day is None:
            day = next((d for d in self.catalog.editions.dates() if d <= self.clock().date()), None)
        kept = self._edition  # one look: other threads may put theirs there
        if day and (kept is None or kept.date != day):
            kept = self._edition = self.catalog.editions.of(day)
        return kept if day else None

    def page(self, day: date | None = None) -> EditionPage | None:
        """An edition as the public sees it, ranked for nobody; None where there is none."""
        edition = self.edition(day)
        if edition is None:
            return None
        picks = self._general(edition)
        dates = self.catalog.editions.dates()
        earlier = max((d for d in dates if d < edition.date), default=None)
        later = min((d for d in dates if d > edition.date), default=None)
        return EditionPage(edition.date, items(edition, picks), earlier, later)

    def _general(self, edition: Edition) -> Picks:
        """Ranked once: every visitor asks for the same."""
        if edition.id not in self._pages:
            anybody = replace(self.anybody(Interest(), 20), steering=Steering(explore=0))
            wish = self.choosing.wish(edition, anybody, edition.opened)
            self._pages[edition.id] = self.choosing.ranked(edition, [wish])[0]
        return self._pages[edition.id]

    # ---- digests

    def compose(self, progress: Callable[[str], None] = lambda pace: None) -> Counter[str]:
        """Write the digest of every turn that is due, in chunks; how many rows by state or reason for skipping.

        *progress* is told after each chunk.
        """
        composed, now, began, total = Counter[str](), self.clock(), elapsed(), 0

        def told(done: int) -> None:
            progress(pace(done, total, began))

        while chunks := self.catalog.subscribers.due_chunks(now, CHUNK):
            before = composed.total()
            total = before + CHUNK * len(chunks)
            round_ = _Round(self, composed, told)
            try:
                self.engine({"compose": round_.chunk}).map("compose", [f"{first}-{last}" for first, last in chunks])
            finally:
                round_.written()
            if composed.total() == before:
                break  # whoever is still due waits for an edition
        return composed

    def compose_chunk(self, chunk: ChunkId) -> None:
        """The due turns of subscribers FIRST-LAST; running it twice adds nothing (UNIQUE(subscriber, turn))."""
        alone = _Round(self)
        alone.chunk(chunk)
        alone.written()

    def waits_from(self, now: datetime) -> datetime:
        """Turns since the opening hour wait for the edition that is itself waiting for a source."""
        opens = self._opens(now.date())
        opening = opens <= now < self.rhythm.latest(opens) and now.date() not in self.catalog.editions.dates()
        return opens if opening else datetime.max.replace(tzinfo=UTC)

    def template(self, folder: str) -> str:
        """The hash of what a layout is printed with from now on."""
        return self.printing.stationery(folder).hash

    def freezing(
        self, edition: Edition, now: datetime, template: Callable[[str], str]
    ) -> Callable[[Subscriber | Due, Turn, Sequence[Pick]], Digest]:
        """What makes digests of an edition, at one moment."""
        date, deadline, name = now.replace(microsecond=0), now + DEADLINE, self.links.message_id
        domain = self.printing.publication.sender.rpartition("@")[2]

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

    # ---- looking ahead

    def preview(self, reader: Subscriber, day: date | None = None) -> Preview:
        """Their next digest as it would be sent, with links that do nothing. Raises NotFound without an edition."""
        edition = self.edition(day)
        if edition is None:
            none = f"there is no edition {'of ' + day.isoformat() if day else 'yet'}"
            raise NotFound(f"{none}; `digest publish` opens one a day, from {self.rhythm.at:%H:%M} UTC on")
        now = self.clock()
        turn = self.catalog.subscribers.turn(reader.id) or Turn(now.date().isoformat(), now)
        picks = self.choosing.picked(edition, [reader], [self.choosing.wish(edition, reader, now)])[0]
        digest = self.freezing(edition, now, self.template)(reader, turn, picks)
        press = self.printing.press(digest.template, edition)
        urls = self.printing.urls(reader.public_id, edition.date, inert=True)
        last = None if picks else self.catalog.deliveries.last_papers(reader.id, 0)
        parts = press.parts(digest, digest.since, urls, last)
        message = self.printing.signed(press.message(digest, reader.address, digest.since, urls, last), digest.date)
        return Preview(edition, turn.label, items(edition, picks), parts, message)

    def anybody(self, interest: Interest, count: int = 10, address: str = "reader@example.org") -> Subscriber:
        """A reader for previews, who is not in the catalog."""
        return Subscriber(0, "preview", address, Standing.ACTIVE, Schedule(), interest, count)


@dataclass
class _Round:
    """The chunks of turns that one look found due, and what they have in common.

    Not kept for the next look: papers may be merged and topics added until then.
    """

    service: Publish
    composed: Counter[str] = field(default_factory=Counter)
    told: Callable[[int], None] = lambda done: None
    writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    writing: Future[int] | None = None

    def __post_init__(self) -> None:
        catalog, edition = self.service.catalog, self.service.edition()
        self.waits_from = self.service.waits_from(self.service.clock())
        self.past = Past(catalog, edition) if edition else None
        self.topics = catalog.topics.all()
        self.template = cache(self.service.template)

    def chunk(self, name: ChunkId) -> None:
        """Composed while the chunk before is still being written, which saves a tenth of the time."""
        with _unswept():
            composed = self.compose(name)
        self.composed.update(c.skipped or "pending" for c in composed)
        self.told(self.composed.total())
        self.written(self.writer.submit(self.service.catalog.deliveries.add, composed))

    def written(self, following: Future[int] | None = None) -> None:
        """Waits until the last chunk is written, and raises what went wrong with it."""
        last, self.writing = self.writing, following
        if last:
            last.result()

    def compose(self, name: ChunkId) -> list[Composed]:
        now = self.service.clock()
        first, _, last = name.partition("-")
        due = self.service.catalog.subscribers.due(now, int(first), int(last))
        missed = [d for d in due if d.turn.due < now - LATE and d.turn.label != WELCOME]
        composed = [_skipped(d, Skipped.TOO_LATE, now) for d in missed]
        gone = {d.id for d in missed}
        timely = [d for d in due if d.turn.due < self.waits_from and d.id not in gone]
        return composed + self.digests(self.past, timely, now) if self.past and timely else composed

    def digests(self, past: Past, due: Sequence[Due], now: datetime) -> list[Composed]:
        choosing, edition = self.service.choosing, past.edition
        wishes = choosing.wishes(past, due, (d.turn for d in due), now)
        picked = choosing.picked(edition, due, wishes, self.topics)
        empty = [d.id for d, picks in zip(due, picked, strict=True) if len(picks) < d.minimum]
        silence = self.service.catalog.deliveries.empty_turns(empty, now - MEMORY) if empty else {}
        frozen = self.service.freezing(edition, now, self.template)

        def composed(d: Due, picks: Sequence[Pick]) -> Composed:
            before = silence.get(d.id)
            if before is not None and before + 1 != SILENCE:  # after more it was said, however long ago
                return _skipped(d, Skipped.NOTHING_NEW, now)
            return Composed(frozen(d, d.turn, picks if before is None else ()), _following(d, now))

        return [composed(d, picks) for d, picks in zip(due, picked, strict=True)]


@contextmanager
def _unswept() -> Iterator[None]:
    """Python looks for no cycles meanwhile: going over all that a ranker holds costs a third of composing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _skipped(due: Due, why: Skipped, now: datetime) -> Composed:
    nothing = Digest(0, due.id, due.turn.label, 0, (), "", "", now, now)
    return Composed(nothing, _following(due, now), why)


def _following(due: Due, now: datetime) -> Turn:
    """After a welcome the usual turns begin; otherwise one after the other, so that each gets its row."""
    return _next(due.schedule, now if due.turn.label == WELCOME else due.turn.due)


_next = lru_cache(1 << 12)(Schedule.next)  # thousands share theirs
