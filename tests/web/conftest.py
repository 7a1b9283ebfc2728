"""A publication whose services are played by a small fake that writes down what it was asked to do."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest
from factories import PUBLICATION
from starlette.testclient import TestClient

from digest.errors import AddressError, BadLink, Busy, NotFound, SourceError
from digest.model import Cadence, Candidate, Card, Interest, Schedule, Standing, Subscriber, Topic
from digest.rendering.press import Item
from digest.services.library import Found, Hit, Page
from digest.services.profiles import Ballot, Pasted, Votes
from digest.web import create

TEMPLATES = Path(__file__).parents[2] / "templates"
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7*7 }}'

TOPICS = [
    Topic(1, "language-models", "Language models", "Training, serving and probing them"),
    Topic(2, "vision", "Computer vision"),
    Topic(3, "hostile", HOSTILE, HOSTILE),
]


def item(ordinal, title, **card):
    values: dict[str, object] = {
        "abstract": "We ask what happens. " * 40,
        "authors": ("Ada Lovelace", "Emmy Noether", "Sofya Kovalevskaya", "Mary Somerville", "Maria Agnesi"),
        "categories": ("cs.CL", "cs.LG"),
        "links": (
            ("abstract", f"https://arxiv.org/abs/2602.0{ordinal}"),
            ("pdf", f"https://arxiv.org/pdf/2602.0{ordinal}"),
        ),
        "announced": date(2026, 2, 5),
        **card,
    }
    frozen = Card(ordinal, title, **values)  # type: ignore[arg-type]
    line = "48 upvotes in 18 h, 3× the median of its day" if ordinal == 0 else ""
    return Item(Candidate(ordinal, frozen, datetime(2026, 2, 5, tzinfo=UTC), 1.0, line), ("it is new",), "trending")


class Subscriptions:
    """Knows the token `good`, and `old` that has expired; *acts* are the calls that would change something."""

    def __init__(self):
        self.acts: list[tuple[object, ...]] = []
        self.failing: Exception | None = None
        self.subscriber = Subscriber(
            7,
            "public",
            "alice@example.org",
            Standing.ACTIVE,
            Schedule(Cadence.WEEKLY, 9, "Asia/Tokyo", (3,)),
            Interest({1: 2.5}, ("proteins",), keywords=("kept",), exclusions=("blockchain",)),
        )

    def topics(self):
        return TOPICS

    def request(self, address, *wanted):
        if "@" not in address:
            raise AddressError(f"{address!r} has no @ in it")
        self._act("request", address, *wanted)

    def form_token(self, typed=""):
        return typed or "minute"

    def form_age(self, token):
        return {"minute": timedelta(minutes=1), "second": timedelta(seconds=1)}.get(token)

    def confirmable(self, token):
        return self.preferences(token)

    def refusable(self, token):
        if token != "old":
            self._check(token)

    def confirm(self, token, proof):
        self._check(token)
        self._act("confirm", proof)

    def never(self, token):
        if token != "old":
            self._check(token)
        self._act("never")

    def preferences(self, token):
        self._check(token)
        return self.subscriber

    def set(self, before, wanted):
        self._act("set", wanted)

    def leave(self, token):
        self._check(token)
        self._act("leave")

    def may_leave(self, token):
        self._check(token)

    def _check(self, token):
        if token != "good":
            raise BadLink(expired=token == "old")

    def _act(self, *act):
        if self.failing:
            raise self.failing
        self.acts.append(act)


class Editions:
    """Three days, the middle one empty."""

    def __init__(self):
        titles = ["Attention is mostly what you need", HOSTILE, "Three", "Four", "Five", "Six"]
        self.by_day = {
            date(2026, 2, 3): [item(0, "Alone")],
            date(2026, 2, 4): [],
            date(2026, 2, 5): [item(n, title) for n, title in enumerate(titles)],
        }

    def page(self, day, topic=None):
        days = sorted(self.by_day)
        day = day or max(days, default=None)
        if day not in self.by_day:
            return None
        earlier, later = [d for d in days if d < day], [d for d in days if d > day]
        return SimpleNamespace(
            date=day, items=self.by_day[day], earlier=max(earlier, default=None), later=min(later, default=None)
        )


class Library:
    """Knows the paper 7, also by its DOI."""

    hits = (Hit(item(8, HOSTILE).candidate.card, 0.5),)

    def page(self, name):
        if name not in ("7", "10.1000/7"):
            raise NotFound(f"there is no paper {name}")
        return Page(item(7, "Attention is mostly what you need").candidate, {"upvotes": 48}, list(self.hits))

    def search(self, query):
        return Found(list(self.hits), []) if query == "attention" else Found([], ["attention"])


class Curation:
    """Knows the curator AK, the paper 7, and that arXiv is down."""

    secrets = MappingProxyType({"AK": "opensesame-opensesame"})

    def __init__(self, subscriptions):
        self.subscriptions = subscriptions

    def proven(self, name, secret, ip):
        if secret == "the eleventh guess":
            raise Busy("too many wrong secrets")
        return self.secrets.get(name) == secret

    def pick(self, paper, by, note=""):
        if paper == "2601.00001":
            raise SourceError("arXiv is down")
        self.subscriptions.acts.append(("pick", paper, by, note))
        return Library().page(paper).candidate.card


class Profiles:
    def __init__(self, subscriptions):
        self.subscriptions = subscriptions

    def ballot(self, token, paper):
        card = Library().page(paper).candidate.card
        return Ballot(self.subscriptions.preferences(token), card, 1)

    def votes(self, subscriber):
        return Votes("good", [{"paper": 7, "title": HOSTILE, "value": 1}])

    def like(self, subscriber, pasted):
        if pasted:
            self.subscriptions._act("like", pasted)
        return Pasted([], ["2601.00002"] if pasted else [], [HOSTILE] if pasted else [])

    def reset(self, subscriber):
        self.subscriptions._act("reset")

    def vote(self, token, paper, value, origin):
        self.ballot(token, paper)
        self.subscriptions._act("vote", paper, value, origin)


class App(SimpleNamespace):
    def __init__(self):
        self.problems: list[str] = []
        subscriptions = Subscriptions()
        super().__init__(
            publication=replace(
                PUBLICATION, postal_address="1 Example Street\nExampletown", tagline="Papers worth your morning"
            ),
            settings=SimpleNamespace(
                web=SimpleNamespace(host="127.0.0.1", port=8000, trusted_proxies=(ip_network("10.0.0.0/8"),)),
                sign_up=SimpleNamespace(zone="Europe/Paris", hour=6),
            ),
            templates=(TEMPLATES,),
            subscriptions=subscriptions,
            profiles=Profiles(subscriptions),
            publish=Editions(),
            library=Library(),
            curation=Curation(subscriptions),
            doctor=SimpleNamespace(problems=lambda: self.problems),
        )


@contextmanager
def serving(app, **options):
    """A browser that does not follow redirects."""
    with TestClient(create(app), follow_redirects=False, **options) as client:  # type: ignore[arg-type]
        yield client


@pytest.fixture(name="serving")
def _serving():
    return serving


@pytest.fixture
def app():
    return App()


@pytest.fixture
def web(app):
    with serving(app) as client:
        yield client


@pytest.fixture(scope="module")
def public():
    """One for many requests."""
    with serving(App()) as client:
        yield client


@pytest.fixture
def acts(app):
    return app.subscriptions.acts


@pytest.fixture
def hostile():
    return HOSTILE
