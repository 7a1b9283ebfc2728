"""Notifications of Amazon SES that a topic sends as mail instead of over HTTP."""

import json

from digest.delivery.address import veiled
from digest.delivery.bounces.mail import Mail
from digest.delivery.bounces.report import Failed, Kind
from digest.delivery.events import Event, Told, provider
from digest.delivery.refusal import status_in

_KINDS = {
    Told.BOUNCED: Kind.BOUNCE, Told.COMPLAINED: Kind.COMPLAINT, Told.DELIVERED: Kind.DELIVERED,
    Told.DEFERRED: Kind.DELAY,
}  # fmt: skip


def read(mail: Mail) -> tuple[Kind, tuple[Failed, ...]] | None:
    """What it tells; None when the mail is no such notification."""
    words = mail.words.lstrip()
    if not words.startswith("{") or "notificationType" not in words:
        return None
    try:
        payload, _ = json.JSONDecoder(strict=False).raw_decode(words)  # a footer follows
    except (ValueError, RecursionError):
        return None
    events = [event for event in provider("ses").parse(payload, {}) if event.event in _KINDS]
    return (_KINDS[events[0].event], tuple(map(_failed, events))) if events else None


def _failed(event: Event) -> Failed:
    return Failed(event.recipient, status_in(event.response), event.blame, veiled(event.response or event.description))
