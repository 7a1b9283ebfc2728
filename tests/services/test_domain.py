"""What others look up about a sender: each missing or wrong record is named with what to publish."""

import subprocess
from dataclasses import replace

import pytest
from factories import PUBLICATION

from digest.delivery.dkim import Signer
from digest.delivery.maildir import Maildir
from digest.delivery.smtp import Smtp
from digest.services.domain import findings

SENDER = "news.example.org"


@pytest.fixture(scope="module")
def signer():
    key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    return Signer(SENDER, "d1", key)


@pytest.fixture
def records(signer):
    """A domain on which nothing is missing."""
    return {
        (SENDER, "TXT"): ["some-site-verification=1", "v=spf1 ip4:192.0.2.7 -all"],
        (f"d1._domainkey.{SENDER}", "TXT"): [signer.record.replace("k=rsa; ", "")],
        ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none"],
        (SENDER, "MX"): ["mx.example.org"],
    }


@pytest.fixture
def wrong(signer, records, tmp_path):
    """A function that tells what is not well, by name."""

    def look(publication=PUBLICATION, transport=Maildir(tmp_path), signer=signer):  # noqa: B008
        found = findings(publication, transport, signer, lambda *asked: records.get(asked, []))
        return {each.what: each.told for each in found if not each.well}

    return look


def test_a_domain_that_is_ready_has_no_trouble(wrong):
    assert wrong() == {}
    assert wrong(signer=None) == {}


def test_what_is_missing_is_named_with_what_to_publish(records, wrong, signer):
    records.clear()
    told = wrong()
    assert told["SPF"].startswith(f'publish: {SENDER}. TXT "v=spf1 include:')
    assert told["DKIM"] == f'publish: d1._domainkey.{SENDER}. TXT "{signer.record}"'
    assert told["DMARC"].startswith(f'publish: _dmarc.{SENDER}. TXT "v=DMARC1; p=none;')
    assert told["MX"].startswith(f"publish: {SENDER}. MX 10 ")


def test_a_domain_that_says_it_takes_no_mail_gets_no_bounces(records, wrong):
    records[SENDER, "MX"] = [""]
    assert "bounces are lost" in wrong()["MX"]


def test_another_key_is_told_from_none(records, wrong):
    records[f"d1._domainkey.{SENDER}", "TXT"] = ["v=DKIM1; p=MIIB"]
    assert "has another key; publish" in wrong()["DKIM"]


@pytest.mark.parametrize(("texts", "why"), [(["v=spf1 +all"], "lets anybody"), (["v=spf1 -all"] * 2, "2 SPF records")])
def test_a_policy_that_says_nothing_is_no_policy(records, wrong, texts, why):
    records[SENDER, "TXT"] = texts
    assert why in wrong()["SPF"]


def test_bounces_are_looked_for_where_they_go_and_one_of_both_domains_must_be_the_senders(wrong, signer):
    elsewhere = replace(PUBLICATION, return_domain="bounces.example.com")
    assert set(wrong(elsewhere)) == {"SPF", "MX"}
    assert "alignment" in wrong(elsewhere, signer=None)
    beside = replace(PUBLICATION, return_domain="bounces.example.org")
    assert "alignment" not in wrong(beside, signer=None), "both belong to example.org, which has the policy"


def test_a_relay_that_is_not_there_is_told_with_its_name(wrong):
    told = wrong(transport=Smtp("127.0.0.1", 1, tls="none"))
    assert set(told) == {"relay"}
    assert "no connection to 127.0.0.1:1" in told["relay"]
