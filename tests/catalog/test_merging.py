"""When two papers are one, and how that is undone."""

from datetime import timedelta

import pytest
from factories import NOW, listing, take, titles
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from digest.catalog import Catalog
from digest.catalog import tables as t
from digest.catalog.language import language
from digest.errors import NotFound

WEEK = timedelta(days=7)
TITLE = "A very particular title of things"


def events(catalog, paper=1):
    return [(kind, detail) for _, kind, detail in catalog.papers.record(paper).events]


def state(catalog):
    """All that is known of papers but the history of their merges."""
    tables = (t.papers, t.paper_ids, t.listings, t.signals, t.events)
    with catalog.store.read() as db:
        rows = [sorted(map(str, db.execute(select(table)))) for table in tables]
    return rows, catalog.papers.same()


# ---------------------------------------------------------------- who is who


def test_an_answer_that_gives_arxiv_id_and_doi_shows_that_two_known_papers_are_one(catalog):
    take(catalog, listing(arxiv="2601.00001", title="Preprint"))
    take(catalog, listing(doi="10.1/x", title="In a journal"), source="journal")
    assert len(titles(catalog)) == 2
    take(catalog, listing(arxiv="2601.00001", doi="10.1/x", key="k"), source="api")
    assert titles(catalog) == ["Preprint"]
    assert [(part, whole, reason) for _, part, whole, reason, _ in catalog.papers.record(2).merges] == [
        (2, 1, "api says that doi:10.1/x is this paper")
    ]


def test_two_preprints_are_never_one_whatever_doi_they_share(catalog):
    take(catalog, listing(arxiv="2601.00001", doi="10.1/x"))
    take(catalog, listing(arxiv="2601.00002", doi="10.1/x", key="k"), source="api")
    assert catalog.papers.count() == 2


@pytest.mark.parametrize("first", ["10.20944/p202601.0123.v1", "10.26434/chemrxiv-2026-ab1cd", "10.31234/osf.io/a_v1"])
def test_the_versions_of_a_preprint_are_one_paper(catalog, first):
    second = first.replace("v1", "v2") if "v1" in first else f"{first}-v2"
    assert [take(catalog, listing(doi=doi)).new for doi in (first, second)] == [1, 0]


def test_a_preprint_of_biorxiv_is_one_with_its_journal_version(catalog):
    take(catalog, listing(doi="10.1101/2026.01.01.1"), source="biorxiv")
    published = listing(doi="10.1101/2026.01.01.1", key="api")
    published.ids["published"] = "10.1038/x"
    take(catalog, published, source="api")
    assert take(catalog, listing(doi="10.1038/x"), source="nature").merged == 1
    assert events(catalog) == [("published", "10.1038/x")]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("Wei Zhang", "Ada Lovelace"), ("Zhang, W.", "Lovelace, A."), True),
        (("Wei Zhang",), ("Zhang W",), True),
        (("José Núñez",), ("Nunez, José",), True),
        (("Wei Zhang",), ("Li Zhang",), False),
        (("Wei Zhang", "Ada Lovelace"), ("Wei Zhang", "Emmy Noether"), False),
    ],
)
def test_a_title_is_enough_only_where_the_authors_agree(catalog, one, other, same):
    take(catalog, listing(arxiv="2601.00001", title=TITLE, authors=one))
    assert take(catalog, listing(title=TITLE, authors=other), source="journal").merged == same


def test_the_same_title_years_later_is_another_paper(catalog):
    take(catalog, listing(title=TITLE, announced=NOW - timedelta(days=1_200)))
    assert take(catalog, listing(title=TITLE), source="journal").new == 1


def test_a_chinese_title_is_long_enough_without_blanks(catalog):
    for source in ("a", "b"):
        take(catalog, listing(title="浙江南麂岛陆生维管束植物多样性及区系特征", authors=("朱弘",)), source=source)
    assert catalog.papers.count() == 1


def test_a_mere_mention_gives_way_to_the_papers_own_title(catalog):
    mention = {"title": "This paper is wild!", "abstract": "", "authors": (), "signals": {"points": 90}}
    take(catalog, listing(arxiv="2601.00001", **mention), source="hn")
    take(catalog, listing(arxiv="2601.00001", title="Its own title"))
    take(catalog, listing(arxiv="2601.00001", **mention), source="hn")
    assert titles(catalog) == ["Its own title"]


def test_a_new_version_brings_its_title_and_is_an_event_but_no_news(catalog):
    take(catalog, listing(arxiv="2601.00001", key="v1", title="First thoughts", version=1))
    later = NOW + 2 * WEEK
    replaced = {"title": "Second thoughts", "version": 2, "announce_type": "replace", "announced": later}
    for _ in range(2):
        take(catalog, listing(arxiv="2601.00001", key="v2", **replaced), now=later)
    assert (titles(catalog), titles(catalog, later)) == (["Second thoughts"], [])
    assert events(catalog) == [("version", "v2")]


def test_publication_is_an_event_of_a_preprint_that_was_known(catalog):
    take(catalog, listing(arxiv="2601.00001", title=TITLE), listing(arxiv="2601.00002", doi="10.1/had"))
    take(catalog, listing(doi="10.1/x", title=TITLE), source="journal", now=NOW + WEEK)
    assert (events(catalog, 1), events(catalog, 2)) == ([("published", "10.1/x")], [])
    assert titles(catalog, NOW + 2 * WEEK) == []


