from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.model import NAMELESS, Candidate, Card, Interest, Pick, Reason, ReasonCode, Steering, Topic, pack, unpack
from digest.ranking import compose, shelf
from digest.ranking.compose import Ranker, Wish
from digest.ranking.text import fold, folded, stem

NOW = datetime(2026, 1, 16, 6, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=31)

PAPERS = [
    # title, abstract, authors, categories
    ("Evicting the KV cache", "Keys and values of long texts are compressed.", ("Ada Lovelace",), ("cs.CL", "cs.LG")),
    ("Quantised key-value caches", "Compression of caches to two bits.", ("Alan Turing", "Ada Lovelace"), ("cs.LG",)),
    ("Grasping with two hands", "A robot learns to grasp soft things.", ("Grace Hopper",), ("cs.RO",)),
    ("Robots that fold laundry", "Manipulation of cloth, learned by watching.", ("J. Doe",), ("cs.RO", "cs.CV")),
    ("Splatting for surfaces", "Gaussian splatting reconstructs scenes in 3D.", ("Émilie du Châtelet",), ("cs.CV",)),
    ("A survey of jailbreaks", "Attacks on large language models and defences.", ("Kurt Gödel",), ("cs.CR",)),
    ("Chromatic numbers of planar graphs", "A shorter proof.", ("Emmy Noether",), ("math.CO",)),
    ("Dense retrieval of passages", "Questions are answered from passages.", ("Karen Jones",), ("cs.IR", "cs.CL")),
]  # fmt: skip
KV, QUANTISED, GRASPING, LAUNDRY, SPLATTING, JAILBREAKS, GRAPHS, RETRIEVAL = range(8)
CACHES, ROBOTS = 1, 2
TOPICS = [
    Topic(CACHES, "kv", "KV cache compression", "Evicting, merging and quantising the key-value cache"),
    Topic(ROBOTS, "robots", "Robot manipulation", "Grasping and handling of things by robots"),
]


def candidates(papers=PAPERS, trends=(), ages=()):
    trends, ages = dict(trends), dict(ages)
    return [
        Candidate(
            n,
            Card(100 + n, title, abstract, authors, categories, (("abstract", "https://example.org"),), NOW.date()),
            NOW - timedelta(hours=ages.get(n, 12)),
            trends.get(n, 0.0),
            f"{40 * trends[n]:.0f} upvotes" if n in trends else "",
        )
        for n, (title, abstract, authors, categories) in enumerate(papers)
    ]


def wish(interest=Interest(), count=10, had=(), after=LONG_AGO, steering=Steering(explore=0), **of):  # noqa: B008  frozen
    return Wish(interest, count, after, np.array([100 + ordinal for ordinal in had], np.int64), steering=steering, **of)


def picked(interest=Interest(), count=10, had=(), after=LONG_AGO, topics=TOPICS, **of):  # noqa: B008  frozen
    wished = {name: of.pop(name) for name in ("steering", "again", "lot") if name in of}
    return Ranker(candidates(**of), topics, NOW).picks([wish(interest, count, had, after, **wished)])[0]


def ordinals(picks):
    return [pick.ordinal for pick in picks]


def reasons(picks):
    return {pick.ordinal: [(reason.code, reason.ref) for reason in pick.reasons] for pick in picks}


# ---------------------------------------------------------------- what was asked


def test_a_topic_brings_its_papers_and_is_their_reason():
    picks = picked(Interest({CACHES: 1}))
    assert set(ordinals(picks)) == {KV, QUANTISED}
    for pick in picks:
        topic, term = pick.reasons
        assert topic == Reason(ReasonCode.TOPIC, CACHES)
        assert stem(*folded(candidates()[pick.ordinal].card.words[term.ref])) in ("cach", "quantiz")


def test_a_paper_about_nothing_that_was_asked_is_not_picked_even_if_the_mail_stays_short():
    assert picked(Interest(texts=("galaxy evolution across cosmic time",))) == ()


def test_the_heavier_topic_comes_first():
    assert ordinals(picked(Interest({CACHES: 1, ROBOTS: 3})))[0] in (GRASPING, LAUNDRY)
    assert ordinals(picked(Interest({CACHES: 3, ROBOTS: 1})))[0] in (KV, QUANTISED)


