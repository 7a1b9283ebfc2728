"""Signed links and names: what a link may do is in its signature, who it is about is a random public id.

A token is `v.kid.payload.mac`: version, key id, payload, and 96 bits of HMAC-SHA256 over all of them and the purpose.
Everything is compared as text, so there is one spelling of a token and every other one is a `BadLink`.
The *pepper* is a key that never changes: what is derived from it must outlive any rotation.
"""

import hmac
import json
import os
import re
import secrets
import stat
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from digest.errors import BadLink, ConfigError


class Purpose(StrEnum):
    """What a link may do; a token for one purpose is none for another."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    VOTE = "vote"
    CONFIRM = "confirm"
    NEVER = "never"  # the payload is the fingerprint of an address, and who is meant
    PREVIEW = "preview"
    FORM = "form"  # that it was asked for; the payload is when


LIFETIME = {Purpose.CONFIRM: timedelta(days=3)}
"""the other purposes never expire"""

FINGERPRINT = 32
"""letters of one"""

_VERSION = "1"
_TOKEN = re.compile(r"1\.([a-z0-9])\.([A-Za-z0-9_-]{1,72})\.([A-Za-z0-9_-]{16})")
_PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RETURN = re.compile(r"[A-Za-z0-9][A-Fa-f0-9]{30}")
_NAME, _NUMBER = re.compile(r"([0-9a-f]{16})([0-9a-f]{8})@"), (1 << 31) - 1
_SECONDS = 8  # hexadecimal digits of the time of issue, at the end of the payload


@dataclass(frozen=True)
class Key:
    """A signing key; *id* is one character of a-z0-9 and is visible in every link."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9]", self.id):
            raise ValueError(f"a key's id is one character of a-z0-9, not {self.id!r}")
        if len(self.secret) < 16:
            raise ValueError(f"the secret of key {self.id} is shorter than 16 bytes")


