from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from factories import PUBLICATION

from digest.model import Candidate, Card, Digest, Edition, Pick, Reason, ReasonCode
from digest.rendering.press import Press, Urls
from digest.rendering.stationery import compiled

MORNING = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture(scope="session")
def templates():
    return Path(__file__).parents[2] / "templates"


@pytest.fixture(scope="session")
def publication():
    address = "Example Lab, 1 Library Street, 12345 Sampletown"
    return replace(PUBLICATION, postal_address=address, tagline="New research, ranked for you")


@pytest.fixture(scope="session")
def stationery(templates, publication):
    return compiled("digest", [templates], publication)


@pytest.fixture
def paper():
    def make(title="Reading longer contexts", **fields):
        plain = Card(
            paper=1,
            title=title,
            abstract="We retrieve passages. They help a little.",
            authors=("Ada Example", "Ben Sample"),
            categories=("cs.CL",),
            links=(("abstract", "https://papers.example.org/1"), ("pdf", "https://papers.example.org/1.pdf")),
            announced=date(2026, 11, 21),
        )
        return replace(plain, **fields)

    return make


@pytest.fixture
def edition():
    def make(*cards, **fields):
        candidates = (Candidate(n, card, MORNING, trend=1.0, **fields) for n, card in enumerate(cards))
        return Edition(3, MORNING.date(), MORNING, tuple(candidates), {1: "Long context", 2: "Agents"})

    return make


@pytest.fixture
def digest():
    def make(picks=1, **fields):
        if isinstance(picks, int):
            picks = [Pick(n, 1.0, (Reason(ReasonCode.TOPIC, 1),)) for n in range(picks)]
        made = Digest(
            *(7, 9, "2026-11-22", 3, tuple(picks), "hash", "turn-7@news.example.org"),
            MORNING,
            MORNING + timedelta(days=1),
        )
        return made._replace(**fields)

    return make


@pytest.fixture
def urls():
    return Urls(
        unsubscribe="https://news.example.org/u/1.a.AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
        preferences="https://news.example.org/preferences/1.a.AbCdEfGhIjKlMnOpQrStUv0123",
        online="https://news.example.org/editions/2026-11-22",
        vote="https://news.example.org/vote/1.a.AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
    )


@pytest.fixture
def press_of(stationery, edition):
    """The press for an edition of these cards."""
    return lambda *cards, trend_line="": Press(stationery, edition(*cards, trend_line=trend_line))


@pytest.fixture
def press(press_of, paper):
    cards = [paper(f"Paper number {n}", paper=n) for n in range(12)]
    return press_of(*cards, trend_line="48 upvotes in 18 h, 3× the median of its day")
