"""What a layout may print, and nothing else: `publication`, the values below, and `sections` with their `cards`.

A letter (a layout without a `card` block) has `publication` and whatever `…_url` its sender fills in.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

from digest.model import Candidate
from digest.rendering.excerpts import excerpt
from digest.rendering.words import clean, cut, listed, safe

VALUES = frozenset(
    {
        "headline",  # Sunday, 22 November 2026
        "count",  # 10 papers
        "lead",  # what this mail is about, in a line
        "preheader",  # what an inbox shows after the subject
        "top",  # the first paper's title, short enough for a subject
        "others",  # how many papers there are besides; empty for none
        "more",  # 3 more papers: those that the size of a mail left out; empty for none
        "considered",  # 412 recent papers: what there was to pick from
        "lacks",  # Incomplete: cs.AI not announced yet. Empty for an edition that has what it waited for
        "last",  # 12 November 2026: when the last digest with papers went out; empty for never
        "why",  # why the subscriber gets this, and since when
        "weekly",  # empty unless this is a whole week's
        "welcome",  # empty unless this is the first
        "unsubscribe_url",
        "preferences_url",
        "online_url",
        "vote_url",  # of this digest: {{ vote_url }}/{{ card.paper }}/up, or /down
    }
)
REQUIRED = frozenset({"unsubscribe_url", "preferences_url", "why"})
"""what the law and the subscriber expect in every digest, besides the postal address (REQ-22)"""

_LABELS = {"pdf": "PDF"}


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """One paper in words. *reason* is the subscriber's own, all else the same for everybody."""

    paper: int
    """its number, for links of ours"""
    title: str
    url: str
    authors: str
    abstract: str
    categories: tuple[str, ...]
    trend: str
    links: tuple[Link, ...]
    reason: str = ""
    short: bool = False
    """only title and reason are told"""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    note: str
    cards: tuple[Card, ...]


class Detail(IntEnum):
    """How much of a paper a mail has room for."""

    FULL = 3
    BRIEF = 2  # without the abstract
    SHORT = 1  # title and reason


def card(candidate: Candidate, detail: Detail = Detail.FULL, *, reason: str = "") -> Card:
    """*candidate* as it is shown. Strangers' text: cleaned and cut, not escaped yet."""
    paper = candidate.card
    addresses = ((_LABELS.get(what, clean(what).capitalize()), safe(url)) for what, url in paper.links)
    links = tuple(Link(label, url) for label, url in addresses if url)
    made = Card(
        paper=paper.paper,
        title=cut(clean(paper.title), 240) or "Untitled",
        url=links[0].url if links else "",
        authors=listed(cut(clean(author), 60) for author in paper.authors),
        abstract=excerpt(clean(paper.abstract)) if detail is Detail.FULL else "",
        categories=tuple(cut(clean(category), 40) for category in paper.categories[:3]),
        trend=cut(clean(candidate.trend_line), 120),
        links=links[:5],
        reason=reason,
    )
    if detail is Detail.SHORT:
        return replace(made, authors="", categories=(), trend="", links=(), short=True)
    return made
