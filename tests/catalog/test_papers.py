from datetime import timedelta

import pytest
from factories import NOW, batch, listing, take, titles
from served import Served

from digest.catalog.merging import Taken
from digest.errors import CatalogError
from digest.model import NAMED, Memory
from digest.sources.arxiv import ArxivSource

WEEK = timedelta(days=7)


def test_a_second_collection_of_the_same_batch_brings_nothing_new(catalog):
    papers = [listing(arxiv="2601.00001"), listing(arxiv="2601.00002")]
    assert take(catalog, *papers).new == 2
    assert take(catalog, *papers) == Taken(known=2)
    assert catalog.papers.count() == 2


@pytest.mark.parametrize("scheme", ["arxiv", "doi", "url"])
def test_listings_of_two_sources_with_one_identifier_are_one_paper(catalog, scheme):
    take(catalog, listing(**{scheme: "x"}, title="First", abstract=""))
    assert (
        take(catalog, listing(**{scheme: "x"}, key="other", abstract="Now with an abstract."), source="hf").merged == 1
    )
    ((card, _),) = catalog.papers.news(NOW - WEEK, NOW)
    assert (card.title, card.abstract) == ("First", "Now with an abstract.")


def test_a_weaker_identifier_does_not_merge_what_a_stronger_one_keeps_apart(catalog):
    take(catalog, listing(arxiv="2601.00001", url="https://example.org/shared"))
    assert take(catalog, listing(arxiv="2601.00002", url="https://example.org/shared")).new == 1


def test_a_feed_that_changes_guid_and_address_at_every_capture_is_known_by_title_and_author(catalog):
    for n in (1, 2):
        paper = listing(
            url=f"https://example.org/{n}", title="A Very Particular Title: Of Things", authors=("Wei Zhang",)
        )
        assert take(catalog, paper).new == (n == 1)


def test_preprint_and_journal_version_are_joined_by_a_long_title_and_the_first_author(catalog):
    title = "A very particular title of things"
    take(catalog, listing(arxiv="2601.00001", title=title, authors=("Wei Zhang", "Ada Lovelace")))
    assert take(catalog, listing(doi="10.1/x", title=title, authors=("Zhang, Wei",)), source="journal").merged == 1
    assert take(catalog, listing(arxiv="2601.00002", title=title, authors=("Wei Zhang",))).new == 1, "arXiv says no"
    assert take(catalog, listing(title=title, authors=("Ada Lovelace",)), source="other").new == 1


@pytest.mark.parametrize(
    "fields", [{"title": "Editorial"}, {"title": "Seven words and no author is little", "authors": ()}]
)
def test_short_titles_and_titles_without_authors_merge_nothing(catalog, fields):
    for n in (1, 2):
        assert take(catalog, listing(url=f"https://example.org/{n}", **fields)).new == 1


def test_a_title_of_eight_words_is_enough_where_a_feed_names_no_authors(catalog):
    for n in (1, 2):
        paper = listing(
            url=f"https://example.org/{n}", title="Diet of juvenile crocodiles at a park in Sarawak", authors=()
        )
        assert take(catalog, paper).new == (n == 1)


def test_a_journal_version_that_names_the_arxiv_id_joins_the_preprint_and_brings_its_doi(catalog):
    take(catalog, listing(arxiv="2601.00001"))
    take(catalog, listing(arxiv="2601.00001", doi="10.1/x", key="j1"), source="journal")
    assert take(catalog, listing(doi="10.1/x", key="j2"), source="other").merged == 1


def test_one_batch_may_list_a_paper_twice(catalog):
    assert take(catalog, listing(arxiv="2601.00001", key="a"), listing(arxiv="2601.00001", key="b")) == Taken(1, 1)


def test_a_changed_guid_is_no_news(catalog):
    take(catalog, listing(url="https://example.org/a", key="guid-1"))
    assert take(catalog, listing(url="https://example.org/a", key="guid-2")).new == 0


def test_at_first_sight_what_is_older_than_the_window_is_a_baseline(catalog):
    take(catalog, listing(title="old", announced=NOW - timedelta(days=8)), listing(title="new"))
    assert titles(catalog) == ["new"]


def test_later_what_was_announced_while_we_or_the_source_were_away_is_news_once(catalog):
    take(catalog, listing(title="first"))
    take(
        catalog,
        listing(title="gap", announced=NOW - timedelta(days=9)),
        listing(title="antique", announced=NOW - 90 * WEEK),
    )
    assert sorted(titles(catalog)) == ["first", "gap"]


def test_a_date_in_the_future_counts_as_now(catalog):
    take(catalog, listing(title="next month's issue", announced=NOW + timedelta(days=20)))
    assert titles(catalog) == ["next month's issue"]


def test_a_new_version_of_a_paper_never_announced_to_us_is_no_news(catalog):
    take(catalog, listing(title="v2", announce_type="replace"))
    assert titles(catalog) == []