def test_the_topic_named_is_the_one_that_counted_most():
    both = Topic(7, "hands", "Two hands", "Grasping with two hands")
    picks = picked(Interest({ROBOTS: 0.1, 7: 2}), topics=[*TOPICS, both])
    assert reasons(picks)[GRASPING][0] == (ReasonCode.TOPIC, 7)


def test_a_topic_that_is_gone_is_no_reason():
    assert picked(Interest({99: 1})) == ()


def test_a_topic_leaves_out_what_it_excludes_and_finds_its_keywords():
    fussy = Topic(5, "kv", "KV cache compression", "The key-value cache", exclusions=("quantised",))
    assert ordinals(picked(Interest({5: 1}), topics=[fussy])) == [KV]
    cloth = Topic(6, "cloth", "Household", keywords=("laundry", "dishes"), categories=("cs.RO",))
    assert ordinals(picked(Interest({6: 1}), topics=[cloth])) == [LAUNDRY]


def test_a_sentence_brings_papers_and_names_their_word_for_it():
    picks = picked(Interest(texts=("graph colouring and chromatic numbers",)))
    (code, ref) = reasons(picks)[GRAPHS][0]
    assert code is ReasonCode.TEXT
    assert candidates()[GRAPHS].card.words[ref] == "Chromatic"


def test_a_keyword_is_found_as_whole_words_and_named():
    picks = picked(Interest(keywords=("kv caches", "rob", "Gaussian splatting")))
    words = {pick.ordinal: candidates()[pick.ordinal].card.words[pick.reasons[0].ref] for pick in picks}
    assert words == {KV: "KV", SPLATTING: "Gaussian"}


def test_a_category_or_a_whole_archive_brings_its_papers():
    assert reasons(picked(Interest(categories=("CS.CL",)))) == {
        KV: [(ReasonCode.CATEGORY, 0)],
        RETRIEVAL: [(ReasonCode.CATEGORY, 1)],
    }
    assert ordinals(picked(Interest(categories=("math",)))) == [GRAPHS]


@pytest.mark.parametrize("name", ["Emilie du Chatelet", "du Châtelet, Émilie", "ÉMILIE DU CHÂTELET"])
def test_a_followed_author_is_known_however_the_name_is_written(name):
    assert reasons(picked(Interest(authors=(name,)))) == {SPLATTING: [(ReasonCode.AUTHOR, 0)]}


def test_the_place_of_a_followed_author_is_told():
    assert reasons(picked(Interest(authors=("Ada Lovelace",))))[QUANTISED] == [(ReasonCode.AUTHOR, 1)]


def test_the_two_strongest_reasons_are_told_and_the_stronger_one_first():
    interest = Interest({CACHES: 1}, categories=("cs.LG",), authors=("Ada Lovelace",))
    told = [code for code, _ in reasons(picked(interest, trends={KV: 0.1}))[KV]]
    assert told == [ReasonCode.AUTHOR, ReasonCode.TOPIC]


# ---------------------------------------------------------------- what nobody has to ask for


def test_who_asks_for_nothing_gets_what_is_trending_then_what_is_newest():
    picks = picked(trends={GRAPHS: 0.2, LAUNDRY: 0.6}, ages={KV: 1, RETRIEVAL: 2})
    assert ordinals(picks)[:4] == [LAUNDRY, GRAPHS, KV, RETRIEVAL]
    assert len(picks) == len(PAPERS)
    assert reasons(picks)[LAUNDRY] == [(ReasonCode.TREND, 0)]
    assert reasons(picks)[KV] == [(ReasonCode.FRESH, 0)]


def test_what_is_trending_fills_up_after_what_was_asked():
    picks = picked(Interest({CACHES: 1}), trends={GRAPHS: 0.5, SPLATTING: 0.01})
    assert ordinals(picks)[-1] == GRAPHS
    assert SPLATTING not in ordinals(picks)


def test_a_faint_trend_is_no_reason_beside_what_was_asked():
    assert reasons(picked(Interest({CACHES: 1}), trends={KV: 0.1, QUANTISED: 0.4})) == {
        KV: [(ReasonCode.TOPIC, CACHES), (ReasonCode.TERM, 3)],
        QUANTISED: [(ReasonCode.TOPIC, CACHES), (ReasonCode.TREND, 0)],
    }


