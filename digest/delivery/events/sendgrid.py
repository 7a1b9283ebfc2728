"""SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

The secret is the verification key (base64) that SendGrid shows beside "signed event webhook".
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from digest.delivery.events.event import REASONS, Event, Told, bare, event, rows, said
from digest.delivery.refusal import Blame

_EVENTS = {
    "processed": Told.SENT, "delivered": Told.DELIVERED, "deferred": Told.DEFERRED, "bounce": Told.BOUNCED,
    "dropped": Told.REJECTED, "open": Told.OPENED, "click": Told.CLICKED, "spamreport": Told.COMPLAINED,
    "unsubscribe": Told.UNSUBSCRIBED, "group_unsubscribe": Told.UNSUBSCRIBED, "group_resubscribe": Told.SUBSCRIBED,
}  # fmt: skip
_DROPPED = {
    "invalid": "invalid", "unsubscribed address": "unsubscribed", "bounced address": "bounced",
    "spam reporting address": "spam", "spam content": "blocked", "recipient list over package quota": "other",
}  # fmt: skip
_WHERE = {
    "recipient": ("email",), "message_id": ("anymail_id", "smtp-id", "sg_message_id"),  # a sender's own id comes first
    "response": ("reason", "response"), "status": ("status",), "event_id": ("sg_event_id",),
}  # fmt: skip
_SIGNATURE, _TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of a list of events; of a form, when a mail came in."""
    if isinstance(payload, Mapping) and "event" not in payload:
        return [event(Told.INBOUND, payload, {"recipient": ("to",)})]
    return [_event(row) for row in rows(payload) if isinstance(row, Mapping)]


def verify(headers: Mapping[str, str], body: bytes, secret: str, fetch: Callable[[str], bytes]) -> bool:
    """ECDSA over the time and the body."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(b64decode(secret))
        signature = b64decode(headers.get(_SIGNATURE, ""), validate=True)
        if not isinstance(key, EllipticCurvePublicKey):
            return False
        key.verify(signature, headers.get(_TIMESTAMP, "").encode() + body, ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _event(row: Mapping[str, Any]) -> Event:
    name, ours = said(row, "event"), [bare(said(row, "smtp-id"))]  # which complaints and unsubscriptions lack
    what = _EVENTS.get(name, Told.UNKNOWN)
    words = said(row, "reason")
    permanent = row.get("type") not in ("blocked", "expired")  # "not because of the address"
    if what is Told.REJECTED:
        reason = _DROPPED.get(words.lower(), "other")
        blame = Blame.HARD if reason in ("invalid", "bounced") else Blame.UNKNOWN  # it remembers an earlier bounce
        known: dict[str, Any] = {"response": "", "description": words, "reason": reason, "blame": blame}
    else:
        known = {"reason": REASONS.get(what, "")}
    theirs = name.startswith("group_") or any(ours)  # groups of mails at SendGrid, in which ours are not; and others'
    return event(what, row, _WHERE, permanent=permanent, ours=ours, by_address=not theirs, **known)
