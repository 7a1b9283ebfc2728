"""DKIM signatures (RFC 6376): rsa-sha256, relaxed/relaxed. Needs the extra `digest[dkim]`; most relays sign instead."""

import hashlib
import re
from binascii import b2a_base64
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from digest.errors import TransportError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

OVERSIGNED = ("From", "To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post")
"""signed once more than they occur, so that a second one breaks the signature (RFC 8058 wants the last two)"""
SIGNED = (*OVERSIGNED, "Message-ID", "MIME-Version", "Content-Type", "List-Id", "Feedback-ID")
_KEYS = {name: name.lower().encode() for name in SIGNED}
_BLANKS = re.compile(rb"[ \t]{2,}|\t")  # a single blank stays as it is
_LINE_END = re.compile(rb"\r\n(?![ \t])")


@dataclass(frozen=True)
class Signer:
    """Signs for *domain* with the private key whose public half stands at `SELECTOR._domainkey.DOMAIN`."""

    domain: str
    selector: str
    key_pem: bytes

    @cached_property
    def _key(self) -> "RSAPrivateKey":
        """Raises TransportError for a key that cannot sign, or when the extra is not installed."""
        try:
            from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        except ImportError as error:
            raise TransportError("signing needs one more package: pip install 'digest[dkim]'") from error
        try:
            key = load_pem_private_key(self.key_pem, password=None)
        except (ValueError, TypeError) as error:  # TypeError: it is encrypted
            raise self._refusal("not an unencrypted private key in PEM form") from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
            raise self._refusal("no RSA key of at least 2048 bits")
        return key

    @property
    def record(self) -> str:
        """What to publish as TXT. Raises TransportError."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={b2a_base64(public, newline=False).decode()}"

    def _refusal(self, why: str) -> TransportError:
        return TransportError(
            f"the DKIM key of {self.selector}._domainkey.{self.domain} is {why}; make one with: openssl genrsa 2048"
        )

    def sign(self, message: bytes, t: int) -> bytes:
        """*message* with its signature on top. *t* is its Date in seconds, so that rebuilding gives the same bytes.

        Its body must be canonical, as `rendering.mime` makes it: no blanks in a row or at the end of a line, one line
        end at its own. Looking for them would cost a tenth of the whole message.
        """
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        key = self._key
        end = message.index(b"\r\n\r\n")
        names, chosen = covered(message[:end])
        body = memoryview(message)[end + 4 :]  # not copied: it is large
        body_hash = b2a_base64(hashlib.sha256(body).digest(), newline=False).decode()
        header = (
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={self.domain};\r\n s={self.selector}; t={t};\r\n"
            f" h={_folded(names)};\r\n bh={body_hash};\r\n b="
        ).encode()
        signature = key.sign(b"".join(chosen) + _relaxed(header)[1].removesuffix(b"\r\n"), PKCS1v15(), SHA256())
        text = b2a_base64(signature, newline=False).decode()
        lines = "\r\n ".join([text[i : i + 72] for i in range(0, len(text), 72)])
        return b"".join((header, lines.encode(), b"\r\n", message))


def covered(head: bytes) -> tuple[tuple[str, ...], list[bytes]]:
    """The names for h=, and the headers they stand for in canonical form, the lowest of each name first (5.4.2)."""
    present: dict[bytes, list[bytes]] = {}
    for header in _LINE_END.split(head):
        key, canonical = _relaxed(header)
        present.setdefault(key, []).insert(0, canonical)
    names: list[str] = []
    chosen: list[bytes] = []
    for name, key in _KEYS.items():
        found = present.get(key, [])
        chosen += found
        names += [name.lower()] * (len(found) + (name in OVERSIGNED))
    return tuple(names), chosen


@lru_cache(maxsize=1024)  # most headers of a digest are the same for everybody
def _relaxed(header: bytes) -> tuple[bytes, bytes]:
    """Name and header as in 3.4.2: lower-case name, one line, blanks squeezed, none around the value."""
    name, _, value = header.partition(b":")
    name = name.strip().lower()
    value = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name, b"%b:%b\r\n" % (name, value)


@lru_cache
def _folded(names: tuple[str, ...]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 60:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n  ".join(lines).removesuffix(":")
