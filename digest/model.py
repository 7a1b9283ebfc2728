"""The words of `digest` as frozen values; they travel one way: sources → catalog → ranking → rendering → delivery.

The same thing at different moments has different names: a *listing* is what one source says about a paper, a *paper* is
the listings merged, a *candidate* is a paper frozen with an edition, a *pick* is a candidate chosen for one subscriber.
Nothing here does I/O or knows the time. All datetimes are aware and in UTC.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Day = date
"""a name for the type where a field is called date"""

# ---------------------------------------------------------------- what sources say


NAMED = "named"
"""announces nothing: somebody asked for the paper"""


@dataclass(frozen=True, slots=True)
class Listing:
    """What one source says about one paper, cleaned: plain text, no markup, one line per field except the abstract."""

    source: str
    key: str
    """the source's own name for the entry, the same on every fetch"""
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict)
    """canonical identifiers by scheme: `arxiv` (without version), `doi` (lower case), `pmid`, `openreview`, `url`;
    `published` is the DOI in a journal where `doi` is a preprint's"""
    categories: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    """what the source says that it is about, in words"""
    links: Mapping[str, str] = field(default_factory=dict)
    """http(s) addresses by what they lead to: `abstract`, `pdf`, `code`, `discussion`, `project`"""
    announced: datetime | None = None
    updated: datetime | None = None
    announce_type: str | None = None
    """arXiv's word: `new`, `cross`, `replace`, `replace-cross`; or NAMED"""
    version: int = 0
    """of the paper; 0 where the source does not tell"""
    signals: Mapping[str, float] = field(default_factory=dict)
    """counts as the source shows them now: `upvotes`, `comments`, `stars`, `points`"""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a source remembers from one fetch to the next; empty at first sight."""

    etag: str | None = None
    modified: str | None = None
    fingerprint: str | None = None
    """a hash of the document's entries, to tell the same batch under a new date"""
    newest: str | None = None
    known: tuple[Listing, ...] = ()
    """for a source that watches papers: those to ask about now; told at each fetch, never remembered"""


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer of a source: all that its documents hold now."""

    listings: tuple[Listing, ...]
    memory: Memory = Memory()
    complete: bool = True
    """False when the document was cut or malformed, so that absence means nothing"""
    warnings: tuple[str, ...] = ()
    news: bool = True
    """False when it only tells more of papers that are known, and has no rhythm"""
    dated: bool = False
    """`announced` is the day of the announcement, and stays so however late it is seen"""
    parts: tuple[str, ...] = ()
    """the arXiv categories it should hold, each announced by itself"""


# ---------------------------------------------------------------- what the catalog knows


@dataclass(frozen=True, slots=True)
class SourceDay:
    """A day of a source, when the first news of it came (None: none did), and when that day was last asked for, in vain
    for the last few times."""

    day: Day
    brought: datetime | None
    asked: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """When a source was last asked, last answered and last brought something; *error* of the last attempt."""

    name: str
    memory: Memory
    asked: datetime
    answered: datetime | None = None
    brought: datetime | None = None
    error: str | None = None
    lacking: Mapping[str, Day] = field(default_factory=dict)
    """what its entries had and have no more ("abstracts"), and since when"""
    days: Mapping[str, tuple[SourceDay, ...]] = field(default_factory=dict)
    """by part (arXiv category, else empty), oldest first"""


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject that subscribers can tick."""

    id: int
    slug: str
    name: str
    description: str = ""
    keywords: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The field of science that its first category lies in, as a heading; "" without a category of arXiv's."""
        first = self.categories[0] if self.categories else ""
        return FIELDS.get(first) or FIELDS.get(first.partition(".")[0], "")

    def within(self, name: str) -> bool:
        """Whether *name* is its slug, its first category, or the archive (`cs`) or field (`physics`) of that."""
        first = self.categories[0] if self.categories else ""
        return name.casefold() in (self.slug, first.casefold(), first.partition(".")[0], self.field.casefold())


