import email
import email.policy
import re
from dataclasses import replace
from datetime import date
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.errors import TemplateError
from digest.model import Pick, Reason, ReasonCode
from digest.rendering import press as press_module
from digest.rendering import specimen
from digest.rendering.press import Press, Urls, letter
from digest.rendering.stationery import Stationery, compiled

SINCE = date(2026, 3, 6)
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted", "List-Id", "List-Unsubscribe"),
    *("List-Unsubscribe-Post", "Feedback-ID", "Precedence", "Content-Type"),
]


def parsed(message):
    read = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    assert not read.defects
    return read


def bodies(message):
    text, html = (part.get_payload(decode=True).decode() for part in parsed(message).iter_parts())
    return text.replace("\r\n", "\n"), html.replace("\r\n", "\n")


class Tree(HTMLParser):
    """The kinds of tags and attributes of a document, and all its links in order."""

    def __init__(self, html):
        super().__init__()
        self.kinds: set[tuple[str, str]] = set()
        self.links: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.kinds |= {(tag, ""), *((tag, name) for name, _ in attrs)}
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "background")]


# ---------------------------------------------------------------- the message


def test_every_header_stands_once_and_says_what_providers_ask_for(press, digest, urls):
    read = parsed(press.message(digest(10), "reader@example.net", SINCE, urls))
    assert read.keys() == HEADERS
    assert str(read["From"]) == "Example Digest <digest@news.example.org>"
    assert read["To"] == "reader@example.net"
    assert read["Subject"] == "Paper number 0 + 9 more"
    assert read["Date"] == "Sun, 22 Nov 2026 06:00:00 +0000"
    assert read["Message-ID"] == "<turn-7@news.example.org>"
    assert read["List-Id"] == "Example Digest <papers.news.example.org>"
    assert read["List-Unsubscribe"] == f"<{urls.unsubscribe}>"
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert read["Feedback-ID"] == "2026-11-22:daily:digest:papersnewsexamp"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]


def test_the_unsubscribe_header_is_one_line_however_long_the_link(press, digest, urls):
    link = f"https://news.example.org/u/{'t' * 200}"
    message = press.message(digest(1), "reader@example.net", SINCE, urls._replace(unsubscribe=link))
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in message


def test_replies_go_where_the_publication_wants_them(stationery, edition, paper, digest, urls):
    answered = replace(stationery, publication=replace(stationery.publication, reply_to="help@example.org"))
    read = parsed(Press(answered, edition(paper())).message(digest(1), "reader@example.net", SINCE, urls))
    assert read["Reply-To"] == "help@example.org"


def test_the_same_digest_always_gives_the_same_bytes(stationery, edition, paper, digest, urls):
    one, again = (
        Press(some, edition(paper(), paper("Another"))).message(digest(2), "reader@example.net", SINCE, urls)
        for some in (stationery, Stationery.loads(stationery.dumps()))
    )
    assert one == again


def test_a_preview_says_what_the_message_says(press, digest, urls):
    message, parts = press.message(digest(10), "r@example.net", SINCE, urls), press.parts(digest(10), SINCE, urls)
    assert bodies(message) == (parts.text, parts.html)
    assert parsed(message)["Subject"] == parts.subject


def test_two_subscribers_with_equal_picks_differ_only_in_their_links_and_identity(press, digest, urls):
    theirs = Urls(*(url.replace("AbCd", "ZyXw") for url in urls))
    one = press.message(digest(5), "ann@example.net", SINCE, urls)
    other = press.message(
        digest(5, id=8, subscriber=10, message_id="turn-8@news.example.org"), "bob@example.com", SINCE, theirs
    )
    assert [part.replace("AbCd", "ZyXw") for part in bodies(one)] == [*bodies(other)]
    different = {name for name in HEADERS if parsed(one)[name] != parsed(other)[name]}
    assert different == {"To", "Message-ID", "List-Unsubscribe", "Content-Type"}


def test_the_mail_loads_nothing_and_tracks_nobody(press, digest, urls):
    html = press.parts(digest(10), SINCE, urls).html
    assert not re.search(r"<img|<link|<script|<iframe|url\(|@import|data:", html)
    assert html.startswith("<!DOCTYPE html>")
    assert '<html lang="en"' in html


def test_the_footer_says_why_and_since_when_and_leads_out(press, digest, urls):
    parts = press.parts(digest(1), SINCE, urls)
    for part in (parts.html, " ".join(parts.text.split())):
        assert "because you confirmed your subscription on 6 March 2026" in part
        assert "1 Library Street" in part
        assert all(link in part for link in (urls.unsubscribe, urls.preferences, urls.online))


