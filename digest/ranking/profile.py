"""What a reader's votes say about papers, fused with what they asked for in words.

A vote says where the reader's papers stand among the latent directions, and which words they share that others lack.
The more votes there are, the less the words of the question and the papers that fit them have to stand in for them.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log

import numpy as np
import scipy.sparse as sp

from digest.ranking.text import FOUND, MEANT, WORD, Query, Rows, Texts, fold, stem

GUESSES = 3.0  # what the words let us guess is worth as many votes
NEAR, ALIKE = 2.5, 4.0  # evidence for standing where the votes stand, and for full likeness with their common wording


def evidence(texts: Texts, queries: Sequence[Query], votes: Sequence[Sequence[int]]) -> Rows:
    """queries × papers: how much speaks for each paper, where readers have voted up the papers at these places.

    Without votes it is `Texts.evidence`; numbers compare within a row.
    """
    words, places, _ = texts.heard(queries)
    counts = np.array([[len(voted)] for voted in votes], dtype=np.float32).reshape(-1, 1)
    trust: Rows = counts / (counts + np.float32(GUESSES))
    liked = _liked(votes, texts)
    stand: Rows = (1 - trust) * (MEANT * places + FOUND * texts.found(words)) + trust * NEAR * texts.standing(liked)
    found: Rows = words + texts.nearness(stand) + trust * ALIKE * texts.wording(liked)
    return found


def _liked(votes: Sequence[Sequence[int]], texts: Texts) -> sp.csr_array:
    """readers × papers, each row a mean"""
    shares = [1 / len(voted) for voted in votes for _ in voted]
    places = [place for voted in votes for place in voted]
    ends = np.cumsum([0, *map(len, votes)])
    return sp.csr_array((np.array(shares, dtype=np.float32), places, ends), shape=(len(votes), len(texts)))


def telling(texts: Sequence[str], others: Sequence[str], most: int) -> list[str]:
    """The words that *texts* share and *others* lack, the most telling first, each as it is spelt most often."""
    spelt: defaultdict[str, Counter[str]] = defaultdict(Counter)
    shared: Counter[str] = Counter()
    for text in texts:
        for word in WORD.findall(text.casefold()):
            spelt[fold(word)][word] += 1
        shared.update({fold(word) for word in WORD.findall(text.casefold())})
    usual = Counter(word for other in others for word in {fold(word) for word in WORD.findall(other.casefold())})
    worth = {
        word: number * log((len(others) + 2) / (usual[word] + 1)) * (1 - 0.5 / spelt[word].total())
        for word, number in shared.items()
        if stem(word) and len(word) > 2 and not word.isdecimal()
    }
    return [spelt[word].most_common(1)[0][0] for word in sorted(worth, key=lambda word: (-worth[word], word))[:most]]
