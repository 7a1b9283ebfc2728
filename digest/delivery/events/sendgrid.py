"""SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

The secret is the verification key (base64) that SendGrid shows beside "signed event webhook".
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from digest.delivery.events.event import Event, Told, at, bare, judged, rows, text
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
_REASONS = {Told.BOUNCED: "bounced", Told.COMPLAINED: "spam", Told.UNSUBSCRIBED: "unsubscribed"}
_SIGNATURE, _TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of a list of events; of a form, when a mail came in."""
    if isinstance(payload, Mapping) and "event" not in payload:
        return [Event(Told.INBOUND, text(at(payload, "to")))]
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


def confirmation(payload: Any) -> str:
    """Nothing to confirm."""
    return ""


def _event(row: Mapping[str, Any]) -> Event:
    what = _EVENTS.get(text(row.get("event")), Told.UNKNOWN)
    dropped = what is Told.REJECTED
    said = text(row.get("reason"))
    response = "" if dropped else said or text(row.get("response"))
    return Event(
        what,
        text(row.get("email")),
        text(row.get("anymail_id") or row.get("smtp-id") or row.get("sg_message_id")),  # a sender's own id comes first
        _DROPPED.get(said.lower(), "other") if dropped else _REASONS.get(what, ""),
        _blame(what, row, response),
        said if dropped else "",
        response,
        text(row.get("sg_event_id")),
        tuple(filter(None, [bare(row.get("smtp-id"))])),
    )


def _blame(what: Told, row: Mapping[str, Any], response: str) -> Blame:
    if what is not Told.BOUNCED:
        return Blame.UNKNOWN
    blocked = row.get("type") == "blocked"  # SendGrid's word for "not because of the address"
    return judged(f"{text(row.get('status'))} {response}".strip(), permanent=not blocked)
