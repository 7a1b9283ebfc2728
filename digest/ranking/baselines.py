"""What `digest evaluate` stands beside our ranker: the usual methods, each as its authors or textbooks have it.

A method takes papers (title and abstract) and what is asked, and returns a score for each question and paper.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from digest.ranking.text import STOP, Rows

WORD = re.compile(r"[^\W_]+")
K1, B = 1.2, 0.75
SILENT = frozenset(STOP.split())
Texts = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Question:
    """What a reader says: words of a topic, and *votes* for papers by their places."""

    tag: str
    description: str = ""
    votes: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        return f"{self.tag}. {self.description}"


class Method(Protocol):
    def __call__(self, papers: Texts, questions: Sequence[Question]) -> Rows:
        """questions × papers, more is better"""


def terms(text: str, phrases: bool = False) -> list[str]:
    """Lower-case words but the silent ones, and pairs of neighbours if *phrases* are wanted."""
    words = [word for word in WORD.findall(text.lower()) if word not in SILENT]
    return words + [f"{a} {b}" for a, b in pairwise(words)] if phrases else words


def keyword(papers: Texts, questions: Sequence[Question]) -> Rows:
    """The share of the question's words that a paper has, and its tag as a phrase before all."""
    counts, vocabulary = _counts([f"{title} {abstract}" for title, abstract in papers])
    has = (counts > 0).astype(np.float32).T.tocsr()
    plain = [f" {' '.join(terms(f'{title} . {abstract}'))} " for title, abstract in papers]
    rows = []
    for question in questions:
        asked = set(terms(question.words))
        columns = [vocabulary[term] for term in asked if term in vocabulary]
        tag = f" {' '.join(terms(question.tag))} "
        whole = np.array([tag in text for text in plain], dtype=np.float32)
        rows.append(whole + has[columns].sum(axis=0) / max(len(asked), 1))
    return np.array(rows, dtype=np.float32)


def bm25(papers: Texts, questions: Sequence[Question]) -> Rows:
    """Okapi BM25 over single words. Source: Robertson, Zaragoza 2009; k1 1.2, b 0.75."""
    counts, vocabulary = _counts([f"{title} {abstract}" for title, abstract in papers])
    found = np.bincount(counts.indices, minlength=counts.shape[1])
    lengths = counts.sum(axis=1)
    slowness = K1 * (1 - B + B * lengths / max(float(lengths.mean()), 1e-9))
    counts.data = counts.data * (K1 + 1) / (counts.data + np.repeat(slowness, np.diff(counts.indptr)))
    counts.data *= np.log1p((len(papers) - found + 0.5) / (found + 0.5))[counts.indices]
    asked = _counts([question.words for question in questions], vocabulary)[0]
    return _dense(asked @ counts.T)


def tfidf(papers: Texts, questions: Sequence[Question]) -> Rows:
    """Cosine of TF-IDF vectors over words and phrases of two, logarithmic counts, smoothed rarity."""
    counts, vocabulary = _counts([f"{title} {abstract}" for title, abstract in papers], phrases=True)
    found = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log((1 + len(papers)) / (1 + found)) + 1
    asked = _counts([question.words for question in questions], vocabulary, phrases=True)[0]
    return _dense(_weighted(asked, rarity) @ _weighted(counts, rarity).T)


def svm(papers: Texts, questions: Sequence[Question]) -> Rows:
    """One linear SVM for each question on its votes, as arxiv-sanity-lite does; raises ImportError without the extra.

    Source: github.com/karpathy/arxiv-sanity-lite, `compute.py --num 20000` and `serve.py`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    few = {"min_df": 1, "max_df": 1.0} if len(papers) < 100 else {"min_df": 5, "max_df": 0.5}
    vectorizer = TfidfVectorizer(
        strip_accents="unicode",
        stop_words="english",
        token_pattern=r"(?u)\b[a-zA-Z_][a-zA-Z0-9_]+\b",  # noqa: S106  words
        ngram_range=(1, 2),
        max_features=20_000,
        sublinear_tf=True,
        dtype=np.float32,
        **few,
    )
    rows = np.zeros((len(questions), len(papers)), dtype=np.float32)
    try:
        vectors = vectorizer.fit_transform([f"{title} {abstract}" for title, abstract in papers])
    except ValueError:  # it sees no words: it reads a to z
        return rows
    for row, question in zip(rows, questions, strict=True):
        if 0 < len(question.votes) < len(papers):
            liked = np.zeros(len(papers))
            liked[list(question.votes)] = 1
            model = LinearSVC(C=0.01, class_weight="balanced", max_iter=10_000, tol=1e-6, random_state=0)
            row[:] = model.fit(vectors, liked).decision_function(vectors)
    return rows


def _counts(
    texts: Sequence[str], vocabulary: dict[str, int] | None = None, phrases: bool = False
) -> tuple[Any, dict[str, int]]:
    """texts × terms, and the column of each term; a given vocabulary learns nothing new"""
    columns: dict[str, int] = {} if vocabulary is None else vocabulary
    read: list[int] = []
    ends = [0]
    for text in texts:
        found = terms(text, phrases)
        if vocabulary is None:
            read += [columns.setdefault(term, len(columns)) for term in found]
        else:
            read += [columns[term] for term in found if term in columns]
        ends.append(len(read))
    shape = (len(texts), len(columns))
    counts = sp.csr_array((np.ones(len(read), dtype=np.float32), np.array(read, dtype=np.int64), ends), shape=shape)
    counts.sum_duplicates()
    return counts, columns


def _weighted(counts: Any, rarity: Any) -> Any:
    """Unit rows"""
    weighted = counts.copy()
    weighted.data = (1 + np.log(weighted.data)) * rarity[weighted.indices]
    lengths = np.sqrt(weighted.power(2).sum(axis=1))
    weighted.data /= np.repeat(np.maximum(lengths, 1e-9), np.diff(weighted.indptr))
    return weighted


def _dense(rows: Any) -> Rows:
    result: Rows = rows.toarray().astype(np.float32)
    return result
