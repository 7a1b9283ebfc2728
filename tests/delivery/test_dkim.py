"""Our signatures, verified by dkimpy."""

import re
from collections.abc import Callable

import pytest

from digest.delivery.dkim import OVERSIGNED, SIGNED, Signer, hash_of
from digest.errors import TransportError

pytest.importorskip("cryptography", reason="the extra digest[dkim] is not installed")
dkim = pytest.importorskip("dkim", reason="dkimpy is the oracle of these tests")

HEAD = (
    b"From: Example Digest <digest@news.example.org>\r\nTo: reader@example.org\r\n"
    b"Subject: =?utf-8?q?Trending?=\r\n papers  for\tyou\r\nDate: Sun, 22 Nov 2026 07:00:00 +0000\r\n"
    b"MIME-Version: 1.0\r\nMessage-ID: <1@news.example.org>\r\nList-Id: Example <papers.news.example.org>\r\n"
    b"List-Unsubscribe: <https://news.example.org/u/TOKEN>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Feedback-ID: 1:daily:digest:example\r\nContent-Type: multipart/alternative;\r\n boundary=x\r\n"
)
MESSAGE = HEAD + b"\r\nDear reader,\r\n\r\nthe end\r\n"
AT = 1_795_330_800


def pem(bits: int = 2048, **protection: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    lock = BestAvailableEncryption(protection["password"]) if protection else NoEncryption()
    return rsa.generate_private_key(65537, bits).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer("news.example.org", "d1", pem())


@pytest.fixture(scope="module")
def valid(signer: Signer) -> Callable[[bytes], bool]:
    import base64

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    key = load_pem_private_key(signer.key_pem, None).public_key()
    public = base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def dns(name: bytes, **_: object) -> bytes:
        assert name == b"d1._domainkey.news.example.org."
        return b"v=DKIM1; k=rsa; p=" + public

    return lambda message: bool(dkim.verify(message, dnsfunc=dns))


def covered(signed: bytes) -> list[str]:
    found = re.search(rb"h=([^;]*);", signed)
    assert found
    return [name.strip() for name in found[1].decode().split(":")]


def test_a_foreign_verifier_accepts_it(signer: Signer, valid: Callable[[bytes], bool]):
    signed = signer.sign(MESSAGE, AT)
    assert valid(signed)
    assert signed.endswith(MESSAGE)


def test_signing_again_gives_the_same_bytes(signer: Signer):
    assert signer.sign(MESSAGE, AT) == signer.sign(MESSAGE, AT) != signer.sign(MESSAGE, AT + 1)


@pytest.mark.parametrize("part", [b"Trending", b"TOKEN", b"One-Click", b"Dear", b"papers.news", b"daily", b"multipart"])
def test_a_changed_word_breaks_it(signer: Signer, valid: Callable[[bytes], bool], part: bytes):
    assert not valid(signer.sign(MESSAGE, AT).replace(part, part.swapcase()))


@pytest.mark.parametrize("name", OVERSIGNED)
def test_a_second_header_breaks_it(signer: Signer, valid: Callable[[bytes], bool], name: str):
    assert not valid(f"{name}: forged\r\n".encode() + signer.sign(MESSAGE, AT))
    without = b"\r\n".join(line for line in MESSAGE.split(b"\r\n") if not line.startswith(name.encode() + b":"))
    if name != "From":  # without which nothing is valid
        assert valid(signer.sign(without, AT))
    assert not valid(f"{name}: forged\r\n".encode() + signer.sign(without, AT))


def test_it_covers_what_receivers_act_on(signer: Signer):
    names = covered(signer.sign(MESSAGE, AT))
    for name in SIGNED:
        assert names.count(name.lower()) == (2 if name in OVERSIGNED else 1)


def test_its_lines_stay_short(signer: Signer):
    header = signer.sign(MESSAGE, AT).removesuffix(MESSAGE)
    assert header.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example.org;")
    assert max(map(len, header.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("body", [b"x" * 998 + b"\r\n", b"a\r\n.\r\n", b"a\r\n\r\nb\r\n"])
def test_odd_bodies_verify(signer: Signer, valid: Callable[[bytes], bool], body: bytes):
    assert valid(signer.sign(HEAD + b"\r\n" + body, AT))


def test_relays_may_squeeze_blanks(signer: Signer, valid: Callable[[bytes], bool]):
    assert valid(signer.sign(MESSAGE, AT).replace(b"papers  for\tyou", b"papers for you") + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (b"", "not an unencrypted private key in PEM form"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not an unencrypted private key"),
        (pem(password=b"secret"), "not an unencrypted private key"),
        (pem(1024), "at least 2048 bits"),
    ],
)
def test_a_key_that_cannot_sign_is_named_with_the_way_out(key: bytes, why: str):
    with pytest.raises(TransportError, match=rf"d1\._domainkey\.news\.example\.org .*{why}.*openssl genrsa 2048"):
        Signer("news.example.org", "d1", key).sign(MESSAGE, AT)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(TransportError, match=r"pip install 'digest\[dkim\]'"):
        Signer("news.example.org", "d1", b"").sign(MESSAGE, AT)


def test_the_hash_of_a_message_changes_with_each_byte_of_head_and_body_signed_or_not(signer):
    messages = [MESSAGE, MESSAGE.replace(b"reader@", b"leader@"), MESSAGE.replace(b"the end", b"the and")]
    hashes = [hash_of(m) for m in messages] + [hash_of(signer.sign(m, AT)) for m in messages]
    assert len({*hashes}) == 6
    assert hash_of(signer.sign(MESSAGE, AT)) == hashes[3]
