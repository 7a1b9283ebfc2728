import gzip
import json
import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from digest.errors import InputError, NotFound
from digest.ranking.metrics import MEASURES
from digest.services import evaluate, records

SUBJECTS = {
    "retrieval": "dense retrieval of passages with a reranker",
    "robots": "a robot learns grasping and manipulation",
    "proteins": "protein structure and folding without alignments",
}


@pytest.fixture
def written(tmp_path):
    """Writes lines (or, for topics, one list) to a file."""

    def write(name, content):
        path, text = tmp_path / name, content
        if not isinstance(content, str):
            text = "\n".join(map(json.dumps, content)) if ".jsonl" in name else json.dumps(content, indent=1)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


@pytest.fixture
def papers(written):
    return written(
        "papers.jsonl.gz",
        [
            {"id": f"{tag}-{n}", "title": f"{tag.title()} number {n}", "abstract": f"We study {words} {n}."}
            for n in range(8)
            for tag, words in SUBJECTS.items()
        ],
    )


@pytest.fixture
def topics(written):
    return written(
        "topics.json",
        [{"tag": t, "description": w, "relevant": [f"{t}-{n}" for n in range(6)]} for t, w in SUBJECTS.items()],
    )


def judged(*relevant, tag="retrieval"):
    return records.Judged(tag=tag, relevant=relevant)


PLACES = {f"p{n}": n for n in range(40)}


def test_every_relevant_paper_is_either_voted_for_or_left_out_or_wanted():
    task = evaluate.task(judged(*PLACES, "unknown"), PLACES, 5, 0)
    assert sorted([*task.hidden, *task.wanted]) == list(range(40))
    assert len(task.hidden) == len(task.wanted)
    assert set(task.question.votes) < set(task.hidden)


def test_halves_are_the_same_every_time_and_others_by_another_seed_or_tag():
    def half(tag="retrieval", seed=0, order=1):
        return list(evaluate.task(judged(*list(PLACES)[::order], tag=tag), PLACES, 0, seed).wanted)

    assert half() == half() == half(order=-1)
    assert half() != half(seed=1)
    assert half() != half(tag="robots")


def test_more_votes_hide_and_want_the_same_papers():
    none, five, many = (evaluate.task(judged(*PLACES), PLACES, votes, 0) for votes in (0, 5, 100))
    assert none.question.votes == ()
    assert many.question.votes[:5] == five.question.votes
    assert list(none.hidden) == list(five.hidden) == list(many.hidden) == list(many.question.votes)


def test_of_an_odd_number_the_greater_half_is_to_be_found():
    task = evaluate.task(judged("p1", "p2", "p3"), PLACES, 9, 0)
    assert (len(task.hidden), len(task.wanted)) == (1, 2)


@pytest.mark.parametrize("votes", [0, 1, 5])
def test_the_first_half_never_appears_in_a_ranking(votes, papers, topics, monkeypatch):
    rankings = []
    real = evaluate.ranked

    def watched(scores, hidden, lots):
        rankings.append((real(scores, hidden, lots), hidden))
        return rankings[-1][0]

    monkeypatch.setattr(evaluate, "ranked", watched)
    evaluate.relevance([([papers], topics)], ["digest", "bm25"], votes)
    assert len(rankings) == 2 * len(SUBJECTS)
    assert all(len(ranking) == 24 - 3 and not set(ranking) & set(hidden) for ranking, hidden in rankings)


def test_equal_scores_stand_in_the_order_of_the_lots():
    scores, lots = np.array([0.0, 1, 0, 0], dtype=np.float32), np.array([3, 0, 1, 2])
    assert list(evaluate.ranked(scores, np.array([3]), lots)) == [1, 2, 0]


