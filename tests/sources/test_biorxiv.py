import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError
from served import Served

from digest.errors import SourceError
from digest.model import Memory
from digest.sources.biorxiv import BiorxivSource

Document = Callable[[str], Served]


def batch(http):
    return BiorxivSource("bio").fetch(http, Memory())


@pytest.mark.parametrize("name", ["biorxiv_rss.xml", "biorxiv_api.json"])
def test_a_preprint_is_known_by_its_doi_and_a_later_version_is_a_replacement(document, name):
    alga, moths = batch(document(name)).listings
    assert (alga.key, alga.ids["doi"]) == ("10.1101/2026.01.05.697001", "10.1101/2026.01.05.697001")
    assert (alga.title, alga.abstract) == ("A mini-chromosome of a reef alga", "We found a small chromosome.")
    assert alga.authors == ("Byron, A.", "Hopper, G. M.", "Noether, E.")
    assert alga.announced == datetime(2026, 1, 6, tzinfo=UTC)
    assert alga.links["abstract"].startswith("https://www.biorxiv.org/content/10.1101/2026.01.05.697001v1")
    assert (alga.announce_type, moths.announce_type) == ("new", "replace")


@pytest.mark.parametrize("order", [1, -1])
def test_what_was_revised_since_the_last_look_is_still_new(order):
    paper = {"doi": "10.1101/1", "title": "Of moths"}
    versions = [paper | {"version": "1"}, paper | {"version": "2", "title": "Of moths and lamps"}]
    answer = {"messages": [{"status": "ok"}], "collection": versions[::order]}
    [moths] = batch(Served(json.dumps(answer).encode())).listings
    assert (moths.title, moths.announce_type, moths.ids) == ("Of moths", "new", {"doi": "10.1101/1"})


def test_the_api_knows_the_journal_and_how_much_is_missing(document):
    found = batch(document("biorxiv_api.json"))
    assert found.listings[1].links["journal"] == "https://doi.org/10.5555/jir.2026.9"
    assert "journal" not in found.listings[0].links
    assert found.listings[0].categories == ("genomics",)
    assert found.warnings == (
        "the answer holds 3 of 57 papers; ask for fewer days",
        "entry 3 is left out: it has no DOI (n/a)",
    )
    assert not found.complete


def test_a_day_without_papers_is_no_trouble_and_other_answers_are():
    assert batch(Served(b'{"messages": [{"status": "no posts found"}], "collection": []}')).warnings == ()
    assert batch(Served(b'{"messages": [{"status": "bad day"}], "collection": []}')).warnings == (
        "the server says: bad day",
    )
    with pytest.raises(SourceError, match="is no answer of the bioRxiv API"):
        batch(Served(b'{"messages": "?"}'))


def test_server_and_subjects_make_the_address(document):
    http = document("biorxiv_rss.xml")
    BiorxivSource("med", server="medrxiv", subjects=("oncology", "cell_biology")).fetch(http, Memory())
    assert http.asked == ["https://connect.medrxiv.org/medrxiv_xml.php?subject=oncology+cell_biology"]
    with pytest.raises(ValidationError, match="is no subject; they look like genomics"):
        TypeAdapter(BiorxivSource).validate_python({"name": "bio", "subjects": ["../x"]})


class Pages(Served):
    """Two of three papers on the first page, one on the next, nothing after."""

    def get(self, url, *rest, **named):
        start = int(url.rpartition("/")[2]) if url.count("/") > 5 else 0
        papers = [{"doi": f"10.1101/2026.01.0{n}.1", "title": f"Paper {n}", "date": "2026-01-05"} for n in (1, 2, 3)]
        document = {"messages": [{"status": "ok", "total": "3"}], "collection": papers[start : start + 2]}
        self.body = json.dumps(document).encode()
        return super().get(url, *rest, **named)


def test_all_pages_of_an_interval_are_read():
    http = Pages(b"")
    found = BiorxivSource("bio", days=2).fetch(http, Memory())
    assert http.asked == [f"https://api.biorxiv.org/details/biorxiv/2d{page}" for page in ("", "/2")]
    assert [listing.title for listing in found.listings] == ["Paper 1", "Paper 2", "Paper 3"]
    assert (found.complete, found.warnings) == (True, ())
