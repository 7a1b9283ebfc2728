"""Stars of papers' repositories, asked politely."""

import json
from datetime import timedelta

import pytest
from factories import NOW, batch, listing
from served import Served, Server

from digest.errors import SourceError
from digest.model import Memory
from digest.services.collect import Collect
from digest.sources.github_stars import GithubStarsSource
from digest.sources.http import Http


def paper(code="https://github.com/ada/engine", **fields):
    return listing(links={"code": code}, **fields)


def fetch(http, *known, **settings):
    return GithubStarsSource("GitHub", **settings).fetch(http, Memory(known=known))


def test_stars_are_a_signal_of_the_paper_that_links_to_the_repository():
    http = Served(b'{"stargazers_count": 1200}')
    known = paper("https://github.com/ada/engine.git"), paper("https://gitlab.com/ada/engine"), paper("javascript:1")
    found = fetch(http, *known)
    assert [(one.key, one.signals) for one in found.listings] == [(known[0].key, {"stars": 1200.0})]
    assert http.asked == ["https://api.github.com/repos/ada/engine"]


def test_nothing_is_asked_when_nothing_is_watched():
    assert (fetch(http := Served(b""), *()).complete, http.asked) == (True, [])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"stargazers_count": "many"}'])
def test_after_a_few_failures_github_is_left_alone(body):
    http = Served(body)
    with pytest.raises(SourceError):
        fetch(http, *[paper() for _ in range(9)])
    assert len(http.asked) == 3


def test_what_is_gone_or_elsewhere_keeps_nobody_waiting(server):
    server.says("/repos/b/c", json.dumps({"stargazers_count": 3}).encode())
    for name in "xyz":
        server.says(f"/repos/gone/{name}", status=404)
    codes = ["gitlab.com/a/b"] * 9 + [f"github.com/gone/{name}" for name in "xyz"] + ["github.com/b/c"]
    known = [paper(f"https://{code}") for code in codes]
    found = fetch(Http("test"), *known, url=server.address(""), most=4, internal=True)
    assert ([one.signals["stars"] for one in found.listings], found.complete) == ([0, 0, 0, 3], True)


def test_a_token_goes_to_github_and_not_where_it_redirects(server):
    with Server() as other:
        elsewhere = other.address("/repos/ada/engine").replace("127.0.0.1", "localhost")
        server.says("/repos/ada/engine", status=301, location=elsewhere)
        server.says("/repos/b/c", json.dumps({"stargazers_count": 3}).encode())
        known = paper("https://github.com/b/c"), paper()
        found = fetch(Http("test"), *known, url=server.address(""), token="t0ken", internal=True)
        assert [one.signals for one in found.listings] == [{"stars": 3.0}]
        assert {sent.get("authorization") for _, sent in server.requests} == {"Bearer t0ken"}
        assert other.requests == [], "outside the public internet"
        other.server_close()


def test_young_papers_are_looked_at_again_less_and_less_often(catalog, clock):
    catalog.papers.take("hf", batch(paper(arxiv="2601.1"), listing(arxiv="2601.2")), NOW)
    http = Served(b'{"stargazers_count": 7}')
    collect = Collect(catalog, [GithubStarsSource("GitHub")], http, clock)

    def asked():
        before = len(http.asked)
        assert [outcome.error for outcome in collect.collect()] == [None]
        return len(http.asked) - before

    assert (asked(), asked()) == (1, 0)
    clock.forward(hours=7)
    assert asked() == 1
    clock.forward(days=4)
    assert asked() == 1
    clock.forward(hours=7)
    assert asked() == 0
    clock.forward(days=14)
    assert asked() == 0
    assert [(s.paper, s.source, s.kind) for s in catalog.papers.signals([1], clock())] == [(1, "GitHub", "stars")] * 3
    assert [since for _, since in catalog.papers.news(NOW - timedelta(days=1), clock())] == [
        NOW - timedelta(hours=2)
    ] * 2
