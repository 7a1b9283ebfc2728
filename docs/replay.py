"""Ten days of arXiv and Hugging Face Daily Papers for six invented readers: python docs/replay.py DATA > replay.md.

Each day's papers are written as the documents that the sources would have served, and go through the real services.
"""

import gzip
import json
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

from digest import app as wiring
from digest.model import Cadence, Interest, Schedule
from digest.rendering.press import items

DAYS = [
    *("2025-12-18", "2025-12-19", "2026-01-05", "2026-01-07", "2026-01-08"),
    *("2026-01-09", "2026-01-26", "2026-01-28", "2026-01-29", "2026-01-30"),
]
CONFIG = """
publication: {postal_address: Nowhere 1}
publish: {at: "13:00", wait: 0}
topics: library
sources:
  - {name: arXiv, kind: arxiv, url: "file:arxiv.xml"}
  - {name: Daily Papers, kind: hf_daily, url: "file:daily.json"}
"""
DAILY, FRIDAYS = Schedule(Cadence.DAILY, 14), Schedule(Cadence.WEEKLY, 14, "UTC", (5,))
# who, what they follow, topics, in their own words, ruled out, when, and what the titles have that they vote up
READERS = [
    ("Ada", "agents", ("llm-agents", "computer-use-agents"), ("agents that write and repair software",), (), DAILY, ""),
    ("Bo", "robots", ("robot-learning", "vision-language-action"), (), ("autonomous driving",), DAILY, ""),
    ("Chen", "medicine, on Fridays", ("medical-ai", "medical-imaging"), (), (), FRIDAYS, ""),
    ("Dana", "scenes in 3D", ("3d-reconstruction", "3d-generation"), (), ("autonomous driving",), DAILY, ""),
    ("Emeka", "many languages", ("multilingual-nlp", "machine-translation"), ("African languages",), (), DAILY, ""),
    (
        "Farah",
        "votes for what makes inference cheap",
        ("efficient-inference",),
        (),
        (),
        DAILY,
        "speculative cache quant",
    ),
]
ITEM = """<item><title>{title}</title><link>https://arxiv.org/abs/{id}</link>
<description>arXiv:{id}v1 Announce Type: new\nAbstract: {abstract}</description>
<guid isPermaLink="false">oai:arXiv.org:{id}v1</guid>{categories}<pubDate>{date}</pubDate>
<arxiv:announce_type>new</arxiv:announce_type><dc:creator>{authors}</dc:creator></item>"""
FEED = """<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:arxiv="http://arxiv.org/schemas/atom"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>arXiv</title><link>https://rss.arxiv.org/rss/cs</link>
<description>cs</description><pubDate>{date}</pubDate>{items}</channel></rss>"""


def rows(path: Path) -> list[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def announced(papers: list[dict[str, object]], day: str) -> str:
    date = format_datetime(datetime.fromisoformat(f"{day}T05:00:00+00:00"))

    def item(paper: dict[str, object]) -> str:
        plain = {name: escape(str(paper[name])) for name in ("id", "title", "abstract")}
        names = escape(", ".join(paper["authors"]))
        filed = "".join(f"<category>{escape(name)}</category>" for name in paper["categories"])
        return ITEM.format(**plain, authors=names, categories=filed, date=date)

    return FEED.format(date=date, items="".join(map(item, papers)))


def picked(papers: list[dict[str, object]]) -> str:
    found = []
    for paper in papers:
        inner = {
            "id": paper["id"], "title": paper["title"], "summary": paper["abstract"], "upvotes": paper["upvotes"],
            "authors": [{"name": name} for name in paper["authors"]], "publishedAt": paper["published_at"],
            "submittedOnDailyAt": paper["submitted_at"], "githubRepo": paper["github_repo"],
            "githubStars": paper["github_stars"],
        }  # fmt: skip
        given = {name: value for name, value in inner.items() if value is not None}
        found.append({"paper": given, "numComments": paper["num_comments"], "publishedAt": paper["published_at"]})
    return json.dumps(found)


def replay(data: Path, folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG)
    listings, dailies = rows(data / "arxiv/listings.jsonl.gz"), rows(data / "hf_daily/papers.jsonl.gz")
    told: dict[str, list[str]] = {name: [] for name, *_ in READERS}
    people = {}
    for day in DAYS:
        now = datetime.fromisoformat(f"{day}T14:30:00").replace(tzinfo=UTC)
        (folder / "arxiv.xml").write_text(announced([p for p in listings if p["listed"] == day], day), "utf-8")
        (folder / "daily.json").write_text(picked([p for p in dailies if p["day"] == day]), "utf-8")
        app = wiring.load(folder / "config.yaml", lambda now=now: now)
        if not people:
            known = {topic.slug: topic.id for topic in app.catalog.topics.offered()}
            for name, _, topics, texts, exclusions, schedule, _ in READERS:
                interest = Interest(dict.fromkeys(map(known.__getitem__, topics), 1.0), texts, exclusions=exclusions)
                people[name] = app.subscriptions.add(f"{name}@lab.example", interest, schedule, "invented", count=5)
        for collected in app.collect.collect():
            print(day, collected.source, collected.error or collected.taken, file=sys.stderr)
        app.publish.open(wait=False)
        app.publish.compose()
        for name, _, _, _, _, _, liked in READERS:
            found = app.catalog.deliveries.of(subscriber=people[name].id)
            newest = max(
                (d for d in found if d.digest.date == now.replace(microsecond=0)),
                key=lambda d: d.digest.id,
                default=None,
            )
            if newest is None or not newest.digest.picks:
                told[name].append(f"| {day} | *{newest.reason if newest else 'no turn'}* | |")
                continue
            for item in items(app.publish.edition(), newest.digest.picks):
                card = item.candidate.card
                told[name].append(f"| {day} | {card.title.replace('|', ' ')} | {' · '.join(item.reasons)} |")
                if liked and any(word in card.title.casefold() for word in liked.split()):
                    app.catalog.votes.put(people[name].id, [card.paper], 1, "page", now + timedelta(hours=1))
    for name, follows, *_ in READERS:
        print(f"\n<details>\n<summary>{name}: {follows}</summary>\n\n| day | paper | why |\n| --- | --- | --- |")
        print(*told[name], "\n</details>", sep="\n")


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        replay(Path(sys.argv[1]), Path(made))
