"""Records from a name server on loopback."""

import socket

import pytest
from delivery.zone import Zone, asked_of

from digest.delivery import dns
from digest.errors import TransportError

KEY = "v=DKIM1; k=rsa; p=" + "A" * 392


@pytest.fixture
def zone(monkeypatch):
    with Zone({"example.org": "v=spf1 -all", "d1._domainkey.example.org": KEY}) as zone:
        monkeypatch.setattr("dns.resolver.default_resolver", asked_of(zone.port))
        yield zone


def test_texts_come_in_one_piece_however_they_were_cut(zone):
    assert dns.ask("example.org", "TXT") == ["v=spf1 -all"]
    assert dns.ask("d1._domainkey.example.org", "TXT") == [KEY]


def test_a_mail_server_is_named_also_where_the_answer_points_back(zone):
    assert dns.ask("example.org", "MX") == ["example.org"]


def test_what_does_not_exist_is_nothing(zone):
    assert dns.ask("nowhere.example.com", "TXT") == []
    assert dns.ask("d1.example.org", "TXT") == []


def test_no_answer_is_told_from_one_that_knows_of_nothing(monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr("dns.resolver.default_resolver", asked_of(silent.getsockname()[1]))
        monkeypatch.setattr(dns, "PATIENCE", 0.05)
        with pytest.raises(TransportError, match=r"example\.org TXT cannot be looked up: .* see /etc/resolv\.conf"):
            dns.ask("example.org", "TXT")


def test_a_server_that_fails_is_told(zone, monkeypatch):
    failing = zone.answer
    monkeypatch.setattr(zone, "answer", lambda query: (said := failing(query))[:3] + bytes([said[3] | 2]) + said[4:])
    monkeypatch.setattr(dns, "PATIENCE", 0.5)
    with pytest.raises(TransportError, match=r"example\.org TXT cannot be looked up"):
        dns.ask("example.org", "TXT")
