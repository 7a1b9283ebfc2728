import numpy as np
import pytest

from digest.ranking import baselines
from digest.ranking.baselines import Question

PAPERS = [
    ("Dense retrieval for long documents", "We rank passages with dense retrieval and a reranker."),
    ("Grasping with two hands", "A robot learns manipulation and grasping from few demonstrations."),
    ("Folding proteins faster", "Protein structure prediction without alignments."),
    ("A robot that reads", "Retrieval of manuals helps a robot; the documents are long."),
]
WORDS = [baselines.keyword, baselines.bm25, baselines.tfidf]


@pytest.mark.parametrize("method", WORDS)
@pytest.mark.parametrize(("tag", "best"), [("dense retrieval", 0), ("robot grasping", 1), ("protein structure", 2)])
def test_the_paper_that_says_it_comes_first(method, tag, best):
    (scores,) = method(PAPERS, [Question(tag)])
    assert scores.argmax() == best


@pytest.mark.parametrize("method", WORDS)
def test_words_that_no_paper_has_score_nothing(method):
    scores = method(PAPERS, [Question("звёзды"), Question("", "")])
    assert scores.shape == (2, 4)
    assert not scores.any()


def test_bm25_is_the_formula():
    papers = [("a1", ""), ("b2", "b2 c3"), ("c3", "")]
    (scores,) = baselines.bm25(papers, [Question("b2")])
    mean, rarity = 5 / 3, np.log1p((3 - 1 + 0.5) / (1 + 0.5))
    assert scores[1] == pytest.approx(rarity * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / mean)))
    assert scores[0] == scores[2] == 0


def test_tfidf_is_what_scikit_learn_says():
    learn = pytest.importorskip("sklearn.feature_extraction.text", reason="pip install 'digest[evaluate]'")
    oracle = learn.TfidfVectorizer(
        stop_words=sorted(baselines.SILENT), token_pattern=r"[^\W_]+", ngram_range=(1, 2), sublinear_tf=True
    )
    expected = oracle.fit_transform([f"{title} {abstract}" for title, abstract in PAPERS])
    questions = [Question("long documents", "retrieval of long documents"), Question("robot")]
    asked = oracle.transform([question.words for question in questions])
    assert baselines.tfidf(PAPERS, questions) == pytest.approx((asked @ expected.T).toarray(), abs=1e-6)


def test_the_svm_learns_from_votes_and_says_nothing_without():
    pytest.importorskip("sklearn", reason="pip install 'digest[evaluate]'")
    assert not baselines.svm([("検索", "文書")] * 3, [Question("", votes=(1,))]).any()  # it reads a to z
    liked, nothing = baselines.svm(PAPERS, [Question("", votes=(1,)), Question("robot")])
    assert list(np.argsort(-liked)[:2]) == [1, 3]
    assert not nothing.any()
