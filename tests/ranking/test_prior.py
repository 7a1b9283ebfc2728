import numpy as np

from digest.ranking.prior import Announced, Prior, enough, traits, words

CHANCE = np.random.default_rng(1)
WORDS = [f"word{n}" for n in range(60)]


def paper(*more, authors=("Ada Lovelace",)):
    return Announced("A title", " ".join([*CHANCE.choice(WORDS, 20), *more]), authors, ("cs.CL",))


def history(size=2_000):
    """Papers about agents trend half of the time, others one time in fifty."""
    about = CHANCE.random(size) < 0.1
    trended = CHANCE.random(size) < np.where(about, 0.5, 0.02)
    return [traits(paper(*(["agents"] if one else []))) for one in about], trended.tolist()


def test_a_paper_like_those_that_trended_has_a_better_chance():
    model = Prior(*history())
    agents, others = model.chances([traits(paper("agents")), traits(paper())])
    assert agents > 5 * others


def test_the_chances_told_are_about_what_happens():
    model = Prior(*history())
    about = np.mean(model.chances([traits(paper("agents")) for _ in range(200)]))
    others = np.mean(model.chances([traits(paper()) for _ in range(200)]))
    assert 0.3 < about < 0.7
    assert others < 0.06


def test_learning_the_same_twice_tells_the_same_whatever_the_order_of_traits():
    papers, trended = history()
    asked = [traits(paper("agents")), traits(paper())]
    first = Prior(papers, trended).chances(asked)
    assert np.array_equal(first, Prior([sorted(one, reverse=True) for one in papers], trended).chances(asked))


def test_a_paper_of_which_nothing_is_known_has_about_the_usual_chance():
    papers, trended = history()
    (chance,) = Prior(papers, trended).chances([set()])
    assert 0.01 < chance < 0.2


def test_comments_authors_and_categories_are_traits_and_words_alone_are_the_plain_model():
    told = traits(Announced("Agents: a survey", "See https://x.org", ("Ada",), ("cs.CL",), "Accepted at ACL"))
    assert {"comment acl", "author ada", "filed cs.CL", "title agent", "named", "linked"} <= told
    assert words(Announced("Agents", "surveys", ("Ada",))) == {"agent", "survey"}


def test_too_little_history_teaches_nothing():
    assert not enough([True] * 49 + [False] * 5_000)
    assert not enough([True] * 60 + [False] * 100)
    assert not enough([True] * 2_000)
    assert not enough([False] * 1_700 + [True] * 300), "whoever tells was not asked before"
    assert enough([True] * 60 + [False] * 2_000)


def test_words_of_which_little_is_known_drown_the_telling_ones_no_more_than_in_the_plain_model():
    papers, trended = history()
    rare = [f"abstract rare{nth}" for nth in range(20)]
    for nth, place in enumerate(place for place, came in enumerate(trended[:500]) if not came):
        papers[place] = papers[place] | set(rare[nth // 2 : nth // 2 + 1])
    asked = [traits(paper("agents")) | {*rare}]
    assert Prior(papers, trended).chances(asked) > Prior(papers, trended, telling=0).chances(asked)
