"""Http against a server that does everything servers do wrong."""

import gzip
import re
import socket
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from digest.errors import SourceError
from digest.model import Memory
from digest.sources.http import FEEDS, Http, Limits, _decoded
from digest.sources.reach import public

SMALL = Limits(connect=2.0, total=0.5, size=10_000)


@pytest.fixture
def waits():
    return []


class AtHome(Http):
    """Asks the servers of these tests, which are not of the public internet."""

    def get(self, url, memory=None, accept=FEEDS, *, internal=True):
        return super().get(url, memory, accept, internal=internal)


@pytest.fixture
def http(waits):
    return AtHome("digest-test/1.0", limits=SMALL, wait=waits.append)


def test_a_document_comes_with_what_the_next_request_needs(server, http):
    url = server.says("/feed", b"<rss/>", content_type="application/rss+xml", etag='"1"', last_modified="Mon")
    answer = http.get(url, accept="application/rss+xml")
    assert (answer.body, answer.content_type, answer.url) == (b"<rss/>", "application/rss+xml", url)
    assert (answer.etag, answer.modified, answer.unchanged) == ('"1"', "Mon", False)
    [(_, sent)] = server.requests
    assert (sent["user-agent"], sent["accept"]) == ("digest-test/1.0", "application/rss+xml")
    assert sent["accept-encoding"] == "gzip"
    assert "if-none-match" not in sent


def test_what_did_not_change_is_not_sent_again(server, http):
    answer = http.get(server.says("/feed", status=304), Memory(etag='"1"', modified="Mon"))
    assert answer.unchanged
    [(_, sent)] = server.requests
    assert (sent["if-none-match"], sent["if-modified-since"]) == ('"1"', "Mon")


def test_a_tag_of_our_own_is_told_to_nobody(server, http):
    http.get(server.says("/feed"), Memory(etag="bytes:abc", modified="Mon"))
    [(_, sent)] = server.requests
    assert ("if-none-match" in sent, sent["if-modified-since"]) == (False, "Mon")


def test_a_tag_or_date_that_no_request_can_carry_is_kept_back(server, http):
    http.get(server.says("/feed"), Memory(etag='"été"', modified="ven., 05 févr. 2021 10:00:00 GMT"))
    [(_, sent)] = server.requests
    assert not {"if-none-match", "if-modified-since"} & sent.keys()


def test_cookies_are_not_kept_and_the_environment_is_not_asked(server, http, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    url = server.says("/feed", set_cookie="a=b")
    http.get(url)
    http.get(url)
    assert all("cookie" not in sent for _, sent in server.requests)


@pytest.mark.parametrize("packed", [gzip.compress(b"<rss/>" * 99), zlib.compress(b"<rss/>" * 99)])
def test_a_compressed_document_is_unpacked(server, http, packed):
    assert http.get(server.says("/feed", packed, content_encoding="gzip")).body == b"<rss/>" * 99


@pytest.mark.parametrize("size", [1, 24, 25, 26, 99])
def test_gzip_may_come_in_several_members_wherever_they_are_cut(size):
    members = gzip.compress(b"<rss>"), gzip.compress(b"</rss>"), bytes(9)
    packed = b"".join(members)
    assert len(members[0]) == 25
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert b"".join(_decoded(pieces, "gzip", "u")) == b"<rss></rss>"


def bomb(megabytes):
    packer = zlib.compressobj(wbits=31)
    nothing = bytes(1_000_000)
    return b"".join(packer.compress(nothing) for _ in range(megabytes)) + packer.flush()


def test_a_bomb_of_400_mb_goes_off_in_slices(server):
    packed = bomb(400)
    url = server.says("/bomb", packed, content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"larger than 5,242,880 bytes; ask for a smaller feed"):
            AtHome("test").get(url)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_no_piece_of_a_bomb_is_large():
    assert max(map(len, _decoded([bomb(3)], "gzip", "u"))) <= 65_536


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"hello", "br", "compressed in a way that was not asked for"),
        (b"hello", "gzip", "compressed in a way that was not asked for"),
        (gzip.compress(b"x" * 999)[:-20], "gzip", "ends in the middle"),
    ],
)
def test_a_document_that_cannot_be_unpacked_is_refused(server, http, body, encoding, reason):
    with pytest.raises(SourceError, match=reason):
        http.get(server.says("/feed", body, content_encoding=encoding))


