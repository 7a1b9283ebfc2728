"""What a provider tells of a message, in one vocabulary for all of them (the words are django-anymail's)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

from digest.delivery.refusal import Blame, blame, class_in, status_in


class Told(StrEnum):
    """What happened."""

    SENT = "sent"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    REJECTED = "rejected"  # the provider did not even try
    FAILED = "failed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    AUTORESPONDED = "autoresponded"
    OPENED = "opened"
    CLICKED = "clicked"
    INBOUND = "inbound"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """One recipient, one thing that happened."""

    event: Told
    recipient: str = ""
    message_id: str = ""
    """the provider's name for the message, or our Message-ID where it tells that"""
    reason: str = ""
    """why it did not arrive: `bounced`, `invalid`, `timed_out`, `blocked`, `spam`, `unsubscribed`, `other`"""
    blame: Blame = Blame.UNKNOWN
    description: str = ""
    response: str = ""
    """the other server's words"""
    event_id: str = ""
    ours: tuple[str, ...] = ()
    """the Message-ID that we gave it, where the provider kept it, without angle brackets: what events are matched by"""
    by_address: bool = False
    """whether, without that, the recipient tells whose message it was: what the provider says of whom is signed"""

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        named = ("event", "recipient", "message_id", "reason", "description", "response", "event_id")
        return {name: getattr(self, name) for name in named} | {"class": self.blame}


CONTENT = ("ContentRejected", "AttachmentRejected", "MessageTooLarge")
"""what Amazon, and who sends through it, calls a refusal that says nothing of the address"""

REASONS = {
    Told.BOUNCED: "bounced", Told.COMPLAINED: "spam", Told.REJECTED: "blocked", Told.UNSUBSCRIBED: "unsubscribed",
}  # fmt: skip
"""where a provider gives none of its own"""


def event(
    what: Told,
    data: Any,
    where: Mapping[str, tuple[str, ...]],
    *,
    permanent: bool = True,
    ours: Iterable[str] = (),
    **known: Any,
) -> Event:
    """One event from *data*, by a provider's table of *where* each field stands; what is *known* goes before.

    What a failure is about tell the server's words, else the provider's that it is *permanent*; or *blame* is known.
    """
    told = {name: said(data, *paths) for name, paths in where.items()} | known
    status, response = told.pop("status", ""), told.get("response", "")
    told["recipient"] = parseaddr(told["recipient"])[1] or told["recipient"]
    told.setdefault("reason", REASONS.get(what, ""))
    if what is Told.BOUNCED:
        told.setdefault("blame", _judged(f"{status} {response}".strip(), permanent=permanent))
    return Event(what, **told, ours=tuple(filter(None, ours)))


def _judged(response: str, *, permanent: bool) -> Blame:
    found = blame(status_in(response) or class_in(response), response)
    if permanent:
        return Blame.HARD if found is Blame.UNKNOWN else found
    return Blame.OURS if found is Blame.OURS else Blame.SOFT


def parsed(body: bytes) -> Any:
    """A callback's body: JSON, or the fields of a form. Raises ValueError, RecursionError."""
    try:
        return json.loads(body)
    except ValueError:
        fields = [] if body.lstrip()[:1] in (b"{", b"[") else parse_qsl(body.decode("utf-8", "replace"))
        if not fields:
            raise
        return dict(fields)


def at(payload: Any, path: str) -> Any:
    """The value under nested keys, `mail.headers`; None where any of them is missing."""
    for key in path.split("."):
        payload = payload.get(key) if isinstance(payload, Mapping) else None
    return payload


def said(payload: Any, *paths: str) -> str:
    """The first text that stands under one of *paths*; "" where none does."""
    return next(filter(None, (text(at(payload, path)) for path in paths)), "")


def text(value: Any) -> str:
    """A value of somebody's JSON as text that can be written; "" for what is none."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).encode("utf-8", "replace").decode() if plain else ""  # JSON may hold half a character


def bare(message_id: str) -> str:
    """Without angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def own(headers: Any) -> list[str]:
    """Our Message-ID among the headers that a provider repeats."""
    pairs = [(said(row, "name", "Name"), said(row, "value", "Value")) for row in rows(headers)]
    return [bare(value) for name, value in pairs if name.lower() == "message-id"]


def rows(value: Any) -> list[Any]:
    """A list, also of a single thing or none."""
    return value if isinstance(value, list) else [] if value is None else [value]