def test_methods_stand_side_by_side_with_intervals_and_agree_on_a_second_run(papers, topics):
    steps = []
    found = evaluate.relevance([([papers], topics)], step=lambda: steps.append(1))
    assert list(found.methods) == ["digest", "keyword", "bm25", "tfidf"]
    assert len(steps) == 4
    assert (found.topics, found.papers) == (3, 24)
    for name, means in found.methods.items():
        assert tuple(means) == MEASURES
        assert all(low <= means[m] <= high for m, (low, high) in found.intervals[name].items())
    assert found == evaluate.relevance([([papers], topics)])
    assert found.methods["digest"]["recall@50"] == 1


def test_how_far_ahead_we_are_is_said_of_the_others(papers, topics):
    found = evaluate.relevance([([papers], topics)], ["digest", "keyword"])
    ours, other = (found.methods[name]["ndcg@10"] for name in ("digest", "keyword"))
    [(ratio, low, high)] = found.ahead.values()
    assert ratio == pytest.approx(ours / other)
    assert low <= ratio <= high


def test_several_sets_are_judged_topic_by_topic_beside_the_best_other_method_of_each(papers, topics):
    one, two = [([papers], topics)], [([papers], topics)] * 2
    alone, found = (evaluate.relevance(sets, ["digest", "keyword", "bm25"]) for sets in (one, two))
    assert (found.topics, found.papers) == (6, 48)
    best = max(found.methods[name]["ndcg@10"] for name in ("keyword", "bm25"))
    ratio, low, high = found.over_best
    assert ratio == pytest.approx(alone.over_best[0]) == pytest.approx(found.methods["digest"]["ndcg@10"] / best)
    assert low <= ratio <= high
    assert evaluate.relevance(one, ["digest"]).over_best is None


def test_a_paper_in_two_files_counts_once(papers, topics):
    assert evaluate.relevance([([papers, papers], topics)], ["keyword"]).papers == 24


def test_a_topic_with_too_few_papers_here_is_left_out_and_named(papers, written):
    topics = written(
        "some.json", [{"tag": "robots", "relevant": ["robots-1", "robots-2"]}, {"tag": "gone", "relevant": ["x"]}]
    )
    found = evaluate.relevance([([papers], topics)], ["keyword"])
    assert found.topics == 1
    (note,) = found.left_out
    assert "some.json: 'gone'" in note


def test_the_svm_needs_votes_and_its_extra(monkeypatch):
    monkeypatch.setattr(evaluate, "find_spec", lambda name: "installed")
    with pytest.raises(NotFound, match="--votes"):
        evaluate.chosen(["svm"], 0)
    monkeypatch.setattr(evaluate, "find_spec", lambda name: None)
    with pytest.raises(NotFound, match=r"digest\[evaluate\]"):
        evaluate.chosen(["svm"], 5)
    names, (note,) = evaluate.chosen([], 5)
    assert "svm" not in names
    assert "digest[evaluate]" in note


@pytest.mark.skipif(not find_spec("sklearn"), reason="pip install 'digest[evaluate]'")
def test_with_votes_the_svm_is_among_the_methods(papers, topics):
    assert evaluate.relevance([([papers], topics)], votes=2).methods["svm"]["map"] > 0


def test_an_unknown_method_is_named_with_those_there_are():
    with pytest.raises(NotFound, match=r"'magic'.*bm25"):
        evaluate.chosen(["magic"], 0)


# ---------------------------------------------------------------- files that cannot be read

GOOD = '{"id": "1", "title": "A title"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + '{"id": "2", "title": "cut', r"p\.jsonl:2: Invalid JSON"),
        (GOOD + "\n[1]", r"p\.jsonl:3: Input should be an object"),
        (GOOD + '{"title": "no id"}', r"p\.jsonl:2: id: Field required"),
        ('{"id": 7, "title": "x"}', r"p\.jsonl:1: id: Input should be a valid string"),
        ('{"id": "1", "title": " "}', r"p\.jsonl:1: title: String should match"),
        ('{"id": "1", "title": "x", "abstract": ["y"]}', r"p\.jsonl:1: abstract: Input should be a valid string"),
        ("", r"p\.jsonl: it holds no papers"),
    ],
)
def test_papers_that_cannot_be_read_are_named_by_file_and_line(content, message, written):
    with pytest.raises(InputError, match=message):
        records.papers([written("p.jsonl", content)])