def test_a_trend_without_its_line_does_not_count():
    found = candidates(trends={GRAPHS: 0.9})
    found[GRAPHS] = Candidate(GRAPHS, found[GRAPHS].card, NOW, trend=0.9)
    assert GRAPHS not in ordinals(Ranker(found, TOPICS, NOW).picks([wish(Interest({CACHES: 1}))])[0])


def test_among_equals_the_lower_ordinal_comes_first():
    papers = [(f"{letter}{letter}{letter}", "", (), ()) for letter in "ponmlkjihgfedcba"]
    assert ordinals(picked(papers=papers)) == list(range(10))
    assert ordinals(picked(papers=papers * 20, count=3, topics=[])) == [0, 1, 2]


# ---------------------------------------------------------------- what is left out


def test_a_paper_the_subscriber_already_had_is_left_out():
    assert ordinals(picked(Interest({CACHES: 1}), had=[KV])) == [QUANTISED]


def test_what_was_had_may_be_told_in_any_order_and_twice():
    assert ordinals(picked(Interest({CACHES: 1, ROBOTS: 1}), had=[LAUNDRY, KV, LAUNDRY, GRASPING])) == [QUANTISED]


def test_having_had_papers_whose_numbers_end_like_a_candidates_changes_nothing():
    alike = [KV + (1 << bits) for bits in range(4, 40)]
    assert picked(Interest({CACHES: 1}), had=alike) == picked(Interest({CACHES: 1}))


@pytest.mark.parametrize("exclusion", ["quantised", "KEY-value caches", "two bits", "Alan Turing", "quantiseds"])
def test_an_excluded_word_phrase_or_author_rules_a_paper_out(exclusion):
    assert ordinals(picked(Interest({CACHES: 1}, exclusions=(exclusion,)))) == [KV]


def test_an_excluded_category_rules_a_paper_out():
    assert GRASPING not in ordinals(picked(Interest(exclusions=("cs.ro",))))


@pytest.mark.parametrize("exclusion", ["", " ", "quant", "cs.XX"])
def test_an_exclusion_that_is_no_whole_word_rules_nothing_out(exclusion):
    excluding = picked(Interest({CACHES: 1}, exclusions=(exclusion,)))
    assert QUANTISED in ordinals(excluding)


def test_who_excludes_everything_asked_for_gets_nothing():
    assert picked(Interest(keywords=("robot",), exclusions=("robots",))) == ()


def test_only_recent_candidates_are_picked_from():
    assert ordinals(picked(ages={KV: 80}, after=NOW - timedelta(days=3), interest=Interest({CACHES: 1}))) == [QUANTISED]


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (3, 3), (10, 8), (1000, 8)])
def test_no_more_than_asked_for(count, expected):
    assert len(picked(count=count)) == expected


def test_two_papers_with_the_same_wording_are_one():
    twins = [*PAPERS, ("Evicting the KV cache, revisited", *PAPERS[KV][1:])]
    assert len({KV, 8} & set(ordinals(picked(Interest({CACHES: 1}), papers=twins)))) == 1


def test_papers_without_words_are_picked_once_each():
    picks = picked(papers=[(".", "", (), ())] * 3)
    assert ordinals(picks) == [0, 1, 2]


def test_how_many_things_were_named_before_changes_nothing(monkeypatch):
    monkeypatch.setattr(shelf, "ROOM", 1)  # then no more than 1,024 are kept
    monkeypatch.setattr(shelf, "RECALLED", 1)
    ranker = Ranker(candidates(), TOPICS, NOW)
    asked = [wish(Interest({CACHES: 1}, keywords=("laundry", f"word{n}"), exclusions=(f"two{n}",))) for n in range(900)]
    first = ranker.picks(asked)
    assert ranker.picks([wish(Interest(keywords=("robot",)))]) == [picked(Interest(keywords=("robot",)))]
    assert ranker.picks(asked) == first == [first[0]] * 900
    assert set(ordinals(first[0])) == {KV, QUANTISED, LAUNDRY}


