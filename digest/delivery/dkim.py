"""DKIM signatures (RFC 6376): rsa-sha256, relaxed/relaxed. Needs the extra `digest[dkim]`; most relays sign instead."""

import hashlib
from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from digest.errors import TransportError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

OVERSIGNED = ("From", "To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post")
"""signed once more than they occur, so that a second one breaks the signature (RFC 8058 wants the last two)"""
SIGNED = (*OVERSIGNED, "Message-ID", "MIME-Version", "Content-Type", "List-Id", "Feedback-ID")
_NAMES = {name.lower().encode(): name in OVERSIGNED for name in SIGNED}
_BITE = 2047  # bytes
_HEADER = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%b;\r\n s=%b; t=%d;\r\n h=%b;\r\n bh=%b;\r\n b="


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

    @cached_property
    def _seal(self) -> Callable[[bytes], bytes]:
        key = self._key
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        padding, kind = PKCS1v15(), SHA256()
        return lambda data: key.sign(data, padding, kind)

    def sign(self, message: bytes, t: int) -> bytes:
        """*message* with its signature on top. *t* is its Date in seconds, so that rebuilding gives the same bytes.

        Its body must be canonical, as `rendering.mime` makes it: no blanks in a row or at the end of a line, one line
        end at its own. Looking for them would cost a tenth of the whole message.
        """
        seal = self._seal
        end = message.index(b"\r\n\r\n")
        names, chosen = covered(message[:end])
        body = memoryview(message)[end + 4 :]  # not copied: it is large
        body_hash = b2a_base64(hashed(body).digest(), newline=False)
        about = self.domain.encode(), self.selector.encode(), t, _folded(names), body_hash
        header = _HEADER % about
        text = b2a_base64(seal(b"\r\n".join((*chosen, *_relaxed(header)[b"dkim-signature"]))), newline=False)
        lines = b"\r\n ".join([text[i : i + 72] for i in range(0, len(text), 72)])
        return b"".join((header, lines, b"\r\n", message))


def hash_of(message: bytes) -> str:
    """The SHA-256 that the ledger keeps: of a message, or of its head alone where that holds the body's, signed."""
    signed = message.startswith(b"DKIM-Signature:")
    return hashed(message[: message.index(b"\r\n\r\n")] if signed else message).hexdigest()


def hashed(data: bytes | memoryview) -> "hashlib._Hash":
    """In bites for which hashlib does not let other threads in: to get its turn back takes longer than all of them."""
    made, data = hashlib.sha256(), memoryview(data)
    for start in range(0, len(data), _BITE):
        made.update(data[start : start + _BITE])
    return made


def covered(head: bytes) -> tuple[tuple[bytes, ...], list[bytes]]:
    """The names for h=, and the headers they stand for in canonical form, the lowest of each name first (5.4.2)."""
    present = _relaxed(head)
    names: list[bytes] = []
    chosen: list[bytes] = []
    for name, oversigned in _NAMES.items():
        found = present.get(name, ())
        chosen += found
        names += [name] * (len(found) + oversigned)
    return tuple(names), chosen


def _relaxed(head: bytes) -> dict[bytes, list[bytes]]:
    """Headers by lower-case name, from below, as in 3.4.2: in one line, blanks squeezed, none around the value."""
    head = head.replace(b"\t", b" ").replace(b"\r\n ", b" ")
    while b"  " in head:
        head = head.replace(b"  ", b" ")
    found: dict[bytes, list[bytes]] = {}
    for line in reversed(head.split(b"\r\n")):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        found.setdefault(name, []).append(name + b":" + value.strip(b" "))
    return found


@lru_cache
def _folded(names: tuple[bytes, ...]) -> bytes:
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > 60:
            lines.append(b"")
        lines[-1] += b"%b:" % name
    return b"\r\n  ".join(lines).removesuffix(b":")