def test_a_file_is_unpacked_for_what_it_is_not_for_its_name(papers, tmp_path):
    plain, packed = tmp_path / "plain.jsonl.gz", tmp_path / "packed.jsonl"
    plain.write_bytes(gzip.decompress(papers.read_bytes()))
    packed.write_bytes(papers.read_bytes())
    assert records.papers([plain]) == records.papers([packed]) == records.papers([papers])


def test_a_missing_or_cut_file_is_named(tmp_path, papers):
    with pytest.raises(InputError, match=r"none\.jsonl: there is no such file"):
        records.papers([tmp_path / "none.jsonl"])
    with pytest.raises(InputError, match="it cannot be read"):
        records.papers([tmp_path])
    papers.write_bytes(papers.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"papers\.jsonl\.gz: it cannot be read"):
        records.papers([papers])
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(InputError, match="it cannot be read"):
        records.papers([tmp_path / "latin.jsonl"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '[{"tag": "a", "relevant": ["1"]}, {"tag": "b", "relevant": []}]',
            r"t\.json: 1\.relevant: .*at least 1",
        ),
        ('[{"tag": "a", "relevant": ["1"]}, {"tag": "b"}]', r"t\.json: 1\.relevant: Field required"),
        ('[{"tag": "a", "relevant": [1]}]', r"t\.json: 0\.relevant\.0: Input should be a valid string"),
        ('[{"tag": "a", "relevant": ["1"]},\n {"tag": ', r"t\.json: Invalid JSON: .*line 2"),
        ('{"tag": "a"}', r"t\.json: Input should be a valid array"),
        ("[7]", r"t\.json: 0: Input should be an object"),
        ('[{"relevant": ["1"]}]', r"t\.json: 0\.tag: Field required"),
    ],
)
def test_topics_that_cannot_be_read_are_named_by_file_and_place(content, message, written):
    with pytest.raises(InputError, match=message):
        records.topics(written("t.json", content))


def test_topics_of_other_papers_are_no_evaluation(papers, written):
    with pytest.raises(InputError, match="no topic has two relevant papers"):
        evaluate.relevance([([papers], written("t.json", [{"tag": "a", "relevant": ["x", "y"]}]))])
    with pytest.raises(InputError, match="no topic has two relevant papers"):
        evaluate.relevance([([papers], written("t.json", "[]"))])


# ---------------------------------------------------------------- trend


def look(id, upvotes, day="2026-01-05", **fields):
    at = {"snapshot_at": f"{day}T09:00:00Z", "submitted_at": f"{day}T02:00:00Z"}
    return {"id": id, "day": day, "upvotes": upvotes, "num_comments": 0, "github_stars": None, **at, **fields}


def outcome(id, upvotes, day="2026-01-05", **fields):
    return {"id": id, "day": day, "late_upvotes": upvotes, **fields}


def test_each_day_is_compared_with_what_became_of_it(written):
    looks = written("p.jsonl", [look(f"a{n}", n) for n in range(6)] + [look("other", 3, "2026-01-06")])
    outcomes = written("o.jsonl", [outcome(f"a{n}", 10 * n) for n in range(6)] + [outcome("other", 1, "2026-01-06")])
    found = evaluate.trend(looks, outcomes)
    (day,) = found.days  # the other day has but one paper
    assert (day.day, day.papers) == ("2026-01-05", 6)
    assert found.methods["early upvotes"] == {"spearman": 1.0, "precision@5": 1.0}
    assert found.methods["digest"]["spearman"] == pytest.approx(1.0)


