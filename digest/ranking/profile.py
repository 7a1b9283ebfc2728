"""What a reader's votes say about papers, fused with what they asked for in words.

Each voted paper speaks for the papers that stand near it among the latent directions, and for those that share its
words, in its title above all. A profile is the weighted sum of what its votes say, so that it costs the same for a
million readers as for one: a vote's word on every paper is worked out once.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import log, sqrt
from typing import Any

import numpy as np
import scipy.sparse as sp

from digest.ranking.text import MEANT, WORD, Query, Rows, Texts, fold, stem

GUESSES = 3.0  # what the words let us guess is worth as many votes
NEAR, ALIKE = 1.2, 7.0  # evidence for standing where a voted paper stands, and for full likeness with its wording
TITLED = 0.25  # what likeness with a title alone adds to that
COMMON = 0.05  # likeness of two papers that one reader likes: the less alike, the less each is expected to say alone
BROAD = 1.4  # how much of that counts beside a sentence; hardly any does beside a bare word, which asks for itself
DOWN = 0.5  # what a vote down takes away, beside what a vote up adds


def share(votes: int) -> float:
    """What one of so many votes counts: together they count for more, the more they are."""
    return 1 / ((votes + GUESSES) * sqrt(1 / votes + COMMON * (1 - 1 / votes)))


def shares(votes: Sequence[tuple[int, int]]) -> Mapping[int, float]:
    """Paper to what a vote on it counts, negative for a vote down."""
    each = share(len(votes)) if votes else 0.0
    return {paper: each if value > 0 else -DOWN * each for paper, value in votes}


def alike(texts: Texts, unit: Any, places: Rows) -> Rows:
    """voted × papers: what each voted paper says of every paper; *unit* and *places* as `Texts.others` has them."""
    return NEAR * texts.nearness(places) + ALIKE * texts.wording(unit, TITLED)


def evidence(texts: Texts, queries: Sequence[Query], votes: Sequence[Sequence[int]]) -> Rows:
    """queries × papers: how much speaks for each paper, where readers have voted up the papers at these places.

    Without votes it is `Texts.evidence`; numbers compare within a row.
    """
    words, places, _ = texts.heard(queries)
    counts = np.array([[len(voted)] for voted in votes], dtype=np.float32).reshape(-1, 1)
    guessed = np.float32(GUESSES) / (counts + np.float32(GUESSES))
    said = words + texts.nearness(guessed * MEANT * places)
    liked = sorted({place for voted in votes for place in voted})
    if liked:
        data = [share(len(voted)) for voted in votes for _ in voted]
        columns = np.searchsorted(liked, [place for voted in votes for place in voted])
        ends = np.cumsum([0, *map(len, votes)])
        profiles = sp.csr_array((np.array(data, dtype=np.float32), columns, ends), shape=(len(votes), len(liked)))
        said += np.float32(BROAD) * texts.breadth(queries) * (profiles @ alike(texts, *texts.these(liked)))
    return texts.followed(queries, said, guessed**2)  # votes lead better than guesses do


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