def test_an_edition_without_candidates_and_a_batch_without_wishes_are_fine():
    assert Ranker([], TOPICS, NOW).picks([wish()]) == [()]
    assert Ranker(candidates(), TOPICS, NOW).picks([]) == []
    assert Ranker(candidates(), [], NOW).picks([wish(Interest({CACHES: 1}))]) == [()]


def test_what_could_not_be_frozen_is_refused():
    with pytest.raises(ValueError, match="65536"):
        Ranker(candidates(), [Topic(1 << 16, "x", "X")], NOW)


# ---------------------------------------------------------------- what was voted for

TEXTS = {100 + n: f"{title}\n{abstract}" for n, (title, abstract, *_) in enumerate(PAPERS)}
TEXTS[1] = "Folding towels with robots\nManipulation of cloth and of other soft things, learned by watching people."
TEXTS[2] = "Evicting keys and values\nThe cache of keys and values is compressed to two bits."


def voted(*votes, interest=Interest(), ranker=None, **fields):  # noqa: B008  frozen
    ranker = ranker or Ranker(candidates(), TOPICS, NOW)
    asked = wish(interest, votes=votes, **fields)
    ranker.read({paper: TEXTS.get(paper, "") for paper in ranker.unread([asked])})
    return ranker.picks([asked])[0]


def test_one_vote_brings_papers_like_it_and_names_a_word_that_they_share():
    picks = voted((1, 1))
    assert ordinals(picks)[0] == LAUNDRY
    ((code, ref),) = reasons(picks)[LAUNDRY]
    assert code is ReasonCode.LIKED
    assert stem(*folded(candidates()[LAUNDRY].card.words[ref])) in map(stem, folded(TEXTS[1]))
    assert not {SPLATTING, GRAPHS, RETRIEVAL} & set(ordinals(picks))


def test_a_vote_down_pushes_papers_like_it_back():
    liked = voted(interest=Interest({CACHES: 1, ROBOTS: 1}))
    disliked = voted((1, -1), (2, 1), interest=Interest({CACHES: 1, ROBOTS: 1}))
    assert ordinals(liked).index(LAUNDRY) < 2
    assert LAUNDRY not in ordinals(disliked)[:2]


def test_votes_on_papers_that_nobody_can_read_any_more_say_nothing():
    assert voted((77, 1)) == ()
    ranker = Ranker(candidates(), TOPICS, NOW)
    assert ranker.picks([wish(votes=((1, 1),))])[0] == ()


def test_votes_say_the_same_whoever_voted_before():
    alone, shared = Ranker(candidates(), TOPICS, NOW), Ranker(candidates(), TOPICS, NOW)
    voted((2, 1), (103, -1), ranker=shared)
    assert voted((1, 1), (100, 1), ranker=alone) == voted((1, 1), (100, 1), ranker=shared)


# ---------------------------------------------------------------- how it is steered


def steered(**wanted):
    return Steering(**{"explore": 0, **wanted})


def test_the_last_place_is_for_something_that_was_not_asked_for_and_says_so():
    picks = picked(Interest({CACHES: 1, ROBOTS: 1}), 3, trends={SPLATTING: 0.1}, steering=Steering())
    assert len(picks) == 3
    assert reasons(picks)[SPLATTING] == [(ReasonCode.EXPLORE, 0)]
    assert ordinals(picks)[-1] == SPLATTING


def test_what_is_explored_was_not_sent_before_nor_excluded_nor_is_it_all_there_is():
    asked, trends = Interest({CACHES: 1, ROBOTS: 1}), {SPLATTING: 0.1}
    assert SPLATTING not in ordinals(picked(asked, 3, had=[SPLATTING], trends=trends, steering=Steering()))
    excluding = replace(asked, exclusions=("splatting",))
    assert SPLATTING not in ordinals(picked(excluding, 3, trends=trends, steering=Steering()))
    assert picked(Interest(keywords=("zebra",)), 3, trends=trends, steering=Steering()) == ()


def test_readers_explore_different_papers_each_the_same_one_again_and_never_what_they_had():
    papers = [*PAPERS[:3], *((f"Zebras, part {'xyz'[n]}{n}", f"Herd {n}.", (), ()) for n in range(3))]
    trends, asked = {3: 0.12, 4: 0.11, 5: 0.1}, Interest({CACHES: 1})

    def explored(lot, had=()):
        picks = picked(asked, 3, had=had, papers=papers, trends=trends, steering=Steering(), lot=lot)
        return next(pick.ordinal for pick in picks if pick.reasons[0].code is ReasonCode.EXPLORE)

    shown = [explored(lot) for lot in range(16)]
    assert {*shown} == {3, 4, 5}
    assert shown == [explored(lot) for lot in range(16)]
    assert {explored(lot, [4]) for lot in range(16)} == {3, 5}


