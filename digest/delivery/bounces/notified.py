"""Notifications of Amazon SES that a topic sends as mail instead of over HTTP."""

import json

from digest.delivery.address import veiled
from digest.delivery.bounces.mail import TOKEN, Mail
from digest.delivery.bounces.report import Failed, Kind, Report
from digest.delivery.events import Event, Told, provider
from digest.delivery.events.event import said
from digest.delivery.refusal import Blame, status_in

_KINDS = {
    Told.BOUNCED: Kind.BOUNCE, Told.COMPLAINED: Kind.COMPLAINT, Told.DELIVERED: Kind.DELIVERED,
    Told.DEFERRED: Kind.DELAY,
}  # fmt: skip


def read(mail: Mail) -> Report | None:
    """What it tells; None when the mail is no such notification."""
    words = mail.words.lstrip()
    if not words.startswith("{") or "notificationType" not in words:
        return None
    try:
        payload, _ = json.JSONDecoder(strict=False).raw_decode(words)  # a footer follows
    except (ValueError, RecursionError):
        return None
    events = [event for event in provider("ses").parse(payload, {}) if event.event in _KINDS]
    names = tuple(dict.fromkeys(name for event in events[:1] for name in (*event.ours, event.message_id) if name))
    tokens = (*mail.tokens, *TOKEN.findall(said(payload, "mail.source")))  # who sent it through SMTP, by its envelope
    return Report(_KINDS[events[0].event], tuple(map(_failed, events)), tokens, names) if events else None


def _failed(event: Event) -> Failed:
    blame = Blame.HARD if event.event is Told.COMPLAINED else event.blame
    return Failed(event.recipient, status_in(event.response), blame, veiled(event.response or event.description))
