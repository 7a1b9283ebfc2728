"""Finding papers in the catalog, and what a reader's votes tell."""

from datetime import timedelta

import pytest
from factories import NOW, batch, listing
from served import DOCUMENTS, Served

from digest.errors import BadLink, NotFound
from digest.links import Purpose
from digest.model import Interest, Schedule

TITLES = (
    "Dense retrieval of passages for question answering",
    "Ranking passages with late interaction for retrieval",
    "Grasping unknown objects with a soft robot hand",
    "Locomotion of legged robots over rough terrain",
    "Protein structures from sequences alone",
    "Counting stars in dwarf galaxies",
)


@pytest.fixture
def papers(app):
    found = [
        listing(
            arxiv=f"2601.0000{n}", title=title, abstract=f"We study: {title.lower()}.", authors=(f"Ada B{'x' * n}y",)
        )
        for n, title in enumerate(TITLES, 1)
    ]
    app.catalog.papers.take("arxiv", batch(*found), NOW)
    return list(range(1, len(TITLES) + 1))


@pytest.fixture
def ada(app):
    return app.subscriptions.add("ada@example.org", Interest(), Schedule(), "asked")


def titles(hits):
    return [hit.card.title for hit in hits]


def test_a_search_finds_what_is_about_the_question_best_first(app, papers):
    found = app.library.search("passage retrieval").hits
    assert set(titles(found)) == set(TITLES[:2])
    assert found[0].score >= found[1].score > 0


@pytest.mark.parametrize("name", ["3", "2601.00003", "arXiv:2601.00003v2", "https://arxiv.org/abs/2601.00003"])
def test_a_paper_is_found_by_its_names(app, papers, name):
    assert app.library.find(name).title == TITLES[2]


def test_identifiers_and_whole_names_of_authors_can_be_searched_for_too(app, papers):
    assert titles(app.library.search("2601.00005").hits) == [TITLES[4]]
    assert titles(app.library.search("ada bxxxxy").hits) == [TITLES[3]]


def test_a_slip_of_the_pen_is_told_with_the_word_that_was_meant(app, papers):
    found = app.library.search("protien locomotoin")
    assert (found.hits, found.meant) == ([], ["locomotion", "protein"])


@pytest.mark.parametrize("query", ["", "   ", "?!", "的", "the of", "x" * 10_000, "10.1000/\0x", "9" * 20])
def test_whatever_is_asked_there_is_an_answer(app, papers, query):
    assert app.library.search(query).hits == []


def test_an_empty_catalog_can_be_searched(app):
    assert app.library.search("retrieval").hits == []


@pytest.mark.parametrize("name", ["0", "99", "2601.99999", "owls", "", "10.1000/none", "10.1000/\0x", "9" * 30])
def test_a_paper_that_does_not_exist_is_named(app, papers, name):
    with pytest.raises(NotFound, match="there is no paper"):
        app.library.find(name)


def test_new_papers_are_found_after_a_while(app, papers, clock):
    assert app.library.search("owls").hits == []
    paper = listing(title="Owls at night", abstract="Owls.")
    app.catalog.papers.take("arxiv", batch(paper), NOW)
    clock.forward(minutes=11)
    assert titles(app.library.search("owls").hits) == ["Owls at night"]


def test_a_page_shows_signals_and_papers_like_it(app, papers):
    seen = listing(arxiv="2601.00001", signals={"upvotes": 7.0, "comments": 0.0}, announced=NOW - timedelta(hours=1))
    app.catalog.papers.take("hf", batch(seen), NOW)
    app.publish.open()
    page = app.library.page("2601.00001")
    assert page.counts == {"upvotes": 7}
    assert "7 upvotes" in page.candidate.trend_line
    assert titles(page.similar) == [TITLES[1]]


# ---------------------------------------------------------------- votes


