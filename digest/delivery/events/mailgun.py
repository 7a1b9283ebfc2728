"""Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/events/events

The secret is the HTTP webhook signing key. The signature covers a token, not the body: keep the address secret too.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from email.utils import parseaddr
from typing import Any

from digest.delivery.events.event import Event, Told, at, bare, judged, text
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
_ALWAYS = {Told.COMPLAINED: "spam", Told.UNSUBSCRIBED: "unsubscribed", Told.BOUNCED: "bounced"}
_REFUSED = (Told.BOUNCED, Told.REJECTED, Told.DEFERRED)


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of today's JSON, and of the fields of a form that older accounts send."""
    if not isinstance(payload, Mapping):
        return []
    if isinstance(payload.get("event-data"), Mapping):
        return [_event(payload["event-data"], text(at(payload, "signature", "token")))]
    if "event" not in payload:
        return [Event(Told.INBOUND, text(payload.get("recipient")), event_id=text(payload.get("token")))]
    return [_legacy(payload)]


def verify(headers: Mapping[str, str], body: bytes, secret: str, fetch: Callable[[str], bytes]) -> bool:
    """HMAC-SHA256 over the time and the token in the body."""
    try:
        given = json.loads(body)["signature"]
        signed, signature = f"{given['timestamp']}{given['token']}", str(given["signature"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    expected = hmac.new(secret.encode(), signed.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
    return bool(secret) and hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))


def confirmation(payload: Any) -> str:
    """Nothing to confirm."""
    return ""


def _event(data: Mapping[str, Any], token: str) -> Event:
    what = _EVENTS.get(text(data.get("event")), Told.UNKNOWN)
    permanent = data.get("severity") != "temporary"
    if data.get("event") == "failed":
        what = Told.BOUNCED if permanent else Told.DEFERRED
    status, own = at(data, "delivery-status"), bare(at(data, "message", "headers", "message-id"))
    code, response = text(at(status, "code")), text(at(status, "message"))
    description = text(at(status, "description")) or text(at(data, "reject", "description"))
    return Event(
        what,
        text(data.get("recipient")) or parseaddr(text(at(data, "message", "headers", "to")))[1],
        f"<{own}>" if own else "",
        _reason(what, text(data.get("reason")), code),
        judged(f"{code} {response}".strip(), permanent=permanent) if what is Told.BOUNCED else Blame.UNKNOWN,
        description or text(at(data, "reject", "reason")),
        response,
        token or text(data.get("id")),
        (own,) if own else (),
    )


def _legacy(data: Mapping[str, Any]) -> Event:
    what, code = _EVENTS.get(text(data.get("event")), Told.UNKNOWN), text(data.get("code"))
    own, response = bare(data.get("Message-Id") or data.get("message-id")), text(data.get("error"))
    return Event(
        what,
        text(data.get("recipient")),
        f"<{own}>" if own else "",
        _reason(what, text(data.get("reason")), code),
        judged(f"{code} {response}".strip(), permanent=True) if what is Told.BOUNCED else Blame.UNKNOWN,
        text(data.get("description")),
        response,
        text(data.get("token")),
        (own,) if own else (),
    )


def _reason(what: Told, said: str, code: str) -> str:
    if what not in _REFUSED:
        return _ALWAYS.get(what, "")
    return _CODES.get(code) or _REASONS.get(said) or ("bounced" if what is Told.BOUNCED else "other")
