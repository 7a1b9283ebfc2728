"""Editions: what was opened stays as it was, cards by their content; and compiled stationery beside them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select

from digest.catalog import tables as t
from digest.catalog.store import Store
from digest.model import Candidate, Card, Edition


class Editions:
    def __init__(self, store: Store) -> None:
        self._store = store

    def open(
        self,
        day: date,
        now: datetime,
        candidates: Sequence[Candidate],
        topics: dict[int, str],
        notes: Sequence[str] = (),
    ) -> bool:
        """Freeze an edition; False, and nothing changes, when that date has one already."""
        with self._store.write() as db:
            if db.scalar(select(t.editions.c.id).where(t.editions.c.date == day)):
                return False
            row = {"date": day, "opened": now, "topics": {str(k): v for k, v in topics.items()}, "notes": list(notes)}
            number = db.scalar(insert(t.editions).values(row).returning(t.editions.c.id))
            cards = [_frozen(c.card) for c in candidates]
            if candidates:
                db.execute(self._store.ignoring(t.cards), [{"hash": h, "content": text} for h, text in cards])
                db.execute(
                    insert(t.candidates), [_row(number, c, h) for c, (h, _) in zip(candidates, cards, strict=True)]
                )
        return True

    def dates(self) -> list[date]:
        """Newest first."""
        with self._store.read() as db:
            return list(db.scalars(select(t.editions.c.date).order_by(t.editions.c.date.desc())))

    def of(self, day: date) -> Edition | None:
        with self._store.read() as db:
            number = db.scalar(select(t.editions.c.id).where(t.editions.c.date == day))
        return self.get(number) if number else None

    def get(self, number: int) -> Edition:
        c = t.candidates.c
        with self._store.read() as db:
            edition = db.execute(select(t.editions).where(t.editions.c.id == number)).one()
            rows = db.execute(
                select(t.candidates, t.cards.c.content)
                .join(t.cards, t.cards.c.hash == c.card)
                .where(c.edition_id == number)
                .order_by(c.ordinal)
            )
            found = tuple(
                Candidate(r.ordinal, _card(r.content), r.since, r.trend, r.trend_line, r.chance, r.event, r.happened)
                for r in rows
            )
        topics = {int(k): v for k, v in edition.topics.items()}
        return Edition(number, edition.date, edition.opened, found, topics, tuple(edition.notes or ()))

    def papers(self, numbers: Sequence[int]) -> dict[int, list[int]]:
        """Paper ids by ordinal, of several editions; without their cards."""
        c = t.candidates.c
        found: dict[int, list[int]] = {number: [] for number in numbers}
        with self._store.read() as db:
            wanted = select(c.edition_id, c.paper_id).where(c.edition_id.in_(numbers)).order_by(c.edition_id, c.ordinal)
            for edition, paper in db.execute(wanted):
                found[edition].append(paper)
        return found

    def keep_stationery(self, hash_: str, fingerprint: str, content: str) -> None:
        """What other files, or another compiler, have given before is found by the fingerprint of these from now on."""
        with self._store.write() as db:
            row = {"hash": hash_, "fingerprint": fingerprint, "content": content}
            kept = self._store.insert(t.stationery).values(row)
            db.execute(kept.on_conflict_do_update(index_elements=["hash"], set_={"fingerprint": fingerprint}))

    def stationery(self, *, hash_: str = "", fingerprint: str = "") -> str | None:
        """Compiled templates by content hash, or those last compiled from the files with this fingerprint."""
        s = t.stationery
        wanted = s.c.hash == hash_ if hash_ else s.c.fingerprint == fingerprint
        with self._store.read() as db:
            return db.scalar(select(s.c.content).where(wanted))


def _row(edition: int | None, candidate: Candidate, card: str) -> dict[str, Any]:
    return {
        "edition_id": edition, "ordinal": candidate.ordinal, "paper_id": candidate.card.paper, "card": card,
        "since": candidate.since, "trend": candidate.trend, "trend_line": candidate.trend_line,
        "chance": candidate.chance, "event": candidate.event, "happened": candidate.happened,
    }  # fmt: skip


def _frozen(card: Card) -> tuple[str, str]:
    content = json.dumps(asdict(card), ensure_ascii=False, sort_keys=True, default=date.isoformat)
    return hashlib.sha256(content.encode()).hexdigest()[:32], content


def _card(content: str) -> Card:
    values = json.loads(content)
    values["links"] = tuple((what, where) for what, where in values["links"])
    values["announced"] = date.fromisoformat(values["announced"])
    for name in ("authors", "categories"):
        values[name] = tuple(values[name])
    return Card(**values)
