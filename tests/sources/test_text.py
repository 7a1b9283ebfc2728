import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.sources.text import arxiv_id, clean, doi, moment, names, web_address

TAG = re.compile(
    r"<\s*/?\s*(?:(?:script|style|svg|img|iframe|math|object|div|form|input|body|html)(?:[\s/][^<>]*)?"
    r"|[abp](?:/[^<>]*|\s[^<>]*=[^<>]*)?)>|<!--",  # <b or not>, on the other hand, is prose
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("  Two\n lines\tand\xa0blanks ", "Two lines and blanks"),
        ("<p>One.</p><p>Two.</p>", "One. Two."),
        ("CO<sub>2</sub> &amp; <em>Acropora</em>", "CO2 & Acropora"),
        ("Let's <think> about <EOS> and <picture of a dog>", "Let's <think> about <EOS> and <picture of a dog>"),
        ("see <https://example.org/a>", "see <https://example.org/a>"),
        ("$n<k$ and $m>2$, a < b, p <q and r> s", "$n<k$ and $m>2$, a < b, p <q and r> s"),
        ('an <a href="https://x.org">address</a> and <foo bar="1">this</foo>', "an address and this</foo>"),
        ("Müller &auml;&#228;&#xe4; &copy AT&T R&D;", "Müller äää &copy AT&T R&D;"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("&lt;i&gt;Homo&lt;/i&gt; sapiens", "Homo sapiens"),
        ("<jats:p>Ka<mml:math><mml:mi>x</mml:mi></mml:math></jats:p>", "Kax"),
        ("<script>alert(1)</script>Good<style>p{}</style> <!-- <b> -->day", "Good day"),
        ("we inject <script> tags", "we inject tags"),
        ("a --> b", "a --> b"),
        ("<![CDATA[Title]]>", "Title"),
        ("e\u0301tude", "étude"),
        ("re\u202everse\u200b\u00ad\x00\x1b\ufeffd \ud800x", "reversed x"),
    ],
)
def test_text_is_made_plain(raw, plain):
    assert clean(raw) == plain


@pytest.mark.parametrize(
    "attack",
    [
        "<img src=x onerror=alert(1)>",
        "<img src=x onerror=alert(1) ",
        "<svg/onload=alert(1)>",
        "<im<b>g src=x onerror=alert(1)>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "&lt;img src=x onerror=alert(1)&gt;",
        "&#60;img src=x onerror=alert(1)&#62;",
        "<im\u200bg src=x onerror=alert(1)>",
        "&lt;im&#x200b;g src=x onerror=alert(1)&gt;",
        "<<<<<<<b>b>b>b>b>b>b onclick=x>",
        "<unheard-of onclick='x'>",
        "<a\nhref='javascript:alert(1)'>",
        "<!--<img src=x onerror=alert(1)>-->",
        "<iframe srcdoc='<img src=x onerror=alert(1)>'></iframe>",
    ],
)
def test_nothing_active_is_left(attack):
    left = clean(f"Title {attack}")
    assert "onerror" not in left or "<" not in left
    assert not TAG.search(left)
    assert "onclick" not in left or "<" not in left


PIECES = (
    "<b> </b> <b <!-- --> <script> </script> &lt; &gt; &amp; &#60; &#x3e; <![CDATA[ ]]> < > / = ' \" a b on img x=1"
)
MARKUP = st.sampled_from([*PIECES.split(), " ", "\u200b", "\x00", "\n"])


@given(st.lists(MARKUP | st.text(max_size=5), max_size=40).map("".join), st.integers(2, 100))
@example("<" * 100, 50)
def test_what_is_clean_is_one_printable_line_without_tags(raw, limit):
    plain = clean(raw, limit)
    assert len(plain) <= limit
    assert plain.isprintable()
    assert plain == " ".join(plain.split())
    assert not TAG.search(plain)


def test_a_long_text_is_cut_between_words():
    assert clean("word " * 100, 22) == "word word word word…"
    assert len(clean("x" * 9_999)) == 5_000


@pytest.mark.parametrize("piece", ["<!--", "<script>", "<b <", "&lt;", "<<b>b>", '<a "', "&#60;b", "<a x='"])
def test_much_hostile_text_takes_little_time(piece):
    for _ in range(20):  # 20 times 40,000 characters; quadratic time would be minutes
        clean(piece * 10_000)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://x.org/a?b=1#c", "https://x.org/a?b=1"),
        ("HTTP://X.org:80", "http://x.org/"),
        ("https://x.org:8443/a/", "https://x.org:8443/a/"),
        ("https://x.org/a?utm_source=rss&b=&UTM_medium=c", "https://x.org/a?b="),
        ("https://x.org/doi/1?af=R", "https://x.org/doi/1"),
        ("https://x.org/doi/1?rss=1&id=2&rss=12", "https://x.org/doi/1?id=2&rss=12"),
        (" https://x.org/a b\u202e?q=é ", "https://x.org/a%20b?q=%C3%A9"),
        ('https://x.org/"><script>', "https://x.org/%22%3E%3Cscript%3E"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//x.org/a", None),
        ("/a", None),
        ("https://user:pass@x.org/", None),
        ("https://x.org\\@evil.example/", None),
        ("https://", None),
        ("https://[x", None),
        ("https://x.org:99999/", None),
        ("https://a b/", None),
        ("java\nscript:alert(1)", None),
        ("https://x.org/" + "a" * 3_000, None),
    ],
)
def test_an_address_is_http_in_one_spelling_or_nothing(url, address):
    assert web_address(url) == address