def test_a_vote_link_counts_for_its_subscriber_alone(app, papers, ada):
    token = app.links.sign(Purpose.VOTE, ada.public_id)
    app.profiles.vote(token, "1", 1, "mail")
    assert app.profiles.ballot(token, "1").value == 1
    assert app.catalog.votes.of([ada.id]) == {ada.id: ((1, 1),)}


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.VOTE])
def test_a_link_for_something_else_is_no_ballot(app, papers, ada, purpose):
    with pytest.raises(BadLink):
        app.profiles.vote(app.links.sign(purpose, ada.public_id, at=NOW), "1", 1, "mail")


def test_who_was_erased_votes_no_more(app, papers, ada):
    token = app.links.sign(Purpose.VOTE, ada.public_id)
    app.subscriptions.erase(ada)
    with pytest.raises(BadLink):
        app.profiles.vote(token, "1", 1, "mail")


def test_pasted_papers_count_where_they_are_known_and_are_told_where_they_are_not(app, papers, ada):
    pasted = app.profiles.like(ada, f"2601.00001 10.5555/x\n@a{{b, title={{{TITLES[3]}}}, author={{Bxxxxy, Ada}}}}")
    assert [card.title for card in pasted.liked] == [TITLES[0], TITLES[3]]
    assert (pasted.awaited, pasted.unknown) == ([], ["10.5555/x"])
    assert app.catalog.votes.of([ada.id]) == {ada.id: ((1, 1), (4, 1))}


def test_arxiv_is_asked_about_pasted_papers_that_nobody_announced_and_they_are_no_news(app, papers, ada, clock):
    news = app.catalog.papers.news(NOW - timedelta(days=7), NOW)
    pasted = app.profiles.like(ada, "@a{b, title={A lie}, author={Nobody, N}, eprint={2202.12139}}")
    assert (pasted.liked, pasted.awaited, pasted.unknown) == ([], ["A lie"], [])
    app.http = Served((DOCUMENTS / "arxiv_api.xml").read_bytes())
    clock.forward(hours=1)
    for expected in (1, 0):
        assert [c.source for c in app.collect.collect()] == ["pasted"] * expected
    assert app.http.asked == ["https://export.arxiv.org/api/query?id_list=2202.12139&max_results=1"]
    (card,) = app.profiles.shown(ada).up
    assert card.abstract
    assert card.title != "A lie"
    assert app.catalog.papers.news(NOW - timedelta(days=7), clock()) == news


def test_what_arxiv_does_not_have_is_asked_for_two_days(app, ada, clock):
    app.http = Served(b"<html>down</html>")
    app.profiles.like(ada, "2601.99999")
    assert [str(c.error) for c in app.collect.collect()] != ["None"]
    clock.forward(days=3)
    assert list(app.collect.collect()) == []


def test_a_paper_that_was_pasted_before_its_announcement_is_news_when_it_comes(app, ada, clock):
    app.profiles.like(ada, "2601.00009")
    assert app.catalog.papers.news(NOW - timedelta(days=7), NOW) == []
    clock.forward(hours=5)
    app.catalog.papers.take("arxiv", batch(listing("2601.00009", title="Announced", announced=clock())), clock())
    assert [(card.title, since) for card, since in app.catalog.papers.news(NOW, clock())] == [("Announced", clock())]


def test_a_profile_is_told_in_words(app, papers, ada):
    app.profiles.like(ada, "2601.00001")
    app.catalog.votes.put(ada.id, [3], -1, "mail", NOW)
    shown = app.profiles.shown(ada)
    assert [card.title for card in shown.up + shown.down] == [TITLES[0], TITLES[2]]
    assert shown.origins == {"pasted": 1, "mail": 1}
    assert "retrieval" in shown.words
    assert titles(shown.nearest) == [TITLES[1]]


def test_without_votes_nothing_is_made_up(app, papers, ada):
    shown = app.profiles.shown(ada)
    assert (shown.up, shown.words, shown.nearest) == ([], [], [])
