"""Why a subscriber got a paper, or did not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import NOW, batch, listing

from digest.errors import NotFound
from digest.model import Interest, Schedule, Steering

TITLES = (
    "Dense retrieval of passages",
    "Retrieval by late interaction",
    "Ranking passages for retrieval",
    "Grasping with a soft robot hand",
    "Counting dwarf galaxies",
)


@pytest.fixture
def ada(app):
    return app.subscriptions.add("ada@example.org", Interest({1: 1.0}), Schedule(), "asked", after=NOW)


@pytest.fixture(autouse=True)
def edition(app):
    papers = [
        listing(arxiv=f"2601.0000{n}", title=title, abstract=f"{title}, a study.", announced=NOW - timedelta(hours=n))
        for n, title in enumerate(TITLES, 1)
    ]
    app.catalog.papers.take("arxiv", batch(*papers), NOW)
    return app.publish.open()


def wants(app, ada, **preferences):
    app.subscriptions.set(ada, replace(ada, **preferences))
    return app.catalog.subscribers.get(ada.id)


def why(app, ada, title):
    return app.explain.why(ada, str(TITLES.index(title) + 1))


def test_a_paper_that_would_be_sent_has_its_place_its_reasons_and_all_terms_of_its_score(app, ada):
    preview = app.publish.preview(ada)
    for place, item in enumerate(preview.items, 1):
        found = app.explain.why(ada, str(item.candidate.card.paper))
        assert (found.place, found.rank, found.papers) == (place, place, len(preview.items))
        assert found.reasons == item.reasons
        assert sum(value for _, value in found.terms) == pytest.approx(found.score, abs=0.003)
        assert any(words == "topic Retrieval" and value > 0 for words, value in found.terms)
        assert (found.state, found.recomputed, found.obstacles) == ("", False, [])


def test_a_delivery_is_explained_as_it_was_composed_and_says_what_is_recomputed(app, ada, clock):
    sent = app.publish.preview(ada).items[0].candidate.card
    clock.forward(days=1)
    app.publish.compose()
    (row,) = app.catalog.deliveries.of(subscriber=ada.id)
    ada = wants(app, ada, interest=Interest({2: 1.0}))
    found = app.explain.why(ada, str(sent.paper))
    assert (found.turn, found.state, found.place) == (row.digest.turn, "pending", 1)
    assert "you follow Retrieval: “retrieval”" in found.reasons
    assert found.score == pytest.approx(row.digest.picks[0].score, abs=0.001)
    assert found.recomputed
    assert {words for words, _ in found.terms} == {"fresh", "what was wanted then was not the same"}


def test_what_was_sent_is_no_obstacle_to_itself_but_to_being_sent_again(app, ada, clock):
    clock.forward(days=1)
    app.publish.compose()
    app.catalog.papers.take("arxiv", batch(listing(title="Retrieval once more")), clock())
    app.publish.open()
    found = app.explain.why(ada, "1", clock().date())
    assert (found.place, found.obstacles) == (None, ["it was sent before"])
    assert "not having had it" in found.changes


@pytest.mark.parametrize(
    ("preferences", "title", "obstacle", "change"),
    [
        ({"interest": Interest({1: 1.0}, exclusions=("late",))}, TITLES[1], "“late” is never", "showing “late”"),
        ({"steering": Steering(least=5.0)}, TITLES[0], "it scores less than 5", "a lower least score"),
        ({"count": 1, "steering": Steering(explore=0)}, TITLES[2], "the mail has 1 papers at most", "a longer mail"),
        ({"steering": Steering(quota=1)}, TITLES[2], "its topic has all its places", "more papers per topic"),
        ({"interest": Interest({1: 1.0})}, TITLES[3], "nothing that is wanted fits it", "following Robots"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_found_by_trying_and_so_is_what_would_bring_it(
    app, ada, preferences, title, obstacle, change
):
    ada = wants(app, ada, **preferences)
    found = why(app, ada, title)
    assert found.place is None
    (told,) = found.obstacles
    assert told.startswith(obstacle)
    assert any(words.startswith(change) for words in found.changes)


def test_two_obstacles_at_once_are_both_told_and_neither_alone_would_help(app, ada):
    ada = wants(app, ada, interest=Interest({1: 1.0}, exclusions=("dense", "cs.CL")))
    found = why(app, ada, TITLES[0])
    assert len(found.obstacles) == 2
    assert not any(words.startswith("showing") for words in found.changes)


def test_several_obstacles_are_told_and_what_alone_would_help_once_one_is_gone(app, ada):
    last = app.publish.preview(ada).items[2].candidate.card.title
    ada = wants(app, ada, count=2, steering=Steering(quota=2))
    found = why(app, ada, last)
    assert set(found.obstacles) == {"the mail has 2 papers at most", "its topic has all its places"}
    ada = wants(app, ada, count=3, steering=Steering(quota=2))
    assert why(app, ada, last).changes[0] == "more papers per topic"


def test_papers_that_are_no_candidates_are_told_so(app, ada):
    old = listing(title="A study of old times", announced=NOW - timedelta(days=90))
    app.catalog.papers.take("arxiv", batch(old), NOW)
    with pytest.raises(NotFound, match="“A study of old times” became news too early or too late"):
        app.explain.why(ada, str(len(TITLES) + 1))
    with pytest.raises(NotFound, match="there is no edition of 2020-01-01"):
        app.explain.why(ada, "1", NOW.date().replace(2020, 1, 1))
