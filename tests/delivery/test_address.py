import pytest

from digest.delivery.address import canonical, masked, needs_smtputf8, network, normal, veiled
from digest.errors import AddressError

GOOD = {
    "reader@example.org": "reader@example.org",
    "  reader@example.org ": "reader@example.org",
    "Reader@EXAMPLE.Org": "Reader@example.org",
    "first.last+tag@sub.example.co.uk": "first.last+tag@sub.example.co.uk",
    "!#$%&'*+/=?^_`{|}~-@example.org": "!#$%&'*+/=?^_`{|}~-@example.org",
    "1@2.example": "1@2.example",
    "reader@münchen.de": "reader@xn--mnchen-3ya.de",
    "reader@例え.jp": "reader@xn--r8jz45g.jp",
    "reader@ex。org": "reader@ex.org",
    "reader@XN--mnchen-3ya.de": "reader@xn--mnchen-3ya.de",
    "reader@r3---sn.example.org": "reader@r3---sn.example.org",
    "grüße@example.org": "grüße@example.org",
    "gru\u0308ße@example.org": "grüße@example.org",
    '"reader"@example.org': "reader@example.org",
    '"odd one"@example.org': '"odd one"@example.org',
    r'"a\"b@c"@example.org': r'"a\"b@c"@example.org',
    "x" * 64 + "@example.org": "x" * 64 + "@example.org",
    f"r@{'a' * 63}.example.org": f"r@{'a' * 63}.example.org",
}

BAD = {
    "": "@ is missing",
    "reader": "@ is missing",
    "reader.example.org": "@ is missing",
    "@example.org": "nothing stands before",
    "reader@": "no complete domain",
    "reader@localhost": "no complete domain",
    "reader@example.org.": "no complete domain",
    "reader@.example.org": "no complete domain",
    "reader@example..org": "no complete domain",
    "Reader <reader@example.org>": "between < and >",
    "odd one@example.org": "blank or a character that needs quotes",
    "a@b@example.org": "character that needs quotes",
    "a,b@example.org": "character that needs quotes",
    '"unclosed@example.org': "character that needs quotes",
    '""@example.org': "character that needs quotes",
    '"grü ße"@example.org': "character that needs quotes",
    ".reader@example.org": "dot stands at the wrong place",
    "reader.@example.org": "dot stands at the wrong place",
    "first..last@example.org": "dot stands at the wrong place",
    "reader@example.org\r\nBcc: victim@example.net": "line break",
    "rea\nder@example.org": "line break",
    "rea\u200bder@example.org": "control character",
    "rea\u00a0der@example.org": "unusual blank",
    "rea\ud800der@example.org": "control character",
    "x" * 65 + "@example.org": "longer than 64 octets",
    "ü" * 33 + "@example.org": "longer than 64 octets",
    "r@" + "a." * 125 + "example": "longer than 254 octets",
    f"r@{'a' * 64}.example.org": "no complete domain",
    "reader@[192.0.2.1]": "instead of an IP address",
    "reader@[IPv6:2001:db8::1]": "instead of an IP address",
    "reader@192.0.2.1": "no complete domain",
    "reader@１２７.0.0.1": "no complete domain",
    "reader@exa mple.org": "no complete domain",
    "reader@exa_mple.org": "no complete domain",
    "reader@-example.org": "no complete domain",
    "reader@xn--a.org": "not valid",
    "reader@exa⒈mple.org": "not valid",
}


@pytest.mark.parametrize(("given", "stored"), GOOD.items())
def test_an_address_is_stored_as_it_can_be_mailed(given, stored):
    assert normal(given) == stored
    assert normal(stored) == stored


@pytest.mark.parametrize(("given", "why"), BAD.items())
def test_an_address_that_cannot_be_mailed_is_refused_with_the_reason(given, why):
    with pytest.raises(AddressError, match=why) as refused:
        normal(given)
    assert str(refused.value).isprintable()


def test_only_a_local_part_beyond_ascii_needs_smtputf8():
    assert [needs_smtputf8(normal(a)) for a in ("grüße@example.org", "reader@münchen.de")] == [True, False]


def test_spellings_that_reach_one_person_share_a_budget():
    same = ["jane.doe@example.org", "JaneDoe@Example.org", "j.a.n.e.doe+papers@example.org", '"jane.doe"@example.org']
    assert {canonical(a) for a in same} == {"janedoe@example.org"}
    assert canonical("jane@münchen.de") == canonical("Jane@xn--mnchen-3ya.de")
    assert canonical("+tag@example.org") == "+tag@example.org"
    assert canonical("john.doe@example.org") != canonical("jane.doe@example.org")


@pytest.mark.parametrize(
    ("address", "shown"),
    [("alice@example.org", "a…e@example.org"), ("al@example.org", "a…@example.org"), ("a@x.org", "a…@x.org")],
)
def test_a_masked_address_tells_its_owner_only(address, shown):
    assert masked(address) == shown


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("5.1.1 <reader@example.org>: unknown", "5.1.1 <…>: unknown"),
        ("unknown user reader+x@example.org.", "unknown user …"),
        ('<"odd@one"@example.org>', "<…>"),
        ("two\r\nlines\x00 here", "two lines here"),
        ("2.0.0 Ok: queued as 4F2 (at 10:03)", "2.0.0 Ok: queued as 4F2 (at 10:03)"),
    ],
)
def test_a_servers_words_are_kept_on_one_line_without_addresses(said, kept):
    assert veiled(said) == kept


def test_a_long_answer_is_cut():
    assert len(veiled("x" * 100_000)) == 500


@pytest.mark.parametrize(
    ("ip", "shared"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_network_shares_one_budget(ip, shared):
    assert network(ip) == shared
