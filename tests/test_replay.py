"""Three weeks of January 2026 through the real sources and services; the world is made here, and so are its troubles.

The 5th, 12th and 19th are Mondays; the 19th is a holiday, after whose evening there is no batch on the 20th.
"""

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Clock

from digest import config, schedule
from digest.app import App
from digest.errors import SourceError
from digest.model import Interest, Schedule
from digest.sources import calendar
from digest.sources.http import Answer

CONFIG = """\
publication: {name: Example, sender: digest@news.example.org, postal_address: "1 Example Street, 12345 Example"}
sources:
  - {name: arXiv, kind: arxiv, categories: [cs.AI, cs.CL]}
  - {name: Hugging Face, kind: hf_daily}
  - {name: Journal, kind: feed, url: https://journal.example/rss}
  - {name: Letters, kind: feed, url: https://letters.example/rss}
"""
FIRST, LAST = date(2026, 1, 5), date(2026, 1, 23)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
DOWN = {"Journal": (13, 14, 15), "Hugging Face": (20, 21, 22)}
BARE = 21
"""from then on, Letters has no abstracts"""
LATE, NEVER = 14, 15
"""cs.AI is announced in the afternoon of one day, and its feed leaves out another"""


def paper(kind, day, n=0):
    """Title and abstract, unlike those of any other."""
    chance = Random(f"{kind} {day} {n}")
    words = ["".join(chance.choices("abdeiklmnorstu", k=7)) for _ in range(12)]
    return f"{kind} of {day} number {n}: {' '.join(words[:4])}", f"We study {' '.join(words)}."


def number(day, category, n):
    return f"{day:%y%m}.{day.day:02}{['AI', 'CL'].index(category[3:])}{n:02}"


def rss(items, dated):
    entries = "".join(
        f"<item><title>{title}</title><link>{link}</link><guid>{guid}</guid>{extra}"
        f"<pubDate>{at:%a, %d %b %Y %H:%M:%S} +0000</pubDate></item>"
        for title, link, guid, at, extra in items
    )
    head = '<rss version="2.0" xmlns:arxiv="http://arxiv.org/schemas/atom"><channel><title>x</title>'
    return f"{head}<lastBuildDate>{dated}</lastBuildDate>{entries}</channel></rss>".encode()