def test_the_footer_says_what_the_edition_lacks(stationery, edition, digest, urls):
    whole, partial = edition(), replace(edition(), notes=("cs.AI not announced yet.", "Nature could\u202e not be read"))
    parts = Press(stationery, partial).parts(digest(0), SINCE, urls)
    for part in (parts.html, parts.text):
        assert "Incomplete: cs.AI not announced yet; Nature could not be read." in " ".join(part.split())
    assert "Incomplete" not in Press(stationery, whole).parts(digest(0), SINCE, urls).html


# ---------------------------------------------------------------- what it says


def test_picks_for_the_subscriber_come_before_what_trends_and_each_says_why(press, digest, urls):
    picks = [
        Pick(0, 3.0, (Reason(ReasonCode.TREND),)),
        Pick(1, 2.0, (Reason(ReasonCode.TOPIC, 1), Reason(ReasonCode.TEXT, 4))),
        Pick(2, 1.0, (Reason(ReasonCode.AUTHOR, 0), Reason(ReasonCode.TREND))),
    ]
    text = press.parts(digest(picks), SINCE, urls).text
    places = [text.index(words) for words in ("For you", "number 1", "number 2", "Trending\n", "number 0")]
    assert places == sorted(places)
    assert "Because you follow Long context · your words “retrieve”\n" in text
    assert "Because you follow Ada Example\n" in text
    assert text.count("48 upvotes in 18 h, 3× the median of its day") == 3
    assert "it is trending" not in text
    assert "On Long context, picked from 12 recent papers." in text


def test_every_card_asks_for_more_or_less_by_one_token_and_the_papers_number(press_of, paper, digest, urls):
    message = press_of(paper(paper=41), paper(paper=42)).message(digest(2), "reader@example.net", SINCE, urls)
    expected = [f"{urls.vote}/{number}/{way}" for number in (41, 42) for way in ("up", "down")]
    text, html = bodies(message)
    assert [link for link in Tree(html).links if link and "/vote/" in link] == expected
    assert re.findall("like this: (.*)", text) == expected


def test_the_logo_stands_beside_the_name_and_says_nothing_twice(templates, publication, edition, digest, urls):
    shown = replace(publication, logo="https://news.example.org/logo.png?a=1&b=2")
    html = Press(compiled("digest", [templates], shown), edition()).parts(digest(0), SINCE, urls).html
    assert Tree(html).links[0] == shown.logo
    assert html.count("<img") == html.count('alt=""') == 1


def test_new_papers_without_a_trend_are_not_called_trending(press_of, paper, digest, urls):
    fresh = digest([Pick(0, 1.0, (Reason(ReasonCode.FRESH),))])
    text = press_of(paper()).parts(fresh, None, urls).text
    assert "Also new" in text
    assert "trending" not in text.lower()


@pytest.mark.parametrize(
    ("turn", "subject", "headline", "why"),
    [
        ("2026-11-22", "Paper number 0 + 1 more", "Sunday, 22 November 2026", "You get this digest"),
        (
            "2026-W47",
            "Best of the week: Paper number 0 + 1 more",
            "Week 47, 16–22 November 2026",
            "this weekly digest",
        ),
    ],
)
def test_the_turn_gives_the_words(turn, subject, headline, why, press, digest, urls):
    parts = press.parts(digest(2, turn=turn), SINCE, urls)
    assert parts.subject == subject
    for part in (parts.html, parts.text):
        assert headline in part
        assert why in part
        assert ("Best of the week" in part) == ("W" in turn)


def test_the_first_digest_says_welcome(templates, publication, edition, paper, digest, urls):
    press = Press(compiled("welcome", [templates], publication), edition(paper()))
    message = press.message(digest(1, turn="welcome"), "reader@example.net", SINCE, urls)
    assert parsed(message)["Subject"] == "Welcome: Reading longer contexts"
    assert parsed(message)["Feedback-ID"] == "2026-11-22:welcome:digest:papersnewsexamp"
    assert all("This is your first digest" in body for body in bodies(message))


def test_text_lines_are_short_unless_they_are_a_link(press_of, paper, digest, urls):
    long = paper(
        "word " * 60, abstract="A long sentence about reading. " * 40, authors=("A very long name of a group",) * 9
    )
    press = press_of(long, paper("W" * 5000), trend_line="so many upvotes in so few hours " * 6)
    text = press.parts(digest(2), SINCE, urls).text
    for line in text.split("\n"):
        assert len(line) <= 72 or "https://" in line


