"""Headers, the body limit, whose address a request comes from; and whatever bytes come, no 5xx."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from digest.services import forms
from digest.web import SILENT, create, guard

POSTS = ["/", "/confirm/good", "/never/good", "/preferences/good", "/u/good", "/vote/good/7/up"]
PRIVATE = [
    *("/confirm/good", "/never/good", "/preferences/good", "/u/good", "/u/bad", "/nowhere", "/healthz"),
    *("/vote/good/7", "/vote/good/7/up", "/search?q=what+I+wonder"),
]


@pytest.mark.parametrize(
    "path", ["/", "/editions", "/assets/style.css", "/robots.txt", "/editions/2020-01-01", *PRIVATE]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_every_answer_carries_the_headers(web, path, method):
    headers = web.request(method, path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in headers


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_somebodys_own_is_neither_kept_nor_indexed(web, path, method):
    headers = web.request(method, path).headers
    assert headers["cache-control"] == "no-store"
    assert "noindex" in headers["x-robots-tag"]


def test_public_pages_may_be_kept_for_a_while_but_not_their_errors_or_answers(web):
    assert web.get("/editions").headers["cache-control"] == "public, max-age=300"
    assert web.get("/editions/2020-01-01").headers["cache-control"] == "no-store"
    assert web.post("/").headers["cache-control"] == "no-store"
    assert "x-robots-tag" not in web.get("/editions").headers


@pytest.mark.parametrize("path", POSTS)
def test_a_body_over_64_kb_is_refused(web, acts, path):
    answer = web.post(path, content=b"a" * (guard.BODY_LIMIT + 1))
    assert answer.status_code == 413
    assert "64 KB" in answer.text
    assert "content-security-policy" in answer.headers
    assert not acts


@pytest.mark.parametrize("path", POSTS)
def test_an_endless_body_is_refused_while_it_comes(app, path):
    came = 0

    async def receive() -> dict[str, object]:
        nonlocal came
        came += 1000
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    assert _answer(app, path, receive)["status"] == 413
    assert came <= guard.BODY_LIMIT + 1000


def test_a_body_that_is_announced_too_long_is_not_waited_for(app):
    async def receive() -> dict[str, object]:
        raise AssertionError("waited")

    assert _answer(app, "/", receive, (b"content-length", b"9" * 5000))["status"] == 413


def test_who_hangs_up_while_sending_changes_nothing(app):
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    assert _answer(app, "/u/good", receive)["status"] == 400
    assert not app.subscriptions.acts


def _answer(app, path, receive, *headers):
    """The first message of an answer, from the bare ASGI application."""
    sent = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "query_string": b"",
        "client": ("1.2.3.4", 5),
    }
    anyio.run(create(app), scope, receive, send)
    return sent[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["1.1.1.1"], "203.0.113.9"),  # forged: the peer is no proxy of ours
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7, 10.2.3.4"], "198.51.100.7"),  # the left part is the client's own claim
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7"], "198.51.100.7"),  # two header lines
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8::7]:443, 10.9.9.9:80"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),  # as it is called where we listen on `::`
        ("unix", ["1.1.1.1"], "unix"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_proxy_of_ours(app, acts, peer, forwarded, client):
    fields = {"address": "a@example.org", "cadence": "daily", "hour": "6", "zone": "UTC", "form": "minute"}
    headers = [
        *(("x-forwarded-for", line) for line in forwarded),
        ("forwarded", "for=1.1.1.1"),
        ("x-real-ip", "1.1.1.1"),
    ]
    TestClient(create(app), client=(peer, 1)).post("/", data=fields, headers=headers)
    assert acts[0][4].ip == client


def test_nothing_is_traced(app):
    """Paths carry tokens, so no exporter may see them, whatever the environment says."""
    assert not any(SILENT.values())
    assert not create(app)._native_telemetry.enabled()


@pytest.mark.parametrize("host", ["[", "a b", "x" * 5000, ""])
def test_a_strange_host_is_no_trouble(web, host):
    assert web.get("/u/good", headers={"host": host}).status_code == 200
    assert web.post("/confirm/good", headers={"host": host}).status_code == 200


TYPES = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json", "text/plain", ""]
NAMES = ["address", "topic", "texts", "cadence", "days", "day", "hour", "zone", "count", "pause", "website", "x"]
NAMES += [*forms.LISTS, *forms.LARGEST, "minimum", "languages", "likes", "forget", "form"]
VALUES = st.text(max_size=30) | st.sampled_from(
    [
        "daily",
        "weekdays",
        "weekly",
        "1",
        "7",
        "UTC",
        "a@b.org",
        "2026-01-01",
        "٣",
        "nan",
        "-0",
        "1e999",
        "1_0",
        "minute",
    ]
)


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(POSTS), kind=st.sampled_from(TYPES), body=st.binary(max_size=400))
def test_no_bytes_make_it_fail(public, path, kind, body):
    assert public.post(path, content=body, headers={"content-type": kind}).status_code in (200, 422)


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(POSTS), fields=st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, max_size=3)))
def test_nothing_typed_makes_it_fail(public, path, fields):
    assert public.post(path, data=fields).status_code in (200, 422)


@settings(max_examples=100, deadline=None)
@given(method=st.sampled_from(["GET", "POST", "HEAD"]), path=st.binary(max_size=40))
def test_no_path_makes_it_fail(public, method, path):
    quoted = "".join(f"%{byte:02x}" for byte in path)
    assert public.request(method, f"/{quoted}").status_code < 500
    assert public.request(method, f"/editions/{quoted}").status_code < 500
    assert public.request(method, f"/u/{quoted}").status_code < 500
    assert public.request(method, f"/search?q={quoted}").status_code < 500
    assert public.request(method, f"/papers/{quoted}").status_code < 500
    assert public.request(method, f"/vote/good/7/{quoted}").status_code < 500
