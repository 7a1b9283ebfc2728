from collections.abc import Callable
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import TypeAdapter, ValidationError
from served import Served

from digest.errors import SourceError
from digest.model import Listing, Memory
from digest.sources.arxiv import ArxivSource
from digest.sources.arxiv_api import ArxivApiSource

Document = Callable[[str], Served]


def announced(http):
    source = ArxivSource("arxiv", url="https://rss.arxiv.org/rss/cs.AI+cs.LG")
    return {listing.ids["arxiv"]: listing for listing in source.fetch(http, Memory()).listings}


def found(http):
    return list(ArxivApiSource("query", query="all:testing").fetch(http, Memory()).listings)


def test_an_announcement_becomes_a_listing(document):
    assert announced(document("arxiv_rss.xml"))["2512.15388"] == Listing(
        source="arxiv",
        key="oai:arXiv.org:2512.15388v1",
        title="Bilateral Spatial Reasoning about Street Networks: Graph-based RAG with Qualitative Spatial "
        "Representations",
        abstract="This paper deals with improving the capabilities of Large Language Models (LLM) to provide route "
        "instructions for pedestrian wayfinders by means of qualitative spatial relations.",
        authors=(
            "Reinhard Moratz",
            "Niklas Daute",
            "James Ondieki",
            "Markus Kattenbeck",
            "Mario Krajina",
            "Ioannis Giannopoulos",
        ),
        ids={"arxiv": "2512.15388", "url": "https://arxiv.org/abs/2512.15388"},
        categories=("cs.AI",),
        links={"abstract": "https://arxiv.org/abs/2512.15388", "pdf": "https://arxiv.org/pdf/2512.15388"},
        announced=datetime(2025, 12, 18, 4, tzinfo=UTC),
        announce_type="new",
        version=1,
    )


def test_cross_lists_and_replacements_say_so(document):
    papers = announced(document("arxiv_rss.xml"))
    assert {name: paper.announce_type for name, paper in papers.items()} == {
        "2512.15388": "new",
        "2512.15376": "cross",
        "2509.10326": "replace",
        "2511.10453": "replace-cross",
    }
    assert papers["2512.15376"].categories == ("cs.CV", "cs.AI", "cs.CL")
    assert all(paper.announced == datetime(2025, 12, 18, 4, tzinfo=UTC) for paper in papers.values())


def test_atom_says_the_same_and_is_dated_by_its_batch(document):
    papers = announced(document("arxiv_atom.xml"))
    paper = papers["2509.03300"]
    assert paper.abstract.startswith("Grapheme-to-phoneme (G2P) conversion")
    assert paper.authors == ("Luis Felipe Chary", "Miguel Arjona Ramirez")
    assert (paper.announced, paper.updated) == (datetime(2025, 9, 4, 4, tzinfo=UTC), None)
    assert papers["2506.00637"].announce_type == "replace"