def test_a_paper_has_the_signals_and_links_of_its_parts_and_is_news_through_them(catalog):
    take(catalog, listing(arxiv="2511.00001", title=TITLE, announced=NOW - timedelta(days=40), abstract=""))
    liked = {"announced": NOW, "links": {"abstract": "https://j.example/1", "code": "https://c.example"}}
    take(catalog, listing(doi="10.1/x", title=TITLE, signals={"points": 3}, **liked), source="hn")
    ((card, since),) = catalog.papers.news(NOW - WEEK, NOW)
    assert (card.paper, since, dict(card.links)["code"]) == (1, NOW, "https://c.example")
    assert dict(card.links)["journal"] == "https://j.example/1"
    assert card.abstract
    assert [(s.paper, s.value) for s in catalog.papers.signals([1], NOW)] == [(1, 3)]


# ---------------------------------------------------------------- and back


def test_what_was_split_is_not_merged_again(catalog):
    take(catalog, listing(arxiv="2601.00001", title=TITLE))
    take(catalog, listing(doi="10.1/x", title=TITLE, key="j"), source="journal")
    assert catalog.papers.split(2, NOW) == 1
    take(catalog, listing(doi="10.1/x", title=TITLE, key="j"), source="journal")
    take(catalog, listing(arxiv="2601.00001", doi="10.1/x", key="k"), source="api")
    assert catalog.papers.count() == 2


def test_a_split_lasts_for_feeds_that_know_no_more_than_the_title(catalog):
    take(catalog, listing(arxiv="2601.00001", title=TITLE))
    take(catalog, listing(title=TITLE, key="guid-1"), source="journal")
    catalog.papers.split(2, NOW)
    take(catalog, listing(title=TITLE, key="guid-2"), source="journal")
    assert catalog.papers.count() == 2
    assert catalog.papers.same() == {}


def test_what_was_merged_by_hand_keeps_both_names(catalog):
    take(catalog, listing(arxiv="2601.00001", key="a1"), listing(arxiv="2601.00002", key="b1"))
    catalog.papers.join(2, 1, "submitted twice", NOW)
    assert take(catalog, listing(arxiv="2601.00001", key="a2"), listing(arxiv="2601.00002", key="b2")).merged == 2
    assert catalog.papers.count() == 1


def test_merging_what_is_one_and_splitting_what_is_whole_is_refused(catalog):
    take(catalog, listing(), listing())
    catalog.papers.join(2, 1, "by hand", NOW)
    for wrong in (lambda: catalog.papers.join(1, 2, "", NOW), lambda: catalog.papers.split(1, NOW)):
        with pytest.raises(NotFound):
            wrong()
    with pytest.raises(NotFound, match="no paper 9"):
        catalog.papers.join(9, 1, "", NOW)
    assert catalog.papers.cards([2])[2].paper == 1


seen = st.fixed_dictionaries(
    {"arxiv": st.sampled_from(["", "2601.1", "2601.2"]), "doi": st.sampled_from(["", "10.1/a", "10.1/b"])},
    optional={
        "title": st.sampled_from([TITLE, "Another rather long title of things"]),
        "key": st.sampled_from("abc"),
        "version": st.integers(0, 2),
        "signals": st.just({"upvotes": 1}),
        "url": st.sampled_from(["https://a.example/1", "https://b.example/1"]),
    },
)
batches = st.lists(st.tuples(st.sampled_from(["arxiv", "journal", "hn"]), st.lists(seen, max_size=4)), max_size=5)


@given(batches, st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=5), st.randoms())
@settings(max_examples=40, deadline=None)
@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_to_merge_and_to_split_in_whatever_order_restores(collected, pairs, chance):
    catalog = Catalog("sqlite://")
    t.metadata.create_all(catalog.store.engine)
    for source, listings in collected:
        take(catalog, *(listing(**fields) for fields in given_keys(listings)), source=source)
    before, merged = state(catalog), []
    for part, whole in pairs:
        try:
            part = catalog.papers.cards([part])[part].paper
            catalog.papers.join(part, whole, "by hand", NOW)
            merged.append(part)
        except (KeyError, NotFound):
            continue
    assert merged == [] or state(catalog) != before
    chance.shuffle(merged)
    for part in merged:
        catalog.papers.split(part, NOW)
    assert state(catalog) == before
    catalog.store.engine.dispose()


def given_keys(listings):
    return [{"key": f"{n}", "announced": NOW, "title": f"Paper {n}", **fields} for n, fields in enumerate(listings)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("We study the retrieval of passages and show that it is hard", "en"),
        ("Die neotropischen Arten der Gattung wurden bearbeitet und sind neu", "de"),
        ("Nous décrivons une espèce nouvelle pour la science dans les Alpes", "fr"),
        ("浙江南麂岛为南麂列岛国家级海洋自然保护区主岛", "zh"),
        ("大規模言語モデルの評価について", "ja"),
        ("Новый вид из Китая", "ru"),
        ("We prove that the α-entropy of a β-mixing process is finite", "en"),
        ("GPT-4o", ""),
    ],
)
def test_the_language_of_a_text_is_told_by_its_letters_and_small_words(text, name):
    assert language(text) == name