# ---------------------------------------------------------------- size


def test_three_hundred_long_papers_stay_in_the_budget_and_keep_the_footer(press_of, paper, digest, urls):
    cards = [paper(f"{n} " + "long title " * 20, abstract="Words about a paper. " * 100) for n in range(300)]
    message = press_of(*cards).message(digest(300), "reader@example.net", SINCE, urls)
    text, html = bodies(message)
    encoded = message[message.index(b"text/html") :]
    shown = html.count("<h3")
    assert 30 < shown < 300
    assert 80_000 < len(encoded) < press_module.BUDGET + 200
    assert all(f"{300 - shown} more papers online" in body for body in (text, html))
    assert urls.unsubscribe in html[-3_000:]
    assert text.count("\n* ") == shown


def test_abstracts_go_before_papers_and_from_the_last(press_of, paper, digest, urls):
    cards = [paper(f"Paper number {n}", abstract=f"Abstract number {n}. " + "é" * 400) for n in range(36)]
    html = press_of(*cards).parts(digest(36), SINCE, urls).html
    assert html.count("<h3") == 36
    kept = [n for n in range(36) if f"Abstract number {n}." in html]
    assert kept == [*range(len(kept))]
    assert 0 < len(kept) < 36


@pytest.mark.parametrize(("papers", "most"), [(10, 38_000), (20, 68_000)])
def test_papers_of_the_usual_length_weigh_little(stationery, papers, most):
    abstract = "Fifty characters of a sentence, more or less so.  " * 10
    assert len(abstract) == 500
    press = Press(stationery, specimen.edition(papers, abstract))
    message = press.message(specimen.digest(papers), "r@e.net", SINCE, specimen.URLS)
    encoded = message[message.index(b"text/html") :]
    assert len(encoded) < most
    assert bodies(message)[1].count("Fifty characters of a sentence") >= papers


# ---------------------------------------------------------------- a week, and nothing


def test_a_week_tells_ten_papers_whole_and_of_the_others_title_and_reason(press_of, paper, digest, urls):
    cards = [paper(f"Paper number {n}", abstract=f"Abstract number {n}.") for n in range(14)]
    picks = [
        Pick(n, 14.0 - n, (Reason(ReasonCode.TREND) if n == 12 else Reason(ReasonCode.TOPIC, 1),)) for n in range(14)
    ]
    press = press_of(*cards, trend_line="48 upvotes in 18 h")
    week, day = (press.parts(digest(picks, turn=turn), SINCE, urls) for turn in ("2026-W47", "2026-11-22"))
    for part in (week.html, week.text):
        head, tail = part.split("In short")
        assert "Abstract number 9." in head
        assert [n for n in range(14) if re.search(rf"Paper number {n}\b", tail)] == [10, 11, 12, 13]
        assert "Abstract" not in tail
        assert "Ada Example" not in tail
        assert tail.count("https://papers.example.org/1") == 4
        assert tail.count("Because you follow Long context") == 3
        assert "Because it is trending: 48 upvotes in 18 h" in tail
    assert "In short" not in day.html
    assert "Abstract number 13." in day.html


@pytest.fixture
def quiet(templates, publication):
    return compiled("quiet", [templates], publication)


def test_a_turn_without_papers_can_say_so_with_all_headers_of_a_digest(quiet, edition, paper, digest, urls):
    press = Press(quiet, edition(paper(), paper("Another")))
    message = press.message(digest(0), "reader@example.net", SINCE, urls, date(2026, 11, 12))
    assert parsed(message).keys() == HEADERS
    assert parsed(message)["Subject"] == "Still here: nothing new for you since 12 November 2026"
    assert message == press.message(digest(0), "reader@example.net", SINCE, urls, date(2026, 11, 12))
    for body in bodies(message):
        words = " ".join(body.split())
        assert "nothing new for you since 12 November 2026." in words
        assert "We looked at 2 recent papers and found none" in words
        assert all(link in body for link in (urls.unsubscribe, urls.preferences, urls.online))
        assert "1 Library Street" in body
        assert "Reading longer contexts" not in body


def test_who_never_had_a_paper_is_told_so(quiet, edition, digest, urls):
    parts = Press(quiet, edition()).parts(digest(0), None, urls)
    assert parts.subject == "Still here: nothing new for you yet"
    assert "We looked at 0 recent papers" in parts.text


# ---------------------------------------------------------------- strangers' text