def test_exploring_names_the_trend_when_there_is_one():
    picks = picked(Interest({CACHES: 1, ROBOTS: 9}), 3, trends={SPLATTING: 0.2}, steering=Steering(mine=2))
    assert reasons(picks)[SPLATTING] == [(ReasonCode.EXPLORE, 0), (ReasonCode.TREND, 0)]


def test_who_wants_no_trends_gets_none_and_who_wants_only_trends_gets_those():
    trends, asked = {GRAPHS: 0.7, KV: 0.3}, Interest({CACHES: 1})
    assert set(ordinals(picked(asked, trends=trends, steering=steered(trending=0)))) == {KV, QUANTISED}
    assert ordinals(picked(asked, trends=trends, steering=steered(mine=0))) == [GRAPHS, KV]


def test_what_scores_less_than_the_least_is_held_back():
    asked = Interest({CACHES: 1}, categories=("cs.RO",))
    scores = {pick.ordinal: pick.score for pick in picked(asked)}
    assert scores[GRASPING] < 0.6 < scores[KV]
    assert set(ordinals(picked(asked, steering=steered(least=0.6)))) == {KV, QUANTISED}


def test_no_topic_gets_more_places_than_its_quota():
    asked = Interest({CACHES: 1, ROBOTS: 1})
    picks = picked(asked, trends={GRAPHS: 0.5}, steering=steered(quota=1))
    topics = [ref for pick in picks for code, ref in reasons([pick])[pick.ordinal] if code is ReasonCode.TOPIC]
    assert sorted(topics) == [CACHES, ROBOTS]
    assert GRAPHS in ordinals(picks)


def test_a_quota_of_nothing_that_was_asked_for_is_no_trouble():
    assert len(picked(steering=steered(quota=1))) == len(PAPERS)


def test_papers_known_to_be_in_other_languages_are_left_out():
    found = candidates()
    found[KV] = replace(found[KV], card=replace(found[KV].card, language="fr"))
    found[QUANTISED] = replace(found[QUANTISED], card=replace(found[QUANTISED].card, language="en"))
    ranker = Ranker(found, TOPICS, NOW)
    picks = ranker.picks([wish(Interest(categories=("cs",)), steering=steered(languages=("en", "de")))])[0]
    assert KV not in ordinals(picks)
    assert {QUANTISED, LAUNDRY} <= set(ordinals(picks))


def test_a_mail_about_the_week_has_what_trended_at_its_beginning():
    trends, ages = {GRAPHS: 0.1, SPLATTING: 0.3}, {GRAPHS: 150, SPLATTING: 5}
    ranker = Ranker(candidates(trends=trends, ages=ages), TOPICS, NOW)
    today, week = ranker.picks([wish(count=1), wish(count=1, whole=True)])
    assert (ordinals(today), ordinals(week)) == ([SPLATTING], [GRAPHS])


def test_a_new_topic_brings_back_what_was_sent_before_it_was_followed():
    again = {CACHES: frozenset({100 + KV, 100 + LAUNDRY}), ROBOTS: frozenset()}
    picks = picked(Interest({CACHES: 1, ROBOTS: 1}), had=[KV, LAUNDRY, GRASPING, QUANTISED], again=again)
    assert ordinals(picks) == [KV]


def test_a_paper_that_may_trend_is_told_as_that():
    found = candidates()
    found[GRAPHS] = replace(found[GRAPHS], chance=0.5)
    picks = Ranker(found, TOPICS, NOW).picks([wish(Interest({CACHES: 1}))])[0]
    assert reasons(picks)[GRAPHS] == [(ReasonCode.PROMISING, 0)]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0])
