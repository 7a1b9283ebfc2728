"""Resend: https://resend.com/docs/webhooks/event-types

The secret is the webhook's signing secret, `whsec_…`.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from email.utils import parseaddr
from typing import Any

from digest.delivery.events.event import Event, Told, at, bare, rows, text
from digest.delivery.refusal import Blame

_EVENTS = {
    "email.sent": Told.SENT, "email.delivered": Told.DELIVERED, "email.delivery_delayed": Told.DEFERRED,
    "email.bounced": Told.BOUNCED, "email.complained": Told.COMPLAINED, "email.opened": Told.OPENED,
    "email.clicked": Told.CLICKED, "email.failed": Told.FAILED, "email.suppressed": Told.REJECTED,
    "email.received": Told.INBOUND,
}  # fmt: skip
_REASONS = {Told.BOUNCED: "bounced", Told.COMPLAINED: "spam", Told.REJECTED: "blocked"}


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of one event; its id stands in the headers."""
    what, data = _EVENTS.get(text(at(payload, "type")), Told.UNKNOWN), at(payload, "data")
    said = text(at(data, "bounce", "message") or at(data, "suppressed", "message") or at(data, "failed", "reason"))
    suppressed = said.startswith("Resend has suppressed") or text(at(data, "bounce", "subType")) == "Suppressed"
    event = Event(
        what,
        parseaddr(next((text(to) for to in rows(at(data, "to"))), ""))[1],
        text(at(data, "email_id")),
        "blocked" if suppressed else _REASONS.get(what, ""),
        _blame(data, said, suppressed=suppressed) if what is Told.BOUNCED else Blame.UNKNOWN,
        said,
        event_id=headers.get("svix-id", ""),
        ours=tuple(filter(None, [bare(at(data, "message_id")), *_header_ids(data)])),
    )
    return [event] if isinstance(payload, Mapping) else []


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


def confirmation(payload: Any) -> str:
    """Nothing to confirm."""
    return ""


def _header_ids(data: Any) -> list[str]:
    named = (h for h in rows(at(data, "headers")) if text(at(h, "name")).lower() == "message-id")
    return [bare(at(h, "value")) for h in named]


def _blame(data: Any, said: str, *, suppressed: bool) -> Blame:
    """Its message explains and does not quote, so only the type counts."""
    kind = text(at(data, "bounce", "type")).lower()
    permanent = kind == "permanent" or (not kind and "hard bounce" in said)
    return Blame.HARD if permanent or suppressed else Blame.SOFT
