"""Values with defaults; a test says only what matters to it."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from digest.model import (
    Batch,
    Candidate,
    Card,
    Digest,
    Interest,
    Listing,
    Memory,
    Pick,
    Publication,
    Reason,
    ReasonCode,
    Schedule,
    Standing,
    Subscriber,
    Topic,
)

NOW = datetime(2026, 1, 16, 7, 30, tzinfo=UTC)
numbers = count(1)

PUBLICATION = Publication(
    name="Example Digest",
    sender="digest@news.example.org",
    base_url="https://news.example.org",
    list_id="papers.news.example.org",
    postal_address="1 Example Street, 12345 Example",
)


def listing(arxiv="", doi="", url="", source="arxiv", **fields):
    n = next(numbers)
    ids = {scheme: value for scheme, value in (("arxiv", arxiv), ("doi", doi), ("url", url)) if value}
    defaults = {
        "key": arxiv or doi or url or f"key-{n}", "title": f"Paper {n}", "abstract": f"An abstract of paper {n}.",
        "authors": ("Ada Lovelace",), "categories": ("cs.CL",), "announced": NOW - timedelta(hours=2),
        "links": {"abstract": f"https://example.org/{n}"},
    }  # fmt: skip
    return Listing(source, ids=ids, **{**defaults, **fields})


def batch(*listings, **fields):
    return Batch(tuple(listings), fields.pop("memory", Memory(etag="e")), **fields)


def card(paper=0, title="", **fields):
    n = paper or next(numbers)
    defaults = {
        "abstract": f"We study retrieval in paper {n}. It works.", "authors": ("Ada Lovelace", "Alan Turing"),
        "categories": ("cs.CL",), "links": (("abstract", f"https://example.org/{n}"),), "announced": NOW.date(),
    }  # fmt: skip
    return Card(n, title or f"Paper {n}", **{**defaults, **fields})


def candidate(ordinal=0, card_=None, **fields):
    defaults = {"since": NOW - timedelta(hours=2)}
    return Candidate(ordinal, card_ or card(ordinal + 1), **{**defaults, **fields})


def topic(id=1, name="Retrieval", **fields):
    defaults = {"slug": name.lower().replace(" ", "-"), "description": f"Papers about {name.lower()}.", "keywords": ()}
    return Topic(id, name=name, **{**defaults, **fields})


def subscriber(id=0, address="", **fields):
    n = next(numbers)
    defaults = {
        "public_id": f"public-{n}", "standing": Standing.ACTIVE, "schedule": Schedule(), "interest": Interest(),
        "since": NOW - timedelta(days=30),
    }  # fmt: skip
    return Subscriber(id, address=address or f"reader{n}@example.org", **{**defaults, **fields})


def pick(ordinal=0, score=1.0, *reasons):
    return Pick(ordinal, score, reasons or (Reason(ReasonCode.FRESH),))


def digest(subscriber=1, turn="2026-01-16", picks=(), **fields):
    defaults = {
        "edition": 1, "template": "", "message_id": f"m{next(numbers)}@example.org",
        "date": NOW, "deadline": NOW + timedelta(days=1),
    }  # fmt: skip
    return Digest(0, subscriber, turn, picks=tuple(picks), **{**defaults, **fields})


def as_before(path):
    """A database with the oldest schema that is upgraded."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(Path(__file__).with_name("data").joinpath("schema-0002.sql").read_text())


def take(catalog, *listings, source="arxiv", now=NOW):
    return catalog.papers.take(source, batch(*listings), now)


def titles(catalog, now=NOW):
    """What became news in the last week."""
    return [card.title for card, _ in catalog.papers.news(now - timedelta(days=7), now)]
