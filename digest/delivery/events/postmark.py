"""Postmark: https://postmarkapp.com/developer/webhooks/webhooks-overview

It does not sign; the secret is `user:password` of the basic authentication in the webhook's address.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from digest.delivery.events.event import REASONS, Event, Told, event, own, said
from digest.delivery.refusal import Blame

_EVENTS = {
    "Delivery": Told.DELIVERED, "Bounce": Told.BOUNCED, "SpamComplaint": Told.COMPLAINED, "Open": Told.OPENED,
    "Click": Told.CLICKED, "SubscriptionChange": Told.UNSUBSCRIBED, "Inbound": Told.INBOUND,
}  # fmt: skip
_BOUNCES: dict[str, tuple[Told, str]] = {
    "HardBounce": (Told.BOUNCED, "bounced"), "BadEmailAddress": (Told.BOUNCED, "invalid"),
    "Transient": (Told.DEFERRED, ""), "DnsError": (Told.DEFERRED, ""), "SoftBounce": (Told.BOUNCED, "bounced"),
    "Unsubscribe": (Told.UNSUBSCRIBED, "unsubscribed"), "Subscribe": (Told.SUBSCRIBED, ""),
    "AutoResponder": (Told.AUTORESPONDED, ""), "AddressChange": (Told.AUTORESPONDED, ""),
    "OpenRelayTest": (Told.UNKNOWN, "other"), "Unknown": (Told.BOUNCED, "other"),
    "VirusNotification": (Told.BOUNCED, "other"),
    "ChallengeVerification": (Told.AUTORESPONDED, ""), "SpamNotification": (Told.COMPLAINED, "spam"),
    "SpamComplaint": (Told.COMPLAINED, "spam"), "ManuallyDeactivated": (Told.REJECTED, "blocked"),
    "Unconfirmed": (Told.REJECTED, "other"), "Blocked": (Told.REJECTED, "blocked"), "SMTPApiError": (Told.FAILED, ""),
    "InboundError": (Told.FAILED, ""), "DMARCPolicy": (Told.REJECTED, "blocked"),
    "TemplateRenderingFailed": (Told.FAILED, ""),
}  # fmt: skip
_WHERE = {
    "recipient": ("Recipient", "Email", "OriginalRecipient"), "message_id": ("MessageID",),
    "description": ("Description",), "response": ("Details",),
}  # fmt: skip
_PERMANENT = ("HardBounce", "BadEmailAddress")
_OURS = ("SpamNotification", "Blocked", "DMARCPolicy", "VirusNotification")
"""what a server, and no reader, had against the message"""


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of one event."""
    if not isinstance(payload, Mapping):
        return []
    kind, type_ = said(payload, "RecordType") or ("Inbound" if "FromFull" in payload else ""), said(payload, "Type")
    what = _EVENTS.get(kind, Told.UNKNOWN)
    reason = REASONS.get(what, "")
    if kind == "Bounce":
        what, reason = _BOUNCES.get(type_, (Told.UNKNOWN, "other"))
    if kind == "SubscriptionChange" and payload.get("SuppressSending") is False:
        what, reason = Told.SUBSCRIBED, ""
    event_id = said(payload, "ID", *(["MessageID"] if what is Told.INBOUND else []))
    known: dict[str, Any] = {"reason": reason, "event_id": event_id, "ours": own(payload.get("Headers"))}
    if kind == "Bounce" and type_ in _OURS:
        known["blame"] = Blame.OURS
    return [event(what, payload, _WHERE, permanent=type_ in _PERMANENT, by_address=True, **known)]


def verify(headers: Mapping[str, str], body: bytes, secret: str, fetch: Callable[[str], bytes]) -> bool:
    """The right user and password."""
    expected = f"Basic {b64encode(secret.encode()).decode()}"
    given = headers.get("authorization", "").encode("utf-8", "surrogatepass")
    return bool(secret) and hmac.compare_digest(expected.encode(), given)