_PHYSICS = "physics astro-ph cond-mat gr-qc hep-ex hep-lat hep-ph hep-th math-ph nlin nucl-ex nucl-th quant-ph"
FIELDS = {
    "cs": "Computer science", "cs.AI": "Artificial intelligence", "cs.LG": "Machine learning", "cs.CL": "Language",
    "cs.CV": "Vision and graphics", "cs.GR": "Vision and graphics", "cs.RO": "Robotics",
    "eess": "Electrical engineering", "stat": "Statistics", "math": "Mathematics",
    **dict.fromkeys(_PHYSICS.split(), "Physics"),
    "q-bio": "Biology", "q-fin": "Finance", "econ": "Economics",
}  # fmt: skip
"""headings by arXiv's archives and some of their categories"""


@dataclass(frozen=True, slots=True)
class Signal:
    """An observation that a paper mattered at a moment: *value* of *kind* counted by *source* at *at*. Append-only."""

    paper: int
    source: str
    kind: str
    value: float
    at: datetime


def look_again(age: timedelta, last: timedelta) -> bool:
    """Whether counts that began *age* ago and were observed *last* ago are worth another look: ever more rarely, so
    that two weeks take fifteen."""
    return last >= max(timedelta(hours=1), age / 3)


@dataclass(frozen=True, slots=True)
class Card:
    """What a digest shows of a paper. Frozen with the edition and the same for everybody."""

    paper: int
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    """pairs of (what, http(s) address); the first is where the title leads"""
    announced: date
    language: str = ""
    """ISO 639-1; empty where nothing told"""

    @property
    def words(self) -> list[str]:
        """Title and abstract cut at blanks; a `Reason` points into this list."""
        return f"{self.title} {self.abstract}".split()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A card with its place in an edition and what the community said of it when the edition opened."""

    ordinal: int
    card: Card
    since: datetime
    """when it became a candidate: announced or first signalled, the later"""
    trend: float = 0.0
    """normalised velocity of the signals, 0 for none; see `ranking.trend`"""
    trend_line: str = ""
    """the trend for people: "48 upvotes in 18 h, 3x the median of its day\""""
    chance: float = 0.0
    """that it will trend, while it has no signals; 0 where nobody can tell; see `ranking.prior`"""
    event: str = ""
    """the last thing that happened to it after its announcement: `v2`, or the DOI it was published under"""
    happened: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edition:
    """One UTC date, opened once; candidates in the order of their ordinals, names of the topics as they were."""

    id: int
    date: date
    opened: datetime
    candidates: tuple[Candidate, ...]
    topics: Mapping[int, str]
    notes: tuple[str, ...] = ()
    """what is missing from it and why, in plain sentences for its readers"""


@dataclass(frozen=True, slots=True)
class Interest:
    """What one subscriber wants. Empty: whatever is trending."""

    topics: Mapping[int, float] = field(default_factory=dict)
    """topic id to weight, 1 for a plain tick"""
    texts: tuple[str, ...] = ()
    """free text, each a query of its own"""
    keywords: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    """words, phrases, categories or authors that rule a paper out"""


class ReasonCode(IntEnum):
    """Why a paper was picked; the meaning of `Reason.ref` beside each."""

    TOPIC = 1  # id of the topic
    TEXT = 2  # index into Card.words of the strongest word shared with a free-text interest
    KEYWORD = 3  # index into Card.words
    CATEGORY = 4  # index into Card.categories
    AUTHOR = 5  # index into Card.authors
    TREND = 6  # nothing: the candidate has its line
    FRESH = 7  # nothing: it is new, and nothing better is known of it
    LIKED = 8  # index into Card.words of the strongest word shared with a paper voted up; NAMELESS: no word says much
    PROMISING = 9  # nothing: the candidate has its chance
    EXPLORE = 10  # nothing: it is outside of what the subscriber asked for
    TERM = 11  # index into Card.words of the strongest word shared with the topic of the reason before
    EVENT = 12  # nothing: the candidate has its event


NAMELESS = 0xFFFF
GENERAL = (ReasonCode.TREND, ReasonCode.FRESH, ReasonCode.PROMISING, ReasonCode.EXPLORE)
"""reasons that are no wish of the subscriber's own; they point at nothing"""


class Reason(NamedTuple):
    """One feature that scored, small enough to freeze: what it points at lies in the card or the edition."""

    code: ReasonCode
    ref: int = 0


