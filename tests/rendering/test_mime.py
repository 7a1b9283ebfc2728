import email
import email.policy
import email.utils
import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering import mime
from digest.rendering.words import clean

LINES = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=300)
TRICKY = st.lists(
    st.sampled_from(["=", "=?", "utf-8?q?", "x", ".", " ", "From ", "\n", "é", "論文", "🔥", "a" * 80])
).map("".join)


@given(LINES | TRICKY, LINES | TRICKY)
def test_quoted_pieces_joined_are_the_quoted_text(one, other):
    assert mime.unquoted(mime.quoted(one) + mime.quoted(other)) == one + other


@given(LINES | TRICKY)
def test_quoted_lines_survive_every_relay(text):
    octets = mime.quoted(text)
    assert octets == b"" or octets.endswith(b"\r\n")
    assert octets.count(b"\n") == octets.count(b"\r") == octets.count(b"\r\n")
    for line in octets.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))
        assert b"  " not in line
        assert re.fullmatch(rb"[ -~]*", line)


@given((LINES | TRICKY).map(clean))
def test_a_subject_is_read_back_as_it_was(text):
    head = f"Subject: {mime.subject(text)}\r\nX-After: here\r\n\r\n"
    parsed = email.message_from_bytes(head.encode("ascii"), policy=email.policy.default)
    assert parsed.keys() == ["Subject", "X-After"]
    assert parsed["Subject"] == text
    assert all(len(line) <= 76 for line in head.split("\r\n") if "=?utf-8" in line)


@pytest.mark.parametrize(
    "name",
    [
        "Example Digest",
        "Vorträge & Aufsätze",
        "論文ダイジェスト" * 5,
        'The "Best", Inc.',
        "=?utf-8?q?=0D=0ABcc=3A_v=40e.org?=",
    ],
)
def test_a_display_name_is_read_back_and_never_quoted(name):
    raw = mime.mailbox(name, "digest@news.example.org")
    shown, address = email.utils.parseaddr(raw)
    assert '"' not in raw
    assert address == "digest@news.example.org"
    assert str(make_header(decode_header(shown))) == name  # the modern parser puts blanks between encoded words here


@pytest.mark.parametrize("value", ["a\r\nBcc: v@e.org", "a\nb", "a\rb", "é\n", "a\0b", "a\r\n \r\nBcc: x"])
def test_what_no_header_may_hold_is_refused(value):
    with pytest.raises(ValueError, match="not fit for a mail header"):
        mime.alternative([("To", value)], "id@example.org", b"", b"")


def test_no_header_but_that_of_the_recipient_goes_beyond_ascii():
    assert mime.alternative([("To", "é@e.org")], "id@e.org", b"", b"").startswith("To: é@e.org\r\n".encode())
    with pytest.raises(ValueError, match="not fit for a mail header"):
        mime.alternative([("Reply-To", "é@e.org")], "id@example.org", b"", b"")


def test_the_boundary_follows_from_the_message_id():
    one, again, other = (mime.alternative([], some, b"a", b"b") for some in ("x@e", "x@e", "y@e"))
    assert one == again
    assert one != other
