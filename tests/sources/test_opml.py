"""Lists of feeds."""

import gzip
import json
from xml.parsers import expat

import pytest

from digest.errors import SourceError
from digest.sources.arxiv import ArxivSource
from digest.sources.feed import FeedSource
from digest.sources.opml import Listed, feeds, written

OPML = b"""\xef\xbb\xbf<?xml version="1.0"?><opml version="1.0"><body>
<outline text="Journals"><outline text="Nature &amp; &lt;b&gt;co&lt;/b&gt;" xmlUrl="https://nature.example/rss?utm_source=x"/>
<OUTLINE title="Again" XMLURL="https://nature.example/rss"/></outline>
<outline title="cs.CL" xmlUrl="https://rss.arxiv.org/rss/cs.CL"/>
<outline title="evil" xmlUrl="javascript:alert(1)"/><outline title="none"/></body></opml>"""


def test_opml_gives_each_address_once_with_its_kind():
    assert feeds(OPML, "f") == [
        Listed("Nature & co", "https://nature.example/rss", "feed"),
        Listed("cs.CL", "https://rss.arxiv.org/rss/cs.CL", "arxiv"),
    ]


@pytest.mark.parametrize(
    "csv", ["journal,url\nA,https://a.example/rss\n", "https://a.example/rss;x,A\n", "a,b\rA,https://a.example/rss\r"]
)
def test_csv_is_read_with_or_without_a_head(csv):
    [found] = feeds(csv.encode(), "f")
    assert (found.name, found.url.partition(";")[0]) == ("A", "https://a.example/rss")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "names no feeds"),
        (b"<opml><body>", "malformed"),
        (b'<!DOCTYPE o [<!ENTITY a "b">]><opml/>', "entities"),
        (b'<!DOCTYPE o [<!ENTITY a SYSTEM "file:///etc/passwd">]><opml>&a;</opml>', "entities"),
        (b"<o>" * 100_000, "malformed"),
        (b'<?xml version="1.0" encoding="gb2312"?><opml/>', "malformed: multi-byte encodings are not supported"),
        (b'<?xml version="1.0" encoding="x"?><opml/>', "malformed: unknown encoding: x"),
        (b'A,"https://a.example/rss' + b"\n" * 200_000, "malformed: field larger than field limit"),
    ],
)
def test_what_is_no_list_is_refused(data, why):
    with pytest.raises(SourceError, match=why):
        feeds(data, "f")


def test_what_is_written_is_read_again():
    hostile = '"><script>&'
    sources = [
        ("feed", FeedSource(hostile, "https://a.example/rss?a=1&b=2")),
        ("arxiv", ArxivSource("arXiv", ("cs.CL",))),
        ("feed", FeedSource("at home", "file:feed.xml")),
    ]
    document, without = written(sources, hostile)
    expat.ParserCreate().Parse(document, True)
    assert [(found.url, found.kind) for found in feeds(document.encode(), "f")] == [
        ("https://a.example/rss?a=1&b=2", "feed"),
        ("https://rss.arxiv.org/rss/cs.CL", "arxiv"),
    ]
    assert without == ["at home"]


def test_a_long_list_of_journals_is_read(given):
    with gzip.open(given / "feeds" / "journal_feed_urls.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    csv = "journal,url\n" + "".join(f'"{row["journal"]}","{row["url"]}"\n' for row in rows)
    found = feeds(csv.encode(), "f")
    assert len(found) > 4_000
    assert max(len(feed.name) for feed in found) == 90, "with a number behind it, it is still a source's name"
