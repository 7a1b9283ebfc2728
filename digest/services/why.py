"""Why a subscriber got a paper, or did not: every term of its score, its rank, and what stood in the way."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

from digest.catalog import Catalog
from digest.catalog.deliveries import Delivery
from digest.errors import NotFound
from digest.model import Candidate, Card, Edition, ReasonCode, Subscriber
from digest.ranking.compose import Ranker, Term, Wish
from digest.rendering.press import items
from digest.services.library import Library
from digest.services.publish import Publish

RANKS = 200
"""that are told"""

TOPICS = 3
"""that fit a paper best are tried for what would bring it"""

LAST = {
    ReasonCode.EXPLORE: "as a look beyond it comes last",
    ReasonCode.EVENT: "what happened to known papers comes last",
}


@dataclass(frozen=True)
class Why:
    """One paper before one subscriber, in one edition. Places and ranks count from 1."""

    card: Card
    edition: date
    turn: str
    state: str
    """of the delivery; both empty when none drew on this edition: it is told what would be sent now"""
    place: int | None
    """in the mail of so many *papers*"""
    papers: int
    reasons: tuple[str, ...]
    rank: int | None
    """among all that could be picked; None below RANKS"""
    score: float
    terms: list[tuple[str, float]]
    """what makes up the score; *recomputed*: from the frozen edition, by what the subscriber wants now"""
    recomputed: bool
    obstacles: list[str]
    changes: list[str]
    """each of which alone would bring the paper"""


_Drawn = tuple[Edition, Delivery | None]


class _Hurdle(NamedTuple):
    obstacle: str
    change: str
    without: Callable[[Wish], Wish]


@dataclass
class Explain:
    catalog: Catalog
    library: Library
    publish: Publish

    def why(self, reader: Subscriber, name: str, day: date | None = None) -> Why:
        """In the edition of *day*; by default in the one whose mail had the paper, else in the newest.

        Raises NotFound where there is no such paper or edition, or the edition does not have the paper.
        """
        card = self.library.find(name)
        numbers = self.catalog.papers.same().get(card.paper, frozenset({card.paper}))
        edition, delivery = self._edition(reader, numbers, day)
        choosing = self.publish.choosing
        paper = next((candidate for candidate in edition.candidates if candidate.card.paper in numbers), None)
        if paper is None:
            news = f"“{card.title}” became news too early or too late for the edition of {edition.date}"
            raise NotFound(f"{news}; `digest papers show {card.paper}` tells when")
        wish = choosing.wish(edition, reader, self.publish.clock(), delivery.digest if delivery else None)
        voted = wish._replace(votes=(*wish.votes, (paper.card.paper, 1)))
        ranker = choosing.ranker(edition, [voted])
        ranked = ranker.picks([_steered(wish._replace(count=RANKS), least=0.0, quota=0, explore=0)])[0]
        picks = delivery.digest.picks if delivery else choosing.picked(edition, [reader], [wish])[0]
        (place, own), (rank, like) = (
            next(((n, pick) for n, pick in enumerate(some, 1) if pick.ordinal == paper.ordinal), (None, None))
            for some in (picks, ranked)
        )
        terms = sorted(ranker.explain(wish, paper.ordinal), key=lambda term: -abs(term.value))
        score = worth = sum(term.value for term in terms)
        told = [(self._words(term, paper, edition), round(term.value, 3)) for term in terms]
        if final := own or like:
            score = final.score
            last = (LAST[reason.code] for reason in final.reasons if reason.code in LAST)
            if abs(score - worth) > 0.001 * max(worth, 1):  # frozen in half precision
                same = not (own and delivery) or own in ranker.picks([wish])[0]
                lost = next(last, "likeness with papers above" if same else "what was wanted then was not the same")
                told.append((lost, round(score - worth, 3)))
        missed: tuple[list[str], list[str]] = ([], [])
        missed = missed if own else self._missed(wish, voted, paper, ranker, edition, numbers)
        row = (delivery.digest.turn, delivery.state) if delivery else ("", "")
        reasons = items(edition, [own])[0].reasons if own else ()
        score, again = round(score, 3), delivery is not None
        return Why(card, edition.date, *row, place, len(picks), reasons, rank, score, told, again, *missed)

    def _edition(self, reader: Subscriber, numbers: Collection[int], day: date | None) -> _Drawn:
        """The edition, and the last delivery that drew on it."""
        past = [d for d in self.catalog.deliveries.of(subscriber=reader.id)[::-1] if d.digest.edition]
        papers = self.catalog.editions.papers(sorted({d.digest.edition for d in past}))
        had = (d for d in past if any(papers[d.digest.edition][pick.ordinal] in numbers for pick in d.digest.picks))
        sent = None if day else next(had, None)
        edition = self.catalog.editions.get(sent.digest.edition) if sent else self.publish.edition(day)
        if edition is None:
            raise NotFound(f"there is no edition {f'of {day}' if day else 'yet'}; run `digest publish`")
        return edition, sent or next((d for d in past if d.digest.edition == edition.id), None)

    def _missed(
        self, wish: Wish, voted: Wish, paper: Candidate, ranker: Ranker, edition: Edition, numbers: Collection[int]
    ) -> tuple[list[str], list[str]]:
        """What stands in the way, and what would bring it: found by trying."""

        def brought(tries: Iterable[Wish]) -> list[bool]:
            return [any(pick.ordinal == paper.ordinal for pick in picks) for picks in ranker.picks(list(tries))]

        hurdles = list(_hurdles(wish, paper, numbers))
        free = _without(wish, hurdles)
        alone = free._replace(had=np.array([c.card.paper for c in edition.candidates if c is not paper], np.int64))
        there, fits = brought([free, alone])
        helps = brought(hurdle.without(wish) for hurdle in hurdles)
        passes = brought(_without(wish, [other for other in hurdles if other is not hurdle]) for hurdle in hurdles)
        judged = list(zip(hurdles, helps, passes, strict=True))
        obstacles = [hurdle.obstacle for hurdle, helped, passed in judged if there and (helped or not passed)]
        changes = [hurdle.change for hurdle, helped, _ in judged if helped]
        if not there:
            obstacles = ["better papers, or almost the same" if fits else "nothing that is wanted fits it"]
        names = {t.id: t.name for t in self.catalog.topics.offered() if t.id not in wish.interest.topics}
        fit = {t.thing: t.value for t in ranker.explain(_following(wish, *names), paper.ordinal) if t.thing in names}
        best = sorted(fit, key=fit.__getitem__, reverse=True)[:TOPICS]
        tries = [(f"following {names[topic]}", _following(wish, topic)) for topic in best]
        tries.append(("a vote for it", voted))
        came = brought(tried for _, tried in tries)
        return obstacles, changes + [change for (change, _), brings in zip(tries, came, strict=True) if brings]

    def _words(self, term: Term, paper: Candidate, edition: Edition) -> str:
        match term.code:
            case ReasonCode.TOPIC:
                return f"topic {edition.topics.get(term.thing, term.thing)}"
            case ReasonCode.LIKED:
                voted = self.catalog.papers.cards([term.thing]).get(term.thing)
                return f"voted {'up' if term.value > 0 else 'down'}: {voted.title if voted else term.thing}"
            case ReasonCode.TREND:
                return f"trend: {paper.trend_line}"
            case None:
                return "it is wanted at all"
            case code:
                return f"{code.name.lower()} {term.thing}".strip()


def _hurdles(wish: Wish, paper: Candidate, numbers: Collection[int]) -> Iterator[_Hurdle]:
    steering, interest = wish.steering, wish.interest
    here = np.isin(wish.had, [*numbers])
    if here.any():
        yield _Hurdle("it was sent before", "not having had it", lambda w: w._replace(had=wish.had[~here]))
    if paper.since < wish.after:
        old = "it is older than what the mail is about"
        yield _Hurdle(old, "a mail that looks further back", lambda w: w._replace(after=paper.since))
    for muted in interest.exclusions:
        yield _Hurdle(f"“{muted}” is never to be shown", f"showing “{muted}”", partial(_showing, muted))
    if steering.languages:
        others = f"its language is none of {', '.join(steering.languages)}"
        yield _Hurdle(others, "reading all languages", lambda w: _steered(w, languages=()))
    least = f"it scores less than {steering.least:g}"
    yield _Hurdle(least, "a lower least score", lambda w: _steered(w, least=0.0))
    yield _Hurdle("its topic has all its places", "more papers per topic", lambda w: _steered(w, quota=0))
    yield _Hurdle("the last places are for something else", "no surprises", lambda w: _steered(w, explore=0))
    yield _Hurdle(f"the mail has {wish.count} papers at most", "a longer mail", lambda w: w._replace(count=RANKS))


def _without(wish: Wish, hurdles: Iterable[_Hurdle]) -> Wish:
    return reduce(lambda made, hurdle: hurdle.without(made), hurdles, wish)


def _steered(wish: Wish, **steering: Any) -> Wish:
    return wish._replace(steering=replace(wish.steering, **steering))


def _showing(muted: str, wish: Wish) -> Wish:
    kept = tuple(exclusion for exclusion in wish.interest.exclusions if exclusion != muted)
    return wish._replace(interest=replace(wish.interest, exclusions=kept))


def _following(wish: Wish, *topics: int) -> Wish:
    followed = {**wish.interest.topics, **dict.fromkeys(topics, 1.0)}
    return wish._replace(interest=replace(wish.interest, topics=followed))
