"""Feedback reports (RFC 5965) and the mails of providers that send complaints in forms of their own."""

from email.message import Message

from digest.delivery.bounces.mail import ADDRESS, Mail, plain
from digest.delivery.bounces.prose import unique
from digest.delivery.bounces.report import Failed
from digest.delivery.refusal import Blame

_NOT_A_PERSON = ("auth-failure", "not-spam", "dmarc")
"""types that no reader caused: they tell something about our mail, and nobody is to be left out for it"""


def read(mail: Mail) -> tuple[Failed, ...] | None:
    """Who complained, possibly nobody by name, and of what type; None when the mail is no complaint."""
    if mail.feedback:
        fields = mail.feedback[0]
        return _complainants(_type(fields), _named(fields) or _to(mail))
    if mail.header("X-Apple-Unsubscribe").lower() == "true":
        return _complainants("opt-out", ADDRESS.findall(mail.header("From")))
    if mail.header("Subject").lower().startswith("complaint about message from") and mail.parts[1:]:
        return _complainants("abuse", _to(mail))  # Microsoft's Junk Mail Reporting Program
    return None


def _complainants(kind: str, addresses: list[str]) -> tuple[Failed, ...]:
    blame = Blame.OURS if kind in _NOT_A_PERSON else Blame.HARD
    return tuple(Failed(address, "", blame, kind) for address in addresses or [""])


def _type(fields: Message) -> str:
    return plain(fields.get("Feedback-Type", "")).lower() or "other"


def _named(fields: Message) -> list[str]:
    values = [plain(v) for n in ("Original-Rcpt-To", "Removal-Recipient") for v in fields.get_all(n, [])]
    return unique(address for value in values for address in ADDRESS.findall(value))


def _to(mail: Mail) -> list[str]:
    """Whom the returned message was for."""
    names = ("X-HmXmrOriginalRecipient", "X-Original-To", "Delivered-To", "To")
    found = [ADDRESS.findall(plain(inner.get(name, ""))) for inner in mail.returned for name in names]
    return next(filter(None, found), [])[:1]
