"""The words of papers as sparse vectors, and how well a query fits each paper.

A query fits by its words and two-word phrases (counts saturate, the title counts more, rare words count more) and by
latent semantics: the directions along which the words of these very papers vary together, where a query stands near its
words and the papers that fit them best. Both are fused and scaled so that numbers compare across queries: 0 is
unrelated, 1 is spot on. The constants were set on topics curated by people and on keywords given by authors.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Rows = NDArray[np.float32]
"""one row per thing asked, one column per paper"""

Meaning = Callable[[Sequence[str]], Rows]
"""texts × dimensions, each row of length 1: what a sentence-embedding model makes of them"""

WORD = re.compile(r"[^\W\u3040-\u9fff]+|[\u3040-\u9fff]")  # Chinese and Japanese leave no blanks: each character
STOP = (
    "a about above achieve across address after again against all also although am among an and any approach are as "
    "at available be because been before being below between both but by can cannot could demonstrate do does doing "
    "during each either et al etc existing experimental experiment extensive for from further github had has have "
    "having hence here how however http if in into introduce is it its itself just many may me method might more "
    "moreover most much must my near neither new no nor not novel of off often on once one only or other our out over "
    "own paper per present propose proposed rather recent recently result s same several shall she should show shown "
    "significantly since so some state such t than that the their them then there therefore these they this those "
    "three through throughout thus to too toward two under until up upon us use used using various very via was we "
    "well were what when where whereas whether which while who whom whose why will with within without work would yet "
    "you your incur incurs meanwhile "
    "und für von auf nach über durch eine einer eines einem einen zum zur dans pour avec une della delle nella"
)
TITLE = 3.0  # a word in the title counts as often as so many in the abstract
SATURATION, LENGTH = 1.2, 0.3  # of repeated words, and how much long abstracts are held against them (BM25's k1 and b)
BACKGROUND = 100  # papers without any of these words that we pretend to know, so that rarity means something early on
DIRECTIONS, ROUNDS = 128, 3
SHARED = 3  # papers that must have a word for it to have a part in directions
TELLING = 32  # of fewer directions each paper is near half of the others, so that it says little
USUAL, SPREAD, PRIOR = 0.1, 0.3, 20  # mean and deviation of a query's fit, believed like that many papers
OUTLIER = 8.0  # deviations above the mean that say no more than so many
FIT, NAMED = 0.06, 0.2  # evidence for each deviation above the mean, and for the query's name as it stands
TITLED = 0.8  # evidence for a title of the very words that a bare word asks for; a sentence asks for no title
MEANT, FOUND = 0.3, 1.5  # evidence for standing where the query's words stand, and where the best papers do
PLAIN = 4.5  # different words of a query that asks half for those words and half for what they stand for
SENSE = 1.0  # evidence for meaning the same, in the eyes of a sentence-embedding model that may be there,
SENSED = (0.1, 0.3)  # and what that adds to the bounds below
BEST, CLEAR = 10, 0.5  # so many papers fit best; if they have less evidence than this each, they count by less
LOW, HIGH = 0.36, 1.05  # evidence of words for the best of the unrelated papers, and for one that is spot on,
LOWER, HIGHER = 0.28, 0.46  # and what all evidence of latent directions adds, to the lower the less, the fewer they are
ABSTRACT_ONLY = 0.6  # a phrase that the title does not hold
COMMON = 20  # words of more papers, and of more than one in so many, do not make two papers alike
SLIGHT = 0.2  # likeness that means nothing
PASSING = 0.4  # of two papers with a word, those that have it in the title or again, as long as we know no better
TELLS = 0.01  # of it a word must make so much to be named: a word that neither text returns to does not

_ES = re.compile(r"(?<=\w)(?:(?<=[cs]h)|(?<=ss)|(?<=zz)|(?<=x))e$")
_BRITISH = re.compile(r"(?<=\w\w)is(?=(?:e|ed|er|ing|ation)$)")
_SUFFIX = re.compile(r"(?<=\w{4})(?:ations?|ions?|ings?|ments?|ed|er|or|al|ive|e)$")
_ENDS = (*"sngtdrle",)  # of words that may have such a suffix


def fold(word: str) -> str:
    """A lower-case word without its plural: what two readers would call the same word."""
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return _ES.sub("", word) if word.endswith("e") else word


def folded(text: str) -> list[str]:
    """The words of a text in order."""
    return [fold(word) for word in WORD.findall(text.casefold())]


_SILENT = frozenset(map(fold, STOP.split()))


def stem(word: str) -> str:
    """What related folded words share, "" for one that says nothing: good for finding papers, too loose to exclude."""
    if word in _SILENT:
        return ""
    word = _BRITISH.sub("iz", word) if "is" in word else word
    return _SUFFIX.sub("", word) if word.endswith(_ENDS) else word


@dataclass(frozen=True)
class Query:
    """How much each column of `Texts` matters to a question."""

    weights: Mapping[int, float]
    norm: float
    """length of the whole, with the words that no paper has; 0 when it asks for nothing"""
    breadth: float = 1.0
    """how far the papers that fit it best may lead away from its words: hardly from a bare word, far from a sentence"""
    name: str = ""
    """its first piece, worth more where it stands word for word"""
    text: str = ""
    """all of them, for a model that reads sentences"""


class Texts:
    """Titles and abstracts, read once and asked often. A query's answer does not depend on the queries beside it."""

    def __init__(self, documents: Sequence[tuple[str, str]], meaning: Meaning | None = None) -> None:
        self._meaning = meaning
        self._meant = meaning([". ".join(document) for document in documents]).T.copy() if meaning else None
        self._size = len(documents)
        self._numbers: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        column, field, at, phrase = self._read(documents)
        counts, words = self._counted(column, field, at, phrase, self._size), len(self._stems)
        self._length = float(counts[:, :words].sum()) / max(self._size, 1)
        counts.sum_duplicates()
        often = np.bincount(counts.indices[counts.data > 1], minlength=counts.shape[1])
        counts = _saturated(counts, words, self._length)
        known = self._size + BACKGROUND
        found = np.bincount(counts.indices, minlength=counts.shape[1])
        self._returned = (often + PASSING) / (found + 2)
        self._rarity, self._unknown = np.log(known / (found + 0.5)).astype(np.float32), float(np.log(known / 0.5))
        unit = self._weighed(counts.copy())
        self._by_column, self._unit, self._unit_by_column = counts.T.tocsr(), unit, unit.T.tocsr()
        self._most = unit.max(axis=0).toarray() if self._size else np.zeros(unit.shape[1], dtype=np.float32)
        title = np.flatnonzero(field & 1 == 0)
        self._title_by_column = self._others(column[title], field[title], self._size).T.tocsr()
        self._axis, self._axes = self._latent()
        self._places = _unit_rows(self._directed(unit)).T.copy()
        self._telling = min(len(self._places) / TELLING, 1)

    def _read(self, documents: Sequence[tuple[str, str]]) -> tuple[Any, Any, Any, Any]:
        """The text as columns of stems, and the field of each; where phrases begin that two papers share, and which."""
        words, token, field = _tokens(documents)
        numbers, stems = self._numbers, self._stems
        number = np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int32)
        roots = map(stem, numbers)
        column = np.array([stems.setdefault(root, len(stems)) if root else -1 for root in roots], dtype=np.int64)
        self._text, self._field = number[token], field
        column, field = _told(column[self._text], token, field)
        at, phrase, self._phrases = _phrases(column, field >> 1)
        return column, field, at, phrase

    def _counted(self, column: Any, field: Any, at: Any, phrase: Any, papers: int) -> Any:
        """papers × (stems, then phrases): how often, the title counting more"""
        told, width = np.flatnonzero(column >= 0), len(self._stems)
        where = np.concatenate([told, at])
        weight = np.where(field[where] & 1, np.float32(1), np.float32(TITLE))
        columns = np.concatenate([column[told], width + phrase]).astype(np.int32)  # as half the memory
        return sp.csr_array((weight, (field[where] >> 1, columns)), shape=(papers, width + len(self._phrases)))

    def these(self, places: Sequence[int]) -> tuple[Any, Rows]:
        """Some of these papers, as `others` has other papers."""
        return self._unit[places], np.ascontiguousarray(self._places[:, places].T)

    def others(self, documents: Sequence[tuple[str, str]]) -> tuple[Any, Rows]:
        """Other papers as seen from here: documents × columns, and documents × directions; rows of length 1 or 0.

        Words that none of these papers has say nothing.
        """
        words, token, field = _tokens(documents)
        column = np.array([self._stems.get(stem(word), -1) for word in words], dtype=np.int64)
        unit = self._others(*_told(column[token], token, field), len(documents))
        return unit, _unit_rows(self._directed(unit))

    def _others(self, column: Any, field: Any, papers: int) -> Any:
        counts = self._counted(column, field, *self._known(column), papers)
        return self._weighed(_saturated(counts, len(self._stems), self._length))

    def _known(self, column: Any) -> tuple[Any, Any]:
        """Where phrases that papers share begin in a text of columns, and which they are."""
        at, keys = _pairs(column)
        place = np.searchsorted(self._phrases, keys)
        known = np.flatnonzero(np.append(self._phrases, -1)[place] == keys)
        return at[known], place[known]

    def _weighed(self, counts: Any) -> Any:
        """Rare columns count for more; rows of length 1"""
        counts.data *= self._rarity[counts.indices]
        counts.data /= np.repeat(np.sqrt(counts.power(2).sum(axis=1)) + np.float32(1e-9), np.diff(counts.indptr))
        return counts

    def _directed(self, unit: Any) -> Rows:
        """documents × directions"""
        axis = self._axis[unit.indices]
        axes = np.where(axis < 0, np.float32(0), unit.data), np.maximum(axis, 0), unit.indptr
        directed: Rows = sp.csr_array(axes, shape=(unit.shape[0], len(self._axes))) @ self._axes
        return directed

    def _latent(self) -> tuple[Any, Rows]:
        """The axis of each column, -1 without one, and axes × directions.

        By a randomised SVD without chance: it starts from papers spread evenly over all.
        """
        breadth = min(DIRECTIONS, self._size // 4)
        shared = np.flatnonzero(np.diff(self._unit_by_column.indptr) >= SHARED)
        axis = np.full(self._unit.shape[1], -1, dtype=np.int32)
        if not breadth or not len(shared):
            return axis, np.zeros((1, 0), dtype=np.float32)
        axis[shared] = np.arange(len(shared))
        by_column = self._unit_by_column[shared]
        by_paper = by_column.T.tocsr()
        span = by_column[:, np.linspace(0, self._size - 1, min(breadth + 16, self._size)).astype(np.intp)].toarray()
        for _ in range(ROUNDS):
            span = by_column @ np.linalg.qr(by_paper @ span)[0]
        energy, directions = np.linalg.eigh(span.T @ span)
        kept = np.flatnonzero(energy > 1e-4)[: -breadth - 1 : -1]  # twins leave nothing to divide by
        return axis, span @ (directions[:, kept] / np.sqrt(energy[kept]))

    def query(self, parts: Iterable[tuple[str, float]]) -> Query:
        """Pieces of text and how much each matters; the first is its name."""
        weights: dict[int, float] = {}
        missing: dict[str, float] = {}
        parts = list(parts)
        for text, weight in parts:
            roots = [root for root in map(stem, folded(text)) if root]
            columns = [self._stems.get(root, -1) for root in roots]
            phrases = len(self._stems) + self._known(np.array(columns, dtype=np.int64))[1]
            for column in (*columns, *phrases.tolist()):
                if column >= 0:
                    weights[column] = weights.get(column, 0.0) + weight * float(self._rarity[column])
            for root, column in zip(roots, columns, strict=True):
                if column < 0:
                    missing[root] = missing.get(root, 0.0) + weight * self._unknown
        norm = float(np.sqrt(sum(x * x for x in (*weights.values(), *missing.values()))))
        words = len({root for text, _ in parts for root in map(stem, folded(text)) if root})
        breadth = words**2 / (words**2 + PLAIN**2) if words else 1.0
        told = [text for text, _ in parts]
        return Query(weights, norm, breadth, told[0] if told else "", ". ".join(filter(None, told)))

    def fit(self, queries: Sequence[Query], bonus: Rows | float = 0.0) -> Rows:
        """How well each paper fits each query, 0 to 1; *bonus* is further evidence, if they share any words."""
        evidence, shared = self.evidence(queries)
        led = self._telling * (MEANT + FOUND * self.breadth(queries))
        low, high = LOW + self._telling * led * LOWER, HIGH + led * HIGHER
        if self._meaning:
            low, high = low + SENSED[0], high + SENSED[1]
        fit: Rows = np.tanh(np.maximum(evidence + np.where(shared, bonus, 0) - low, 0) / (high - low))
        return fit.astype(np.float32)

    def evidence(self, queries: Sequence[Query]) -> tuple[Rows, NDArray[np.bool_]]:
        """How much speaks for each paper, without end or beginning, and whether it shares any words with the query."""
        words, places, shared = self.heard(queries)
        return self.followed(queries, words + self.nearness(MEANT * places)), shared

    def heard(self, queries: Sequence[Query]) -> tuple[Rows, Rows, NDArray[np.bool_]]:
        """queries × papers: evidence of the words; queries × directions: where they stand; which papers have any."""
        if not queries or not self._size:
            empty = np.zeros((len(queries), self._size), dtype=np.float32)
            return empty, np.zeros((len(queries), len(self._places)), dtype=np.float32), empty > 0
        asked, n = self._matrix(queries), self._size
        lexical = (asked @ self._by_column).toarray()
        mean = (lexical.mean(axis=1) * n + USUAL * PRIOR) / (n + PRIOR)
        deviation = np.sqrt((lexical.var(axis=1) * n + SPREAD**2 * PRIOR) / (n + PRIOR))
        words = FIT * np.minimum((lexical - mean[:, np.newaxis]) / deviation[:, np.newaxis], OUTLIER)
        words += (asked @ self._unit_by_column).toarray()
        words += TITLED * (1 - self.breadth(queries)) ** 2 * (asked @ self._title_by_column).toarray()
        words += NAMED * np.stack([self.holding(query.name) for query in queries])
        words += SENSE * self._sense(queries)
        share = np.sqrt(asked.power(2).sum(axis=1))  # of the query that these papers have words for
        return words.astype(np.float32), _unit_rows(self._directed(asked)) * share[:, np.newaxis], lexical > 0

    def _sense(self, queries: Sequence[Query]) -> Rows:
        """queries × papers: how much nearer in meaning each paper is than usual; 0 without a model."""
        if self._meaning is None or self._meant is None:
            return np.zeros((len(queries), 1), dtype=np.float32)
        asked = self._meaning([query.text for query in queries])
        near = sp.csr_array(asked * np.array([[query.norm > 0] for query in queries])) @ self._meant  # see nearness
        sense: Rows = near - (near.sum(axis=1, keepdims=True) + USUAL * PRIOR) / (self._size + PRIOR)
        return sense

    def followed(self, queries: Sequence[Query], evidence: Rows, trust: Rows | float = 1.0) -> Rows:
        """More evidence for papers that stand where those with the most do: pseudo-relevance feedback (Rocchio).

        *trust*, queries × 1, is the share of it that counts.
        """
        few = min(BEST, self._size)
        best = np.argpartition(evidence, self._size - few, axis=1)[:, self._size - few :]
        weights = np.maximum(np.take_along_axis(evidence, best, axis=1), 0)
        weights *= (
            trust * self.breadth(queries) * FOUND / np.maximum(weights.sum(axis=1, keepdims=True), few * CLEAR + 1e-9)
        )
        # paper by paper, since a product may round differently for each size of the batch
        return evidence + self.nearness(np.einsum("qb,dqb->qd", weights, self._places[:, best], optimize=False))

    def breadth(self, queries: Sequence[Query]) -> Rows:
        """queries × 1"""
        return np.array([[query.breadth] for query in queries], dtype=np.float32).reshape(-1, 1)

    def nearness(self, places: Rows) -> Rows:
        """places × papers: how near each paper is, weighted by how far out the place is."""
        # as sparse, since a dense product may round differently for each size of the batch
        near: Rows = sp.csr_array(places) @ self._places
        return near * np.float32(self._telling)

    def wording(self, unit: Any, titled: float) -> Rows:
        """documents × papers: likeness of wording, and *titled* that with the title alone; *unit* as from `others`."""
        wording: Rows = (unit @ self._unit_by_column).toarray()
        wording += np.float32(titled) * (unit @ self._title_by_column).toarray()
        return wording

    def telling(self, unit: Any) -> Any:
        """Of documents (*unit* as from `others`) the words worth telling beside some paper: a tenth, for `shared`."""
        kept = unit.data * self._most[unit.indices] >= TELLS
        kept &= unit.indices < len(self._stems)
        ends = np.concatenate([[0], np.cumsum(kept)])[unit.indptr]
        return sp.csr_array((unit.data[kept], unit.indices[kept], ends), shape=unit.shape)

    def shared(self, telling: Any, places: Sequence[int]) -> list[int]:
        """The column of the word that says most of what each document shares with the paper at its place.

        -1 where none says as much as to be worth telling.
        """
        common = telling.multiply(self._unit[list(places)])
        at = np.flatnonzero(common.data >= TELLS)[::-1]
        at = at[np.argsort(common.data[at], kind="stable")]  # the best last, among equals the first word
        best = np.full(len(places), -1)
        best[np.repeat(np.arange(len(places)), np.diff(common.indptr))[at]] = common.indices[at]
        told: list[int] = best.tolist()
        return told

    def worth(self, query: Query, place: int) -> dict[int, float]:
        """How well each column of a query tells why a paper fits it: rare words, and such as papers come back to."""
        row = slice(*self._unit.indptr[place : place + 2])
        held = dict(zip(self._unit.indices[row].tolist(), self._unit.data[row].tolist(), strict=True))
        return {c: weight * held[c] * float(self._returned[c]) for c, weight in query.weights.items() if c in held}

    def __len__(self) -> int:
        return self._size

    def _matrix(self, queries: Sequence[Query]) -> Any:
        """queries × columns, each row scaled to its query's length"""
        data = [weight / query.norm for query in queries for weight in query.weights.values()]
        columns = [column for query in queries for column in query.weights]
        ends = np.cumsum([0, *(len(query.weights) for query in queries)])
        return sp.csr_array(
            (np.array(data, dtype=np.float32), np.array(columns, dtype=np.int64), ends),
            shape=(len(queries), self._by_column.shape[0]),
        )

    def holding(self, phrase: str) -> Rows:
        """For each paper 1 when its title holds the phrase as whole words, less when only the abstract does, else 0."""
        row, numbers = np.zeros(self._size, dtype=np.float32), [self._numbers.get(word) for word in folded(phrase)]
        if numbers and None not in numbers:
            at = np.flatnonzero(self._text == numbers[0])
            for step, number in enumerate(numbers[1:], 1):
                at = at[self._text[at + step] == number]
            field = self._field[at]
            row[field >> 1] = ABSTRACT_ONLY
            row[field[field & 1 == 0] >> 1] = 1
        return row

    def columns(self, words: dict[str, int]) -> dict[int, int]:
        """Column to place, the first of each, from folded words with their places in a text."""
        told = {self._stems.get(stem(word), -1): place for word, place in reversed(words.items())}
        told.pop(-1, None)  # words that say nothing
        return told

    def likeness(self) -> NDArray[np.uint8]:
        """papers × papers, 0 to 255: how much of their rarer wording two papers share."""
        found = np.diff(self._by_column.indptr)
        rarer = self._unit[:, np.flatnonzero(found <= max(COMMON, self._size // COMMON))]
        lengths = np.repeat(np.sqrt(rarer.power(2).sum(axis=1)) + np.float32(1e-9), np.diff(rarer.indptr))
        rarer.data /= lengths
        turned, result = rarer.T.tocsr(), np.empty((self._size, self._size), dtype=np.uint8)
        for start in range(0, self._size, 256):
            block = (rarer[start : start + 256] @ turned).toarray()
            result[start : start + 256] = np.where(block > SLIGHT, np.minimum(block, 1) * 255, 0)
        return result


def _tokens(documents: Sequence[tuple[str, str]]) -> tuple[list[str], Any, Any]:
    """The folded words; then token by token the place among them, and the field: 2 × the paper, and 1 for its abstract.

    Each field ends with the word "", so that no phrase goes on into the next. A word may have several places.
    """
    fields = [[*WORD.findall(text.casefold()), ""] for document in documents for text in document]
    places = defaultdict[str, int](count(1).__next__, {"": 0})
    sizes = [*map(len, fields)]
    token = np.fromiter(map(places.__getitem__, chain.from_iterable(fields)), np.int32, sum(sizes))
    return [*map(fold, places)], token, np.repeat(np.arange(len(fields), dtype=np.int32), sizes)


def _told(column: Any, token: Any, field: Any) -> tuple[Any, Any]:
    """Columns and fields without the words that say nothing, but with the ends of fields."""
    kept = np.flatnonzero((column >= 0) | (token == 0))
    return column[kept], field[kept]


def _pairs(column: NDArray[np.int64]) -> tuple[Any, Any]:
    """Where two words that say something follow each other, and a key for both; in the order of the keys."""
    at = np.flatnonzero((column[:-1] >= 0) & (column[1:] >= 0))
    keys = column[at] << 32 | column[at + 1]
    order = np.argsort(keys)
    return at[order], keys[order]


def _phrases(column: NDArray[np.int64], paper: Any) -> tuple[Any, Any, Any]:
    """Where the phrases that at least two papers share begin, which they are, and their keys in order."""
    at, keys = _pairs(column)
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sizes = np.diff(starts, append=len(keys))
    shared = np.logical_or.reduceat(paper[at] != np.repeat(paper[at[starts]], sizes), starts)
    kept = np.flatnonzero(np.repeat(shared, sizes))
    return at[kept], np.repeat(np.cumsum(shared) - 1, sizes)[kept], keys[starts[shared]]


def _saturated(counts: Any, words: int, length: float) -> Any:
    """The second mention of a word says less than the first, and any mention less in a text above the usual length."""
    counts.sum_duplicates()
    slowness = SATURATION * (1 - LENGTH + LENGTH * counts[:, :words].sum(axis=1) / max(length, 1e-9))
    counts.data *= (SATURATION + 1) / (counts.data + np.repeat(slowness, np.diff(counts.indptr)))
    return counts.astype(np.float32)


def _unit_rows(rows: Rows) -> Rows:
    unit: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-9))
    return unit