class Pick(NamedTuple):
    """A candidate chosen for one subscriber; strongest reason first, at most two."""

    ordinal: int
    score: float
    reasons: tuple[Reason, ...]


FROZEN = {"ordinal": "H", "score": "e", "c1": "B", "r1": "H", "c2": "B", "r2": "H"}
"""a pick as it is frozen, in the letters of `struct`, little-endian: score in half precision, two reasons; 10 bytes"""

_PICK = struct.Struct("<" + "".join(FROZEN.values()))


def pack(picks: Iterable[Pick]) -> bytes:
    """Picks as they are frozen in a digest row: 10 bytes each."""
    if isinstance(picks, Picks):
        return picks.frozen
    return b"".join([_PICK.pack(p.ordinal, p.score, *_numbers(p.reasons)) for p in picks])


def unpack(frozen: bytes) -> tuple[Pick, ...]:
    """The inverse of `pack`, up to half precision of the score."""
    unpacked = _PICK.iter_unpack(frozen)
    return tuple([Pick(ordinal, score, reasons(c1, r1, c2, r2)) for ordinal, score, c1, r1, c2, r2 in unpacked])


Told = tuple[int, int, int, int, int]
"""a pick without its score, as numbers: ordinal, code and reference of its first reason and of its second"""

_TOLD = struct.Struct("<HxxBHBH")


class Picks(Sequence[Pick]):
    """Picks as they are frozen, read when they are looked at; the same as any other sequence of these picks."""

    __slots__ = ("frozen",)

    def __init__(self, frozen: bytes = b"") -> None:
        self.frozen = frozen

    @property
    def ordinals(self) -> list[int]:
        return [told[0] for told in self.told]

    @property
    def told(self) -> list[Told]:
        """All that is printed of picks, for those who print many."""
        return [*_TOLD.iter_unpack(self.frozen)]

    def __len__(self) -> int:
        return len(self.frozen) // _PICK.size

    def __getitem__(self, index: Any) -> Any:
        return unpack(self.frozen)[index]

    def __iter__(self) -> Iterator[Pick]:
        return iter(unpack(self.frozen))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _numbers(reasons: tuple[Reason, ...]) -> tuple[int, int, int, int]:
    if not reasons:
        return 0, 0, 0, 0
    first, second = reasons[0], reasons[1] if len(reasons) > 1 else None
    return first.code, first.ref, second.code if second else 0, second.ref if second else 0


@lru_cache(4096)  # few differ within an edition
def reasons(c1: int, r1: int, c2: int, r2: int) -> tuple[Reason, ...]:
    """What the numbers of a `Told` say."""
    return tuple(Reason(ReasonCode(code), ref) for code, ref in ((c1, r1), (c2, r2)) if code)


# ---------------------------------------------------------------- subscribers and their turns


class Standing(StrEnum):
    """Where a subscription stands; mail goes to `active` only."""

    ACTIVE = "active"
    PAUSED = "paused"
    LEFT = "left"


class Cadence(StrEnum):
    DAILY = "daily"
    WEEKDAYS = "weekdays"  # on the chosen days
    WEEKLY = "weekly"  # on the one chosen day, for the whole ISO week


WELCOME = "welcome"


