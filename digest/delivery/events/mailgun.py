"""Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/events/events

The secret is the HTTP webhook signing key. The signature covers a token, not the body: keep the address secret too.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from digest.delivery.events.event import REASONS, Event, Told, bare, event, parsed, said, text
from digest.delivery.refusal import Blame

_EVENTS = {
    "accepted": Told.SENT, "delivered": Told.DELIVERED, "rejected": Told.REJECTED, "dropped": Told.REJECTED,
    "bounced": Told.BOUNCED, "complained": Told.COMPLAINED, "unsubscribed": Told.UNSUBSCRIBED,
    "opened": Told.OPENED, "clicked": Told.CLICKED,
}  # fmt: skip
_REASONS = {
    "bounce": "bounced", "suppress-bounce": "bounced", "hardfail": "bounced", "suppress-complaint": "spam",
    "suppress-unsubscribe": "unsubscribed", "old": "timed_out", "espblock": "blocked",
}  # fmt: skip
_CODES = {"605": "bounced", "606": "unsubscribed", "607": "spam"}
_WHERE = {
    "recipient": ("recipient", "message.headers.to"),
    "description": ("delivery-status.description", "reject.description", "reject.reason", "description"),
    "response": ("delivery-status.message", "error"),
    "status": ("delivery-status.code", "code"),
}
"""in today's JSON, and in the fields of a form that older accounts send"""


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of one event, or of a mail that came in."""
    if not isinstance(payload, Mapping):
        return []
    data = payload["event-data"] if isinstance(payload.get("event-data"), Mapping) else payload
    name, event_id = text(data.get("event")), said(payload, "signature.token", "event-data.id", "token")
    if "event" not in data:
        return [event(Told.INBOUND, data, {"recipient": ("recipient",)}, event_id=event_id)]
    what, permanent = _EVENTS.get(name, Told.UNKNOWN), data.get("severity") != "temporary"
    if name == "failed":
        what = Told.BOUNCED if permanent else Told.DEFERRED
    permanent = permanent and said(data, "reason") != "old"  # the server was not there: nobody knows of the address
    own = bare(said(data, "message.headers.message-id", "Message-Id", "message-id"))
    known: dict[str, Any] = {"reason": _reason(what, data), "event_id": event_id}
    known["message_id"] = f"<{own}>" if own else ""
    if said(data, "reason") == "suppress-bounce" or said(data, *_WHERE["status"]) == "605":
        known["blame"] = Blame.HARD  # Mailgun did not try: it remembers an earlier bounce
    return [event(what, data, _WHERE, permanent=permanent, ours=[own], **known)]


def verify(headers: Mapping[str, str], body: bytes, secret: str, fetch: Callable[[str], bytes]) -> bool:
    """HMAC-SHA256 over the time and the token in the body."""
    try:
        fields = parsed(body)
        given = fields if isinstance(fields["signature"], str) else fields["signature"]  # in a form: side by side
        signed, signature = f"{given['timestamp']}{given['token']}", str(given["signature"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    expected = hmac.new(secret.encode(), signed.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
    return bool(secret) and hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))


def _reason(what: Told, data: Any) -> str:
    if what not in (Told.BOUNCED, Told.REJECTED, Told.DEFERRED):
        return REASONS.get(what, "")
    known = _CODES.get(said(data, *_WHERE["status"])) or _REASONS.get(said(data, "reason"))
    return known or ("bounced" if what is Told.BOUNCED else "other")