def test_a_paper_of_which_nobody_told_when_it_was_put_on_the_list_counts_from_that_day_not_from_its_publication(
    written,
):
    untold = {"submitted_at": None, "published_at": "2025-12-20T09:00:00Z"}
    looks = [look(f"a{n}", n) for n in range(6)] + [look("old", 9, **untold)]
    outcomes = [outcome(one["id"], one["upvotes"]) for one in looks]
    found = evaluate.trend(written("p.jsonl", looks), written("o.jsonl", outcomes))
    assert found.methods["digest"]["spearman"] == pytest.approx(1.0)


def test_an_outcome_brings_the_early_count_of_a_paper_that_the_other_file_lacks(written):
    looks = written("p.jsonl", [look("a", 5)])
    early = {"early_upvotes": 1, "early_at": "2026-01-05T09:00:00Z", "published_at": "2026-01-04T09:00:00Z"}
    outcomes = written("o.jsonl", [outcome("a", 50), outcome("b", 2, **early), outcome("c", 9, early_upvotes=None)])
    assert evaluate.trend(looks, outcomes).days[0].papers == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (look("a", "many"), r"p\.jsonl:1: upvotes: Input should be a valid number"),
        (look("a", -1), "upvotes: Input should be greater than or equal to 0"),
        (look("a", float("nan")), "upvotes: Input should be"),
        (look("a", 1, snapshot_at="soon"), r"p\.jsonl:1: snapshot_at: .*no ISO date: 'soon'"),
        (look("a", 1, snapshot_at="0001-01-01T00:00:00+05:00"), "snapshot_at: .*no ISO date"),
    ],
)
def test_looks_that_cannot_be_read_are_named_by_file_and_line(row, message, written):
    with pytest.raises(InputError, match=message):
        evaluate.trend(written("p.jsonl", [row]), written("o.jsonl", []))


def test_days_without_outcomes_are_no_evaluation(written):
    with pytest.raises(InputError, match=r"o\.jsonl: no day has two papers"):
        evaluate.trend(written("p.jsonl", [look("a", 1)]), written("o.jsonl", [outcome("a", 1)]))


# ---------------------------------------------------------------- the command line


@pytest.fixture
def evaluated(digest):
    """Runs `digest evaluate …`, without a configuration."""
    return partial(digest, "evaluate")


