"""Searching, steering and profiles on the command line."""

import json
import re

import pytest
from test_cli import ready

__all__ = ["ready"]


@pytest.fixture
def ada(ready):
    ready("subscribers", "add", "ada@example.org", "--topics", "retrieval", "--confirmed", "asked")
    return ready


def test_a_search_prints_what_fits_and_says_when_nothing_does(ready):
    code, out, _ = ready("search", "dense retrieval")
    assert (code, "Dense retrieval for long documents" in out, "Grasping" in out) == (0, True, False)
    (hit,) = json.loads(ready("search", "dense retrieval", "--json")[1])["hits"]
    assert hit["card"]["title"] == "Dense retrieval for long documents"
    assert "did you mean retrieval?" in ready("search", "retreival")[1]


def test_a_profile_says_in_words_what_votes_taught_and_can_be_reset(ada, tmp_path):
    (tmp_path / "liked.bib").write_text(
        "@misc{a, url = {https://example.org/papers/1}}\n@misc{b, title = {Owls at night}}"
    )
    code, out, _ = ada("subscribers", "profile", "ada@example.org", "--like", "liked.bib")
    assert code == 0
    assert "1 papers count" in out
    assert "not in the catalog: Owls at night" in out
    assert "1 papers up, 0 down (1 pasted)" in out
    assert "retrieval" in out
    assert json.loads(ada("subscribers", "profile", "ada@example.org", "--json")[1])["origins"] == {"pasted": 1}
    assert "1 votes forgotten" in ada("subscribers", "profile", "ada@example.org", "--reset")[1]


def test_a_file_of_papers_that_cannot_be_read_is_named(ada, tmp_path):
    (tmp_path / "liked.bib").write_bytes(b"\xff\xfe\x00")
    code, _, err = ada("subscribers", "profile", "ada@example.org", "--like", "liked.bib")
    assert code == 2
    assert "liked.bib: it cannot be read" in err


def test_what_is_set_stays_and_what_is_not_named_too(ada):
    words = ("explore=2", "languages=en,de", "exclusions=cs.CV; owls", "cadence=weekdays", "days=3, mon")
    code, out, _ = ada("subscribers", "set", "ada@example.org", *words)
    assert code == 0
    assert "explore     2" in out
    shown = json.loads(ada("subscribers", "show", "ada@example.org")[1])
    assert shown["schedule"]["days"] == [1, 3]
    assert (shown["steering"]["explore"], shown["steering"]["languages"]) == (2, ["en", "de"])
    assert (shown["interest"]["exclusions"], shown["topics"]) == (["cs.CV", "owls"], ["Retrieval"])


def test_a_preview_says_when_its_turn_would_be_skipped(ada):
    assert "would be skipped" not in ada("preview", "ada@example.org")[1]
    ada("subscribers", "set", "ada@example.org", "minimum=5")
    assert "fewer than 5 papers: this turn would be skipped" in ada("preview", "ada@example.org")[1]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("explore=many", "explore 'many': Please write a whole number"),
        ("colour=red", "'colour' cannot be set; choose from"),
        ("topic=retrieval,nonsense", "no topic has the slug 'nonsense'"),
        ("days=tue,xmas", "'xmas' is no day"),
    ],
)
def test_what_cannot_be_set_is_named_and_nothing_changes(ada, setting, says):
    before = ada("subscribers", "show", "ada@example.org")[1]
    code, _, err = ada("subscribers", "set", "ada@example.org", "count=3", setting)
    assert (code, says in err) == (2, True)
    assert ada("subscribers", "show", "ada@example.org")[1] == before


def test_why_tells_every_term_and_what_would_bring_a_paper_that_is_not_there(ada):
    code, out, _ = ada("why", "ada@example.org", "https://example.org/papers/1")
    assert code == 0
    assert "place 1 of the 1 papers in the mail that would be sent now" in out
    assert "because you follow Retrieval" in out
    assert re.search(r"\+0\.\d{3}  topic Retrieval", out)
    code, out, _ = ada("why", "ada@example.org", "2")
    assert "nothing that is wanted fits it" in out
    assert "following Robots" in out
    assert json.loads(ada("why", "ada@example.org", "2", "--json")[1])["place"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("bob@example.org", "1"), "there is no subscriber bob@example.org"),
        (("ada@example.org", "99"), "there is no paper 99"),
        (("ada@example.org", "1", "--edition", "2020-01-01"), "there is no edition of 2020-01-01"),
    ],
)
def test_why_names_what_does_not_exist(ada, words, says):
    code, _, err = ada("why", *words)
    assert (code, says in err) == (2, True)