@dataclass(frozen=True, slots=True)
class Turn:
    """What a subscriber is owed one mail for. *label* is the once-key: a local date, an ISO week, or `welcome`."""

    label: str
    due: datetime

    @property
    def whole(self) -> bool:
        """Whether its mail looks back at all that an edition has, instead of at the last days."""
        return "-W" in self.label or self.label == WELCOME


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a subscriber wants mail: *hour* (0-23) of the local day in the IANA *zone*, on *days* (1 = Monday … 7)."""

    cadence: Cadence = Cadence.DAILY
    hour: int = 7
    zone: str = "UTC"
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)

    def next(self, after: datetime) -> Turn:
        """The first turn due later than *after*."""
        day = after.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)
        wanted = range(1, 8) if self.cadence is Cadence.DAILY else self.days
        while True:
            if day.isoweekday() in wanted and (due := self._due(day)) > after:
                return Turn(self._label(day), due)
            day += timedelta(days=1)

    def _due(self, day: date) -> datetime:
        """The spring gap gives the first valid instant after it, the autumn overlap the first of the two (REQ-54)."""
        zone = ZoneInfo(self.zone)
        wall = datetime.combine(day, time(self.hour), tzinfo=zone)
        instant = wall.astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
            return instant
        # in the gap: fold=1 reads the wall time with the offset after it, so this lies before the jump; step over it
        early = wall.replace(fold=1).astimezone(UTC)
        jump = wall.utcoffset() or timedelta()
        while early.astimezone(zone).utcoffset() == jump:
            early += timedelta(minutes=1)
        return early

    def _label(self, day: date) -> str:
        if self.cadence is not Cadence.WEEKLY:
            return day.isoformat()
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"


@dataclass(frozen=True, slots=True)
class Steering:
    """How a subscriber mixes their digest, beside what they are interested in."""

    mine: float = 1.0
    """how much what they asked for and voted for counts, and"""
    trending: float = 1.0
    """how much the trend does: 1 as usual, 0 not at all"""
    explore: int = 1
    """places for something outside of what they asked for"""
    least: float = 0.0
    """papers with a lower score are left out"""
    quota: int = 0
    """papers per topic at most; 0 for as many as there are"""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; papers known to be in others are left out, unless empty"""
    events: bool = False
    """tell of new versions and publication of papers that they had or voted up"""


MOST_PAPERS = 30
"""in one mail"""


@dataclass(frozen=True, slots=True)
class Subscriber:
    id: int = 0
    """0: not in the catalog"""
    public_id: str = ""
    """random, url-safe, all that a link says of a person"""
    address: str = ""
    standing: Standing = Standing.ACTIVE
    schedule: Schedule = Schedule()
    interest: Interest = Interest()
    count: int = 10
    """how many papers at most"""
    minimum: int = 1
    """fewer than this, and the turn is skipped"""
    since: datetime | None = None
    """when the subscription was confirmed"""
    paused_until: date | None = None
    steering: Steering = Steering()
    added: Mapping[int, datetime] = field(default_factory=dict, compare=False)
    """topics that came later: the date of the last digest before each; kept by the catalog"""


# ---------------------------------------------------------------- the ledger


class State(StrEnum):
    """Every digest row is in exactly one of these (REQ-49)."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    SKIPPED = "skipped"


class Skipped(StrEnum):
    """Why a due turn brought no mail."""

    NOTHING_NEW = "nothing-new"
    TOO_LATE = "too-late"


class Digest(NamedTuple):
    """The row of a turn, frozen when it was composed: all that its bytes depend on beside cards, template and key."""

    id: int
    subscriber: int
    turn: str
    edition: int
    picks: Sequence[Pick]
    template: str
    """content hash of the compiled template"""
    message_id: str
    """without angle brackets"""
    date: datetime
    deadline: datetime
    since: Day | None = None
    """of the subscription, as the footer says it"""


@dataclass(frozen=True, slots=True)
class Publication:
    """Who writes: the letterhead of every mail and page. One database is one publication."""

    name: str
    sender: str
    """the mailbox in From:"""
    base_url: str
    """without a trailing slash"""
    list_id: str
    postal_address: str
    tagline: str = ""
    reply_to: str = ""
    return_domain: str = ""
    """domain of the signed envelope senders; the sender's own domain when empty"""
    accent: str = "#b31b1b"
    logo: str = ""
    """address of an image, or empty"""


class Outgoing(NamedTuple):
    """One message on its way: *id* of the digest row, envelope, final bytes."""

    id: int
    sender: str
    recipient: str
    message: bytes


class Phase(StrEnum):
    """How far the dialogue for a message had come when its last reply was given, in order."""

    CONNECT = "connect"
    HELLO = "hello"  # EHLO, STARTTLS, AUTH
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    FINAL = "final"  # the reply to the final dot


class Outcome(NamedTuple):
    """A transport's word on one message. *code* as in RFC 5321; 0 when no reply came (in `FINAL`: nobody can tell)."""

    id: int
    phase: Phase
    code: int
    text: str = ""
    named: str = ""
    """what a provider calls the message from now on, where it does not keep our Message-ID"""

    @property
    def accepted(self) -> bool:
        return self.phase is Phase.FINAL and 200 <= self.code < 300
