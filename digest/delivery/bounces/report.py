"""What a mail to the return path turned out to be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from digest.delivery.refusal import Blame


class Kind(StrEnum):
    """Only the first two have consequences (REQ-43)."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    DELAY = "delay"
    DELIVERED = "delivered"
    AUTO_REPLY = "auto_reply"
    NOT_BOUNCE = "not_bounce"
    UNREADABLE = "unreadable"  # empty, broken, or a report that names nobody


@dataclass(frozen=True, slots=True)
class Failed:
    """One recipient a report is about. *status* as in RFC 3463, or "" when none was given."""

    address: str
    status: str
    blame: Blame
    reason: str
    """the other server's words, on one line; for a complaint its type"""

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return {"address": self.address, "status": self.status, "class": self.blame, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a mail says; whether any of it is to be believed is decided by *tokens* and *message_ids*."""

    kind: Kind
    recipients: tuple[Failed, ...] = ()
    tokens: tuple[str, ...] = ()
    """what stood between `b+` and `@` in envelope addresses: signed by us, or forged"""
    message_ids: tuple[str, ...] = ()
    """of the returned message, without angle brackets"""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"kind": self.kind, "recipients": [failed.as_json() for failed in self.recipients]}
