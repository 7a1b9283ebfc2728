"""The excerpt of an abstract: its best sentences, whole, in its own order."""

import gzip
import json
import os
from itertools import islice
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering.excerpts import LIMIT, excerpt, sentences
from digest.rendering.words import clean

BACKGROUND = "Large models are used everywhere, and existing ways of running them on phones cost too much energy."
DONE = "We propose a scheduler that keeps weights in flash, e.g. on cheap phones, and loads them layer by layer."
HOW = "The scheduler orders the reads of a layer by their place in memory and starts the next one early."
FOUND = "Experiments show that it reduces the energy of a reply by 43% without losing a point of accuracy."
CODE = "Code and models are available at https://example.org/flash."


def test_what_was_done_and_what_came_of_it_are_told_in_the_abstracts_order():
    assert excerpt(" ".join([BACKGROUND, DONE, HOW, FOUND, CODE]), 260) == f"{DONE} … {FOUND}"
    assert excerpt(" ".join([BACKGROUND, DONE, FOUND, HOW, CODE]), 260) == f"{DONE} {FOUND}"


def test_an_abstract_that_fits_is_shown_whole():
    assert excerpt(f"{BACKGROUND} {DONE}") == f"{BACKGROUND} {DONE}"


def test_the_best_sentence_is_cut_at_a_word_when_it_is_too_long_by_itself():
    long = "We show that " + "every reader of this list reads longer and longer sentences, and " * 9 + "stops."
    assert excerpt(f"Background is here. {long}") == excerpt(long)
    assert excerpt(long).endswith("…")
    assert len(excerpt(long)) <= LIMIT
    assert long.startswith(excerpt(long).removesuffix("…"))


def test_an_abstract_of_nothing_but_abbreviations_is_read_at_once():
    began = perf_counter()
    sentences("A. B. " * 2_500)
    assert perf_counter() - began < 1


def test_a_sentence_that_leans_on_another_gives_way_to_one_that_stands_alone():
    leaning = "It reduces the cost of a reply by 43% on three kinds of phones and two of watches, all of them cheap."
    alone = "The scheduler reduces the cost of a reply by 43% on three kinds of phones and two of watches, all cheap."
    assert excerpt(f"{HOW} {leaning} {alone}", 120) == excerpt(f"{HOW} {alone} {leaning}", 120) == alone


@pytest.mark.parametrize(
    "expected",
    [
        ("Results by Doe et al. These hold.", "So do ours, cf. Fig. 3."),
        ("We gain 0.5 points, i.e. A lot.", "(It is) so!", "Is it?", "Yes"),
        (),
    ],
)
def test_sentences_end_where_people_end_them(expected):
    assert [sentence.strip() for sentence in sentences(" ".join(expected))] == [*expected]


def test_wide_characters_fill_the_same_lines():
    assert excerpt("本研究では新しい手法を提案する。" * 40, 64) == "本研究では新しい手法を提案する。" * 2


def test_chinese_and_japanese_sentences_end_without_a_blank():
    assert sentences("短い文です。もう一つの文です。") == ["短い文です。", "もう一つの文です。"]


@given(
    st.lists(st.sampled_from([BACKGROUND, DONE, HOW, FOUND, CODE, "Ünï 論文。", "A. B. c… "])).map(" ".join) | st.text()
)
def test_an_excerpt_is_short_made_of_the_text_and_always_the_same(text):
    text = clean(text)
    short = excerpt(text, 120)
    assert len(short) <= 120
    assert bool(short) == bool(text)
    if text.count("…") == 0:
        place = 0
        for piece in short.split(" … "):
            place = text.index(piece.removesuffix("…"), place)
    assert excerpt.__wrapped__(text, 120) == short


@pytest.mark.skipif("DIGEST_TEST_DATA" not in os.environ, reason="DIGEST_TEST_DATA names no folder with test data")
def test_excerpts_of_real_abstracts_are_whole_sentences_of_two_to_four_lines():
    path = Path(os.environ["DIGEST_TEST_DATA"]) / "hf_daily" / "papers.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        told = [excerpt(clean(json.loads(row)["abstract"])) for row in islice(rows, 1_000)]
    assert sum(160 <= len(text) <= LIMIT for text in told) > 900
    assert sum(text.endswith("…") for text in told) < 100
