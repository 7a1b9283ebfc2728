"""Reading what comes back to the return path: bounces, complaints, and everything else that people and machines send.

`read` takes a raw mail and says what it is; it neither raises nor looks anything up. Reports as in RFC 3464 and 5965
are read field by field; others by how mail systems put it in words, where flufl.bounce (extra `bounces`) is asked too.
"""

import logging
from email.message import Message

from digest.delivery.bounces import arf, dsn, notified, prose
from digest.delivery.bounces.mail import MOST, Mail
from digest.delivery.bounces.report import Failed, Kind, Report

__all__ = ["Failed", "Kind", "Report", "read"]


def read(raw: bytes) -> Report:
    """What one mail says. Never raises: what cannot be read is `UNREADABLE`."""
    try:
        return _read(Mail.parse(raw))
    except Exception:  # noqa: BLE001 - strangers' mail meets three parsers; whatever they trip over, a person looks at it
        return Report(Kind.UNREADABLE)


def _read(mail: Mail) -> Report:
    if told := notified.read(mail):
        return told
    kind, failed = _told(mail)
    return Report(kind, failed, mail.tokens, mail.message_ids)


def _told(mail: Mail) -> tuple[Kind, tuple[Failed, ...]]:
    """From what is defined to what is guessed; an answering machine is recognised before anything is guessed."""
    if not mail.source.strip():
        return Kind.UNREADABLE, ()
    if (complained := arf.read(mail)) is not None:
        return Kind.COMPLAINT, complained
    kind, failed = dsn.read(mail.fields, mail.notice)
    if kind and failed:
        return kind, failed
    if named := prose.failed_in_header(mail):
        return Kind.DELAY if prose.is_delay(mail) else Kind.BOUNCE, _each(mail, named)
    if mail.disposed and not prose.is_failure(mail):
        return Kind.AUTO_REPLY, ()
    reported = bool(mail.fields) or mail.message.get_content_type() == "multipart/report"
    if prose.is_auto_reply(mail) and not (reported or prose.is_delay(mail)):
        return Kind.AUTO_REPLY, ()
    return _guessed(mail, reported=reported)


def _guessed(mail: Mail, *, reported: bool) -> tuple[Kind, tuple[Failed, ...]]:
    """A mail system's own words, in the order of how surely they are understood."""
    failure = reported or prose.is_failure(mail)
    if failure and (found := dsn.read(mail.scattered, mail.notice))[1]:
        return found[0] or Kind.BOUNCE, found[1]
    second = _second_opinion(mail.message)
    if not (failure or second):
        return Kind.NOT_BOUNCE, ()
    named = _each(mail, prose.named(mail) or second or prose.mentioned(mail))
    if prose.is_delay(mail):
        return Kind.DELAY, named
    return (Kind.BOUNCE, named) if named else (Kind.UNREADABLE, ())


def _each(mail: Mail, addresses: list[str]) -> tuple[Failed, ...]:
    addresses = addresses[:MOST]
    return tuple(dsn.refused(a, prose.about(a, addresses, mail.notice)) for a in addresses)


def _second_opinion(message: Message) -> list[str]:
    """Addresses that flufl.bounce finds, where it is installed; it raises on what it does not expect."""
    try:
        from flufl.bounce import all_failures
    except ImportError:
        return []
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # what it trips over is no news
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # noqa: BLE001 - IndexError on an empty message, and whatever else
        return []
    return sorted(address.decode("ascii", "replace") for address in (*permanent, *temporary))
