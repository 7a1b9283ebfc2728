"""What ranking costs: readers composed a second, beside one SVM for each topic and reader, in constant memory.

python bench/ranking.py [READERS | --full]

1,000 candidates, 300 topics of unequal popularity; each reader follows 5 and had 30 papers, a tenth voted on 20, a
fifth follow authors or rule out words. Exits with 1 beyond a limit. The SVM is arxiv-sanity-lite's, on 5,000 papers
with 20,000 features; without scikit-learn it is left out. READERS (20,000; --full: a million) are made up a batch at a
time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: small products are slower in threads

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
from promise import Promise, exit_code

from digest.model import Candidate, Card, Interest, Steering, Topic
from digest.ranking.compose import Ranker, Wish
from digest.ranking.text import Texts

NOW = datetime(2026, 1, 30, 6, tzinfo=UTC)
WEEK = NOW - timedelta(days=7)
PAPERS, TOPICS, BATCH = 1_000, 300, 2_048
COMPOSED = Path(__file__).with_name("composed.py")
POPULAR = 1 / np.arange(1, TOPICS + 1) ** 0.8
SAID = [" ".join(f"topic{topic}word{n}" for n in range(12)) for topic in range(TOPICS)]


def documents(size: int, seed: int) -> list[tuple[str, str]]:
    """As long as real ones, each about one or two subjects, in words that are used as unequally as real ones."""
    chance = np.random.default_rng(seed)
    usual = 1 / np.arange(1, 20_001)
    drawn = chance.choice(20_000, (size, 150), p=usual / usual.sum())
    about = chance.choice(TOPICS, (size, 2), p=POPULAR / POPULAR.sum())
    told = [[*SAID[a].split(), *SAID[b].split()[:6]] for a, b in about.tolist()]
    plain = [[f"w{n}" for n in row] for row in drawn.tolist()]
    return [
        (" ".join([*words[:4], *row[:6]]), " ".join([*row[6:], *words])) for words, row in zip(told, plain, strict=True)
    ]


def candidates(texts: list[tuple[str, str]]) -> list[Candidate]:
    chance = np.random.default_rng(2)
    trends = np.maximum(chance.random(PAPERS) - 0.6, 0).tolist()
    hours = chance.integers(1, 160, PAPERS).tolist()
    return [
        Candidate(n, card, NOW - timedelta(hours=hours[n]), trends[n], "9 upvotes" if trends[n] else "")
        for n, text in enumerate(texts)
        for card in [Card(n, *text, (f"Author {n % 400}", f"Writer {n}"), ("cs.CL",), (), NOW.date())]
    ]


def ranker(texts: list[tuple[str, str]]) -> Ranker:
    topics = [Topic(n + 1, f"t{n}", f"topic{n}word0 topic{n}word1", SAID[n]) for n in range(TOPICS)]
    return Ranker(candidates(texts), topics, NOW)


def wishes(readers: int, seed: int) -> list[Wish]:
    chance = np.random.default_rng(seed)
    gumbel = chance.gumbel(size=(readers, TOPICS))
    gumbel += np.log(POPULAR)
    topics = (np.argpartition(gumbel, TOPICS - 5, axis=1)[:, -5:] + 1).tolist()
    had = chance.integers(0, PAPERS, (readers, 30))
    votes = chance.integers(0, 2 * PAPERS, (readers, 20)).tolist()
    kind = chance.integers(0, 10, readers).tolist()
    steering, other = Steering(), Steering(quota=3)
    made = []
    for n in range(readers):
        authors = (f"Author {had[n, 0] % 400}", f"Author {had[n, 1] % 400}") if kind[n] in (1, 2) else ()
        exclusions = (f"w{had[n, 2] + 50}", "cs.CR") if kind[n] in (2, 3) else ()
        interest = Interest(dict.fromkeys(topics[n], 1.0), authors=authors, exclusions=exclusions)
        voted = tuple((paper, 1 if paper % 5 else -1) for paper in votes[n]) if kind[n] == 0 else ()
        made.append(Wish(interest, 10, WEEK, had[n], voted, other if kind[n] == 4 else steering))
    return made


def batches(readers: int) -> Iterator[list[Wish]]:
    for start in range(0, readers, BATCH):
        yield wishes(min(BATCH, readers - start), start)


def seconds(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def fit_seconds(texts: list[tuple[str, str]], fits: int = 8) -> float:
    """For one SVM, vectors at hand."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    vectors = TfidfVectorizer(max_features=20_000, ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    found = vectors.fit_transform([" ".join(text) for text in texts])
    wanted = np.zeros(len(texts), dtype=bool)
    wanted[:20] = True
    svm = LinearSVC(class_weight="balanced", max_iter=10_000, tol=1e-6, C=0.01)
    return min(seconds(lambda: svm.fit(found, wanted)) for _ in range(fits))


def composing(readers: int) -> tuple[float, list[Promise]]:
    """Readers a second; and what is promised of that."""
    ours = ranker(documents(PAPERS, 0))
    ours.read({n: "\n".join(text) for n, text in enumerate([*documents(PAPERS, 0), *documents(PAPERS, 1)])})
    for batch in batches(4 * BATCH):
        ours.picks(batch)
    spent = [(len(batch), seconds(lambda: ours.picks(batch))) for batch in batches(readers)]  # noqa: B023  run at once
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    half = len(spent) // 2
    first, second = (sum(s for _, s in part) / sum(n for n, _ in part) for part in (spent[:half], spent[half:]))
    rate = 1 / float(np.median([s / n for n, s in spent]))
    print(f"{readers:,} readers, {PAPERS:,} candidates, best batch {1 / min(s / n for n, s in spent):,.0f} a second")
    return rate, [
        Promise("readers a second", rate, least=30_000),
        Promise("second half of the readers, of the first", second / first, most=1.25),
        Promise("MB resident", resident, most=200),
    ]


def stored(readers: int) -> list[Promise]:
    """Interests are read and digests written; and, not promised, when what each had before is read as well."""

    def composed(digests: int) -> dict[str, float]:
        command = [sys.executable, str(COMPOSED), str(readers), str(digests)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    print(f"from SQLite into it, each with three digests before: {composed(3)['readers a second']:,.0f} a second")
    found = composed(0)
    return [
        Promise("readers a second, from SQLite into it", found["readers a second"], least=25_000),
        Promise("second half, from SQLite into it", found["second half"], most=1.25),
        Promise("MB resident, from SQLite into it", found["MB resident"], most=200),
    ]


def reading() -> list[Promise]:
    texts, more = documents(5_000, 3), documents(5_000, 4)
    read = min(seconds(lambda: [re.findall(r"\w+", f"{a} {b}".lower()) for a, b in texts]) for _ in range(3))
    basis = Texts(texts)
    refit = min(seconds(lambda: Texts(texts)) for _ in range(2))
    folded = min(seconds(lambda: basis.others(more)) for _ in range(2))
    return [
        Promise("refit, of tokenising", refit / read, most=12),
        Promise("other papers folded in, of tokenising", folded / read, most=5),
    ]


def main(readers: int) -> int:
    rate, promises = composing(readers)
    promises += stored(readers)
    if find_spec("sklearn"):
        fit = fit_seconds(documents(5_000, 3))
        promises.append(Promise("times an SVM for each topic and reader", rate * 5 * fit, least=8_000))
    return exit_code(promises + reading())


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["20000"]
    sys.exit(main(1_000_000 if wanted == ["--full"] else int(wanted[0])))
