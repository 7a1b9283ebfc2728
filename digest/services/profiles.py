"""What a subscriber's votes tell: taking them, and saying in words what was learned from them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from digest.catalog import Catalog
from digest.clock import Clock
from digest.errors import BadLink
from digest.links import Links, Purpose
from digest.model import NAMED, Batch, Card, Listing, Subscriber
from digest.services.library import Hit, Library
from digest.sources.cited import PASTED, cited

VALUES = {"up": 1, "down": -1, "none": 0}
"""of a vote, as links say it; `none` takes one back"""


@dataclass(frozen=True)
class Ballot:
    """A subscriber before a paper. *value*: their vote on it, 0 for none."""

    subscriber: Subscriber
    card: Card
    value: int


@dataclass(frozen=True)
class Votes:
    """A subscriber's *history* of votes, the latest first, and the *token* of links to vote."""

    token: str
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class Pasted:
    """What became of pasted papers: those that count from now on, those that do as soon as arXiv has told of them, and
    those that nobody can be asked about."""

    liked: list[Card]
    awaited: list[str]
    unknown: list[str]


@dataclass(frozen=True)
class Profile:
    """What was learned of a subscriber. *origins*: how many votes came by mail, page or pasting."""

    up: list[Card]
    down: list[Card]
    origins: dict[str, int]
    words: list[str]
    nearest: list[Hit]


@dataclass
class Profiles:
    catalog: Catalog
    links: Links
    library: Library
    clock: Clock

    def ballot(self, token: str, paper: str) -> Ballot:
        """Only looks. Raises BadLink, NotFound."""
        subscriber = self.catalog.subscribers.by_public_id(self.links.read(token, Purpose.VOTE))
        if subscriber is None or not subscriber.address:
            raise BadLink
        card = self.library.find(paper)
        votes = dict(self.catalog.votes.of([subscriber.id]).get(subscriber.id, ()))
        return Ballot(subscriber, card, votes.get(card.paper, 0))

    def vote(self, token: str, paper: str, value: int, origin: str) -> None:
        """Raises BadLink, NotFound."""
        ballot = self.ballot(token, paper)
        self.catalog.votes.put(ballot.subscriber.id, [ballot.card.paper], value, origin, self.clock())

    def votes(self, subscriber: Subscriber) -> Votes:
        """For their own page; its links let them change their mind."""
        token = self.links.sign(Purpose.VOTE, subscriber.public_id)
        return Votes(token, self.catalog.votes.history(subscriber.id)[::-1])

    def like(self, subscriber: Subscriber, pasted: str) -> Pasted:
        """Count the papers of a pasted text as voted up; those of arXiv that are unknown here get known by their ids.

        Nothing else of what was pasted is believed.
        """
        listings, papers, now = cited(pasted), self.catalog.papers, self.clock()
        known = papers.named(listings)
        lacking = [listing for listing, number in zip(listings, known, strict=True) if number is None]
        if bare := [_bare(listing.ids["arxiv"]) for listing in lacking if "arxiv" in listing.ids]:
            papers.take(PASTED, Batch(tuple(bare), news=False), now)
        counted = {number for number in papers.named(listings) if number is not None}
        self.catalog.votes.put(subscriber.id, counted, 1, PASTED, now)
        return Pasted(
            list(papers.cards({number for number in known if number is not None}).values()),
            [listing.title for listing in lacking if "arxiv" in listing.ids],
            [listing.title for listing in lacking if "arxiv" not in listing.ids],
        )

    def shown(self, subscriber: Subscriber) -> Profile:
        history = self.catalog.votes.history(subscriber.id)
        cards = self.catalog.papers.cards([vote["paper"] for vote in history])
        up, down = ([cards[v["paper"]] for v in history if v["value"] == value] for value in (1, -1))
        texts = [f"{card.title} {card.abstract}" for card in up]
        origins = dict(Counter(vote["origin"] for vote in history))
        if not texts:
            return Profile(up, down, origins, [], [])
        nearest = self.library.similar([(text, 1.0) for text in texts], cards)
        return Profile(up, down, origins, self.library.telling(texts), nearest)

    def reset(self, subscriber: Subscriber) -> int:
        """Forget every vote; how many."""
        return self.catalog.votes.reset(subscriber.id)


def _bare(arxiv: str) -> Listing:
    links = {"abstract": f"https://arxiv.org/abs/{arxiv}"}
    return Listing(PASTED, arxiv, arxiv, ids={"arxiv": arxiv}, links=links, announce_type=NAMED)