@pytest.mark.parametrize("before", [NAMED, "replace"])
@pytest.mark.parametrize("announced", [NOW, None])
def test_a_paper_that_was_only_mentioned_is_news_when_it_is_announced(catalog, before, announced):
    take(catalog, listing(arxiv="2601.00001", title="x", announce_type=before, announced=NOW - 20 * WEEK))
    assert titles(catalog) == []
    take(catalog, listing(arxiv="2601.00001", key="j", announced=announced), source="journal")
    assert titles(catalog) == ["x"]


def test_an_old_paper_becomes_news_when_it_is_first_signalled(catalog):
    take(catalog, listing(arxiv="2512.1", title="old", announced=NOW - timedelta(days=30)))
    take(catalog, listing(arxiv="2512.1", announced=NOW, signals={"upvotes": 5}), source="hf")
    assert titles(catalog) == ["old"]


def test_every_observation_of_a_signal_is_kept_with_its_time(catalog):
    for hour, votes in ((0, 3), (5, 40)):
        now = NOW + timedelta(hours=hour)
        take(catalog, listing(arxiv="2601.00001", signals={"upvotes": votes}), source="hf", now=now)
    assert [(s.value, s.at) for s in catalog.papers.signals([1], NOW + WEEK)] == [
        (3, NOW),
        (40, NOW + timedelta(hours=5)),
    ]
    assert len(catalog.papers.signals([1], NOW)) == 1


def test_a_batch_with_the_fingerprint_of_the_one_before_is_known_unless_it_carries_signals(catalog):
    same = Memory(fingerprint="f")
    first = batch(listing(arxiv="2601.00001", key="a"), memory=same)
    assert catalog.papers.take("arxiv", first, NOW) == Taken(new=1)
    unlike = batch(listing(arxiv="2601.00002", key="b"), memory=same)  # as no two batches with one fingerprint are
    assert catalog.papers.take("arxiv", unlike, NOW) == Taken(known=1)
    voted = batch(listing(arxiv="2601.00001", key="a", signals={"upvotes": 5}), memory=same)
    assert catalog.papers.take("arxiv", voted, NOW) == Taken(known=1, signals=1)
    assert catalog.papers.take("hf", first, NOW) == Taken(merged=1)
    assert [record.answered for record in catalog.sources.all(NOW)] == [NOW, NOW]


def test_memory_is_saved_with_the_listings_and_kept_when_the_source_fails(catalog):
    catalog.papers.take("arxiv", batch(listing(), memory=Memory(etag="one")), NOW)
    catalog.sources.failed("arxiv", "arxiv: no answer", NOW + timedelta(hours=1))
    (record,) = catalog.sources.all(NOW)
    assert (record.memory, record.answered, record.error) == (Memory(etag="one"), NOW, "arxiv: no answer")


def test_a_batch_that_cannot_be_stored_leaves_nothing_behind(catalog):
    with pytest.raises(CatalogError):
        take(catalog, listing(), listing(key=None))
    assert catalog.papers.count() == 0
    assert catalog.sources.all(NOW) == []


@pytest.mark.parametrize("link", [980, 1_980])
def test_the_longest_that_a_source_lets_pass_finds_room(catalog, link):
    said = {"title": "㍿ " * 250, "author": "㍿" * 120, "arxiv:announce_type": "&#0;" + "x" * 99, "guid": "㍿" * 999}
    said["link"] = f"https://a.example/{'x' * link}"
    entry = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    space = 'xmlns:arxiv="http://arxiv.org/schemas/atom"'
    http = Served(f'<rss version="2.0" {space}><channel><item>{entry}</item></channel></rss>'.encode())
    source = ArxivSource("s" * 100, url="https://a.example/feed")
    assert catalog.papers.take(source.name, source.fetch(http, Memory()), NOW).new == 1


def test_counts_are_kept_ever_more_rarely_however_often_they_are_seen(catalog):
    for half in range(14 * 48):
        now = NOW + timedelta(minutes=30 * half)
        take(catalog, listing(arxiv="2601.00001", announced=NOW, signals={"upvotes": half}), source="hf", now=now)
    times = [signal.at for signal in catalog.papers.signals([1], NOW + timedelta(days=15))]
    assert 12 <= len(times) <= 16
    assert times[1] - times[0] == timedelta(hours=1)
    assert times[-1] - times[0] > timedelta(days=9)


def test_the_days_gain_of_a_count_is_told_between_observations(catalog):
    def seen(hours, votes, **more):
        paper = listing(arxiv="2601.00001", announced=NOW, signals={"upvotes": votes, **more})
        take(catalog, paper, source="hf", now=NOW + timedelta(hours=hours))

    def gained(hours):
        return catalog.papers.gains(NOW + timedelta(hours=hours))

    seen(4, 20)
    assert gained(5) == {(1, "hf", "upvotes"): 20}, "all of it, in less than a day"
    seen(34, 50, comments=4)
    assert gained(34) == {(1, "hf", "upvotes"): 50 - 26, (1, "hf", "comments"): pytest.approx(4 * 24 / 34)}
    assert gained(24 * 3)[1, "hf", "upvotes"] == 0, "nobody looked since"
    assert gained(24 * 16) == {}