def test_categories_make_the_address(document):
    http = document("arxiv_rss.xml")
    ArxivSource("arxiv", categories=("cs.CL", "cs.CV")).fetch(http, Memory())
    assert http.asked == ["https://rss.arxiv.org/rss/cs.CL+cs.CV"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "give either categories"),
        ({"categories": ["cs.CL"], "url": "https://rss.arxiv.org/rss/cs.CL"}, "give either categories"),
        ({"categories": ["cs CL/../x"]}, "is no arXiv category; they look like cs.CL"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        TypeAdapter(ArxivSource).validate_python({"name": "arxiv", **settings})


def test_settings_are_read_from_a_list():
    source = TypeAdapter(ArxivSource).validate_python({"name": "arxiv", "categories": ["cs.CL", "math"]})
    assert source == ArxivSource("arxiv", categories=("cs.CL", "math"))


# ---------------------------------------------------------------- the API


def test_an_answer_of_the_api_becomes_listings(document):
    planets, testing = found(document("arxiv_api.xml"))
    assert (planets.key, planets.ids["arxiv"]) == ("astro-ph/0601001", "astro-ph/0601001")
    assert planets.title.endswith("OGLE-III Transit Surveys Toward the Galactic Bulge and Carina")
    assert planets.abstract.endswith("limit of V_max<17.5.")
    assert planets.authors[-1] == "Andrzej Udalski"
    assert (testing.key, testing.ids["doi"]) == ("2202.12139", "10.1109/icstw55395.2022.00035")
    assert testing.categories == ("cs.SE", "cs.LG")  # the primary first
    assert testing.links["pdf"] == "https://arxiv.org/pdf/2202.12139"
    assert (testing.announced, testing.updated) == (
        datetime(2022, 2, 24, 15, 5, 19, tzinfo=UTC),
        datetime(2022, 3, 1, 15, 5, 19, tzinfo=UTC),
    )


def test_a_refused_query_is_an_error_with_arxivs_reason(document):
    with pytest.raises(SourceError, match="query: arXiv refuses the query: incorrect id format for abc; correct it"):
        found(document("arxiv_api_error.xml"))


def test_the_query_is_asked_newest_first(document):
    http = document("arxiv_api.xml")
    ArxivApiSource("query", query="cat:cs.CL AND abs:a+b", max_results=5).fetch(http, Memory())
    assert http.asked == [
        "https://export.arxiv.org/api/query?search_query=cat%3Acs.CL+AND+abs%3Aa%2Bb"
        "&sortBy=submittedDate&sortOrder=descending&max_results=5"
    ]


@pytest.mark.parametrize(
    "settings",
    [{}, {"query": "a", "url": "https://x.org"}, {"query": "a", "max_results": 0}, {"query": "a", "max_results": 9999}],
)
def test_a_query_that_cannot_work_is_refused(settings):
    with pytest.raises(ValidationError):
        TypeAdapter(ArxivApiSource).validate_python({"name": "query", **settings})


def test_a_past_day_is_asked_of_the_api_and_dated_by_its_announcement(document):
    http = document("arxiv_api.xml")
    source = ArxivSource("arxiv", categories=("cs.CL", "math"))
    found = source.on(date(2026, 1, 13), http)
    assert parse_qs(urlsplit(http.asked[0]).query) == {
        "search_query": ["(cat:cs.CL OR cat:math OR cat:math.*) AND submittedDate:[202601091900 TO 202601121900]"],
        "max_results": ["2000"],
    }
    assert {(paper.announced, paper.announce_type) for paper in found.listings} == {
        (datetime(2026, 1, 13, 5, tzinfo=UTC), "new")
    }
    assert (found.dated, found.parts) == (True, ("cs.CL", "math"))


def test_the_categories_of_a_feed_are_told_by_its_address():
    assert ArxivSource("arxiv", url="https://rss.arxiv.org/atom/cs.AI+q-bio").parts == ("cs.AI", "q-bio")
    assert ArxivSource("arxiv", url="file:papers.xml").grows is None


# ---------------------------------------------------------------- what is one paper and what is another


def entry(link, guid, kind, *categories):
    named = "".join(f"<category>{category}</category>" for category in categories)
    return (
        f"<item><title>t</title><link>{link}</link><guid>{guid}</guid>{named}"
        f"<arxiv:announce_type>{kind}</arxiv:announce_type></item>"
    )


def feed(*entries):
    head = '<rss version="2.0" xmlns:arxiv="http://arxiv.org/schemas/atom"><channel>'
    return Served(f"{head}{''.join(entries)}</channel></rss>".encode())


def test_a_new_version_is_a_replacement_of_the_same_paper():
    first = announced(feed(entry("https://arxiv.org/abs/2601.00001", "oai:arXiv.org:2601.00001v1", "new")))
    later = announced(feed(entry("https://arxiv.org/abs/2601.00001", "oai:arXiv.org:2601.00001v2", "replace")))
    assert first.keys() == later.keys() == {"2601.00001"}
    one, other = first["2601.00001"], later["2601.00001"]
    assert one.ids == other.ids
    assert one.key != other.key  # an event of its own
    assert (one.announce_type, other.announce_type) == ("new", "replace")


@pytest.mark.parametrize(
    "link",
    [
        "http://export.arxiv.org/abs/math.GT/0309136v2",
        "https://www.arxiv.org/pdf/math/0309136v1.pdf",
        "https://arxiv.org/abs/math/0309136",
    ],
)
def test_mirrors_and_old_names_lead_to_one_paper(link):
    [paper] = announced(feed(entry(link, "1", "cross"))).values()
    assert paper.ids == {"arxiv": "math/0309136", "url": "https://arxiv.org/abs/math/0309136"}
    assert paper.links["abstract"] == "https://arxiv.org/abs/math/0309136"


def test_only_classes_of_arxiv_are_categories():
    classes = ("cs.CL", "math", "68T50 (Primary)", "I.2.7; I.2.6", "astro-ph.CO", "F.2.2")
    [paper] = announced(feed(entry("https://arxiv.org/abs/2601.00001", "1", "new", *classes))).values()
    assert paper.categories == ("cs.CL", "math", "astro-ph.CO")
