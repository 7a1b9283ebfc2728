"""New versions and publication of papers that a reader knows, told once to those who want it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import batch, listing

from digest.model import Interest, ReasonCode, Schedule, Steering

TOLD = Steering(events=True)


@pytest.fixture
def mailed(app, clock):
    """Two readers had one paper, three weeks ago; one of them wants to be told of events."""
    collect(app, listing("2601.00001", title="Long memory", version=1))
    for name, steering in (("told", TOLD), ("spared", Steering())):
        reader = app.subscriptions.add(
            f"{name}@example.org", Interest(), Schedule(), "asked", after=clock() - timedelta(hours=12)
        )
        app.catalog.subscribers.put(replace(reader, steering=steering), None)
    morning(app)
    clock.forward(days=20)
    return app


def collect(app, *listings):
    app.catalog.papers.take("arxiv", batch(*listings), app.clock())


def revised(version, title="Long memory"):
    return listing("2601.00001", title=title, version=version, announce_type="replace")


def morning(app):
    """Opens the day's edition and composes; by reader's name (title, told of an event), for those who get mail."""
    app.publish.open()
    app.publish.compose()
    found = {}
    for d in app.catalog.deliveries.of(edition=app.publish.edition().id):
        cards = app.publish.edition().candidates
        name = app.catalog.subscribers.get(d.digest.subscriber).address.partition("@")[0]
        found[name] = [(cards[p.ordinal].card.title, p.reasons[0].code is ReasonCode.EVENT) for p in d.digest.picks]
    return found


def test_a_new_version_is_told_to_who_had_the_paper_and_wants_to_know(mailed):
    collect(mailed, revised(2), listing("2601.00007", title="Something new"))
    assert morning(mailed) == {
        "told": [("Something new", False), ("Long memory", True)],
        "spared": [("Something new", False)],
    }


def test_it_is_told_once_and_again_when_something_else_happens(mailed, clock):
    collect(mailed, revised(2))
    assert morning(mailed) == {"told": [("Long memory", True)]}
    clock.forward(days=1)
    assert morning(mailed) == {}
    collect(mailed, listing(doi="10.1038/x", arxiv="2601.00001", title="Long memory"))
    clock.forward(days=1)
    assert morning(mailed)["told"] == [("Long memory", True)]


def test_what_happened_is_told_in_words(mailed):
    collect(mailed, revised(2))
    mailed.publish.open()
    reader = mailed.catalog.subscribers.by_address("told@example.org")
    assert mailed.publish.preview(reader).items[0].reasons == ("you know it, and v2 is out",)
    assert "v2 is out" in mailed.publish.preview(reader).parts.text


def test_who_voted_for_a_paper_is_told_and_who_does_not_know_it_is_not(app, clock):
    collect(app, listing("2601.00001", title="Long memory", version=1))
    clock.forward(days=20)
    for name in ("voter", "stranger"):
        reader = app.subscriptions.add(
            f"{name}@example.org", Interest(), Schedule(), "asked", after=clock() - timedelta(hours=12)
        )
        app.catalog.subscribers.put(replace(reader, steering=TOLD), None)
    app.catalog.votes.put(1, [1], 1, "pasted", clock())
    collect(app, revised(2))
    assert morning(app) == {"voter": [("Long memory", True)]}


def test_no_mail_grows_longer_than_its_reader_wants(mailed, clock):
    collect(mailed, revised(2), *(listing(f"2601.0001{n}", title=f"New {n}") for n in range(5)))
    reader = mailed.catalog.subscribers.by_address("told@example.org")
    mailed.catalog.subscribers.put(replace(reader, count=2), None)
    assert [told for _, told in morning(mailed)["told"]] == [False, True]


def test_old_papers_are_in_no_edition_while_nobody_wants_to_know(mailed):
    reader = mailed.catalog.subscribers.by_address("told@example.org")
    mailed.catalog.subscribers.put(replace(reader, steering=Steering()), None)
    collect(mailed, revised(2))
    mailed.publish.open()
    assert not mailed.publish.edition().candidates


def test_an_old_paper_is_on_no_page_and_no_topic_brings_it(mailed):
    collect(mailed, revised(2))
    mailed.publish.open()
    assert len(mailed.publish.edition().candidates) == 1
    assert mailed.publish.page().items == []


def test_why_tells_that_it_came_for_what_happened_to_it(mailed):
    collect(mailed, revised(2))
    day, told = mailed.publish.open().edition, mailed.catalog.subscribers.by_address("told@example.org")
    foreseen = mailed.explain.why(told, "1", day)
    morning(mailed)
    found = mailed.explain.why(told, "1")
    assert (found.place, found.papers, found.reasons) == (1, 1, ("you know it, and v2 is out",))
    assert (foreseen.place, foreseen.papers, foreseen.reasons) == (1, 1, found.reasons)