def test_endless_chunks_end_at_the_limit(server, http):
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with pytest.raises(SourceError, match="larger than 10,000 bytes"):
        http.get(server.drips("/endless", head, b"100\r\n" + b"x" * 256 + b"\r\n"))


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),  # without a length, the cut would look like the end
        (b"HTTP/1.1 200 OK\r\nx-slow: ", b"x"),
        (b"", b""),
    ],
    ids=["body", "body without length", "headers", "silence"],
)
def test_a_server_that_drips_is_cut_off(server, http, head, drop):
    before = time.monotonic()
    with pytest.raises(SourceError, match=r"took too long \(2 s to connect, 0.5 s in all\)"):
        http.get(server.drips("/slow", head, drop, pause=0.02))
    assert time.monotonic() - before < 2


def test_redirects_are_followed_to_the_end(server, http):
    server.says("/c", b"<rss/>")
    server.says("/b", status=308, location="/c")
    answer = http.get(server.says("/a", status=302, location=server.address("/b")))
    assert (answer.body, answer.url) == (b"<rss/>", server.address("/c"))


def test_a_redirect_loop_ends_after_three(server, http):
    with pytest.raises(SourceError, match="redirects more than 3 times; look for its new address"):
        http.get(server.says("/loop", status=301, location="/loop"))
    assert len(server.requests) == 4


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[", "gopher:x", "http://a@b/"])
def test_a_redirect_leads_to_http_only(server, target):
    http = AtHome("test", limits=SMALL)
    with pytest.raises(SourceError, match=r"give an http\(s\) address|is no address"):
        http.get(server.says("/away", status=302, location=target))


@pytest.mark.parametrize("url", ["ftp://x/", "feeds/x.xml", "https://", "http://user:secret@h/", "http://[::1", ""])
def test_an_address_that_is_not_http_is_refused_without_its_password(http, url):
    with pytest.raises(SourceError) as refused:
        http.get(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "hint"), [(404, "check the address"), (403, "check the address"), (500, "the server is in trouble")]
)
def test_a_refusal_is_told_with_its_status_and_not_repeated(server, http, waits, status, hint):
    with pytest.raises(SourceError, match=f"/feed answered {status} .*; {hint}"):
        http.get(server.says("/feed", b"<html>no</html>", status=status))
    assert len(server.requests) == 1
    assert waits == []


def busy_once(server, retry_after):
    def answer(handler):
        server.says("/feed", b"<rss/>")
        handler.send_response(429)
        handler.send_header("retry-after", retry_after)
        handler.end_headers()

    server.routes["/feed"] = answer
    return server.address("/feed")


def test_a_busy_server_is_asked_again_when_it_says(server, http, waits):
    assert http.get(busy_once(server, "7")).body == b"<rss/>"
    assert waits == [pytest.approx(7, abs=0.5)]


def test_when_may_be_a_date(server, http, waits):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert http.get(busy_once(server, date)).body == b"<rss/>"
    assert waits == [pytest.approx(30, abs=3)]


