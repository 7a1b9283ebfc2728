"""Resend: https://resend.com/docs/webhooks/event-types

The secret is the webhook's signing secret, `whsec_…`.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from digest.delivery.events.event import CONTENT, REASONS, Event, Told, at, bare, event, own, rows, said, text
from digest.delivery.refusal import Blame

_EVENTS = {
    "email.sent": Told.SENT, "email.delivered": Told.DELIVERED, "email.delivery_delayed": Told.DEFERRED,
    "email.bounced": Told.BOUNCED, "email.complained": Told.COMPLAINED, "email.opened": Told.OPENED,
    "email.clicked": Told.CLICKED, "email.failed": Told.FAILED, "email.suppressed": Told.REJECTED,
    "email.received": Told.INBOUND,
}  # fmt: skip
_WHERE = {"message_id": ("email_id",), "description": ("bounce.message", "suppressed.message", "failed.reason")}


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of one event; its id stands in the headers."""
    if not isinstance(payload, Mapping):
        return []
    what, data = _EVENTS.get(said(payload, "type"), Told.UNKNOWN), at(payload, "data")
    words = said(data, *_WHERE["description"])
    sub = "Suppressed" if what is Told.REJECTED else said(data, "bounce.subType")
    suppressed = words.startswith("Resend has suppressed") or sub == "Suppressed"
    known: dict[str, Any] = {
        "recipient": next(map(text, rows(at(data, "to"))), ""),
        "reason": "blocked" if suppressed else REASONS.get(what, ""),
        "event_id": headers.get("svix-id", ""),
        "ours": [bare(said(data, "message_id")), *own(at(data, "headers"))],
    }
    if what in (Told.BOUNCED, Told.REJECTED):
        hard = suppressed or _permanent(data, words)
        known["blame"] = Blame.OURS if sub in CONTENT else Blame.HARD if hard else Blame.SOFT
    return [event(what, data, _WHERE, by_address=True, **known)]


def verify(headers: Mapping[str, str], body: bytes, secret: str, fetch: Callable[[str], bytes]) -> bool:
    """HMAC-SHA256 over id, time and body (https://docs.svix.com/receiving/verifying-payloads/how-manual)."""
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    signed = f"{headers.get('svix-id', '')}.{headers.get('svix-timestamp', '')}.".encode() + body
    expected = b"v1," + b64encode(hmac.digest(key, signed, "sha256"))
    given = headers.get("svix-signature", "").encode("utf-8", "surrogatepass").split()
    return bool(key) and any(hmac.compare_digest(expected, one) for one in given)


def _permanent(data: Any, words: str) -> bool:
    """Its message explains and does not quote, so only the type counts."""
    kind = said(data, "bounce.type").lower()
    return kind == "permanent" or (not kind and "hard bounce" in words)
