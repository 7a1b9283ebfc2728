import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from served import Served

from digest.errors import SourceError
from digest.model import Listing, Memory
from digest.sources.hf_daily import HfDailySource

Document = Callable[[str], Served]


def batch(http):
    return HfDailySource("daily").fetch(http, Memory())


def listed(**paper):
    whole = {"id": "2601.07022", "title": "A title", **paper}
    return Served(json.dumps([{"paper": whole, "numComments": 0}]).encode(), "application/json")


def test_a_paper_comes_with_its_signals_and_links(document):
    http = document("hf_daily.json")
    assert batch(http).listings[1] == Listing(
        source="daily",
        key="2506.19851",
        title="AnimaX: Animating the Inanimate in 3D with Joint Video-Pose Diffusion Models",
        abstract="Skeletons of any shape are animated with what video models know.",
        authors=("Zehuan Huang",),
        ids={"arxiv": "2506.19851"},
        keywords=("video diffusion",),
        links={
            "abstract": "https://arxiv.org/abs/2506.19851",
            "discussion": "https://huggingface.co/papers/2506.19851",
            "code": "https://github.com/anima-x/anima-x",
            "project": "https://anima-x.github.io/",
        },
        announced=datetime(2025, 6, 25, 1, 12, 40, 364_000, tzinfo=UTC),
        signals={"upvotes": 21.0, "comments": 2.0, "stars": 20.0},
    )
    assert http.asked == ["https://huggingface.co/api/daily_papers"]


def test_the_words_that_say_what_it_is_about_are_kept():
    found = batch(listed(ai_keywords=["memory", " LLM <b>agents</b>", "memory", None, 3]))
    assert found.listings[0].keywords == ("memory", "LLM agents")


def test_the_first_lists_had_fewer_fields(document):
    paper = batch(document("hf_daily.json")).listings[0]
    assert paper.announced == datetime(2024, 6, 5, 4, 19, 34, 703_000, tzinfo=UTC)
    assert paper.title == "Seed-TTS: A Family of High-Quality Versatile Speech Generation Models"
    assert paper.authors == ("Philip Anastassiou", "Jiawei Chen")  # hidden as users, named on the paper
    assert paper.signals == {"upvotes": 13.0, "comments": 1.0}


def test_items_that_make_no_sense_are_left_out_and_named(document):
    found = batch(document("hf_daily.json"))
    assert len(found.listings) == 2
    assert found.warnings == (
        "entry 3 is left out: it has no arXiv id (not-arxiv)",
        "entry 4 is left out: its upvotes is strange (2601.07022)",
        "entry 5 is left out: 'no item at all' has no paper",
    )


@pytest.mark.parametrize(
    "paper",
    [
        {"title": None},
        {"title": ["a"]},
        {"title": " "},
        {"id": 2601.07022},
        {"authors": "Ada"},
        {"authors": ["Ada"]},
        {"authors": [{"name": 1}]},
        {"upvotes": -5},
        {"upvotes": 10**400},
        {"upvotes": 1.5},
        {"githubRepo": 7},
    ],
)
def test_a_field_of_the_wrong_kind_spoils_its_item_only(paper):
    found = batch(listed(**paper))
    assert found.listings == ()
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    "paper", [{"upvotes": None}, {"authors": None}, {"submittedOnDailyAt": "soon"}, {"githubRepo": "javascript:x"}]
)
def test_what_is_missing_is_left_out(paper):
    [listing] = batch(listed(**paper)).listings
    assert (listing.announced, listing.authors) == (None, ())
    assert listing.signals == {"comments": 0.0}
    assert "code" not in listing.links


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (b'{"error": "Sorry, we are down"}', "Sorry, we are down"),
        (b"<html><title>502 Bad Gateway</title></html>", "a page titled “502 Bad Gateway”"),
        (b"[" * 100_000, "application/json that begins"),
        (b"", "nothing"),
        (b"null", "null"),
    ],
)
def test_what_is_no_list_is_described(body, came):
    with pytest.raises(
        SourceError, match=r"^daily: .* is no list of papers: .*came instead; check the address"
    ) as error:
        batch(Served(body, "application/json"))
    assert came in str(error.value)


@pytest.mark.parametrize(
    ("period", "asked"), [("week", "?week=2026-W01&limit=100"), ("month", "?month=2025-12&limit=100"), ("day", "")]
)
def test_a_list_may_be_that_of_the_running_week_or_month(document, monkeypatch, period, asked):
    monkeypatch.setattr("digest.clock.system", lambda: datetime(2025, 12, 31, tzinfo=UTC))
    http = document("hf_daily.json")
    HfDailySource("daily", period=period).fetch(http, Memory())
    assert http.asked == [f"https://huggingface.co/api/daily_papers{asked}"]


def test_a_list_by_trend_has_no_date_and_an_address_no_period():
    with pytest.raises(ValueError, match="sort=trending ignores the date"):
        HfDailySource("daily", url="https://huggingface.co/api/daily_papers?date=2026-01-14&sort=trending")
    with pytest.raises(ValueError, match="give either a period or the url"):
        HfDailySource("daily", period="week", url="https://huggingface.co/api/daily_papers")


def test_a_past_day_is_a_list_of_its_own(document):
    http = document("hf_daily.json")
    found = HfDailySource("daily").on(date(2026, 1, 14), http)
    assert http.asked == ["https://huggingface.co/api/daily_papers?date=2026-01-14"]
    assert (len(found.listings), found.dated) == (2, True)
    assert HfDailySource("daily").grows
    assert HfDailySource("daily", period="week").grows is None
