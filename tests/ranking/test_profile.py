import numpy as np
import pytest

from digest.ranking import profile
from digest.ranking.text import Texts

SUBJECTS = {
    "caches": "Evicting keys and values from the cache of large language models during decoding",
    "robots": "Grasping soft things with two robot hands after demonstrations by people",
    "proteins": "Folding proteins and predicting their structure without alignments",
}
PAPERS = [(f"{text.split()[0]} number {n}", f"{text} {n}.") for n in range(6) for text in SUBJECTS.values()]
CACHES, ROBOTS = range(0, 18, 3), range(1, 18, 3)


@pytest.fixture(scope="module")
def texts():
    return Texts(PAPERS)


def test_without_votes_the_words_alone_decide(texts):
    queries = [texts.query([("robot hands", 1)]), texts.query([("protein structure", 1)])]
    assert np.allclose(profile.evidence(texts, queries, [(), ()]), texts.evidence(queries)[0])


def test_one_vote_without_words_finds_the_papers_like_it(texts):
    (row,) = profile.evidence(texts, [texts.query([])], [(CACHES[0],)])
    assert set(np.argsort(-row)[:6]) == set(CACHES)


def test_votes_add_to_what_the_words_ask_for(texts):
    query = texts.query([("robot hands", 1)])
    plain, voted = profile.evidence(texts, [query, query], [(), (CACHES[0], CACHES[1])])
    assert set(np.argsort(-plain)[:6]) == set(ROBOTS)
    assert voted[CACHES[2]] > plain[CACHES[2]]
    assert set(np.argsort(-voted)[:12]) == {*ROBOTS, *CACHES}


def test_more_votes_count_for_more(texts):
    query = texts.query([("robot hands", 1)])
    one, four = profile.evidence(texts, [query, query], [CACHES[:1], CACHES[:4]])
    assert four[CACHES[5]] - four[2] > one[CACHES[5]] - one[2]


def test_a_readers_evidence_does_not_depend_on_the_readers_beside(texts):
    queries = [texts.query([(text, 1)]) for text in SUBJECTS.values()]
    votes = [(0,), (1, 4), ()]
    together = profile.evidence(texts, queries, votes)
    for query, voted, row in zip(queries, votes, together, strict=True):
        assert np.array_equal(profile.evidence(texts, [query], [voted])[0], row)


def test_nobody_and_nothing_can_be_asked(texts):
    assert profile.evidence(texts, [], []).shape == (0, len(PAPERS))
    empty = Texts([])
    assert profile.evidence(empty, [empty.query([("robots", 1)])], [()]).shape == (1, 0)
