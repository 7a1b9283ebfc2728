from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time

import pytest
from served import Served

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources.feed import FeedSource
from digest.sources.http import Answer

Document = Callable[[str], Served]


def batch(http, url="https://journal.example/feed", memory=Memory()):  # noqa: B008
    return FeedSource("journal", url).fetch(http, memory)


def rss(*items, **channel):
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in channel.items())
    body = "".join(f"<item>{item}</item>" for item in items)
    return Served(f'<?xml version="1.0"?><rss version="2.0"><channel>{fields}{body}</channel></rss>'.encode())


def item(title, **fields):
    return f"<title>{title}</title>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())


def test_a_journal_entry_becomes_a_listing(document):
    assert batch(document("journal_rss2.xml")).listings[0] == Listing(
        source="journal",
        key="10.5555/JIR.2026.1",
        title="Reefs of Acropora & their CO2 budget",
        abstract="Corals < 3 cm were weighed.",
        authors=("Ada Byron", "Grace Murray Hopper"),
        ids={"doi": "10.5555/jir.2026.1", "url": "https://journal.example/doi/10.5555/JIR.2026.1"},
        categories=("RESEARCH ARTICLE",),
        links={"abstract": "https://journal.example/doi/10.5555/JIR.2026.1"},
        announced=datetime(2026, 1, 13, 6, 30, tzinfo=UTC),
    )


def test_a_description_may_hold_authors_and_doi(document):
    beetles = batch(document("journal_rss2.xml")).listings[1]
    assert (beetles.abstract, beetles.authors) == ("Two new beetles.", ("Maria S. Merian", "Carl L."))
    assert beetles.ids == {"doi": "10.5555/jir.12.9"}


@pytest.mark.parametrize(
    ("description", "abstract", "authors", "day"),
    [
        ("Li WANG;Ping LIU;&lt;/br&gt;We see; so what.", "We see; so what.", ("Li WANG", "Ping LIU"), None),
        ("刘若思;&lt;/br&gt;本文", "本文", ("刘若思",), None),
        ("Geckos see; we ask how.", "Geckos see; we ask how.", (), None),
        ("&lt;正&gt;~~", "", (), None),
        (
            "&lt;h1&gt;&lt;a&gt;The title&lt;/a&gt;&lt;/h1&gt; &lt;b&gt;Doan, Hai; Ho, Lam&lt;/b&gt;&lt;br/&gt; "
            "&lt;a&gt;Hedwigia, 3&lt;/a&gt;, p. 1 - 9 &lt;h2&gt;Abstract&lt;/h2&gt;&lt;p&gt;Algae.&lt;/p&gt;",
            "Algae.", ("Doan, Hai", "Ho, Lam"), None,
        ),
        ("Publication date: November 2021 Source: Anzeiger, 295 Author(s): Eva Ruiz", "", ("Eva Ruiz",), (2021, 11, 1)),
        ("Publication date: Available online 12 Nov 2021 Source: A", "", (), (2021, 11, 12)),
        ("&lt;p&gt;by Ana Ruiz, Bo Li&lt;/p&gt; A frog.", "A frog.", ("Ana Ruiz", "Bo Li"), None),
        (
            "&lt;p&gt;Author(s): Eva Ruiz and Bo Li&lt;/p&gt;&lt;p&gt;Ice melts.&lt;/p&gt;&lt;br/&gt;"
            "&lt;p&gt;[Phys. Rev. X 1, 2] Published Mon Jan 05, 2026&lt;/p&gt;",
            "Ice melts.", ("Eva Ruiz", "Bo Li"), None,
        ),
        ("Nature, Published online: 05 January 2026; &lt;a&gt;doi:10.1/x&lt;/a&gt; We show.", "We show.", (), None),
        ("Science, Volume 391, Issue 6780, Page 12-13, January 2026. ", "", (), None),
        ("Journal of Ice DOI: 10.1021/acs.1", "", (), None),
        ("Publication date: Smarch 2021 Source: A", "", (), None),
    ],
)  # fmt: skip
def test_what_a_journal_puts_into_its_description_is_taken_apart(description, abstract, authors, day):
    [paper] = batch(rss(item("The title", description=description))).listings
    assert (paper.abstract, paper.authors) == (abstract, authors)
    assert paper.announced == (day and datetime(*day, tzinfo=UTC))


@pytest.mark.parametrize(
    "piece",
    ["<h1><a>x</a></h1><b></b>", "<p>Author(s): ", "<p>by ", "</a></h1><b></b><a></a>", "a;b", "<br> ", "doi: 10.1/x "],
)
def test_hostile_descriptions_take_little_time(piece):
    raw = (piece * 20_000)[:200_000].replace("&", "&amp;").replace("<", "&lt;")
    batch(rss(*[item(f"t{n}", description=raw) for n in range(20)]))  # quadratic time would be minutes