def test_numbers_that_cannot_be_are_not_believed(number):
    found = candidates(trends={KV: number})
    found[GRAPHS] = replace(found[GRAPHS], chance=number)
    picks = Ranker(found, TOPICS, NOW).picks([wish(Interest({CACHES: 1, ROBOTS: number}))])[0]
    assert GRAPHS not in ordinals(picks)
    assert {KV, QUANTISED} <= set(ordinals(picks))


# ---------------------------------------------------------------- for every wish

words = st.sampled_from(["kv cache", "robots", "Graphs", "retrieval", "splatting", "language models", "the", "laundry"])
authors = st.sampled_from([author for paper in PAPERS for author in paper[2]])
filed = st.sampled_from(["cs.CL", "cs.RO", "math", "q-bio.XX"])


def some(values):
    return st.lists(values, max_size=3, unique=True).map(tuple)


wishes = st.builds(
    wish,
    st.builds(
        Interest,
        topics=st.dictionaries(st.sampled_from([CACHES, ROBOTS, 99]), st.floats(-2, 1e6), max_size=3),
        texts=some(words),
        keywords=some(words),
        categories=some(filed),
        authors=some(authors),
        exclusions=some(words | authors | filed),
    ),
    count=st.integers(0, 12) | st.just(40),
    had=st.sets(st.integers(0, len(PAPERS) - 1), max_size=4),
    votes=st.dictionaries(st.sampled_from([*TEXTS, 77]), st.sampled_from([1, -1]), max_size=3).map(
        lambda votes: tuple(votes.items())
    ),
    steering=st.builds(
        Steering,
        mine=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        trending=st.sampled_from([0.0, 1.0, 3.0]),
        explore=st.integers(0, 2),
        least=st.sampled_from([0.0, 0.3]),
        quota=st.integers(0, 2),
    ),
    whole=st.booleans(),
    after=st.sampled_from([LONG_AGO, NOW - timedelta(hours=12), NOW - timedelta(hours=11), NOW + timedelta(days=1)]),
)
RANKER = Ranker(candidates(trends={KV: 0.3, GRAPHS: 0.7}, ages={RETRIEVAL: 70, SPLATTING: 2}), TOPICS, NOW)
RANKER.read(TEXTS)


@settings(deadline=None)
@given(wishes)
def test_nothing_is_picked_that_was_had_or_excluded_or_is_too_old(wish):
    (picks,) = RANKER.picks([wish])
    assert len(picks) <= wish.count
    assert len({pick.ordinal for pick in picks}) == len(picks)
    for pick in picks:
        candidate = candidates(ages={RETRIEVAL: 70, SPLATTING: 2})[pick.ordinal]
        assert candidate.card.paper not in wish.had
        assert candidate.since >= wish.after
        for exclusion in wish.interest.exclusions:
            assert f" {' '.join(folded(exclusion))} " not in f" {' '.join(folded(' '.join(candidate.card.words)))} "
            assert exclusion not in (*candidate.card.authors, *candidate.card.categories)


@settings(deadline=None)
@given(st.lists(wishes, max_size=8))
def test_a_wish_is_granted_alike_alone_and_among_others_and_twice(batch):
    together = RANKER.picks(batch)
    assert together == [RANKER.picks([wish])[0] for wish in batch]
    assert together == RANKER.picks(batch)
    assert together[::-1] == RANKER.picks(batch[::-1])


