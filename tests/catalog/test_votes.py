from datetime import timedelta

import pytest
from factories import NOW, batch, listing, subscriber


@pytest.fixture
def people(catalog):
    catalog.papers.take("arxiv", batch(listing(title="One", abstract="about owls"), listing(title="Two")), NOW)
    return [catalog.subscribers.put(subscriber(), None).id for _ in range(2)]


WEEK = timedelta(days=7)


def test_the_last_vote_on_a_paper_counts_and_can_be_withdrawn(catalog, people):
    ada, bob = people
    catalog.votes.put(ada, [1], 1, "mail", NOW)
    catalog.votes.put(ada, [2], 1, "mail", NOW)
    catalog.votes.put(bob, [1], 1, "page", NOW)
    catalog.votes.put(ada, [1], -1, "page", NOW + WEEK)
    assert catalog.votes.of(people) == {ada: ((2, 1), (1, -1)), bob: ((1, 1),)}
    catalog.votes.put(ada, [1], 0, "page", NOW)
    catalog.votes.put(bob, [1], 0, "page", NOW)
    assert catalog.votes.of(people) == {ada: ((2, 1),)}


def test_the_texts_of_papers_are_their_titles_and_abstracts(catalog, people):
    assert catalog.votes.texts([1, 99]) == {1: "One\nabout owls"}


def test_votes_go_with_the_subscriber_who_is_erased_and_stay_with_others(catalog, people):
    ada, bob = people
    for who in people:
        catalog.votes.put(who, [1], 1, "mail", NOW)
    catalog.subscribers.erase(ada)
    assert catalog.votes.of(people) == {bob: ((1, 1),)}
    assert catalog.votes.reset(bob) == 1
    assert not catalog.votes.of(people)


def test_more_readers_than_one_statement_has_parameters_for_are_asked_for_at_once(catalog, people):
    catalog.votes.put(people[0], [1], 1, "mail", NOW)
    assert list(catalog.votes.of(range(1, 50_000))) == [people[0]]
