"""Amazon SES, through SNS: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html

The secret is the topic's ARN: anybody can have SNS sign something, but only in a topic of their own.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from digest.delivery.events.event import CONTENT, Event, Told, at, event, own, rows, said, text
from digest.delivery.refusal import Blame

_EVENTS = {
    "Bounce": Told.BOUNCED, "Complaint": Told.COMPLAINED, "Delivery": Told.DELIVERED, "Send": Told.SENT,
    "Reject": Told.REJECTED, "Open": Told.OPENED, "Click": Told.CLICKED, "Rendering Failure": Told.FAILED,
    "DeliveryDelay": Told.DEFERRED, "Subscription": Told.UNSUBSCRIBED, "Received": Told.INBOUND,
}  # fmt: skip
_WHO = ("bounce.bouncedRecipients", "complaint.complainedRecipients", "deliveryDelay.delayedRecipients",
        "delivery.recipients", "receipt.recipients", "mail.destination")  # fmt: skip
_WHERE = {
    "message_id": ("mail.messageId",), "response": ("delivery.smtpResponse",),
    "description": ("complaint.complaintFeedbackType", "reject.reason", "failure.errorMessage"),
}  # fmt: skip
_NOT_A_PERSON = ("auth-failure", "not-spam")
"""types of complaints that no reader made (RFC 5965)"""
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_AMAZON = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?")


def parse(payload: Any, headers: Mapping[str, str]) -> list[Event]:
    """Of an SNS message, or of what SES put into it."""
    told, event_id = _unwrapped(payload)
    what = _EVENTS.get(said(told, "eventType", "notificationType"))
    if what is None:
        return [] if at(payload, "Type") == "SubscriptionConfirmation" else [Event(Told.UNKNOWN, event_id=event_id)]
    if said(told, "complaint.complaintFeedbackType") in _NOT_A_PERSON:
        what = Told.UNKNOWN
    people = next(filter(None, (rows(at(told, path)) for path in _WHO)), [""])
    return [_event(what, told, person, event_id) for person in people]


def verify(headers: Mapping[str, str], body: bytes, secret: str, fetch: Callable[[str], bytes]) -> bool:
    """Signed by SNS, in our topic; its certificate is taken from Amazon and from nowhere else.

    The topic's first message asks whether its others are wanted: the address in it is fetched to say so.
    """
    try:
        message = json.loads(body)
        names = _SIGNED[message["Type"]]
        url, signature = str(message["SigningCertURL"]), b64decode(str(message["Signature"]), validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    if not secret or message.get("TopicArn") != secret or not _from_amazon(url):
        return False
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    data, version = signed.encode("utf-8", "surrogatepass"), str(message.get("SignatureVersion"))
    if not _signs(fetch(url), signature, data, version):
        return False
    if "SubscribeURL" in names and _from_amazon(question := said(message, "SubscribeURL"), end=""):
        fetch(question)
    return True


def _unwrapped(payload: Any) -> tuple[Any, str]:
    """What SES says, and the id of the SNS message around it."""
    if "Message" not in (payload if isinstance(payload, Mapping) else ()):
        return payload, said(payload, "bounce.feedbackId", "complaint.feedbackId")
    try:
        return json.loads(text(payload["Message"])), text(payload.get("MessageId"))
    except (ValueError, RecursionError):
        return {}, text(payload.get("MessageId"))


def _event(what: Told, told: Any, person: Any, event_id: str) -> Event:
    kind, sub = said(told, "bounce.bounceType"), said(told, "bounce.bounceSubType")
    known: dict[str, Any] = {
        "recipient": said(person, "emailAddress") or text(person),
        "status": said(person, "status"),
        "event_id": said(told, "mail.messageId") if what is Told.INBOUND else event_id,
    }
    if response := said(person, "diagnosticCode"):
        known["response"] = response
    if kind or sub:
        known["description"] = ": ".join(filter(None, (kind, sub)))
    if sub in ("Suppressed", "OnAccountSuppressionList"):  # Amazon did not try: it remembers an earlier bounce
        known["blame"] = Blame.HARD
    elif sub in CONTENT:
        known["blame"] = Blame.OURS
    ours = own(at(told, "mail.headers"))
    return event(what, told, _WHERE, permanent=kind == "Permanent", ours=ours, by_address=not ours, **known)


def _from_amazon(url: str, end: str = ".pem") -> bool:
    try:
        parts = urlsplit(url)
        plain = parts.port is None and parts.username is None and parts.path.endswith(end)
    except ValueError:
        return False
    return parts.scheme == "https" and plain and bool(_AMAZON.fullmatch(parts.hostname or ""))


def _signs(certificate: bytes, signature: bytes, signed: bytes, version: str) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256
    from cryptography.x509 import load_pem_x509_certificate

    try:
        key = load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(signature, signed, PKCS1v15(), SHA256() if version == "2" else SHA1())  # noqa: S303 - their version 1
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
