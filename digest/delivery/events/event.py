"""What a provider tells of a message, in one vocabulary for all of them (the words are django-anymail's)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        named = ("event", "recipient", "message_id", "reason", "description", "response", "event_id")
        return {name: getattr(self, name) for name in named} | {"class": self.blame}


def judged(response: str, *, permanent: bool) -> Blame:
    """What a failure is about: the server's words; where there are none, the provider's word that it is for good."""
    if not permanent:
        return Blame.SOFT
    found = blame(status_in(response) or class_in(response), response)
    return Blame.HARD if found is Blame.UNKNOWN else found


def at(payload: Any, *path: str) -> Any:
    """The value under nested keys; None where any of them is missing."""
    for key in path:
        payload = payload.get(key) if isinstance(payload, Mapping) else None
    return payload


def text(value: Any) -> str:
    """A value of somebody's JSON as text; "" for what is none."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def bare(message_id: Any) -> str:
    """Without angle brackets."""
    return text(message_id).strip().removeprefix("<").removesuffix(">")


def rows(value: Any) -> list[Any]:
    """A list, also of a single thing or none."""
    return value if isinstance(value, list) else [] if value is None else [value]
