"""Messages as bytes, by hand: RFC 5322 headers, quoted-printable pieces that can be joined as they are.

The standard library's `email` breaks long `List-Unsubscribe` lines and lets some titles add headers; it is the judge in
the tests and not used here.
"""

import re
from base64 import b64encode
from binascii import a2b_qp
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from textwrap import wrap

_SPELLED = re.compile(rb"[^\n !-<>-~]")
_BLANK = re.compile(rb" (?=[ \n])")  # no runs, none at the end of a line: relaxed and simple body hashes agree
_LINE = re.compile(rb"[^\n]{1,73}(?<!=)(?<!=.)")  # does not cut =XX; 73 leaves room for a spelled first character and =
_PLAIN = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/^_`{|}~ -]*")


def quoted(text: str) -> bytes:
    """*text* in quoted-printable lines of at most 76. Starts and ends at a line's start: joined pieces need no glue."""
    if len(text) <= 73 and _easy(text):  # most personal values: a link, a date, a count
        return b"%b=\r\n" % text.encode()
    octets = _BLANK.sub(b"=20", _SPELLED.sub(lambda match: b"=%02X" % ord(match[0]), text.encode()))
    *lines, rest = octets.split(b"\n")
    return b"".join([*(_folded(line) + b"\r\n" for line in lines), _folded(rest) + b"=\r\n" if rest else b""])


def _easy(text: str) -> bool:
    """Is it one line that stands for itself? Asked for every value of every mail; a pattern would take longer."""
    plain = text.isascii() and text.isprintable() and "=" not in text and "  " not in text
    return plain and text[:1] not in ("", " ", ".") and text[-1] != " " and not text.startswith("From ")


def _folded(line: bytes) -> bytes:
    chunks = _LINE.findall(line)
    for i, chunk in enumerate(chunks):
        if chunk.startswith((b".", b"From ")):  # what SMTP and mbox files would change at the start of a line
            chunks[i] = b"=%02X%b" % (chunk[0], chunk[1:])
    return b"=\r\n".join(chunks)


def unquoted(octets: bytes) -> str:
    """What `quoted` was given."""
    return a2b_qp(octets).decode().replace("\r\n", "\n")


def mailbox(name: str, address: str) -> str:
    return f"{phrase(name)}\r\n <{address}>" if name else address


def phrase(text: str) -> str:
    """A display name: plain words, or encoded ones, never anything in quotes."""
    return _worded(text, _ATOMS)


def subject(text: str) -> str:
    return _worded(text, _PLAIN)


@lru_cache(maxsize=4096)
def _worded(text: str, plain: re.Pattern[str]) -> str:
    """One line of text for a header, folded; RFC 2047 for all of it where *plain* does not suffice."""
    if plain.fullmatch(text) and "=?" not in text and max(map(len, text.split(" "))) < 900:
        return "\r\n ".join(wrap(text, 66, break_long_words=False, break_on_hyphens=False))
    pieces = [""]
    for char in text:
        if len((pieces[-1] + char).encode()) > 39:  # a line of encoded words has at most 76 characters
            pieces.append("")
        pieces[-1] += char
    return "\r\n ".join(f"=?utf-8?b?{b64encode(piece.encode()).decode()}?=" for piece in pieces)


def alternative(fields: Iterable[tuple[str, str]], message_id: str, text: bytes, html: bytes) -> bytes:
    """The whole message: *fields*, then both parts, `quoted` before. Raises ValueError for what no header may hold."""
    # "=_" cannot occur in quoted-printable, so this boundary is in no body; and the same message has the same one
    boundary = f"=_{sha256(message_id.encode()).hexdigest()[:24]}"
    fields = [*fields, ("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"')]
    head = "".join([f"{name}: {_checked(name, value)}\r\n" for name, value in fields]).encode()
    rule = b"--" + boundary.encode()
    return b"".join(
        (head, b"\r\n", rule, _KIND % b"plain", text, b"\r\n", rule, _KIND % b"html", html, b"\r\n", rule, b"--\r\n")
    )


_KIND = b"\r\nContent-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_VALUE = re.compile(r"[ -~]*(\r\n [!-~][ -~]*)*")  # folds are ours: what comes from outside is one line, or encoded


def _checked(name: str, value: str) -> str:
    """As it is; an address beyond ASCII too, for transports give it only to servers that can take it (RFC 6532)."""
    plain = value.isprintable() and (value.isascii() or name == "To")
    if not plain and not _VALUE.fullmatch(value):
        raise ValueError(f"not fit for a mail header: {value!r}")
    return value