def test_a_byline_completes_the_first_author():
    told = "&lt;p&gt;by Nora Field, Otto Wiese&lt;/p&gt; Bees were watched."
    assert batch(rss(item("Bees", author="Nora Field", description=told))).listings[0].authors == (
        "Nora Field",
        "Otto Wiese",
    )
    assert batch(rss(item("Bees", author="Ada Byron", description=told))).listings[0].authors == ("Ada Byron",)


def test_ampersands_and_entities_of_html_are_read_as_meant():
    told = item(
        "R&D in A & B &eacute;tude &#233;",
        description="<![CDATA[a & b &amp; c]]>",
        link="https://j.example/?a=1&copy=2",
    )
    found = batch(rss(told))
    assert (found.listings[0].title, found.listings[0].abstract) == ("R&D in A & B étude é", "a & b & c")
    assert (found.listings[0].links["abstract"], found.warnings) == ("https://j.example/?a=1&copy=2", ())


def test_the_date_of_an_issue_stands_for_the_entries_that_have_none():
    prism = 'xmlns:prism="http://prismstandard.org/namespaces/2.0/basic/"'
    issue = f"<prism:coverDisplayDate {prism}>4 November 2021</prism:coverDisplayDate>"
    items = item("a"), item("b", pubDate="Mon, 12 Jan 2026 00:00:00 GMT")
    served = rss(*items, title=f"An issue</title>{issue}<title>")
    assert [paper.announced.isoformat()[:10] for paper in batch(served).listings] == ["2021-11-04", "2026-01-12"]


def test_a_paper_of_pubmed_or_openreview_says_so():
    link = "https://pubmed.ncbi.nlm.nih.gov/34811339/?utm_source=x&amp;fc=2021"
    [one] = batch(rss(item("a", guid="pubmed:34811339", link=link))).listings
    assert one.ids == {"pmid": "34811339", "url": "https://pubmed.ncbi.nlm.nih.gov/34811339/"}
    [other] = batch(rss(item("a", link="https://openreview.net/pdf?id=Ab_-34xYz9"))).listings
    assert other.ids["openreview"] == "Ab_-34xYz9"


def test_an_address_that_entries_share_is_nobodys_identity(document):
    _, beetles, moths = batch(document("journal_rss2.xml")).listings
    assert "url" not in beetles.ids
    assert beetles.key != moths.key
    assert moths.links == {"abstract": "https://journal.example/latest"}


def test_dates_that_feedparser_misreads_are_read(document):
    _, beetles, moths = batch(document("journal_rss2.xml")).listings
    assert (beetles.announced, moths.announced) == (datetime(2026, 1, 7, tzinfo=UTC), None)
    assert batch(rss(item("a", pubDate="2021/10/16 9:23:28"))).listings[0].announced == datetime(
        2021, 10, 16, tzinfo=UTC
    )


