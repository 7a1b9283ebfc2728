import json
from collections.abc import Callable
from datetime import UTC, datetime

from served import Served

from digest.model import Listing, Memory
from digest.sources.hn import HnSource

Document = Callable[[str], Served]


def batch(http):
    return HnSource("hn").fetch(http, Memory())


def attention(points, comments):
    return Listing(
        source="hn",
        key="46600001",
        title="Attention Is All You Need",
        ids={"arxiv": "1706.03762"},
        links={
            "abstract": "https://arxiv.org/abs/1706.03762",
            "discussion": "https://news.ycombinator.com/item?id=46600001",
        },
        announced=datetime(2026, 1, 15, 9, 12, 44, tzinfo=UTC),
        signals={"points": points, "comments": comments},
    )


def test_a_story_that_leads_to_a_paper_is_a_signal_for_it(document):
    paper, journal = batch(document("hn_search.json")).listings
    assert paper == attention(412, 133)
    assert (journal.ids, journal.signals) == ({"doi": "10.5555/jir.2026.1"}, {"points": 3.0})


def test_a_feed_of_hnrss_says_the_same_under_the_same_key(document):
    found = batch(document("hn_rss.xml"))
    assert found.listings == (attention(410, 131),)
    assert found.complete


def test_stories_about_other_things_are_passed_over_and_broken_ones_named(document):
    assert batch(document("hn_search.json")).warnings == (
        "entry 5 is left out: its points is strange (?)",
        "2 entries are about no paper and passed over",
    )


def test_what_is_no_number_of_a_story_names_none():
    hits = [{"objectID": number, "title": "A", "url": "https://arxiv.org/abs/2601.07022"} for number in ("9" * 99, "x")]
    found = batch(Served(json.dumps({"hits": hits}).encode(), "application/json"))
    assert (found.listings, len(found.warnings)) == ((), 2)