PAYLOADS = st.sampled_from(
    [
        *("=?utf-8?q?=0D=0ABcc=3A_victim=40evil=2Eorg?=", "\r\nBcc: victim@evil.org", "--=_", ".", "From ", "\u2028"),
        *(
            "<script>alert(1)</script>",
            "</td></table>",
            '"><img src=x onerror=y>',
            "&lt;b&gt;",
            "$x<y$",
            "<!-- ",
            "-->",
        ),
        *("{{ 7*7 }}", "{% block card %}", "\ufdd0reason\ufdd1", "XJ0001J", "<![endif]-->", "\x0b\x00", "\u202egnp"),
        *("論文", "שלום", "🔥", "W" * 1500),
    ]
)
HOSTILE = st.lists(PAYLOADS | st.text(max_size=20), max_size=6).map(" ".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=HOSTILE, abstract=HOSTILE, author=HOSTILE, category=HOSTILE, topic=HOSTILE, url=HOSTILE)
def test_no_word_of_a_stranger_becomes_a_header_a_tag_or_a_link(
    title, abstract, author, category, topic, url, stationery, edition, paper, digest, urls
):
    links = (("abstract", "https://papers.example.org/1"), (category, url))
    strange = paper(
        title, abstract=f"a {abstract}", authors=(f"a {author}",), categories=(f"a {category}",), links=links
    )
    some = replace(edition(strange, trend_line=f"t {title}"), topics={1: f"a {topic}"})
    press, plain = Press(stationery, some), Press(stationery, edition(paper(links=links[:1]), trend_line="t"))
    message, benign = (p.message(digest(1), "reader@example.net", SINCE, urls) for p in (press, plain))

    assert parsed(message).keys() == HEADERS
    assert str(parsed(message)["To"]) == "reader@example.net"
    assert parsed(message)["Subject"] == press.parts(digest(1), SINCE, urls).subject
    assert bodies(message) == (press.parts(digest(1), SINCE, urls).text, press.parts(digest(1), SINCE, urls).html)
    assert_nothing_but_words(message, benign)


def assert_nothing_but_words(message, benign):
    """The same tags, attributes and links as in *benign*, in lines that any server takes as they are."""
    found, expected = Tree(bodies(message)[1]), Tree(bodies(benign)[1])
    assert found.kinds == expected.kinds
    assert found.links == expected.links
    assert max(map(len, message.split(b"\r\n"))) <= 998
    assert re.fullmatch(rb"[\r\n -~]*", message)
    body = message.split(b"\r\n\r\n", 1)[1]
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\n\.|[ \t]\r", body)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=HOSTILE, tagline=HOSTILE, address=HOSTILE, note=HOSTILE)
def test_what_the_operator_writes_is_text_as_well(
    name, tagline, address, note, stationery, edition, paper, digest, urls
):
    strange = replace(stationery.publication, name=f"a {name}", tagline=f"a {tagline}", postal_address=f"a {address}")
    some, plain = (replace(edition(paper()), notes=(f"a {words}",)) for words in (note, "note"))
    message = Press(replace(stationery, publication=strange), some).message(digest(1), "r@example.net", SINCE, urls)
    benign = Press(stationery, plain).message(digest(1), "r@example.net", SINCE, urls)
    assert parsed(message).keys() == HEADERS
    assert str(parsed(message)["From"].addresses[0].addr_spec) == "digest@news.example.org"
    assert_nothing_but_words(message, benign)


# ---------------------------------------------------------------- letters


@pytest.fixture(scope="module")
def confirmation(templates, publication):
    return compiled("confirm", [templates], publication)


def test_the_confirmation_mail_asks_once_and_offers_silence(confirmation, digest):
    links = {
        "confirm_url": "https://news.example.org/confirm/1.k.a",
        "never_url": "https://news.example.org/never/1.k.a",
    }
    message = letter(confirmation, "reader@example.net", "c-1@news.example.org", digest().date, links)
    read = parsed(message)
    assert read.keys() == [name for name in HEADERS if not name.startswith(("List", "Feed", "Prec"))]
    assert read["Subject"] == "Please confirm your subscription to Example Digest"
    assert all(link in body for link in links.values() for body in bodies(message))
    assert {*Tree(bodies(message)[1]).links} == {*links.values()}


def test_a_letter_without_its_link_is_refused(confirmation, digest):
    with pytest.raises(TemplateError, match=r"email/confirm: 'confirm_url' is undefined; it was given never_url"):
        letter(confirmation, "reader@example.net", "c-1@e", digest().date, {"never_url": "https://e.org"})
