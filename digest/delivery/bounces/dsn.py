"""Delivery reports (RFC 3464): who failed, and how, field by field."""

import re
from collections.abc import Iterable, Sequence
from email.message import Message

from digest.delivery.address import veiled
from digest.delivery.bounces.mail import ADDRESS, MOST, plain
from digest.delivery.bounces.prose import about
from digest.delivery.bounces.report import Failed, Kind
from digest.delivery.refusal import blame, class_in, status_in

_ACTIONS = {
    "failed": Kind.BOUNCE, "error": Kind.BOUNCE, "delayed": Kind.DELAY,
    "delivered": Kind.DELIVERED, "relayed": Kind.DELIVERED, "expanded": Kind.DELIVERED,
}  # fmt: skip
_DATA = re.compile(r"in reply to (?:end of )?DATA|after (?:DATA|end of data)|\b(?:final|our) DATA\b", re.IGNORECASE)
"""said about the message: by then the server had taken the recipient"""


def read(fields: Sequence[Message], notice: str) -> tuple[Kind | None, tuple[Failed, ...]]:
    """The gravest action and the recipients that met with it; None when no block names an action or a status."""
    told = [(kind, block) for block in fields if (kind := _action(block))]
    for kind in (Kind.BOUNCE, Kind.DELAY, Kind.DELIVERED):
        if met := [block for of, block in told if of is kind][:MOST]:
            names = [_address(block) for block in met]
            failed = (_failed(block, name, names, notice) for block, name in zip(met, names, strict=True) if name)
            return kind, _once(failed)
    return None, ()


def refused(address: str, words: str, status: str = "", code: str = "", around: str = "") -> Failed:
    """One recipient from what is known: the server's *words*, those *around* them, the reported *status* and *code*."""
    after_data = bool(_DATA.search(around or words))
    found = status_in(words, status) or class_in(code or words)
    return Failed(address, found, blame(found, words, after_data=after_data), veiled(_behind(address, words)))


def _behind(address: str, words: str) -> str:
    """What follows the address is the reason, where anything does."""
    rest = words[words.find(address) + len(address) :] if address in words else ""
    return rest.lstrip(" >):\n") if len(rest) > 20 else words


def _action(block: Message) -> Kind | None:
    word = "".join(plain(block.get("Action", "")).lower().split()[:1]).strip(";,.()")
    if not word and (status := _status(block)):
        word = "failed" if status.startswith("5") else "delayed"
    return next((kind for name, kind in _ACTIONS.items() if word.startswith(name[:4])), None) if word else None


def _status(block: Message) -> str:
    """As it is told, or as the server's words tell it."""
    words = plain(block.get("Diagnostic-Code", ""))
    return plain(block.get("Status", "")) or status_in(words) or class_in(words)


def _address(block: Message) -> str:
    """The one we wrote to where it is told, else the one that it led to."""
    for name in ("Original-Recipient", "Final-Recipient"):
        value = plain(block.get(name, "")).rpartition(";")[2].replace('"', "")
        if found := ADDRESS.findall(value):
            return str(found[0]).rstrip(".")
    return ""


def _failed(block: Message, address: str, all_: Sequence[str], notice: str) -> Failed:
    """The server's words count most; a report without them may have said more to people."""
    said = plain(block.get("Diagnostic-Code", "")).partition(";")[2].strip() or plain(block.get("Diagnostic-Code", ""))
    around = about(address, all_, notice)
    words = said if len(said) > 3 else around
    status, code = plain(block.get("Status", "")), plain(block.get("X-SMTP-Reply-Code", ""))
    return refused(address, words, status, code, around)


def _once(failed: Iterable[Failed]) -> tuple[Failed, ...]:
    found: dict[str, Failed] = {}
    for one in failed:
        found.setdefault(one.address.lower(), one)
    return tuple(found.values())