def test_relevance_as_json_has_a_number_for_each_method_and_measure(evaluated, papers, topics):
    code, out, _ = evaluated("relevance", "--papers", papers, "--topics", topics, "--methods", "digest,bm25", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["topics"] == 3
    assert list(found["methods"]) == ["digest", "bm25"]
    assert list(found["methods"]["digest"]) == list(MEASURES)
    assert all(isinstance(value, float) for scores in found["methods"].values() for value in scores.values())
    low, high = found["intervals"]["bm25"]["map"]
    assert low <= found["methods"]["bm25"]["map"] <= high


def test_each_of_several_sets_has_its_own_papers(evaluated, papers, topics):
    given = ["--topics", topics, "--topics", topics, "--methods", "digest,keyword"]
    code, out, _ = evaluated("relevance", *given, "--papers", papers, "--papers", f"{papers},{papers}", "--json")
    assert code == 0
    assert json.loads(out)["topics"] == 6
    assert len(json.loads(out)["over_best"]) == 3
    code, _, err = evaluated("relevance", *given, "--papers", papers)
    assert code == 2
    assert "2 --topics need as many --papers" in err


def test_the_files_of_one_set_are_given_one_by_one_or_with_commas(evaluated, papers, topics, tmp_path):
    (named := tmp_path / "one,two.jsonl").write_bytes(Path(papers).read_bytes())
    for way in (["--papers", papers, "--papers", papers], [f"--papers={papers},{papers}"], [f"--papers={named}"]):
        assert evaluated("relevance", *way, "--topics", topics, "--methods", "keyword")[0] == 0


def test_relevance_as_a_table_names_methods_and_measures(evaluated, papers, topics, tmp_path):
    code, out, _ = evaluated("relevance", "--papers", papers, "--topics", topics, "--votes", "2")
    assert code == 0
    assert all(word in out for word in ("3 topics, 24 papers", "tfidf", "recall@50", "2 votes", "best other method"))
    assert not (tmp_path / "subscribers.db").exists()


def test_trend_as_json_and_as_a_table(evaluated, written):
    looks = written("p.jsonl", [look(f"a{n}", n) for n in range(6)])
    outcomes = written("o.jsonl", [outcome(f"a{n}", n) for n in range(6)])
    code, out, _ = evaluated("trend", "--papers", looks, "--outcomes", outcomes, "--json")
    assert code == 0
    assert set(json.loads(out)["methods"]) == {"digest", "early upvotes"}
    code, out, _ = evaluated("trend", "--papers", looks, "--outcomes", outcomes)
    assert code == 0
    assert "2026-01-05" in out
    assert "mean" in out


def listed(number, day, about, picked=None):
    return {
        "id": f"{number}", "listed": f"2026-01-{day:02}", "title": f"On {about}", "abstract": f"Number {number}.",
        "authors": ["Ada"], "categories": ["cs.CL"], "comment": None, "hf_daily_day": picked,
    }  # fmt: skip


def test_the_prior_foretells_who_is_picked_from_what_was_picked_before(evaluated, written):
    rows = [
        listed(day * 100 + n, day, *(("agents", f"2026-01-{day:02}") if n % 10 == 0 else ("proofs",)))
        for day in range(1, 21)
        for n in range(70)
    ]
    code, out, _ = evaluated("prior", "--listings", written("l.jsonl", rows), "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["learned_until"], told["days"], told["papers"]) == ("2026-01-17", 4, 280)
    assert told["methods"]["digest"]["auc"] == 1
    assert told["methods"]["digest"]["of base"] == pytest.approx(0.35 / 0.1)
    assert "words" in evaluated("prior", "--listings", written("l.jsonl", rows))[1]


def test_days_with_few_papers_have_no_best_to_judge(written):
    days = [day for day in range(1, 29) for _ in range(60 if day < 21 else 20)]
    rows = [listed(n, day, *(("agents", "2026-01-01") if n % 9 == 0 else ("proofs",))) for n, day in enumerate(days)]
    assert [*evaluate.prior_of(written("l.jsonl", rows)).methods["digest"]] == ["auc"]


def test_a_prior_with_nothing_to_learn_from_says_what_it_needs(evaluated, written):
    code, _, error = evaluated("prior", "--listings", written("l.jsonl", [listed(1, 1, "agents")]))
    assert code != 0
    assert "1000 papers, 50 of them picked" in error


def test_what_cannot_be_read_is_told_in_one_line(evaluated, papers, topics, written):
    code, _, err = evaluated("relevance", "--papers", "none.jsonl", "--topics", topics)
    assert (code, err) == (2, "digest: none.jsonl: there is no such file\n")
    broken = written("broken.jsonl", GOOD + '{"id": ')
    code, _, err = evaluated("relevance", "--papers", papers, "--papers", broken, "--topics", topics)
    assert code == 2
    assert "broken.jsonl:2: Invalid JSON" in err
    code, _, err = evaluated("relevance", "--papers", papers, "--topics", topics, "--methods", "magic")
    assert code == 2
    assert "magic" in err


# ---------------------------------------------------------------- real topics


@pytest.mark.skipif("DIGEST_TEST_DATA" not in os.environ, reason="DIGEST_TEST_DATA does not say where real topics are")
def test_on_keywords_that_authors_gave_ours_is_not_behind_the_usual_methods():
    data = Path(os.environ["DIGEST_TEST_DATA"]) / "topics"
    found = evaluate.relevance([([data / "venue_papers.jsonl.gz"], data / "author_keyword_topics.json")])
    best = max(means["ndcg@10"] for name, means in found.methods.items() if name != evaluate.OURS)
    assert found.methods[evaluate.OURS]["ndcg@10"] >= best
