"""What curators pick counts, once for each."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from factories import NOW, batch, listing
from served import DOCUMENTS, Served

from digest.errors import Busy, NotFound, SourceError


@pytest.fixture
def curation(app):
    app.http = Served((DOCUMENTS / "arxiv_api.xml").read_bytes())
    return app.curation


def signals(app, paper=1):
    return [(s.source, s.kind, s.value) for s in app.catalog.papers.signals([paper], NOW)]


def test_each_curator_has_one_voice_for_a_paper(app, curation):
    app.catalog.papers.take("arxiv", batch(listing(arxiv="2601.00001")), NOW)
    for who in ("AK", "Ada", "AK"):
        curation.pick("https://arxiv.org/abs/2601.00001v2", who, "why not")
    assert signals(app) == [("curators", "pick", 1), ("curators", "pick", 2)]
    assert [(who, note) for _, who, note in app.catalog.papers.record(1).picks] == [
        ("AK", "why not"), ("Ada", "why not"),
    ]  # fmt: skip
    assert curation.http.asked == [], "what is known needs no network"


def test_arxiv_is_asked_for_what_is_unknown_and_an_old_paper_is_news_by_the_pick(app, curation):
    card = curation.pick("2202.12139", "AK")
    assert card.title
    assert curation.http.asked == ["https://export.arxiv.org/api/query?id_list=2202.12139&max_results=1"]
    assert app.catalog.papers.news(NOW - timedelta(days=7), NOW) == [(card, NOW)]


def test_what_nobody_knows_is_said(app, curation):
    with pytest.raises(NotFound, match="only arXiv can be asked"):
        curation.pick("10.5555/nobody", "AK")
    curation.http.body = b"<html>down</html>"
    with pytest.raises(SourceError):
        curation.pick("2202.12139", "AK")
    assert app.catalog.papers.count() == 0


def test_a_secret_belongs_to_one_name(make_app, tmp_path):
    (tmp_path / "ak.secret").touch(0o600)
    (tmp_path / "ak.secret").write_text("0123456789abcdef")
    app = make_app("curators:\n  - {name: AK, secret_file: ak.secret}\n")
    proven = app.curation.proven
    assert proven("AK", "0123456789abcdef", "192.0.2.1")
    wrong = [("AK", ""), ("", ""), ("Ada", "0123456789abcdef"), ("AK", "é")]
    assert not any([proven(name, secret, "192.0.2.1") for name, secret in wrong])


def test_who_guesses_has_to_wait_and_nobody_else(app, clock):
    app.curation.secrets = {"AK": "0123456789abcdef"}
    for n in range(10):
        assert not app.curation.proven("AK", f"guess {n}", "192.0.2.1")
    with pytest.raises(Busy):
        app.curation.proven("AK", "0123456789abcdef", "192.0.2.1")
    assert app.curation.proven("AK", "0123456789abcdef", "198.51.100.1")
    clock.forward(minutes=11)
    assert app.curation.proven("AK", "0123456789abcdef", "192.0.2.1")


def test_guesses_that_come_at_once_are_no_trouble(app):
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            guesses = (pool.submit(app.curation.proven, "AK", "guess", f"2001:db8:{n:x}::") for n in range(2000))
            assert not any([guess.result() for guess in list(guesses)])
    finally:
        sys.setswitchinterval(usual)
