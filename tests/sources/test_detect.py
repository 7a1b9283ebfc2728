"""What a document is, told from the document alone."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from served import DOCUMENTS, Served

from digest.errors import SourceError
from digest.sources import detect
from digest.sources.arxiv import ArxivSource
from digest.sources.biorxiv import BiorxivSource
from digest.sources.feed import FeedSource
from digest.sources.http import Answer

NOW = datetime(2026, 1, 16, tzinfo=UTC)
HERE = "https://journal.example/"


class Site:
    """An Http with several documents; what it does not have is not there."""

    def __init__(self, **documents):
        self.documents = {HERE + path: (DOCUMENTS / name).read_bytes() for path, name in documents.items()}
        self.asked: list[tuple[str, bool]] = []

    def get(self, url, memory=None, accept="", *, internal=False):
        self.asked.append((url, internal))
        if url not in self.documents:
            raise SourceError(f"{url} answered 404 Not Found; check the address")
        return Answer(url, self.documents[url])


@pytest.mark.parametrize(
    ("name", "kind", "title"),
    [
        ("arxiv_rss.xml", "arxiv", "cs.AI, cs.LG updates on arXiv.org"),
        ("arxiv_atom.xml", "arxiv", "cs.CL updates on arXiv.org"),
        ("arxiv_api.xml", "arxiv_api", "arXiv Query: search_query=all:testing&id_list=&start=0&max_results=2"),
        ("biorxiv_rss.xml", "biorxiv", "bioRxiv Subject Collection: Genomics"),
        ("biorxiv_api.json", "biorxiv", "bioRxiv and medRxiv"),
        ("blog_atom.xml", "feed", "A laboratory's notebook"),
        ("hf_daily.json", "hf_daily", "Hugging Face Daily Papers"),
        ("hn_rss.xml", "hn", 'Hacker News: Newest: "arxiv.org"'),
        ("hn_search.json", "hn", "Hacker News"),
        ("journal_rss1.xml", "feed", "Revista"),
        ("journal_rss2.xml", "feed", "Journal of Imaginary Results"),
        ("jsonfeed.json", "jsonfeed", "Notes from a lab"),
    ],
)
def test_a_document_tells_its_kind_and_title(name, kind, title):
    found = detect.at(HERE, Site(**{"": name}), NOW)
    assert (found.kind, found.title) == (kind, title)
    assert found.batch.listings
    assert "mine" not in {listing.source for listing in found.batch.listings}


def test_a_refusal_of_the_arxiv_api_is_no_paper():
    spaces = 'xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"'
    entry = "<id>http://arxiv.org/api/errors#wrong_id</id><title>Error</title><summary>wrong id</summary>"
    site = Site(page="hf_daily.json")
    site.documents[HERE] = f"<feed {spaces}><id>http://arxiv.org/api/x</id><entry>{entry}</entry></feed>".encode()
    with pytest.raises(SourceError, match="arXiv refuses the query: wrong id"):
        detect.at(HERE, site, NOW)


@pytest.mark.parametrize("folder", ["arxiv_rss", "arxiv_api", "journals", "general"])
def test_the_kinds_of_real_documents_are_told(given, folder):
    expected = {"arxiv_rss": {"arxiv"}, "arxiv_api": {"arxiv_api"}, "journals": {"feed"}}
    kinds, refused = set(), []
    for path in (given / "feeds" / folder).glob("*.xml"):
        try:
            kinds.add(detect.at(HERE, Served(path.read_bytes()), NOW).kind)
        except SourceError:
            refused.append(path.name)
    assert refused == (["id_abc_s0_m100.xml"] if folder == "arxiv_api" else [])
    assert kinds == expected.get(folder, {"feed", "biorxiv", "hn"})


def test_what_nobody_can_read_is_described_without_a_name(document):
    with pytest.raises(SourceError, match=rf"^{HERE} is no feed: a page titled “503 – Back soon” came instead"):
        detect.at(HERE, document("error_page.html"), NOW)


def test_health_is_a_word(document):
    def word(body):
        return detect.at(HERE, Served(body), NOW).health

    journal = (DOCUMENTS / "journal_rss2.xml").read_bytes()
    assert word(journal) == "fresh"
    assert word(b'<rss version="2.0"><channel><title>Weekend</title></channel></rss>') == "quiet"
    found = detect.at(HERE, Served(journal), NOW + timedelta(days=60))
    assert found.health == "stale"


def test_a_batch_of_arxiv_is_stale_when_the_next_one_is_out(document):
    source = ArxivSource("arxiv", categories=("cs.AI", "cs.LG"))  # of Thursday 18 December 2025
    for hour, health in ((4, "fresh"), (5, "stale")):
        assert detect.of(source, document("arxiv_rss.xml"), datetime(2025, 12, 19, hour, tzinfo=UTC)).health == health


def test_a_configured_source_is_looked_at_as_it_is(document):
    found = detect.of(FeedSource("mine", HERE), document("journal_rss2.xml"), NOW)
    assert (found.kind, found.title, found.url) == ("feed", "Journal of Imaginary Results", HERE)
    assert {listing.source for listing in found.batch.listings} == {"mine"}


def test_an_answer_of_several_pages_is_looked_at_to_the_end():
    site = Site()
    for number, page in enumerate(("2d", "2d/1", "2d/2")):
        paper = {"doi": f"10.1101/{number}", "title": f"Paper {number}"}
        document = {"messages": [{"status": "ok", "total": "3", "cursor": number}], "collection": [paper]}
        site.documents[f"https://api.biorxiv.org/details/biorxiv/{page}"] = json.dumps(document).encode()
    found = detect.of(BiorxivSource("bioRxiv", days=2), site, NOW)
    assert [listing.title for listing in found.batch.listings] == ["Paper 0", "Paper 1", "Paper 2"]


def test_behind_a_page_is_the_first_feed_it_names_that_works():
    site = Site(**{"": "journal_page.html", "feed?journal=jir&x=1": "journal_rss2.xml"})
    found = detect.behind(HERE, site, NOW, internal=True)
    assert (found.kind, found.url) == ("feed", f"{HERE}feed?journal=jir&x=1")
    assert site.asked == [(HERE, True), (f"{HERE}gone.rss", True), (found.url, True)]


def test_a_page_cannot_lead_home():
    site = Site(**{"": "journal_page.html"})
    site.documents[HERE] = site.documents[HERE].replace(b"/gone.rss", b"http://169.254.169.254/rss")
    with pytest.raises(SourceError, match="is no feed: a page titled “Journal of Invented Reefs”"):
        detect.behind(HERE, site, NOW, internal=True)
    assert ("http://169.254.169.254/rss", False) in site.asked
