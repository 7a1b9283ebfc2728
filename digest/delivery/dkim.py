"""DKIM signatures (RFC 6376): rsa-sha256, relaxed/relaxed. Needs the extra `digest[dkim]`; most relays sign instead."""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from digest.errors import TransportError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

OVERSIGNED = ("From", "To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post")
"""signed once more than they occur, so that a second one breaks the signature (RFC 8058 wants the last two)"""
SIGNED = (*OVERSIGNED, "Message-ID", "MIME-Version", "Content-Type", "List-Id", "Feedback-ID")
_BLANKS = re.compile(rb"[ \t]+")


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

    def _refusal(self, why: str) -> TransportError:
        return TransportError(
            f"the DKIM key of {self.selector}._domainkey.{self.domain} is {why}; make one with: openssl genrsa 2048"
        )

    def sign(self, message: bytes, t: int) -> bytes:
        """*message* with its signature on top. *t* is its Date in seconds, so that rebuilding gives the same bytes."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        key = self._key
        head, _, body = message.partition(b"\r\n\r\n")
        names, chosen = covered(head)
        body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()
        header = (
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={self.domain};\r\n s={self.selector}; t={t};\r\n"
            f" h={_folded(names)};\r\n bh={body_hash};\r\n b="
        ).encode()
        signature = key.sign(b"".join(chosen) + relaxed_header(header).removesuffix(b"\r\n"), PKCS1v15(), SHA256())
        text = base64.b64encode(signature).decode()
        lines = "\r\n ".join(text[i : i + 72] for i in range(0, len(text), 72))
        return header + lines.encode() + b"\r\n" + message


def covered(head: bytes) -> tuple[list[str], list[bytes]]:
    """The names for h=, and the headers they stand for in canonical form, the lowest of each name first (5.4.2)."""
    present: dict[bytes, list[bytes]] = {}
    for header in re.split(rb"\r\n(?![ \t])", head):
        present.setdefault(header.partition(b":")[0].strip().lower(), []).insert(0, header)
    names: list[str] = []
    chosen: list[bytes] = []
    for name in SIGNED:
        found = present.get(name.lower().encode(), [])
        chosen += map(relaxed_header, found)
        names += [name.lower()] * (len(found) + (name in OVERSIGNED))
    return names, chosen


def relaxed_header(header: bytes) -> bytes:
    """3.4.2: lower-case name, one line, blanks squeezed, none around the value."""
    name, _, value = header.partition(b":")
    return name.strip().lower() + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ") + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """3.4.4: blanks squeezed, none at the end of a line, no empty lines at the end. Our own bodies are so already."""
    if b"\t" in body or b"  " in body or b" \r\n" in body or body.endswith(b" "):
        body = re.sub(rb" (?=\r\n|\Z)", b"", _BLANKS.sub(b" ", body))
    text = body.removesuffix(b"\r\n")
    if text.endswith(b"\r\n"):
        text = re.sub(rb"(?:\r\n)+\Z", b"", text)
    return text + b"\r\n" if text else b""


def _folded(names: list[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 60:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n  ".join(lines).removesuffix(":")
