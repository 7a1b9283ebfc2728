"""What subscribers think of papers: one vote for each paper, up or down."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from digest.catalog import tables as t
from digest.catalog.store import Store


class Votes:
    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, subscriber: int, papers: Collection[int], value: int, origin: str, now: datetime) -> None:
        """Remember +1 or -1 for each of these papers, in the place of an earlier vote on it; 0 withdraws them."""
        v = t.votes
        with self._store.write() as db:
            before = (v.c.subscriber_id == subscriber) & self._store.among(v.c.paper_id, papers)
            db.execute(delete(v).where(before))
            said = {"subscriber_id": subscriber, "value": 1 if value > 0 else -1, "at": now, "origin": origin}
            if value and papers:
                db.execute(self._store.ignoring(v), [said | {"paper_id": paper} for paper in papers])

    def of(self, subscribers: Collection[int]) -> dict[int, tuple[tuple[int, int], ...]]:
        """(paper, +1 or -1) by subscriber, the oldest vote first; who has not voted is left out."""
        v = t.votes.c
        wanted = select(v.subscriber_id, v.paper_id, v.value).where(self._store.among(v.subscriber_id, subscribers))
        found: dict[int, list[tuple[int, int]]] = {}
        with self._store.read() as db:
            readers, *votes = self._store.columns(db, wanted.order_by(v.subscriber_id, v.at, v.paper_id))
        for who, vote in zip(readers, zip(*votes, strict=True), strict=True):
            found.setdefault(who, []).append(vote)
        return {who: tuple(votes) for who, votes in found.items()}

    def texts(self, papers: Collection[int]) -> dict[int, str]:
        """Title and abstract of each paper that there is."""
        p = t.papers.c
        with self._store.read() as db:
            rows = db.execute(select(p.id, p.title, p.abstract).where(self._store.among(p.id, papers)))
            return {number: f"{title}\n{abstract}" for number, title, abstract in rows}

    def history(self, subscriber: int) -> list[dict[str, Any]]:
        """Every vote with its paper's title, for an export; the oldest first."""
        v, p = t.votes.c, t.papers.c
        wanted = select(v.paper_id.label("paper"), p.title, v.value, v.at, v.origin).join_from(t.votes, t.papers)
        with self._store.read() as db:
            return [dict(r._mapping) for r in db.execute(wanted.where(v.subscriber_id == subscriber).order_by(v.at))]

    def reset(self, subscriber: int) -> int:
        """Forget all votes of a subscriber; how many."""
        with self._store.write() as db:
            return db.execute(delete(t.votes).where(t.votes.c.subscriber_id == subscriber)).rowcount
