import gzip
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from digest.ranking.text import Texts, fold, stem

LIBRARY = [
    ("Evicting the KV cache", "Large models keep keys and values of every token; we evict those that are never read."),
    ("Grasping with two hands", "A robot learns to grasp soft things from demonstrations by people."),
    ("Dense retrieval for questions", "Passages are found by embeddings, and the answer is generated from them."),
    ("A survey of surveys", "We read what others wrote and count it."),
]


def fits(texts, *parts):
    return texts.fit([texts.query([(part, 1) for part in parts])])[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("caches", "cache"), ("batches", "batch"), ("studies", "study"), ("boxes", "box"), ("losses", "loss"),
        ("LLMs".casefold(), "llm"), ("networks", "network"),
    ],
)  # fmt: skip
def test_a_plural_is_the_same_word(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize("word", ["bias", "analysis", "corpus", "gas", "loss"])
def test_folding_twice_changes_no_more_than_folding_once(word):
    assert fold(fold(word)) == fold(word)


@pytest.mark.parametrize(
    ("one", "other"), [("quantising", "quantization"), ("compressed", "compression"), ("generating", "generates")]
)
def test_related_words_have_one_stem_whatever_side_of_the_ocean(one, other):
    assert stem(fold(one)) == stem(fold(other))


def test_words_that_say_nothing_have_no_stem():
    assert [stem(fold(word)) for word in ("the", "papers", "novel")] == ["", "", ""]


def test_a_query_fits_the_paper_it_is_about_and_no_other():
    row = fits(Texts(LIBRARY), "key-value caches", "compressing and evicting the KV cache of large models")
    assert row[0] > 0.3
    assert (row[1:] == 0).all()


def test_a_query_about_something_else_fits_nothing():
    assert not fits(Texts(LIBRARY), "galaxy evolution", "how galaxies form across cosmic time").any()


def test_a_query_of_which_only_a_common_word_is_known_fits_nothing():
    assert not fits(Texts(LIBRARY), "monetary policy", "central banks and their large interest rates").any()


@pytest.mark.parametrize("text", ["", "   ", "the of and", "!?", "量子纠错", "квантовая коррекция ошибок"])
def test_a_query_that_asks_for_nothing_known_fits_nothing(text):
    assert not fits(Texts(LIBRARY), text).any()


def test_an_interest_in_another_script_finds_papers_in_it():
    texts = Texts([*LIBRARY, ("Квантовая коррекция ошибок", "Коды для квантовых компьютеров.")])
    assert fits(texts, "квантовая коррекция").argmax() == 4


def test_small_words_of_other_languages_say_nothing_either():
    texts = Texts([*LIBRARY, ("Benchmarking von Modellen für die Medizin", "Eine Analyse anhand von Daten.")])
    assert not fits(texts, "Erkennung von Fälschungen für Einsteiger").any()


@pytest.mark.parametrize(
    ("title", "asked"),
    [("基于深度强化学习的机器人控制", "强化学习"), ("ディープラーニングによる画像認識", "画像認識")],
)
def test_a_script_without_blanks_is_searched_for_what_stands_within(title, asked):
    texts = Texts([*LIBRARY, ("知识图谱构建综述", "本文总结实体抽取。"), (title, "")])
    assert fits(texts, asked).argmax() == 5
    assert texts.holding(asked).tolist() == [0, 0, 0, 0, 0, 1]


def test_a_catalog_of_one_paper_and_of_none_can_be_asked():
    assert fits(Texts(LIBRARY[:1]), "KV cache eviction")[0] > 0.3
    assert fits(Texts([]), "KV cache").shape == (0,)
    assert Texts([]).likeness().shape == (0, 0)


def test_papers_without_words_are_read():
    texts = Texts([("", ""), ("...", ""), *LIBRARY])
    assert fits(texts, "robot grasping").argmax() == 3
    assert (texts.likeness()[:2] == 0).all()


def test_the_answer_does_not_depend_on_the_queries_beside_it():
    texts = Texts(LIBRARY * 20)
    queries = [texts.query([(title, 1)]) for title, _ in LIBRARY]
    together = texts.fit(queries)
    assert all(np.array_equal(texts.fit([query])[0], row) for query, row in zip(queries, together, strict=True))


def test_reading_twice_gives_the_same_numbers():
    first, second = (fits(Texts(LIBRARY * 10), "robot hands") for _ in range(2))
    assert np.array_equal(first, second)


def test_another_paper_is_seen_as_one_of_these_would_be_and_unknown_words_say_nothing():
    texts = Texts(LIBRARY * 2)
    for same, (title, abstract) in enumerate(LIBRARY):
        unit, places = texts.others([(title, f"{abstract} Zyzzyva!"), ("Zyzzyva", "")])
        assert np.argmax((unit @ texts.others(LIBRARY)[0].T).toarray()[0]) == same
        assert np.allclose(
            texts.nearness(places)[0], texts.nearness(texts.others(LIBRARY[same : same + 1])[1]), atol=0.1
        )
        assert not unit[1:].count_nonzero()
        assert not places[1].any()


def test_a_word_that_papers_come_back_to_tells_more_than_a_rarer_one_in_passing():
    robots = [
        (f"A robot for task {n}", "The robot moves. A robot that fails is a robot that learns.") for n in range(5)
    ]
    texts = Texts([*LIBRARY, *robots, ("A robot at home", "The robot cleans by imagining dust.")])
    worth = texts.worth(texts.query([("robots imagining", 1)]), len(texts) - 1)
    assert texts.columns({"robot": 0, "imagining": 1})[max(worth, key=worth.__getitem__)] == 0


def test_a_phrase_is_found_as_whole_words_in_any_case_and_number():
    texts = Texts(LIBRARY)
    assert texts.holding("kv CACHES").tolist() == [1, 0, 0, 0]
    assert texts.holding("survey").tolist() == [0, 0, 0, 1]
    assert texts.holding("surv").tolist() == [0, 0, 0, 0]
    assert texts.holding("cache KV").tolist() == [0, 0, 0, 0]


def test_a_phrase_in_the_abstract_counts_less_than_in_the_title():
    row = Texts(LIBRARY).holding("robot")
    assert 0 < row[1] < 1


def test_a_phrase_does_not_run_from_the_title_into_the_abstract():
    assert not Texts(LIBRARY).holding("cache large").any()


def test_a_phrase_of_words_that_say_nothing_is_still_found():
    assert Texts(LIBRARY).holding("of").tolist()[3] == 1


def test_a_related_word_does_not_count_as_the_phrase():
    assert not Texts([("A generative model", "")]).holding("generation").any()


def test_papers_that_share_their_wording_are_alike_and_others_are_not():
    twin = ("Evicting the KV cache, again", LIBRARY[0][1])
    likeness = Texts([*LIBRARY, twin]).likeness()
    assert likeness[0, 4] > 0.7 * 255
    assert (likeness[0, 1:4] == 0).all()
    assert (np.diag(likeness) >= 254).all()


def test_topics_curated_by_people_are_found_at_least_as_well_as_by_tf_idf():
    """Real papers and topics; the query is tag and description, as a subscriber would give them."""
    folder = os.environ.get("DIGEST_TEST_DATA")
    if not folder:
        pytest.skip("DIGEST_TEST_DATA does not name the folder of shared data")
    topics = json.loads(Path(folder, "topics/curated_topics.json").read_text())
    with gzip.open(Path(folder, "arxiv/listings.jsonl.gz"), "rt") as lines:
        papers = {paper["id"]: paper for paper in map(json.loads, lines)}
    chosen = random.Random(1)
    wanted = {id for topic in topics for id in topic["relevant"]} & papers.keys()
    ids = sorted({*chosen.sample(sorted(wanted), 500), *chosen.sample(sorted(papers), 1500)})
    texts = Texts([(papers[id]["title"], papers[id]["abstract"]) for id in ids])
    queries = [texts.query([(topic["tag"], 2), (topic["description"], 1)]) for topic in topics]
    places = {id: place for place, id in enumerate(ids)}
    relevant = [[places[id] for id in topic["relevant"] if id in places] for topic in topics]

    def quality(rows):
        return np.mean([_ndcg(row, found) for row, found in zip(rows, relevant, strict=True) if found])

    plain = np.stack([_tf_idf([papers[id] for id in ids], topic) for topic in topics])
    assert quality(texts.fit(queries)) >= quality(plain)


def _ndcg(row, relevant, k=10):
    gains = np.isin(np.argsort(-row, kind="stable")[:k], relevant) / np.log2(np.arange(k) + 2)
    return gains.sum() / (1 / np.log2(np.arange(min(k, len(relevant))) + 2)).sum()


_counted = {}


def _tf_idf(papers, topic):
    """The textbook's: cosine of 1 + log tf times idf, single words."""
    if id(papers[0]) not in _counted:
        bags = [_bag(f"{paper['title']} {paper['abstract']}") for paper in papers]
        found = {}
        for bag in bags:
            for word in bag:
                found[word] = found.get(word, 0) + 1
        idf = {word: np.log(len(bags) / count) for word, count in found.items()}
        weighted = [{word: (1 + np.log(n)) * idf[word] for word, n in bag.items()} for bag in bags]
        lengths = [np.sqrt(sum(x * x for x in bag.values())) for bag in weighted]
        _counted[id(papers[0])] = idf, weighted, lengths
    idf, weighted, lengths = _counted[id(papers[0])]
    query = _bag(f"{topic['tag']} {topic['description']}")
    return np.array(
        [
            sum(n * idf.get(word, 0) * bag.get(word, 0) for word, n in query.items()) / length
            for bag, length in zip(weighted, lengths, strict=True)
        ]
    )


def _bag(text):
    bag = {}
    for word in "".join(c if c.isalnum() else " " for c in text.lower()).split():
        bag[word] = bag.get(word, 0) + 1
    return bag


def test_a_sentence_is_led_further_by_the_papers_that_fit_it_than_a_bare_word():
    texts = Texts(LIBRARY * 10)
    word, sentence = texts.query([("cache", 1)]), texts.query([("cache", 2), ("keys and values that models evict", 1)])
    evidence = np.zeros((2, len(texts)), dtype=np.float32)
    evidence[:, 0] = 1
    short, long = texts.followed([word, sentence], evidence) - evidence
    assert 0 < short[4] < long[4]  # the same paper again
    assert texts.query([]).breadth == 1
