"""Prints one edition's digests: the cards once for all, then for each subscriber only what is theirs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from jinja2 import UndefinedError

from digest import model
from digest.errors import TemplateError
from digest.model import WELCOME, Candidate, Digest, Edition, Pick, Picks, Publication, Reason, ReasonCode, Told, pack
from digest.rendering import mime, page, words
from digest.rendering.page import Detail
from digest.rendering.reasons import because, personal, phrases
from digest.rendering.sheet import Sheet, Stencil
from digest.rendering.stationery import Stationery

BUDGET = 90_000
"""bytes of the quoted HTML part: Gmail clips near 102 KB (REQ-6)"""

FULL = 10
"""papers that a week's mail shows whole; of the others it has title and reason"""


@dataclass(frozen=True, slots=True)
class Item:
    """A pick for people: on a terminal, on a page, in a mail."""

    candidate: Candidate
    reasons: tuple[str, ...]
    section: str
    """`for-you` or `trending`"""


class Urls(NamedTuple):
    """A digest's own links, finished."""

    unsubscribe: str
    preferences: str
    online: str
    vote: str
    """for each paper followed by its number and `up` or `down`"""


@dataclass(frozen=True, slots=True)
class Parts:
    """A message, decoded."""

    subject: str
    html: str
    text: str


def items(edition: Edition, picks: Sequence[Pick]) -> list[Item]:
    """*picks* in their order, with the reasons in words."""

    def item(candidate: Candidate, reasons: tuple[Reason, ...]) -> Item:
        told = tuple(phrases(reasons, candidate, edition))
        return Item(candidate, told, "for-you" if personal(reasons) else "trending")

    return [item(edition.candidates[pick.ordinal], pick.reasons) for pick in picks]


@dataclass(frozen=True, slots=True)
class _Slip:
    """A pick, printed: HTML and text, quoted."""

    told: Told
    detail: Detail
    title: str
    topics: tuple[int, ...]
    """that brought it"""
    trends: bool
    own: bool
    """is it there for something of the subscriber's own?"""
    html: bytes
    text: bytes