class World:
    """What the servers answer at the clock's time."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = []

    def get(self, url, memory=None, accept="", *, internal=False):
        self.asked.append(url)
        now, parts = self.clock(), urlsplit(url)
        answers = {"rss.arxiv.org": self._rss, "export.arxiv.org": self._api, "huggingface.co": self._daily}
        name = {"huggingface.co": "Hugging Face", "journal.example": "Journal"}.get(parts.netloc)
        if now.day in DOWN.get(name, ()):
            raise SourceError(f"{url} answered 500; the server is in trouble")
        return Answer(url, answers.get(parts.netloc, self._feed)(now, url))

    def _rss(self, now, url):
        day = now.astimezone(calendar.ZONE).date()
        of = {category: day for category in ("cs.AI", "cs.CL")} if calendar.announces(day) else {}
        if of and (day.day == NEVER or (day.day == LATE and now.hour < 14)):
            of["cs.AI"] = day - timedelta(days=1)  # yesterday's, under the date of today
        items = [
            (
                (title := paper(category, shown, n))[0],
                f"https://arxiv.org/abs/{number(shown, category, n)}",
                f"oai:arXiv.org:{number(shown, category, n)}v1",
                calendar.begins(day),
                f"<category>{category}</category><description>Abstract: {title[1]}</description>"
                "<arxiv:announce_type>new</arxiv:announce_type>",
            )
            for category, shown in of.items()
            for n in range(2)
        ]
        return rss(items, now)

    def _api(self, now, url):
        query = parse_qs(urlsplit(url).query)["search_query"][0]
        first = datetime.strptime(re.search(r"\[(\d+)", query)[1], "%Y%m%d%H%M").replace(tzinfo=UTC)
        [day] = [day for day in DAYS if calendar.announces(day) and calendar.submitted(day)[0] == first]
        entries = "".join(
            f"<entry><id>http://arxiv.org/abs/{number(day, category, n)}v1</id><title>{paper(category, day, n)[0]}"
            f"</title><summary>{paper(category, day, n)[1]}</summary><published>{first.isoformat()}</published>"
            f'<category term="{category}"/></entry>'
            for category in ("cs.AI", "cs.CL")
            for n in range(2)
        )
        return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title>{entries}</feed>'.encode()

    def _daily(self, now, url):
        asked = parse_qs(urlsplit(url).query).get("date")
        day = date.fromisoformat(asked[0]) if asked else (now - timedelta(hours=3)).date()
        while not asked and day.isoweekday() > 5:
            day -= timedelta(days=1)
        at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=3)
        title, abstract = paper("community", day)
        whole = {
            "id": f"2601.9{day.day:04}",
            "title": title,
            "summary": abstract,
            "authors": [{"name": f"Ann {day.day}"}],
        }
        votes = int((now - at).total_seconds() // 3600)
        item = {
            "paper": whole | {"upvotes": votes, "submittedOnDailyAt": f"{at:%Y-%m-%dT%H:%M:%S.000Z}"},
            "numComments": 0,
        }
        return json.dumps([item] if day.isoweekday() <= 5 else []).encode()

    def _feed(self, now, url):
        kind = urlsplit(url).netloc.partition(".")[0]
        past = [(now - timedelta(hours=5)).date() - timedelta(days=n) for n in range(14)]
        items = [
            (
                title,
                f"https://{kind}.example/{day}",
                f"{kind}-{day}",
                datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=5),
                "" if kind == "letters" and now.day >= BARE else f"<description>{abstract}</description>",
            )
            for day in past
            if day.isoweekday() <= 5
            for title, abstract in [paper(kind, day)]
        ]
        return rss(items, now)


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    """The app after it ran through all days, with what it said each morning when the edition opened."""
    clock = Clock(datetime(2026, 1, 5, 5, 30, tzinfo=UTC))
    (path := tmp_path_factory.mktemp("replay") / "config.yaml").write_text(CONFIG)
    app = App(config.load(path), clock)
    app.http = World(clock)
    app.subscriptions.add("ada@example.org", Interest(), Schedule(hour=8), "asked", count=50, after=clock.now)
    states, opened = {}, {}
    for day in DAYS:
        for hour in (5.5, 6, 7.5, 8, 15):
            clock.now = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)
            schedule.collect_if_due(app)
            if app.publish.open().new:
                opened[day.day] = clock.now
                states[day.day] = {report.title: report.health.value for report in app.doctor.reports(clock.now)}
            app.publish.compose()
    yield app, states, opened
    app.catalog.store.engine.dispose()


def test_two_weeks_with_every_trouble(replay):
    app, states, opened = replay
    fresh = {
        "arXiv cs.AI": "fresh",
        "arXiv cs.CL": "fresh",
        "Hugging Face": "fresh",
        "Journal": "fresh",
        "Letters": "fresh",
    }
    quiet = dict.fromkeys(fresh, "quiet")
    no_batch = {"arXiv cs.AI": "quiet", "arXiv cs.CL": "quiet"}
    assert states == {
        **{day: fresh for day in (5, 6, 7, 8, 9, 12, 16, 19)},
        **{day: quiet for day in (10, 11, 17, 18)},
        13: fresh | {"Journal": "broken"},
        **{day: fresh | {"Journal": "broken", "arXiv cs.AI": "stale"} for day in (LATE, NEVER)},
        20: fresh | no_batch | {"Hugging Face": "broken"},
        **{day: fresh | {"Hugging Face": "broken", "Letters": "changed-shape"} for day in (21, 22)},
        23: fresh | {"Letters": "changed-shape"},
    }  # fmt: skip
    notes = {day: app.catalog.editions.of(date(2026, 1, day)).notes for day in range(5, 24)}
    assert {day: said for day, said in notes.items() if said} == {
        13: ("Journal could not be read since 12 January",),
        LATE: ("cs.AI not announced yet", "Journal could not be read since 12 January"),
        NEVER: ("cs.AI not announced yet", "Journal could not be read since 12 January"),
        20: ("Hugging Face could not be read since 19 January",),
        21: ("Hugging Face could not be read since 19 January", "Letters: no abstracts since 21 January"),
        22: ("Hugging Face could not be read since 19 January", "Letters: no abstracts since 21 January"),
        23: ("Letters: no abstracts since 21 January",),
    }
    late = {day: f"{at:%H:%M}" for day, at in opened.items() if (at.hour, at.minute) != (6, 0)}
    assert late == {13: "07:30", LATE: "07:30", NEVER: "07:30", 20: "07:30"}, "waited for what is expected, for a day"


def test_nothing_is_lost_and_nothing_comes_twice(replay):
    app, _, _ = replay
    sent = Counter(chain.from_iterable(_titles(app, row) for row in app.catalog.deliveries.of()))
    announced = {
        paper(kind, day, n)[0]
        for day in DAYS
        for kind in ("cs.AI", "cs.CL", "community", "journal", "letters")
        for n in range(2 if kind[:2] == "cs" else 1)
        if (calendar.announces(day) if kind[:2] == "cs" else day.isoweekday() <= 5)
    }
    assert announced - sent.keys() == set()
    assert [title for title, times in sent.items() if times > 1] == []
    older = sent.keys() - announced
    assert all(re.search(r"2026-01-0[1-4]|2025-12-3[01]", title) for title in older), "the baseline is no news"


def test_what_was_missed_was_asked_for_once(replay):
    app, _, _ = replay
    asked = Counter(app.http.asked)
    past = Counter({url: n for url, n in asked.items() if "export.arxiv.org" in url})
    assert [re.findall(r"%5B(\d{8})", url) for url in past] == [["20260113"]]
    assert set(past.values()) == {1}
    lists = {url[-2:]: n for url, n in asked.items() if "?date=" in url}
    assert all(f"{day}" in lists for day in DOWN["Hugging Face"])
    assert max(lists.values()) <= 10, "a day's list is looked at again, ever more rarely"


def test_the_mail_of_that_day_says_it(replay):
    app, _, _ = replay
    [row] = [row for row in app.catalog.deliveries.of() if row.digest.turn == "2026-01-14"]
    message = app.printing.message(row.digest, app.subscriptions.find("ada@example.org")).replace(b"=\r\n", b"")
    assert (
        b" ".join(message.split()).count(
            b"Incomplete: cs.AI not announced yet; Journal could not be read since 12 January."
        )
        == 2
    )


def _titles(app, row):
    edition = app.catalog.editions.get(row.digest.edition) if row.digest.picks else None
    return [edition.candidates[pick.ordinal].card.title for pick in row.digest.picks] if edition else []
