from datetime import UTC, datetime

import pytest
from served import Served

from digest.errors import SourceError
from digest.model import Listing, Memory
from digest.sources.jsonfeed import JsonFeedSource


def batch(http):
    return JsonFeedSource("lab", "https://lab.example/feed.json").fetch(http, Memory())


def test_an_item_becomes_a_listing(document):
    assert batch(document("jsonfeed.json")).listings[0] == Listing(
        source="lab",
        key="https://lab.example/2026/reefs",
        title="Reefs & their budget",
        abstract="Corals < 3 cm were weighed.",
        authors=("Ada Byron", "Grace Hopper"),
        ids={"url": "https://lab.example/2026/reefs"},
        categories=("biology",),
        links={"pdf": "https://lab.example/reefs.pdf", "abstract": "https://lab.example/2026/reefs"},
        announced=datetime(2026, 1, 13, 6, 30, tzinfo=UTC),
        updated=datetime(2026, 1, 14, tzinfo=UTC),
    )


def test_the_first_version_of_the_format_is_read_and_a_link_elsewhere_names_the_paper(document):
    liked = batch(document("jsonfeed.json")).listings[1]
    assert (liked.key, liked.ids["arxiv"], liked.authors) == ("7", "2601.07022", ("Emmy Noether",))


def test_items_that_make_no_sense_are_left_out_and_named(document):
    assert batch(document("jsonfeed.json")).warnings == (
        "entry 3 is left out: it has no title (untitled)",
        "entry 4 is left out: its title is strange (strange)",
        "entry 5 is left out: 'no item at all' has no authors",
    )


@pytest.mark.parametrize("body", [b'{"items": []}', b'{"version": "https://jsonfeed.org/version/1"}', b"[]"])
def test_json_of_another_kind_is_refused(body):
    with pytest.raises(SourceError, match=r"is no JSON feed: application/json that begins “.*” came instead"):
        batch(Served(body, "application/json"))


def test_a_million_empty_objects_are_refused_before_they_are_made():
    items = b'{"version": "https://jsonfeed.org/version/1", "items": [' + b"{}," * 1_000_000 + b"{}]}"
    with pytest.raises(SourceError, match="more than 300,000 lists and objects"):
        batch(Served(items))