@pytest.mark.parametrize("when", ["soon", "1 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_server_that_does_not_say_when_is_asked_in_a_moment(server, http, waits, when):
    assert http.get(busy_once(server, when)).body == b"<rss/>"
    assert waits == [pytest.approx(2, abs=0.5)]


def test_a_server_that_wants_an_hour_is_left_alone(server, http, waits):
    with pytest.raises(SourceError, match=r"asks for patience \(429 .*\); the next collection tries again"):
        http.get(busy_once(server, "3600"))
    assert waits == []


def test_a_busy_server_is_asked_three_times_and_ever_later(server, http, waits):
    with pytest.raises(SourceError, match=r"asks for patience \(503 "):
        http.get(server.says("/feed", status=503))
    assert len(server.requests) == 3
    assert waits == [pytest.approx(2, abs=0.5), pytest.approx(4, abs=0.5)]


def test_a_server_that_is_not_there_is_asked_again_and_then_named(http, waits):
    with pytest.raises(SourceError, match=r"http://127.0.0.1:9/feed could not be fetched \(.*refused.*\)"):
        http.get("http://127.0.0.1:9/feed")
    assert len(waits) == 2


def test_a_body_shorter_than_promised_is_no_document(server, http):
    with pytest.raises(SourceError, match="could not be fetched"):
        http.get(server.says("/feed", b"<rss/>", content_length="500"))


def test_threads_queue_for_a_host_that_wants_to_be_asked_slowly(server, waits):
    http = AtHome(
        "test", delays={"0.0.1": 3.0}, wait=waits.append
    )  # 127.0.0.1 belongs to 0.0.1 as rss.arxiv.org to arxiv.org
    url = server.says("/feed", b"<rss/>")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(http.get, [url] * 4))
    assert sorted(waits) == [pytest.approx(3 * n, abs=0.5) for n in (1, 2, 3)]


# ---------------------------------------------------------------- what lies outside the public internet


@pytest.fixture
def canary():
    """Listens at home, and fails the test when anybody so much as connects."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening
        listening.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listening.accept()


HOMES = [
    "127.0.0.1",
    "localhost",
    "2130706433",
    "0x7f.1",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
]


@pytest.mark.parametrize("host", HOMES)
def test_a_feed_at_home_is_refused_unless_its_source_opts_in(host, canary):
    with pytest.raises(SourceError, match=r"is no address of the public internet; .* add `internal: true`"):
        Http("test", limits=SMALL).get(f"http://{host}:{canary.getsockname()[1]}/")


@pytest.mark.parametrize("host", ["169.254.169.254", *HOMES])
def test_a_redirect_leads_home_for_nobody(server, http, host, canary):
    url = server.says("/away", status=302, location=f"http://{host}:{canary.getsockname()[1]}/latest/meta-data/")
    with pytest.raises(SourceError, match=f"^{re.escape(host.strip('[]'))}.* is no address of the public internet"):
        http.get(url)


def test_a_name_that_is_bound_anew_while_it_is_asked_for_gets_nothing(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        answers = ["93.184.215.14", "127.0.0.1"]

        def rebound(host, port, *_, **__):
            assert host == "feeds.example"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        with pytest.raises(SourceError, match=r"127\.0\.0\.1 is no address of the public internet"):
            Http("test", limits=SMALL).get(f"http://feeds.example:{canary.getsockname()[1]}/")
        assert answers == []
        connection, _ = canary.accept()
        with connection:
            assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("93.184.215.14", True),
        ("2606:4700::6810:84e5", True),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::5db8:d70e", True),  # an IPv4 host, as a network without IPv4 sees it
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("::127.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2002:a00:1::1", False),
        ("2001:0:a00:1::1", False),
        ("a name", False),
    ],
)
def test_public_is_what_everybody_can_reach(address, answer):
    assert public(address) is answer


# ---------------------------------------------------------------- files


@pytest.fixture
def files(tmp_path):
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "a b+c.xml").write_bytes(b"<rss/>")
    (tmp_path / "large.xml").write_bytes(b"x" * 10_001)
    return Http("test", root=tmp_path, limits=SMALL)


def test_a_file_is_read_relative_to_the_root_or_absolute(files, tmp_path):
    assert files.get("file:feeds/a%20b+c.xml").body == b"<rss/>"
    assert files.get((tmp_path / "feeds" / "a b+c.xml").as_uri()).body == b"<rss/>"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "file:feeds/none.xml",
            r"cannot read .*feeds/none\.xml: No such file or directory; check the path in file:feeds",
        ),
        ("file:feeds", r"cannot read .*feeds: Is a directory"),
        ("file:a%00b", r"cannot read .*null byte"),
        ("file:large.xml", r"file:large\.xml is larger than 10,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(files, url, reason):
    with pytest.raises(SourceError, match=reason):
        files.get(url)
