"""How good the ranking is, beside the usual methods: replayed on files, the same numbers every time."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from digest.errors import InputError, NotFound
from digest.model import Signal
from digest.ranking import baselines, prior, profile
from digest.ranking.baselines import Method, Question
from digest.ranking.metrics import MEASURES, auc, interval, measured, precision, spearman
from digest.ranking.text import Meaning, Rows, Texts
from digest.ranking.trend import trends
from digest.services import semantic
from digest.services.records import Judged, Listed, Look, Outcome, Paper, papers, rows, topics

RESAMPLES = 2_000
OURS = "digest"


def ours(papers: baselines.Texts, questions: Sequence[Question], meaning: Meaning | None = None) -> Rows:
    """As an edition ranks its candidates for a topic."""
    known = Texts(papers, meaning)
    queries = [known.query([(question.tag, 2), (question.description, 1)]) for question in questions]
    return profile.evidence(known, queries, [question.votes for question in questions])


METHODS: Mapping[str, Method] = {
    OURS: ours,
    "keyword": baselines.keyword,
    "bm25": baselines.bm25,
    "tfidf": baselines.tfidf,
    "svm": baselines.svm,
}
EXTRA = "svm"  # needs votes, and scikit-learn
SEMANTIC = f"{OURS}+semantic"  # needs a model


# ---------------------------------------------------------------- relevance


Ahead = tuple[float, float, float]
"""our nDCG@10 over another's, and the interval of that, topic by topic"""


@dataclass(frozen=True)
class Relevance:
    """By method and measure the means over the topics, and the ends of their 95 % intervals."""

    methods: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    ahead: Mapping[str, Ahead]
    """of each method but ours"""
    over_best: Ahead | None
    """of what is best on each set among the other methods; None when ours or all others were not asked for"""
    topics: int
    papers: int
    left_out: tuple[str, ...]
    """what was not evaluated, and why"""


@dataclass(frozen=True)
class Task:
    """One topic: the places of the papers it had votes for, of those left out, and of those to be found."""

    question: Question
    hidden: NDArray[np.intp]
    wanted: NDArray[np.intp]


def chosen(methods: Sequence[str], votes: int, model: str = "") -> tuple[list[str], list[str]]:
    """Methods to run, all that can when none are named, and what to say of the others. Raises NotFound."""
    if unknown := [name for name in methods if name not in (*METHODS, SEMANTIC)]:
        raise NotFound(f"there is no method {unknown[0]!r}; choose from {', '.join((*METHODS, SEMANTIC))}")
    if SEMANTIC in methods and not model:
        raise NotFound(f"{SEMANTIC} needs a model: name its folder or its installed package with --model")
    missing = "" if find_spec("sklearn") else "svm needs scikit-learn: pip install 'digest[evaluate]'"
    if EXTRA in methods and (votes == 0 or missing):
        raise NotFound(missing or "svm learns from votes alone: give it some with --votes")
    names = list(dict.fromkeys(methods)) or [name for name in METHODS if name != EXTRA or (votes and not missing)]
    names += [SEMANTIC] * bool(model and not methods)
    return names, [missing] if votes and missing and not methods else []


def relevance(
    sets: Sequence[tuple[Sequence[Path], Path]],
    methods: Sequence[str] = (),
    votes: int = 0,
    seed: int = 0,
    step: Callable[[], object] = lambda: None,
    model: str = "",
) -> Relevance:
    """Each method's ranking of all papers of a set for each of its topics, judged by the half of the relevant papers
    that it had no votes for; the other half is left out of every ranking, so that numbers with more votes compare.

    A set is files of papers and one of topics; means and intervals are over the topics of all sets. Calls *step* after
    each method of a set. *model* is a folder or package for SEMANTIC, whose vectors are kept beside it where that can
    be written. Raises InputError, NotFound for a method.
    """
    names, notes = chosen(methods, votes, model)
    known_methods = dict(METHODS)
    if SEMANTIC in names:
        path = semantic.find(model, Path())
        kept = path.with_suffix(".vectors") if os.access(path.parent, os.W_OK) else Path(":memory:")
        known_methods[SEMANTIC] = partial(ours, meaning=semantic.Semantic(path, kept))
    values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    size = 0
    for paper_files, topic_file in sets:
        known = papers(paper_files)
        size += len(known)
        tasks, left_out = _tasks(topic_file, known, votes, seed)
        notes += left_out
        for name in names:
            values[name].append(judge(known_methods[name], known, tasks, seed))
            step()
    others = zip(*(rows for name, rows in values.items() if not name.startswith(OURS)), strict=True)
    best = [max(of_set, key=lambda rows: rows[:, 0].mean()) for of_set in others]
    return _compared({name: np.concatenate(rows) for name, rows in values.items()}, best, size, seed, tuple(notes))