@settings(deadline=None)
@given(wishes)
def test_every_reason_is_true(wish):  # noqa: C901  one case for each reason
    interest = wish.interest
    for pick in RANKER.picks([wish])[0]:
        assert 1 <= len(pick.reasons) <= 2
        card = candidates()[pick.ordinal].card
        for reason in pick.reasons:
            match reason.code:
                case ReasonCode.TOPIC:
                    assert interest.topics[reason.ref] > 0
                case ReasonCode.TEXT:
                    asked = {stem(word) for text in interest.texts for word in folded(text)}
                    assert asked & {stem(word) for word in folded(card.words[reason.ref])}
                case ReasonCode.KEYWORD:
                    asked = {word for text in interest.keywords for word in folded(text)}
                    assert asked & {fold(word) for word in folded(card.words[reason.ref])}
                case ReasonCode.CATEGORY:
                    category = card.categories[reason.ref]
                    assert {category, category.partition(".")[0]} & set(interest.categories)
                case ReasonCode.AUTHOR:
                    assert card.authors[reason.ref] in interest.authors
                case ReasonCode.TREND:
                    assert pick.ordinal in (KV, GRAPHS)
                case ReasonCode.TERM:
                    assert pick.reasons[0].code is ReasonCode.TOPIC
                    (topic,) = (topic for topic in TOPICS if topic.id == pick.reasons[0].ref)
                    asked = f"{topic.name} {topic.description} {' '.join(topic.keywords)}"
                    assert {*map(stem, folded(asked))} & {stem(word) for word in folded(card.words[reason.ref])}
                case ReasonCode.LIKED if reason.ref == NAMELESS:
                    assert any(vote > 0 for _, vote in wish.votes)
                case ReasonCode.LIKED:
                    liked = {stem(w) for paper, vote in wish.votes if vote > 0 for w in folded(TEXTS.get(paper, ""))}
                    assert liked & {stem(word) for word in folded(card.words[reason.ref])}
                case ReasonCode.EXPLORE:
                    assert wish.steering.explore
                case ReasonCode.FRESH:
                    assert pick.reasons == (reason,)
                    assert interest.topics.keys() <= {99}
                    assert not interest.texts + interest.keywords + interest.authors


@settings(deadline=None)
@given(wishes)
def test_picks_stand_best_first_and_can_be_frozen(wish):
    (picks,) = RANKER.picks([wish])
    scores = [pick.score for pick in picks]
    assert scores == sorted(scores, reverse=True)
    assert all(abs(score) < 60_001 for score in scores)
    assert [(pick.ordinal, pick.reasons) for pick in unpack(pack(picks))] == [(p.ordinal, p.reasons) for p in picks]


def test_long_lists_and_short_ones_begin_alike():
    papers = [(f"Paper {n} on caches", f"The cache, number {n} of {n * n}.", (), ("cs.LG",)) for n in range(300)]
    ranker = Ranker(candidates(papers=papers, trends={n: (n * 37 % 101) / 101 for n in range(300)}), TOPICS, NOW)
    short, long = ranker.picks([wish(count=10), wish(count=200)])
    assert short == long[:10]


@pytest.mark.parametrize("together", [70, 512])
def test_the_pool_of_the_best_holds_all_that_looking_at_every_paper_would_pick(together, monkeypatch):
    monkeypatch.setattr(compose, "SORTED", together)
    chance = np.random.default_rng(1)
    vocabulary = [f"word{n}" for n in range(200)]
    papers = [
        (" ".join(chance.choice(vocabulary, 6)), " ".join(chance.choice(vocabulary, 40)), (), ("cs.LG",))
        for _ in range(400)
    ]
    ranker = Ranker(candidates(papers=papers), TOPICS, NOW)
    asked = [wish(Interest(texts=(" ".join(chance.choice(vocabulary, 5)),)), count=15) for _ in range(20)]
    everything = [w._replace(count=300) for w in asked]
    assert ranker.picks(asked) == [picks[:15] for picks in ranker.picks(everything)]


def test_a_pick_says_no_more_than_a_digest_can_hold():
    pick = picked(Interest({CACHES: 1e30}))[0]
    assert isinstance(pick, Pick)
    assert pick.score <= 60_000


@settings(deadline=None)
@given(wishes)
def test_the_terms_of_a_score_make_it_up_but_for_what_likeness_costs(wish):
    (picks,) = RANKER.picks([wish])
    for place, pick in enumerate(picks):
        if pick.reasons[0].code is not ReasonCode.EXPLORE:
            worth = sum(term.value for term in RANKER.explain(wish, pick.ordinal))
            slack = 0.001 * max(1, abs(worth))
            assert worth >= pick.score - slack
            assert place or worth == pytest.approx(pick.score, abs=slack), "nothing is above the first"


def test_a_term_names_the_thing_that_was_wanted():
    asked = wish(Interest({CACHES: 2}, keywords=("cache",)), votes=((1, 1), (2, -1)))
    terms = {(term.code, term.thing): term.value for term in RANKER.explain(asked, KV)}
    assert terms[ReasonCode.TOPIC, CACHES] > terms[ReasonCode.KEYWORD, "cache"] > 0
    assert terms[ReasonCode.LIKED, 2] < 0 < terms[ReasonCode.TREND, ""]
