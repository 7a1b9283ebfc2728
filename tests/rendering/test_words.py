from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.rendering import words


def test_what_cannot_be_seen_is_removed():
    assert words.clean("a\x00b\u202ec\u200bd\ufdd0e\ud800f\x0b g\r\n\u2028h") == "abcdef g h"


@given(st.text(max_size=80), st.integers(5, 60))
def test_a_cut_text_is_never_longer_and_begins_as_it_began(text, limit):
    text = words.clean(text)
    cut = words.cut(text, limit)
    assert len(cut) <= limit
    assert text.startswith(cut.removesuffix("…")) or cut == text


def test_three_authors_are_named_and_the_rest_counted():
    assert words.listed(["A", "B", "C"]) == "A, B, C"
    assert words.listed("ABCDEFG") == "A, B, C and 4 more"


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://e.org/a?b=1&c=%20", "https://e.org/a?b=1&c=%20"),
        ('https://e.org/"><script>', "https://e.org/%22%3E%3Cscript%3E"),
        ("http://e.org/a b\r\nBcc: x", "http://e.org/a%20b%0D%0ABcc:%20x"),
        ("https://e.org/論", "https://e.org/%E8%AB%96"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//e.org/x", ""),
        ("https://", ""),
    ],
)
def test_only_web_links_pass_and_nothing_leaves_their_quotes(url, safe):
    assert words.safe(url) == safe


@pytest.mark.parametrize(
    ("turn", "headline"),
    [
        ("2026-11-22", "Sunday, 22 November 2026"),
        ("2026-W47", "Week 47, 16–22 November 2026"),
        ("2026-W49", "Week 49, 30 November – 6 December 2026"),
        ("2026-W53", "Week 53, 28 December 2026 – 3 January 2027"),
        ("welcome", "Monday, 23 November 2026"),
    ],
)
def test_the_headline_names_the_turn(turn, headline):
    assert words.headline(turn, date(2026, 11, 23)) == headline


def test_a_date_header_is_in_utc():
    when = datetime(2026, 3, 1, 0, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    assert words.stamp(when) == "Sat, 28 Feb 2026 22:30:05 +0000"
    assert words.stamp(datetime(2026, 11, 2, tzinfo=UTC)) == "Mon, 02 Nov 2026 00:00:00 +0000"


@given(st.text(max_size=400))
def test_wrapped_lines_are_short_and_wrapping_twice_is_wrapping_once(text):
    lines = words.wrapped(words.clean(text))
    assert max(map(len, lines.split("\n"))) <= 70
    assert words.wrapped(lines) == lines


def test_a_link_stays_in_one_piece():
    link = "https://example.org/" + "x" * 100
    assert link in words.wrapped(f"Many words before the link, so that it has to go to the next line: {link}").split(
        "\n"
    )