@given(st.text(max_size=30) | st.text(max_size=30).map("https://example.org/{}".format) | st.from_regex(r"https?://.+"))
def test_an_address_is_harmless_and_stays_as_it_is(url):
    address = web_address(url)
    if address is not None:
        assert re.fullmatch(r"https?://[^\s\"<>\\^`{|}@/]+/[^\s\"<>\\^`{|}#]*", address)
        assert address.isascii()
        assert web_address(address) == address


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://arxiv.org/abs/2509.02785v3", "2509.02785"),
        ("http://export.arxiv.org/pdf/0704.0001v1.pdf", "0704.0001"),
        ("oai:arXiv.org:2509.02785v1", "2509.02785"),
        ("arXiv:math.GT/0309136v2", "math/0309136"),
        ("http://arxiv.org/abs/astro-ph/0601001v1", "astro-ph/0601001"),
        ("https://www.arxiv.org/abs/cs/0301012", "cs/0301012"),
        ("https://alphaxiv.org/abs/2509.02785v2", "2509.02785"),
        ("https://ar5iv.labs.arxiv.org/html/2509.02785", "2509.02785"),
        ("https://doi.org/10.48550/arXiv.2509.02785", "2509.02785"),
        ("https://huggingface.co/papers/2509.02785", "2509.02785"),
        ("2509.02785", None),  # a number alone may be anything
        ("paper/1234567", None),
        ("https://arxiv.org/list/cs.CL/recent", None),
        ("arXiv:2513.00001", None),
        ("arXiv:2509.0278512", None),
        ("arXiv:issues/0309136", None),
        ("arXiv:hep-th/9913001", None),
    ],
)
def test_arxiv_ids_lose_their_version(text, name):
    assert arxiv_id(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("doi:10.5555/ABC.1", "10.5555/abc.1"),
        ("https://doi.org/10.5555/a(b)c.", "10.5555/a(b)c"),
        ("(10.5555/abc)", "10.5555/abc"),
        ("https://onlinelibrary.example/doi/10.1002/tax.12603?af=R", "10.1002/tax.12603"),
        ("https://x.example/doi/full/10.1080/21564574.2020.1832152/pdf", "10.1080/21564574.2020.1832152"),
        ("http://biorxiv.org/cgi/content/short/2023.12.16.571984v1?rss=1", None),
        ("https://www.biorxiv.org/content/10.1101/2023.12.16.571984v2.full", "10.1101/2023.12.16.571984"),
        ("https://doi.org/10.5555%2Fabc", "10.5555/abc"),
        ("210.1234/x", None),
        ("https://doi.org/10.48550/arXiv.2509.02785", None),  # that is the arXiv id
        ("10.5555/" + "a" * 300, None),
        ("https://doi.org/10.5555/a%00b", None),  # no database takes it, nor the next
        ("10.5555/a\ud800b", None),
    ],
)
def test_dois_are_found_and_lower_case(text, name):
    assert doi(text) == name


@pytest.mark.parametrize(
    ("people", "listed"),
    [
        (["Ada Byron, Grace M. Hopper and Emmy Noether"], ("Ada Byron", "Grace M. Hopper", "Emmy Noether")),
        (["Ada Byron, and Grace Hopper"], ("Ada Byron", "Grace Hopper")),
        (["Byron, Ada", "Hopper, Grace"], ("Byron, Ada", "Hopper, Grace")),
        (["Byron, Ada"], ("Byron, Ada",)),
        (["Byron, Ada; Hopper, Grace"], ("Byron, Ada", "Hopper, Grace")),
        (["LAPALU, N., Plaumann, P.-L., O'Connell, R. J."], ("LAPALU, N.", "Plaumann, P.-L.", "O'Connell, R. J.")),
        (["Brandão S, Saeedi H, Brandt A."], ("Brandão S", "Saeedi H", "Brandt A.")),
        (["Tang H, Cheng Q, et al."], ("Tang H", "Cheng Q")),
        (["Ana Ruiz, Bo Li"], ("Ana Ruiz", "Bo Li")),
        (["JosÃ© RamÃ\xadrez", "JOÃO Åberg"], ("José Ramírez", "JOÃO Åberg")),
        (["刘若思,常文程"], ("刘若思", "常文程")),
        (["Ada Byron (Ockham, UK), Grace Hopper"], ("Ada Byron", "Grace Hopper")),
        (["Ada", "Ada", "", "<b>Grace</b>"], ("Ada", "Grace")),
        ([""], ()),
    ],
)
def test_authors_are_told_apart(people, listed):
    assert names(people) == listed


def test_two_single_names_are_two_authors_where_commas_separate():
    assert names(["Plato, Aristotle"], commas=True) == ("Plato", "Aristotle")


def test_a_collaboration_is_cut_at_200_authors():
    assert len(names([", ".join(f"Author Number{n}" for n in range(3_000))])) == 200


@pytest.mark.parametrize(
    ("stated", "utc"),
    [
        ("2026-01-14T02:22:03.363Z", "2026-01-14T02:22:03.363000+00:00"),
        ("2026-01-14T02:00:00+02:00", "2026-01-14T00:00:00+00:00"),
        ("2026-01-14", "2026-01-14T00:00:00+00:00"),
        ("0001-01-01T00:00:00+12:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("yesterday", None),
    ],
)
def test_times_are_utc_or_nothing(stated, utc):
    found = moment(stated)
    assert (found and found.isoformat()) == utc


def test_what_follows_a_name_without_a_blank_is_where_they_work():
    said = ["Jane Doe1Department of X, Town.2Y", "Li YuSchool of Physics, Z", "Jo McDonald", "The ABC Center, Rome"]
    assert names(said) == ("Jane Doe", "Li Yu", "Jo McDonald", "The ABC Center, Rome")
    assert names(["Eva GómezInstituto de Astrofísica, La Laguna, Spain."]) == ("Eva Gómez",)