class Press:
    """One edition on one stationery. Pure: the same digest always gives the same bytes."""

    def __init__(self, stationery: Stationery, edition: Edition) -> None:
        self._edition = edition
        self._publication = stationery.publication
        self._subject = Sheet(stationery.subject, stationery.publication, markup=False)
        self._html = Sheet(stationery.html, stationery.publication, markup=True)
        self._text = Sheet(stationery.text, stationery.publication, markup=False)
        self._topics = {number: words.clean(name) for number, name in edition.topics.items()}
        notes = "; ".join(filter(None, (words.clean(note).rstrip(".") for note in edition.notes)))
        self._lacks = f"Incomplete: {words.cut(notes, 300)}." if notes else ""
        self._considered = words.counted(len(edition.candidates), "recent paper")
        self._stencils = lru_cache(maxsize=None)(self._cut)  # at most six for each candidate
        self._slip = lru_cache(maxsize=8192)(self._printed)

    def message(self, digest: Digest, address: str, since: date | None, urls: Urls, last: date | None = None) -> bytes:
        """The whole message, ready to be signed and sent, to *address* (ASCII by now).

        *since*: of the subscription; *last*: of the last digest that had papers, for one that has none.
        """
        subject, html, text = self._parts(digest, since, urls, last)
        publication = self._publication
        fields = (
            *_envelope(publication, address, subject, digest.message_id, digest.date),
            ("List-Id", _mailbox(publication.name, publication.list_id)),
            ("List-Unsubscribe", f"<{urls.unsubscribe}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("Feedback-ID", f"{self._edition.date}:{_cadence(digest.turn)}:digest:{_sender_id(publication.list_id)}"),
            ("Precedence", "bulk"),
        )
        return mime.alternative(fields, digest.message_id, text, html)

    def parts(self, digest: Digest, since: date | None, urls: Urls, last: date | None = None) -> Parts:
        """What `message` says, for previews."""
        subject, html, text = self._parts(digest, since, urls, last)
        return Parts(subject, mime.unquoted(html), mime.unquoted(text))

    def _parts(self, digest: Digest, since: date | None, urls: Urls, last: date | None) -> tuple[str, bytes, bytes]:
        whole = FULL if _cadence(digest.turn) == "weekly" else len(digest.picks)
        picks = digest.picks if isinstance(digest.picks, Picks) else Picks(pack(digest.picks))
        slips = [self._slip(told, Detail.FULL if i < whole else Detail.SHORT) for i, told in enumerate(picks.told)]
        while True:
            values, sections = self._values(digest, slips, since, urls, last), _sections(slips)
            html = self._html.filled(values, [(*head, b"".join([s.html for s in some])) for head, some in sections])
            if len(html) <= BUDGET or not slips:
                break
            slips = self._lighter(slips, len(html) - BUDGET, values)
        text = self._text.filled(values, [(*head, b"".join([s.text for s in some])) for head, some in sections])
        return self._subject.line(values), html, text

    def _lighter(self, slips: Sequence[_Slip], excess: int, values: Mapping[str, str]) -> list[_Slip]:
        """*slips* with *excess* bytes less: from the last upwards they lose their abstracts, then they leave."""
        lighter = [*slips]
        for i in reversed(range(len(slips))):
            if excess > 0 and slips[i].detail is Detail.FULL:
                lighter[i] = self._slip(slips[i].told, Detail.BRIEF)
                excess -= len(slips[i].html) - len(lighter[i].html)
        while excess > 0 and lighter:
            excess -= self._html.weight(lighter.pop().html, values)
        return lighter

    def _printed(self, told: Told, detail: Detail) -> _Slip:
        ordinal, reasons = told[0], model.reasons(*told[1:])
        candidate = self._edition.candidates[ordinal]
        trends = bool(candidate.trend_line)
        own_line = trends and detail is not Detail.SHORT
        shown = (r for r in reasons if not (own_line and r.code is ReasonCode.TREND))
        reason = because(phrases(shown, candidate, self._edition))
        title, html, text = self._stencils(ordinal, detail, reasoned=bool(reason))
        parts = self._html.because(html, reason), self._text.because(text, reason)
        topics = tuple([r.ref for r in reasons if r.code is ReasonCode.TOPIC])
        return _Slip(told, detail, title, topics, trends, personal(reasons), *parts)

    def _cut(self, ordinal: int, detail: Detail, *, reasoned: bool) -> tuple[str, Stencil, Stencil]:
        card = page.card(self._edition.candidates[ordinal], detail, reason="yes" if reasoned else "")
        return card.title, self._html.card(card), self._text.card(card)

    def _values(
        self, digest: Digest, slips: Sequence[_Slip], since: date | None, urls: Urls, last: date | None
    ) -> dict[str, str]:
        """`page.VALUES` for one digest."""
        titles = [slip.title for slip in slips] or [""]
        weekly, welcome = _cadence(digest.turn) == "weekly", digest.turn == WELCOME
        left_out = len(digest.picks) - len(slips)
        kind, confirmed = "weekly digest" if weekly else "digest", f" on {words.day(since)}" if since else ""
        return {
            "headline": words.headline(digest.turn, digest.date),
            "count": words.counted(len(slips), "paper"),
            "lead": self._lead(slips),
            "preheader": words.cut("Also: " + "; ".join(titles[1:4]), 140) if titles[1:] else self._lead(slips),
            "top": words.cut(titles[0], 52),
            "others": str(len(digest.picks) - 1) if len(digest.picks) > 1 else "",
            "more": words.counted(left_out, "more paper") if left_out else "",
            "considered": self._considered,
            "lacks": self._lacks,
            "last": words.day(last) if last else "",
            "why": f"You get this {kind} because you confirmed your subscription{confirmed}.",
            "weekly": "yes" if weekly else "",
            "welcome": "yes" if welcome else "",
            "unsubscribe_url": urls.unsubscribe,
            "preferences_url": urls.preferences,
            "online_url": urls.online,
            "vote_url": urls.vote,
        }

    def _lead(self, slips: Sequence[_Slip]) -> str:
        """What this mail is about: the topics that brought most of it, or how it came about."""
        brought = [topic for slip in slips for topic in slip.topics]
        most = sorted(dict.fromkeys(brought), key=brought.count, reverse=True)[:2]
        topics = [self._topics.get(topic, "") for topic in most]
        about = "Close to what you follow" if any(slip.own for slip in slips) else "What people read now"
        if any(topics):
            about = f"On {' and on '.join(filter(None, topics))}"
        return (
            f"{about}, picked from {self._considered}." if len(self._edition.candidates) > len(slips) else f"{about}."
        )


def letter(stationery: Stationery, address: str, message_id: str, date: datetime, values: Mapping[str, str]) -> bytes:
    """A message that is no digest, such as the one that asks for confirmation: no list headers (REQ-17)."""
    publication = stationery.publication
    try:
        subject, text, html = (
            Sheet(source, publication, markup=source is stationery.html).whole(values)
            for source in (stationery.subject, stationery.text, stationery.html)
        )
    except UndefinedError as error:
        raise TemplateError(f"{error}; it was given {', '.join(values)}", file=f"email/{stationery.layout}") from error
    fields = _envelope(publication, address, words.clean(subject), message_id, date)
    return mime.alternative(fields, message_id, mime.quoted(text), mime.quoted(html))


Fields = list[tuple[str, str]]


def _envelope(publication: Publication, address: str, subject: str, message_id: str, date: datetime) -> Fields:
    return [
        ("From", _mailbox(publication.name, publication.sender)),
        ("To", address),
        *([("Reply-To", publication.reply_to)] if publication.reply_to else []),
        ("Subject", mime.subject(subject)),
        ("Date", words.stamp(date)),
        ("Message-ID", f"<{message_id}>"),
        ("MIME-Version", "1.0"),
        ("Auto-Submitted", "auto-generated"),
    ]


@lru_cache(maxsize=64)
def _mailbox(name: str, address: str) -> str:
    return mime.mailbox(words.clean(name), address)


def _sections(slips: Sequence[_Slip]) -> list[tuple[tuple[str, str], list[_Slip]]]:
    """Title and note of each section that has any, in the mail's order."""
    yours: list[_Slip] = []
    others: list[_Slip] = []
    tail: list[_Slip] = []
    for slip in slips:
        (tail if slip.detail is Detail.SHORT else yours if slip.own else others).append(slip)
    trending = any(slip.trends for slip in others)
    head = ("Trending", "what the community is reading") if trending else ("Also new", "not talked about yet")
    all_ = ((("For you", "by what you follow"), yours), (head, others), (("In short", "more of the week"), tail))
    return [(title, some) for title, some in all_ if some]


def _cadence(turn: str) -> str:
    return WELCOME if turn == WELCOME else "weekly" if "-W" in turn else "daily"


@lru_cache(maxsize=64)
def _sender_id(list_id: str) -> str:
    """5 to 15 characters that stay the same, for Gmail's Feedback-ID."""
    return re.sub("[^a-z0-9]", "", list_id.lower())[:15].ljust(5, "0")