@pytest.mark.parametrize("date", ["Mon, 01 Jan 0001 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "1767607200"])
def test_what_a_program_writes_that_has_no_date_is_none(date):
    assert batch(rss(item("a", pubDate=date))).listings[0].announced is None


def test_an_entry_without_a_title_is_left_out_and_named(document):
    found = batch(document("journal_rss2.xml"))
    assert found.warnings == ("entry 4 is left out: it has no title (https://journal.example/doi/10.5555/jir.2026.4)",)
    assert found.complete


def test_rss_1_in_latin_1_is_read(document):
    [paper] = batch(document("journal_rss1.xml")).listings
    assert (paper.title, paper.abstract) == ("Cañones y árboles", "Un árbol.")
    assert paper.authors == ("Merian, Maria Sibylla", "Linné, Carl")
    assert paper.ids["doi"] == "10.5555/rev.7"
    assert paper.announced == datetime(2026, 1, 9, tzinfo=UTC)


def test_atom_is_read_and_its_relative_links_are_resolved(document):
    note, liked = batch(document("blog_atom.xml"), "https://lab.example/feed").listings
    assert note.title == "Why <think> tokens help, if a < b"
    assert note.links == {"abstract": "https://lab.example/notes/think", "pdf": "https://lab.example/notes/think.pdf"}
    assert note.key == "urn:uuid:1225c695-cfb8-4ebb-aaaa-80da344efa6a"
    assert (note.announced, note.updated) == (
        datetime(2026, 1, 12, 8, tzinfo=UTC),
        datetime(2026, 1, 13, 18, 30, 2, tzinfo=UTC),
    )
    assert "arxiv" not in note.ids  # it mentions a paper, it is none
    assert (liked.abstract, liked.ids["arxiv"]) == ("Short. Good.", "2601.07022")


def test_keys_do_not_depend_on_where_the_feed_lies():
    served = rss(item("a", guid="relative-guid"), item("b", link="https://journal.example/b"), item("c"))
    here, there = batch(served), batch(served, "https://mirror.example/x/feed")
    assert [listing.key for listing in here.listings] == [listing.key for listing in there.listings]
    assert [listing.key for listing in here.listings][:2] == ["relative-guid", "https://journal.example/b"]


def test_an_entry_listed_twice_is_one_and_a_guid_used_twice_is_none():
    found = batch(rss(item("a", guid="1"), item("a", guid="1"), item("b", guid="2"), item("c", guid="2")))
    assert [listing.title for listing in found.listings] == ["a", "b", "c"]
    assert len({listing.key for listing in found.listings}) == 3


def test_the_home_page_of_a_host_is_nobodys_identity():
    [paper] = batch(rss(item("a", link="https://journal.example"))).listings
    assert "url" not in paper.ids


def test_hostile_links_are_left_out():
    [paper] = batch(rss(item("a", link="javascript:alert(1)", comments="data:text/html,x"))).listings
    assert (paper.links, paper.ids) == ({}, {})


# ---------------------------------------------------------------- memory


def test_what_is_needed_next_time_is_remembered():
    served = rss(item("a", guid="1", pubDate="Mon, 12 Jan 2026 00:00:00 GMT"), item("b", guid="2"))
    served.more = {"etag": '"e"', "modified": "m"}
    memory = batch(served).memory
    assert (memory.etag, memory.modified, memory.newest) == ('"e"', "m", "1")
    assert memory.fingerprint == batch(served).memory.fingerprint


def test_the_same_batch_under_a_new_date_has_the_same_fingerprint():
    first = batch(rss(item("a", guid="1"), pubDate="Mon, 12 Jan 2026 00:00:00 GMT"))
    again = batch(rss(item("a", guid="1"), pubDate="Tue, 13 Jan 2026 00:00:00 GMT"))
    other = batch(rss(item("b", guid="1"), pubDate="Tue, 13 Jan 2026 00:00:00 GMT"))
    assert first.memory.fingerprint == again.memory.fingerprint != other.memory.fingerprint


def test_what_an_entry_says_of_a_paper_is_in_the_fingerprint():
    plain = batch(rss(item("a", guid="1", link="https://journal.example/doi/a"))).memory.fingerprint
    assert plain != batch(rss(item("a", guid="1", link="https://journal.example/doi/b"))).memory.fingerprint
    more = {"description": "An abstract.", "author": "Ada Byron", "category": "cs.CL"}
    for field, value in more.items():
        told = item("a", guid="1", link="https://journal.example/doi/a", **{field: value})
        assert batch(rss(told)).memory.fingerprint != plain


def test_the_same_bytes_are_not_read_again_where_the_server_has_no_tag_for_them():
    served = rss(item("a", guid="1"))
    first = batch(served)
    assert batch(served, memory=first.memory) == Batch((), first.memory)
    served.body += b" "
    assert batch(served, memory=first.memory).listings == first.listings


# ---------------------------------------------------------------- documents that are broken


def test_a_feed_cut_short_gives_what_it_holds_and_is_asked_for_again(document):
    served = document("journal_rss2.xml")
    served.body = served.body[:1700]
    served.more = {"etag": '"e"'}
    found = batch(served)
    assert [listing.title for listing in found.listings][:1] == ["Reefs of Acropora & their CO2 budget"]
    assert not found.complete
    assert "the document is cut or malformed" in found.warnings[0]
    assert found.memory.etag is None


def test_one_wrong_tag_does_not_lose_the_entries_behind_it():
    found = batch(rss(item("R&D <br>butter"), item("caf&eacute;"), item("c")))
    assert [listing.title for listing in found.listings] == ["R&D butter", "café", "c"]
    assert not found.complete


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (b"", "nothing"),
        (b'{"error": "no such feed"}', 'text/plain that begins “{"error": "no such feed"}”'),
        (b"<html><body><feedback/></body></html>", "text/plain that begins “<feedback/>”"),
    ],
)
def test_what_is_no_feed_is_described(body, came):
    with pytest.raises(SourceError) as error:
        batch(Served(body, "text/plain"))
    assert f"is no feed: {came} came instead; look on the site for the address" in str(error.value)


