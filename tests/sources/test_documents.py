"""Real documents, which are not ours to redistribute: read from the folder that DIGEST_TEST_DATA names."""

import base64
import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from served import DOCUMENTS

from digest.errors import SourceError
from digest.model import Memory
from digest.sources.arxiv import ArxivSource
from digest.sources.arxiv_api import ArxivApiSource
from digest.sources.feed import FeedSource
from digest.sources.hf_daily import HfDailySource
from digest.sources.http import Http

MARKUP = re.compile(
    r"</?(?:p|div|span|a|b|i|em|strong|br|img|script|style|sub|sup|table|h\d|jats:\w+)\b[^<>]*>",
    re.I,
)
KINDS = {"arxiv_rss": ArxivSource, "arxiv_api": ArxivApiSource}


def read(path):
    kind = KINDS.get(path.parent.name, FeedSource)
    return kind(name="s", url=path.as_uri()).fetch(Http("test"), Memory())


def sound(found):
    for listing in found.listings:
        words = (listing.title, listing.abstract, *listing.authors, *listing.categories)
        assert not any(map(MARKUP.search, words)), listing
        assert all(word.isprintable() for word in (*words, listing.key)), listing
        assert all(link.startswith(("http://", "https://")) for link in listing.links.values()), listing
        assert listing.announced is None or listing.announced.tzinfo is not None
    assert len({listing.key for listing in found.listings}) == len(found.listings)


def test_every_document_of_our_own_is_used_by_a_test():
    tests = "".join(file.read_text("utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    assert [
        file.name for file in DOCUMENTS.iterdir() if f'"{file.name}"' not in tests and file.name != "README.md"
    ] == []


def test_every_feed_gives_its_entries_or_says_why_not(given):
    rows = [json.loads(line) for line in (given / "feeds" / "index.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 115
    for row in rows:
        path = given / "feeds" / row["file"]
        try:
            found = read(path)
        except SourceError:
            assert row["file"] == "arxiv_api/id_abc_s0_m100.xml"
        else:
            sound(found)
            assert len(found.listings) + len(found.warnings) >= row["entries"], row["file"]
            assert found.complete == (row["file"] != "general/f_rss_2.0_invalid_1.xml"), row["file"]


def test_every_announcement_of_arxiv_is_there_with_its_type_and_id(given):
    for line in (given / "feeds" / "index.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["file"].startswith("arxiv_rss/"):
            path = given / "feeds" / row["file"]
            listings = read(path).listings
            assert len(listings) == row["entries"]
            stated = re.findall(r"arXiv:(\d{4}\.\d{5})v\d+ Announce Type", path.read_text("utf-8"))
            assert [listing.ids["arxiv"] for listing in listings] == stated
            assert not any("Announce Type" in listing.abstract for listing in listings)
            assert row.get("announce_types") in (None, Counter(listing.announce_type for listing in listings))


def test_rss_and_atom_of_a_day_say_the_same(given):
    folder = given / "feeds" / "arxiv_rss"
    one, other = read(folder / "rss_cs.CL_2025-09-04.xml"), read(folder / "atom_cs.CL_2025-09-04.xml")
    assert one.listings == other.listings
    assert one.memory.fingerprint == other.memory.fingerprint


@pytest.mark.parametrize(
    ("journal", "shared"), [("j02", 10), ("j04", 9), ("j06", 22), ("j13", 94), ("j15", 73), ("j22", 11), ("j30", 52)]
)
def test_papers_in_two_captures_of_a_feed_have_the_same_key_and_ids(given, journal, shared):
    folder = given / "feeds" / "journals"
    first = {paper.title.casefold(): paper for paper in read(folder / f"{journal}a.xml").listings}
    later = {paper.title.casefold(): paper for paper in read(folder / f"{journal}b.xml").listings}
    both = first.keys() & later.keys()
    assert len(both) == shared
    assert all((first[title].key, first[title].ids) == (later[title].key, later[title].ids) for title in both)


def test_no_two_papers_of_a_feed_share_an_id(given):
    for path in (given / "feeds" / "journals").glob("*.xml"):
        counts = Counter(pair for listing in read(path).listings for pair in listing.ids.items())
        assert [pair for pair, count in counts.items() if count > 1] == []


def test_daily_papers_of_every_era_come_with_all_their_signals(given):
    for path in sorted((given / "hf_daily" / "raw_api").glob("*.json")):
        items = json.loads(path.read_bytes())
        found = HfDailySource(name="s", url=path.as_uri()).fetch(Http("test"), Memory())
        sound(found)
        assert (len(found.listings), found.warnings) == (len(items), ())
        day = path.stem.removeprefix("daily_papers_")
        for item, listing in zip(items, found.listings, strict=True):
            counts = {"upvotes": item["paper"]["upvotes"], "comments": item["numComments"]}
            stars = item["paper"].get("githubStars")
            assert listing.signals == (counts if stars is None else {**counts, "stars": stars})
            assert listing.announced is not None
            assert abs((listing.announced.date() - listing.announced.date().fromisoformat(day)).days) <= 1
            assert len(listing.authors) == len({author["name"] for author in item["paper"]["authors"]})


HTTP = Http("test")


def asked_over_http(server, body, content_type="application/xml"):
    """What a feed source makes of a document that a real server sends."""
    url = server.says("/document", body, content_type=content_type)
    try:
        return FeedSource("s", url, internal=True).fetch(HTTP, Memory())
    except SourceError as refused:
        return refused


def test_the_documents_of_feedparsers_own_tests_do_no_harm(given, server):
    with gzip.open(given / "feeds" / "parser_suite.jsonl.gz", "rt", encoding="utf-8") as suite:
        documents = [json.loads(line) for line in suite]
    refusals = []
    for each in documents:
        headers = dict(header.lower().split(": ", 1) for header in each["headers"] or () if ": " in header)
        found = asked_over_http(server, base64.b64decode(each["content_b64"]), headers.get("content-type", ""))
        if isinstance(found, SourceError):
            refusals.append(str(found))
        else:
            sound(found)
    assert len(documents) > 1_400
    assert len(refusals) < 20
    assert all(re.search("is no feed|XML entities", refusal) for refusal in refusals)


def test_every_document_says_the_same_over_http_as_in_a_file(given, server):
    for path in (given / "feeds").glob("*/*.xml"):
        found = asked_over_http(server, path.read_bytes())
        here = FeedSource("s", path.as_uri()).fetch(Http("test"), Memory())
        assert not isinstance(found, SourceError), found
        sound(found)
        assert [(one.key, one.title) for one in found.listings] == [(one.key, one.title) for one in here.listings]
