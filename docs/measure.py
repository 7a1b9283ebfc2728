"""Makes the tables and plots of ranking.md from a folder of papers, topics and outcomes: python docs/measure.py DATA.

The files are those that `digest evaluate` reads; relevance takes some minutes for twenty thousand papers.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

from digest.services import evaluate

HERE = Path(__file__).parent
VOTES = (0, 1, 5, 20)
WORDS = ("keyword", "bm25", "tfidf")
RESAMPLES = 10_000
COLOURS = ("#b31b1b", "#1f5f8b", "#6b7280", "#c98a1b")


def relevance(data: Path) -> None:
    """nDCG@10 by set, method and number of votes; ahead of the best of the usual methods, topic by topic."""
    sets = {
        "curated topics": (
            [data / "hf_daily/papers.jsonl.gz", data / "arxiv/listings.jsonl.gz"],
            "curated_topics.json",
        ),
        "author keywords": ([data / "topics/venue_papers.jsonl.gz"], "author_keyword_topics.json"),
    }
    ours, best, curves = [], [], {}
    for name, (files, topics) in sets.items():
        known = evaluate.papers(files)
        places = {paper.id: place for place, paper in enumerate(known)}
        judged = [t for t in evaluate.topics(data / "topics" / topics) if sum(p in places for p in t.relevant) > 1]

        values = partial(judged_by, known, places, judged)
        print(f"\n| {name}: {len(judged)} topics, {len(known):,} papers | nDCG@10 | nDCG@20 | MAP | recall@50 |")
        print("| --- | --- | --- | --- | --- |")
        rows = {}
        for method in ("digest", *WORDS):
            rows[method] = values(method, 0)
            print(f"| {method} |" + "".join(f" {value:.3f} |" for value in rows[method].mean(axis=0)))
        strongest = max(WORDS, key=lambda method: rows[method][:, 0].mean())
        ours.append(rows["digest"][:, 0])
        best.append(rows[strongest][:, 0])
        curves[name] = {method: {0: rows[method][:, 0].mean()} for method in ("digest", strongest)}
        curves[name]["svm"] = {}
        for votes in VOTES[1:]:
            for method in ("digest", "svm"):
                curves[name][method][votes] = values(method, votes)[:, 0].mean()
            curves[name][strongest][votes] = curves[name][strongest][0]
        print(f"\n| {name}, nDCG@10 | " + " | ".join(f"{votes} votes" for votes in VOTES) + " |")
        print("| --- |" + " --- |" * len(VOTES))
        for method in ("digest", "svm"):
            found = curves[name][method]
            print(f"| {method} |" + "".join(f" {found[v]:.3f} |" if v in found else " – |" for v in VOTES), flush=True)
    one, other = np.concatenate(ours), np.concatenate(best)
    draws = np.random.default_rng(0).integers(0, len(one), (RESAMPLES, len(one)))
    ratios = one[draws].sum(axis=1) / other[draws].sum(axis=1)
    means = " and ".join(f"{a.mean() / b.mean():.3f}×" for a, b in zip(ours, best, strict=True))
    low, high = np.percentile(ratios, (2.5, 97.5))
    print(
        f"\nOver the best of the usual methods: {means}; all {len(one)} topics together {one.sum() / other.sum():.3f}×,"
    )
    print(f"95 % of {RESAMPLES:,} paired resamples between {low:.3f}× and {high:.3f}×.")
    (HERE / "votes.svg").write_text(curve_plot(curves), "utf-8")


def judged_by(known, places, judged, method: str, votes: int) -> np.ndarray:
    """topics × measures"""
    tasks = [evaluate.task(topic, places, votes, 0) for topic in judged]
    return evaluate.judge(evaluate.METHODS[method], known, tasks, 0)


def trend(data: Path) -> None:
    """Early trend against late upvotes."""
    files = data / "hf_daily/papers.jsonl.gz", data / "hf_daily/late_upvotes.jsonl.gz"
    found = evaluate.trend(*files)
    print("\n| mean over days | Spearman | precision@5 |\n| --- | --- | --- |")
    for method, means in found.methods.items():
        print(f"| {method} |" + "".join(f" {value:.3f} |" for value in means.values()))
    parts = axes("Spearman with late upvotes, a dot a day", 50)
    parts.append('<path d="M50 220L310 40" stroke="#9ca3af" stroke-dasharray="4"/>')
    parts.append('<text x="310" y="240" text-anchor="end">early upvotes alone →, 0 to 1</text>')
    parts.append('<text x="56" y="52">↑ our trend, 0 to 1</text>')
    for day in found.days:
        ours, early = (max(day.methods[name]["spearman"], 0) for name in (evaluate.OURS, "early upvotes"))
        parts.append(f'<circle cx="{50 + 260 * early:.1f}" cy="{220 - 180 * ours:.1f}" r="4" fill="{COLOURS[0]}"/>')
    (HERE / "trend.svg").write_text(svg(360, parts), "utf-8")


def axes(title: str, x: int) -> list[str]:
    return [
        f'<text x="{x}" y="24" font-weight="600">{title}</text>',
        f'<path d="M{x} 40V220H{x + 260}" fill="none" stroke="#9ca3af"/>',
    ]


def curve_plot(curves: dict[str, dict[str, dict[int, float]]]) -> str:
    """A panel for each set; votes from left to right at equal steps."""
    parts = []
    for panel, (name, methods) in enumerate(curves.items()):
        left = 50 + panel * 350
        top = max(value for found in methods.values() for value in found.values()) * 1.1
        parts += axes(name, left)
        parts += [
            f'<text x="{left + 30 + 70 * i}" y="240" text-anchor="middle">{v}</text>' for i, v in enumerate(VOTES)
        ]
        ticks = np.linspace(0, top, 5)
        parts += [f'<text x="{left - 6}" y="{224 - 180 * t / top:.0f}" text-anchor="end">{t:.2f}</text>' for t in ticks]
        for (method, found), colour in zip(methods.items(), COLOURS, strict=False):
            points = [(left + 30 + 70 * VOTES.index(v), 220 - 180 * value / top) for v, value in sorted(found.items())]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
            x, y = points[-1]
            parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{method}</text>')
    return svg(720, parts)


def svg(width: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 260" font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{width}" height="260" fill="#fff"/>', *parts, "</svg>\n"])


if __name__ == "__main__":
    relevance(Path(sys.argv[1]))
    trend(Path(sys.argv[1]))
