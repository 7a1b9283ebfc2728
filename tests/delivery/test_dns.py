"""Records from a name server on loopback."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from delivery.zone import Zone

from digest.delivery import dns
from digest.errors import TransportError

KEY = "v=DKIM1; k=rsa; p=" + "A" * 392


@pytest.fixture
def zone(monkeypatch):
    with Zone({"example.org": "v=spf1 -all", "d1._domainkey.example.org": KEY}) as zone:
        monkeypatch.setattr(dns, "resolver", lambda: ("127.0.0.1", zone.port))
        yield zone


def test_texts_come_in_one_piece_however_they_were_cut(zone):
    assert dns.ask("example.org", "TXT") == ["v=spf1 -all"]
    assert dns.ask("d1._domainkey.example.org", "TXT") == [KEY]


def test_a_mail_server_is_named_also_where_the_answer_points_back(zone):
    assert dns.ask("example.org", "MX") == ["example.org"]


def test_an_answer_that_does_not_fit_into_a_datagram_is_asked_for_again(zone, monkeypatch):
    whole = zone.answer

    def cut(query: bytes) -> bytes:
        return whole(query)[:2] + b"\x83\x80" + bytes(8)

    def once() -> None:
        line = listener.accept()[0]
        with line:
            said = whole(line.recv(4096)[2:])
            line.sendall(len(said).to_bytes(2, "big") + said)

    monkeypatch.setattr(zone, "answer", cut)
    with socket.create_server(("127.0.0.1", zone.port)) as listener, ThreadPoolExecutor(1) as pool:
        served = pool.submit(once)
        assert dns.ask("d1._domainkey.example.org", "TXT") == [KEY]
        served.result()


def test_what_does_not_exist_is_nothing(zone):
    assert dns.ask("nowhere.example.com", "TXT") == []


def test_no_answer_names_the_server_and_where_it_is_from(monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(dns, "resolver", lambda: silent.getsockname())
        monkeypatch.setattr(dns, "PATIENCE", 0.05)
        with pytest.raises(TransportError, match=r"127\.0\.0\.1 does not answer; see /etc/resolv\.conf"):
            dns.ask("example.org", "TXT")


def test_a_server_that_fails_is_told_from_one_that_knows_of_nothing(zone, monkeypatch):
    failing = zone.answer
    monkeypatch.setattr(zone, "answer", lambda query: (said := failing(query))[:3] + bytes([said[3] | 2]) + said[4:])
    with pytest.raises(TransportError, match=r"could not tell example\.org TXT"):
        dns.ask("example.org", "TXT")


@pytest.mark.parametrize("length", [40, 60])
def test_a_broken_answer_is_told(zone, monkeypatch, length):
    whole = zone.answer
    monkeypatch.setattr(zone, "answer", lambda query: whole(query)[:length])
    with pytest.raises(TransportError, match=r"about d1\._domainkey\.example\.org TXT is broken"):
        dns.ask("d1._domainkey.example.org", "TXT")


def test_the_machines_own_resolver_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(dns, "RESOLVERS", tmp_path / "resolv.conf")
    assert dns.resolver() == ("127.0.0.1", 53)
    dns.RESOLVERS.write_text("search example.org\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n")
    assert dns.resolver() == ("192.0.2.53", 53)
