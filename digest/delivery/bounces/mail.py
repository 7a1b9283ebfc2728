"""A raw mail taken apart, whatever is wrong with it: its words, the report in it, and what was returned with it."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.header import Header, decode_header, make_header
from email.message import Message
from functools import cached_property
from html import unescape
from itertools import chain, islice
from typing import Any

from digest.delivery.refusal import either
from digest.delivery.spool import LIMIT

MOST = 50
"""of whatever a mail names: ours is to one recipient, and a stranger's may name thousands"""

NOTICE = 40_000
"""characters of text in which a reason is looked for"""

NAMED = r"""([^\s<>()\[\]"',:;@\\=，：；（）【】「」]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})(?![\w-]|\.\w)"""
"""an address inside a pattern; short enough that no text can make the search slow"""

ADDRESS = re.compile(r"""(?<![^\s<>()\[\]"',:;=，：；（）【】「」])""" + NAMED)
TOKEN = re.compile(r"(?<![\w.+-])b\+([A-Za-z0-9]{1,62})@", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<([^\s<>@]{1,200}@[^\s<>@]{1,200})>")
_RETURNED = either(
    r"^[\W_]{0,40}[\w' ]{0,40}\b(?:original|returned|undelivered|unsent|rejected|bounced)"
    r" (?:e-?mail|message|headers?)\b.{0,60}(?:follow|below|[:-][\W_]*$).*$",
    r"^.{0,40}\b(?:below this line is|copy of (?:the|your)(?: original)? message).*$",
    r"^.{0,40}\bheader of the (?:original message|source mail)\b.*$",
    r"^.{0,40}\bmessage (?:headers?|text|body) (?:and .{0,30} )?(?:follow|suppress).*$",
    r"^[> ]{0,3}(?:Received|Return-Path): .*$",
)
_TAG = re.compile(r"<(?:/?[a-z!][^<>@]{0,500})>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?h\d)\b[^<>]{0,200}>", re.IGNORECASE)
_BLANK = re.compile(rb"\n[ \t]*\n")
_JIS = "\x1b$"
"""how Japanese begins in ISO-2022-JP"""
_REPORTS = ("message/delivery-status", "message/global-delivery-status")


@dataclass(frozen=True)
class Mail:
    """The first `LIMIT` bytes of a mail."""

    message: Message
    source: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> "Mail":
        return cls(message_from_bytes(raw[:LIMIT]), raw[:LIMIT])

    def header(self, name: str) -> str:
        """Decoded, on one line; "" when it is missing."""
        return plain(self.message.get(name, ""))

    @cached_property
    def parts(self) -> list[Message]:
        """All parts outside returned messages, those themselves included."""
        return list(_outside(self.message))

    @cached_property
    def fields(self) -> list[Message]:
        """The blocks of fields of delivery reports: first the one for the message, then one a recipient."""
        return [block for part in self.parts if part.get_content_type() in _REPORTS for block in blocks(part)]

    @cached_property
    def scattered(self) -> list[Message]:
        """Such blocks wherever they stand: in broken MIME, in text, in a report that was wrapped once more."""
        split = _BLANK.split(self.source.replace(b"\r\n", b"\n"))
        found = (block for block in split if b"\nfinal-recipient:" in b"\n" + block.lower())
        return [message_from_bytes(block) for block in islice(found, MOST)]

    @cached_property
    def feedback(self) -> list[Message]:
        """The fields of feedback reports (RFC 5965)."""
        found = [part for part in self.parts if part.get_content_type() == "message/feedback-report"]
        found = found or [part for part in self.parts if text(part).lstrip().lower().startswith("feedback-type:")]
        return [block for part in found for block in blocks(part)]

    @property
    def disposed(self) -> bool:
        """Somebody's program tells that it was read, or thrown away unread (RFC 8098)."""
        return any(part.get_content_type() == "message/disposition-notification" for part in self.parts)

    @cached_property
    def notice(self) -> str:
        """What is said in words, up to where the returned message begins."""
        return self._cut[0]

    @cached_property
    def returned(self) -> list[Message]:
        """The headers of the message that came back, as far as they did."""
        found = [inner for part in self.parts if (inner := _inner(part)) is not None]
        return found or [message_from_string(_from_headers(self._cut[1]))]

    @cached_property
    def words(self) -> str:
        """All that is text, without what is attached."""
        found = [text(p) for p in self.parts if p.get_content_maintype() == "text" and not _attached(p)]
        found = found or [text(p) for p in self.parts if not p.is_multipart()]  # its boundary is none
        return "\n".join(found).replace("\r\n", "\n")[:NOTICE]

    @cached_property
    def _cut(self) -> tuple[str, str]:
        """Words of the reporter, and what they quote of our message."""
        words = self.words
        found = next((m for m in _RETURNED.finditer(words) if words[: m.start()].strip(" \n*-_#=")), None)
        return (words[: found.start()], words[found.start() :]) if found else (words, "")

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """From the envelope of this mail and from that of the returned one; and what we called it there (ENVID)."""
        here = [value for name, value in self.message.items() if name.lower() in _TO]
        there = [str(inner.get(name, "")) for inner in self.returned for name in ("Return-Path", "X-Return-Path")]
        reported = [
            str(b.get(n, ""))
            for b in (*self.fields, *self.feedback)
            for n in ("Original-Mail-From", "X-Postfix-Sender")
        ]
        named = (plain(block.get("Original-Envelope-Id", "")) for block in self.fields)
        found = (token for value in (*here, *there, *reported) for token in TOKEN.findall(str(value)))
        return _unique(filter(None, chain(found, named)))

    @cached_property
    def message_ids(self) -> tuple[str, ...]:
        """Of the returned message."""
        told = [str(inner.get("Message-ID", "")) for inner in self.returned]
        told += [str(self.message.get(name, "")) for name in ("In-Reply-To", "References")]
        reported = [str(b.get("X-Original-Message-ID", "")) for b in (*self.fields, *self.feedback)]
        return _unique(found for value in (*told, *reported) for found in _MESSAGE_ID.findall(value))


_TO = {"to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "apparently-to",
       "received", "x-rcpt-to", "resent-to"}  # fmt: skip


def plain(value: object) -> str:
    """A header's text, decoded, on one line."""
    raw = str(value)
    if isinstance(value, Header):  # bytes beyond ASCII, of which nobody says what they mean
        raw = "".join(decoded(octets) for octets, _ in decode_header(value))
    elif _JIS in raw:
        raw = decoded(raw.encode("ascii", "replace"))
    with suppress(ValueError, LookupError):  # LookupError: an unknown charset
        raw = str(make_header(decode_header(raw))) if "=?" in raw else raw
    return " ".join(raw.split())


def decoded(octets: bytes, charset: str = "utf-8") -> str:
    """As they are said to be where they are, else as they may be."""
    for name in ("iso-2022-jp" if _JIS.encode() in octets else charset, "utf-8"):
        with suppress(LookupError, ValueError):
            return octets.decode(name)
    return octets.decode("latin-1")


def text(part: Message) -> str:
    """A text part's words without markup."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    words = decoded(payload, part.get_content_charset("utf-8"))
    if part.get_content_subtype() == "html" or "<br>" in words.lower():
        words = unescape(_TAG.sub("", _BREAK.sub("\n", words)))
    return words


def blocks(part: Message) -> list[Message]:
    """The blocks of fields of a report, however its part is encoded."""
    payload, words = part.get_payload(), part.get_payload(decode=True)
    if isinstance(payload, list) and not _encoded(part):
        return [block for block in payload if isinstance(block, Message)]
    if isinstance(payload, list):
        words = _glued(part, payload)
    lines = words.replace(b"\r\n", b"\n").strip() if isinstance(words, bytes) else b""
    return [message_from_bytes(block) for block in _BLANK.split(lines)]


def _encoded(part: Message) -> bool:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower() in ("base64", "quoted-printable")


def _glued(part: Message, payload: list[Any]) -> bytes:
    """What was encoded, and then read as if it were plain, decoded at last: forbidden (RFC 2046), and done."""
    glued = Message()
    glued["Content-Transfer-Encoding"] = str(part["Content-Transfer-Encoding"])
    glued.set_payload("\n".join(str(block) for block in payload))
    words = glued.get_payload(decode=True)
    return words if isinstance(words, bytes) else b""


def _outside(message: Message) -> Iterator[Message]:
    yield message
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                yield from _outside(part)


def _inner(part: Message) -> Message | None:
    kind, payload = part.get_content_type(), part.get_payload()
    if kind in ("message/rfc822", "message/global", "message/partial") and isinstance(payload, list) and payload:
        if _encoded(part):
            return message_from_bytes(_glued(part, payload))
        return payload[0] if isinstance(payload[0], Message) else None
    if kind in ("text/rfc822-headers", "message/global-headers", "text/rfc822", "message/rfc822-headers"):
        if isinstance(payload, list):
            return payload[0] if payload and isinstance(payload[0], Message) else None
        return message_from_string(text(part).lstrip())
    return None


def _attached(part: Message) -> bool:
    """A returned message sent as if it were text, or a file."""
    return (
        part.get_content_type() in ("text/rfc822-headers", "text/rfc822")
        or part.get_content_disposition() == "attachment"
    )


def _from_headers(quoted: str) -> str:
    """Quoted lines from the first that is a header."""
    found = re.search(
        r"^>?[ \t]{0,8}(?:Received|Return-Path|From|Date|Message-ID|Subject|To|[A-Z][\w-]{1,60}): ", quoted, re.M | re.I
    )
    lines = quoted[found.start() :] if found else ""
    return re.sub(r"^>?[ \t]{0,8}(?=[A-Za-z][\w-]{1,60}:)", "", lines, flags=re.MULTILINE)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(values), MOST))