def test_an_error_page_is_told_by_its_title_and_the_source_by_its_name(document):
    with pytest.raises(
        SourceError, match=r"^journal: https://journal\.example/feed is no feed: a page titled “503 – Back soon”"
    ):
        batch(document("error_page.html"))


def test_more_than_2000_entries_are_cut():
    found = batch(rss(*(item(f"t{n}", guid=str(n)) for n in range(50_000))))
    assert len(found.listings) == 2_000
    assert not found.complete
    assert found.warnings == ("only the first 2,000 entries were read; ask for fewer at a time",)
    assert len(batch(rss(*(item(f"t{n}") for n in range(2_000)))).warnings) == 0


def test_many_warnings_are_counted_rather_than_listed():
    found = batch(rss(*["<description>untitled</description>"] * 100))
    assert len(found.warnings) == 21
    assert found.warnings[-1] == "and 80 more are left out"


LAUGHS = (
    '<!DOCTYPE r [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)


def with_prolog(prolog, encoding):
    feed = '<rss version="2.0"><channel><item><title>x &j; &a;</title></item></channel></rss>'
    return Served(f'<?xml version="1.0" encoding="{encoding}"?>{prolog}{feed}'.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-7"])
@pytest.mark.parametrize("prolog", [LAUGHS, '<!DOCTYPE r [\n<!ENTITY a SYSTEM "file:///etc/passwd">\n]>'])
def test_entities_are_not_declared_here(prolog, encoding):
    with pytest.raises(SourceError, match="declares XML entities"):
        batch(with_prolog(prolog, encoding))


def test_entities_behind_a_false_root_are_hidden_from_the_parser_too():
    [paper] = batch(with_prolog("<!-- <rss -->" + LAUGHS, "utf-8")).listings
    assert len(paper.title) < 20


def test_ten_thousand_nested_elements_are_no_trouble():
    deep = "<a>" * 10_000 + "</a>" * 10_000
    assert len(batch(rss(item("a") + deep, item("b"))).listings) == 2
    assert len(batch(rss(item("a") + deep, item("b") + "<a>" * 10_000)).listings) == 2


@pytest.mark.parametrize("bomb", ["<a>" * 1_200_000, "<a>" * 500_000 + "</a>" * 500_000, "&<a/>" * 900_000])
def test_a_million_elements_are_refused(bomb):
    with pytest.raises(SourceError, match="more than 150,000 tags, as no feed does"):
        batch(rss(item("a") + bomb))


def test_hundreds_of_attributes_are_refused():
    tag = "<x " + " ".join(f'a{n}="1"' for n in range(30_000)) + "/>"
    with pytest.raises(SourceError, match="hundreds of attributes"):
        batch(rss(item("a") + tag))


def test_an_author_is_named_behind_an_address_of_any_top_level_domain():
    [paper] = batch(rss(item("Bees", author="ada@lab.example (Ada Byron)"))).listings
    assert paper.authors == ("Ada Byron",)


@pytest.mark.parametrize(("field", "piece"), [("author", "@"), ("guid", "openreview.net/pdf?")])
def test_a_hostile_name_takes_little_time(field, piece):
    began = process_time()
    batch(rss(item("Bees", **{field: piece * 20_000})))
    assert process_time() - began < 2, "quadratic time, which is hours for the five megabytes that a feed may have"


def test_an_endless_author_is_cut_before_feedparser_looks_for_an_address():
    [paper] = batch(rss(item("a", author="a" * 200_000))).listings
    assert paper.authors == ()


def declared(encoding):
    served = rss(item("é"))
    served.body = served.body.replace(b'"1.0"', f'"1.0" encoding="{encoding}"'.encode(), 1)
    return served


def test_what_is_no_encoding_is_refused():
    with pytest.raises(SourceError, match="cannot be read as a feed"):
        batch(declared("undefined"))


@pytest.mark.parametrize("encoding", ["zlib_codec", "punycode", "no-such-encoding"])
def test_an_unknown_encoding_is_guessed(encoding):
    assert batch(declared(encoding)).listings[0].title == "é"


def test_a_body_is_never_taken_for_the_name_of_a_file(tmp_path):
    secret = tmp_path / "secret.xml"
    secret.write_text('<rss version="2.0"><channel><item><title>secret</title></item></channel></rss>')
    with pytest.raises(SourceError, match="is no feed"):
        batch(Served(str(secret).encode()))


def test_the_address_after_redirects_is_the_base():
    class Moved(Served):
        def get(self, url, memory=None, accept="", *, internal=False):
            return Answer("https://new.example/feeds/rss", self.body, self.content_type)

    [paper] = batch(Moved(rss(item("a", link="../papers/1")).body)).listings
    assert paper.links["abstract"] == "https://new.example/papers/1"