def _tasks(topic_file: Path, known: Sequence[Paper], votes: int, seed: int) -> tuple[list[Task], list[str]]:
    """What is asked, and what cannot be."""
    places = {paper.id: place for place, paper in enumerate(known)}
    judged = topics(topic_file)
    usable = [topic for topic in judged if len(topic.relevant & places.keys()) > 1]
    if not usable:
        raise InputError("no topic has two relevant papers among those given; see --papers", file=str(topic_file))
    few = [f"{topic_file}: {t.tag!r} has fewer than two relevant papers here" for t in judged if t not in usable]
    return [task(topic, places, votes, seed) for topic in usable], few


def task(topic: Judged, places: Mapping[str, int], votes: int, seed: int) -> Task:
    """The topic's relevant papers in two halves, by the seed and its tag alone; more votes go on where fewer ended."""
    relevant = sorted(topic.relevant & places.keys())
    mixed = np.random.default_rng([seed, crc32(topic.tag.encode())]).permutation(len(relevant))
    at = np.array([places[relevant[index]] for index in mixed], dtype=np.intp)
    first, second = at[: len(at) // 2], at[len(at) // 2 :]
    return Task(Question(topic.tag, topic.description, tuple(first[:votes].tolist())), first, second)


def judge(method: Method, known: Sequence[Paper], tasks: Sequence[Task], seed: int) -> NDArray[np.float64]:
    """topics × MEASURES"""
    scores = method([(paper.title, paper.abstract) for paper in known], [task.question for task in tasks])
    lots = np.random.default_rng(seed).permutation(len(known))
    return np.array([_measured(row, task, lots) for row, task in zip(scores, tasks, strict=True)])


def _measured(scores: Rows, task: Task, lots: NDArray[np.intp]) -> list[float]:
    ranking = ranked(scores, task.hidden, lots)
    wanted = np.zeros(len(scores), dtype=bool)
    wanted[task.wanted] = True
    return list(measured(wanted[ranking], len(task.wanted)).values())


def ranked(scores: Rows, hidden: NDArray[np.intp], lots: NDArray[np.intp]) -> NDArray[np.intp]:
    """Places, best first, without the hidden; equals by lot, since their order in the file may say what they are."""
    order = np.lexsort((lots, -scores))
    return order[~np.isin(order, hidden)]


def _compared(
    values: Mapping[str, NDArray[np.float64]],
    best: Sequence[NDArray[np.float64]],
    papers: int,
    seed: int,
    left_out: tuple[str, ...],
) -> Relevance:
    size = len(next(iter(values.values())))
    draws = np.random.default_rng(seed).integers(0, size, (RESAMPLES, size))
    ours = values.get(OURS)
    columns = {name: dict(zip(MEASURES, found.T, strict=True)) for name, found in values.items()}
    return Relevance(
        {name: {measure: float(of.mean()) for measure, of in by.items()} for name, by in columns.items()},
        {name: {measure: interval(of, draws) for measure, of in by.items()} for name, by in columns.items()},
        {name: by for name, of in values.items() if name != OURS and (by := _ahead(ours, of, draws))},
        _ahead(ours, np.concatenate(best), draws) if best else None,
        *(size, papers, left_out),
    )


def _ahead(ours: NDArray[np.float64] | None, theirs: NDArray[np.float64], draws: NDArray[np.intp]) -> Ahead | None:
    """By a paired bootstrap; None where there is nothing to compare."""
    if ours is None or not theirs[:, 0].any():
        return None
    ratios = ours[:, 0][draws].sum(axis=1) / np.maximum(theirs[:, 0][draws].sum(axis=1), 1e-9)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(ours[:, 0].sum() / theirs[:, 0].sum()), float(low), float(high)


# ---------------------------------------------------------------- trend

PEERS = timedelta(days=7)  # how long before a day papers are compared with its own
TOP = 5


@dataclass(frozen=True)
class Day:
    """One day's papers ranked by each method at the early look, against what became of them."""

    day: str
    papers: int
    methods: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class TrendReport:
    days: tuple[Day, ...]
    methods: Mapping[str, Mapping[str, float]]
    """means over the days"""


@dataclass(frozen=True)
class _Early:
    """A paper at its early look."""

    since: datetime
    at: datetime
    upvotes: float
    counts: Mapping[str, float | None]
    field: str = ""


def trend(paper_file: Path, outcome_file: Path, step: Callable[[], object] = lambda: None) -> TrendReport:
    """Our trend at the early look, day by day, against late upvotes, beside the early upvotes alone.

    Raises InputError, also when no day has two papers that were seen early and late.
    """
    looks = {look.id: early for look in rows(paper_file, Look) if (early := _look(look))}
    late: dict[str, dict[str, float]] = {}
    for row in rows(outcome_file, Outcome):
        early = looks.get(row.id) or _early(row)
        if early and row.late_upvotes is not None:
            looks[row.id] = early
            late.setdefault(_date(row.day), {})[row.id] = row.late_upvotes
    days = []
    for day, outcomes in sorted(late.items()):
        if len(outcomes) > 1:
            days.append(_day(day, outcomes, looks))
            step()
    if not days:
        raise InputError("no day has two papers with early and late upvotes", file=str(outcome_file))
    return TrendReport(tuple(days), _means(days))


def _day(day: str, outcomes: Mapping[str, float], looks: Mapping[str, _Early]) -> Day:
    now = max(looks[name].at for name in outcomes)
    peers = {name: look for name, look in looks.items() if name in outcomes or now - PEERS < look.at <= now}
    numbers = {name: number for number, name in enumerate(peers)}
    signals = [
        Signal(numbers[name], "hf_daily", kind, count, look.at)
        for name, look in peers.items()
        for kind, count in look.counts.items()
        if count is not None
    ]
    fields = {numbers[name]: look.field for name, look in peers.items()}
    found = trends(signals, {numbers[name]: look.since for name, look in peers.items()}, now, fields)
    ours = [found[numbers[name]].value if numbers[name] in found else 0.0 for name in outcomes]
    late = np.array(list(outcomes.values()))
    ranks = {OURS: np.array(ours), "early upvotes": np.array([looks[name].upvotes for name in outcomes])}
    return Day(day, len(outcomes), {name: _agreement(scores, late) for name, scores in ranks.items()})


def _agreement(scores: NDArray[np.float64], late: NDArray[np.float64]) -> dict[str, float]:
    return {"spearman": spearman(scores, late), f"precision@{TOP}": precision(scores, late, TOP)}


def _means(days: Iterable[Day]) -> dict[str, dict[str, float]]:
    days = list(days)
    return {
        name: {measure: float(np.mean([day.methods[name][measure] for day in days])) for measure in measures}
        for name, measures in days[0].methods.items()
    }


def _look(row: Look) -> _Early | None:
    """None for a paper whose counts nobody read."""
    at, upvotes = row.snapshot_at, row.upvotes
    if at is None or upvotes is None:
        return None
    counts = {"upvotes": upvotes, "comments": row.num_comments, "stars": row.github_stars}
    # not since its publication: a day's list may name papers that came out long before
    return _Early(row.submitted_at or row.day or at, at, upvotes, counts, *row.categories[:1])


def _early(row: Outcome) -> _Early | None:
    """The early count that the outcome itself has, for a paper that the other file lacks."""
    at, upvotes = row.early_at, row.early_upvotes
    if at is None or upvotes is None:
        return None
    return _Early(row.day, at, upvotes, {"upvotes": upvotes})


def _date(moment: datetime) -> str:
    return moment.date().isoformat()


# ---------------------------------------------------------------- prior

LEARNED = 0.8  # share of the days that are learned from at first
FULL = 40  # papers of a day worth choosing from
TOP_OF_DAY = 20
KINDS_OF_TRAITS = {OURS: (prior.traits, prior.TELLING), "words": (prior.words, 0.0)}


@dataclass(frozen=True)
class PriorReport:
    """*methods*: AUC over all papers, precision among each day's TOP_OF_DAY, how many times the day's base
    rate that is, and the mean of the chances told for those papers, which should be their precision; of the days with
    FULL papers, some of them picked, if there are any.
    """

    learned_until: str
    days: int
    papers: int
    base: float
    methods: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class _Listed:
    paper: prior.Announced
    day: str
    picked: str
    """the day when it was; later than any other if never"""


def prior_of(listings: Path, step: Callable[[], object] = lambda: None) -> PriorReport:
    """Which of each day's papers will be picked, told on its morning from what had become of earlier ones until then.

    Learned anew for each week, beside a plain logistic regression on the words. Calls *step* after each. Raises
    InputError.
    """
    known = [_listed(row) for row in rows(listings, Listed) if row.in_full_day]
    days = sorted({listed.day for listed in known})
    first = days[int(len(days) * LEARNED)] if days else ""
    if not prior.enough([listed.picked < first for listed in known if listed.day < first]):
        least = f"{prior.PAPERS_AT_LEAST} papers, {prior.TREND_AT_LEAST} of them picked"
        raise InputError(f"the first {LEARNED:.0%} of the days teach nothing; they need {least}", file=str(listings))
    weeks: dict[tuple[int, int], list[str]] = {}
    for day in days[days.index(first) :]:
        weeks.setdefault(date.fromisoformat(day).isocalendar()[:2], []).append(day)
    told: dict[str, list[NDArray[np.float64]]] = {}
    known.sort(key=lambda listed: listed.day)
    asked = [listed for listed in known if listed.day >= first]
    for name, (traits, telling) in KINDS_OF_TRAITS.items():
        for those in weeks.values():
            past, now = [one for one in known if one.day < those[0]], [one for one in known if one.day in those]
            model = prior.Prior((traits(one.paper) for one in past), [one.picked < those[0] for one in past], telling)
            told.setdefault(name, []).append(model.chances(traits(one.paper) for one in now))
            step()
    truth, by_day = np.array([one.picked < NEVER for one in asked]), np.array([one.day for one in asked])
    methods = {name: _foretold(np.concatenate(chances), truth, by_day) for name, chances in told.items()}
    return PriorReport(first, len(set(by_day)), len(asked), float(truth.mean()), methods)


def _foretold(chances: NDArray[np.float64], truth: NDArray[np.bool_], days: NDArray[np.str_]) -> dict[str, float]:
    full = [which for day in sorted(set(days)) if (which := days == day).sum() >= FULL and truth[which].any()]
    best = [np.flatnonzero(which)[np.argsort(-chances[which], kind="stable")[:TOP_OF_DAY]] for which in full]
    found = [float(truth[top].mean()) for top in best]
    times = [right / truth[which].mean() for right, which in zip(found, full, strict=True)]
    said = [float(chances[top].mean()) for top in best]
    means = {f"precision@{TOP_OF_DAY}": found, "of base": times, "said": said}
    return {"auc": auc(chances, truth), **{name: float(np.mean(values)) for name, values in means.items() if values}}


NEVER = "9999"


def _listed(row: Listed) -> _Listed:
    paper = prior.Announced(row.title, row.abstract, row.authors, row.categories, row.comment)
    return _Listed(paper, _date(row.listed), _date(row.hf_daily_day) if row.hf_daily_day else NEVER)