class Links:
    """Signs with the newest key, accepts all. Without a *pepper* one is derived from the oldest key."""

    def __init__(self, keys: Sequence[Key], pepper: bytes = b"") -> None:
        self._keys = {key.id: key.secret for key in keys}
        if not keys or len(self._keys) != len(keys):
            raise ValueError("one key at least, each with an id of its own")
        self._newest = keys[-1]
        self._pepper = pepper or _mac(keys[0].secret, "pepper")
        naming = _mac(self._pepper, "message-id")
        self._names, self._veils = blake2b(key=naming, digest_size=8), blake2b(key=naming, digest_size=4)

    def sign(self, purpose: Purpose, public_id: str, *, at: datetime | None = None) -> str:
        """A token for this purpose alone. *at* is the time of issue, needed where the purpose expires."""
        if not _PUBLIC_ID.fullmatch(public_id):
            raise ValueError(f"{public_id!r} is no public id")
        payload = public_id
        if purpose in LIFETIME:
            if at is None:
                raise ValueError(f"a {purpose} link needs the time of issue")
            payload += f"{int(at.timestamp()):0{_SECONDS}x}"
        mac = self._seal(self._newest.secret, self._newest.id, purpose, payload)
        return f"{_VERSION}.{self._newest.id}.{payload}.{mac}"

    def read(self, token: str, purpose: Purpose, now: datetime | None = None) -> str:
        """The public id we signed for this purpose. Raises BadLink, *expired* when it is ours but too old."""
        if not (parts := _TOKEN.fullmatch(token)):
            raise BadLink
        kid, payload, mac = parts.groups()
        secret = self._keys.get(kid)
        if secret is None or not hmac.compare_digest(mac, self._seal(secret, kid, purpose, payload)):
            raise BadLink
        if purpose not in LIFETIME:
            return payload
        if now is None:
            raise ValueError(f"reading a {purpose} link needs the time")
        issued = datetime.fromtimestamp(int(payload[-_SECONDS:], 16), UTC)
        if now - issued > LIFETIME[purpose]:
            raise BadLink("this link has expired", expired=True)
        return payload[:-_SECONDS]

    def message_id(self, subscriber: int, public_id: str, turn: str, domain: str) -> str:
        """The Message-ID of a turn, without angle brackets: always the same, and no guess at who it is for."""
        name = _hashed(self._names, f"{public_id}\0{turn}".encode())
        return f"{name.hex()}{subscriber ^ self._veil(name):08x}@{domain}"

    def named(self, message_id: str) -> int:
        """The number of the subscriber that a Message-ID was made for; of just anybody if it is none of ours."""
        found = _NAME.match(message_id)
        return (int(found[2], 16) ^ self._veil(bytes.fromhex(found[1]))) & _NUMBER if found else 0

    def _veil(self, name: bytes) -> int:
        return int.from_bytes(_hashed(self._veils, name)) & _NUMBER

    def fingerprint(self, canonical_address: str) -> str:
        """What may be kept of an address after it is erased: tells it again, but does not tell what it is (REQ-21)."""
        return _mac(self._pepper, "address", canonical_address)[: FINGERPRINT // 2].hex()

    def return_token(self, digest_id: int) -> str:
        """31 letters and digits for the envelope sender `b+TOKEN@…`; a relay may change their case."""
        kid, number = self._newest.id, digest_id.to_bytes(5)
        return kid + (number + self._return_mac(self._newest.secret, kid, digest_id)).hex()

    def read_return(self, token: str) -> int:
        """The digest's id. Raises BadLink for what we did not sign."""
        if not _RETURN.fullmatch(token):
            raise BadLink
        kid, sealed = token[0].lower(), bytes.fromhex(token[1:])
        digest_id, secret = int.from_bytes(sealed[:5]), self._keys.get(kid)
        if secret is None or not hmac.compare_digest(sealed[5:], self._return_mac(secret, kid, digest_id)):
            raise BadLink
        return digest_id

    @staticmethod
    def _seal(secret: bytes, kid: str, purpose: Purpose, payload: str) -> str:
        return urlsafe_b64encode(_mac(secret, "link", _VERSION, kid, purpose, payload)[:12]).decode()

    @staticmethod
    def _return_mac(secret: bytes, kid: str, digest_id: int) -> bytes:
        return _mac(secret, "return", kid, str(digest_id))[:10]


def _mac(secret: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 over the parts; the first says what for, none contains the separator."""
    inner, outer = _keyed(secret)
    return _hashed(outer, _hashed(inner, "\0".join(parts).encode("utf-8", "surrogatepass")))


@lru_cache(maxsize=64)
def _keyed(secret: bytes) -> tuple[Any, Any]:
    """Both hashes of RFC 2104, to be copied. `hmac` takes thrice as long for 40 bytes, or lets other threads in."""
    block = (secret if len(secret) <= 64 else sha256(secret).digest()).ljust(64, b"\0")
    return sha256(block.translate(hmac.trans_36)), sha256(block.translate(hmac.trans_5C))


def _hashed(keyed: Any, data: bytes) -> bytes:
    """By a copy of what is keyed: that is half the work."""
    made = keyed.copy()
    made.update(data)
    digest: bytes = made.digest()
    return digest


def new_public_id() -> str:
    """64 random bits in 11 url-safe characters."""
    return secrets.token_urlsafe(8)


def create(path: Path) -> None:
    """Write a new key file, 0600. Raises ConfigError when there is one: links already sent depend on it."""

    def secret() -> str:
        return b64encode(secrets.token_bytes(32)).decode()

    text = json.dumps({"keys": [{"id": "a", "secret": secret()}], "pepper": secret()}, indent=2)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"{path}: exists already and is kept, since links already sent depend on it") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be created: {error.strerror}") from error
    try:
        with open(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(handle)
    except OSError as error:
        path.unlink()  # half a key file would stand in the way of a whole one
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def load(path: Path) -> Links:
    """The keys in *path*. Raises ConfigError when they are missing, open to others, or no keys."""
    try:
        with path.open("rb") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such key file; run `digest init`, or put the old one back") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others can read the keys; run `chmod 600 {path}`")
    try:
        found = json.loads(text)
        keys = [Key(key["id"], b64decode(key["secret"], validate=True)) for key in found["keys"]]
        pepper = Key("p", b64decode(found["pepper"], validate=True)).secret  # as long as a key's, and checked so
        return Links(keys, pepper)
    except (ValueError, KeyError, TypeError, RecursionError):
        # "from None": what it could not read may be quoted in the cause
        raise ConfigError(f"{path}: no key file as `digest init` writes it; put a copy of the old one back") from None
