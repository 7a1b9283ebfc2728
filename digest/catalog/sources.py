"""Sources: what each remembers, on which days it brought something, and what its entries have always had."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, func, select

from digest.catalog import tables as t
from digest.catalog.store import Store
from digest.model import Batch, Memory, SourceDay, SourceRecord

HISTORY = timedelta(days=70)
"""days this far back tell the rhythm of a source"""

MOST, FEW, ENOUGH = 0.7, 0.1, 3
"""shares of at least so many entries: what MOST had and only FEW have is lacking"""

ACCEPTED = timedelta(days=14)
"""what has been lacking for so long was not lost but left out, and belongs to the shape no more"""


class Sources:
    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, now: datetime) -> list[SourceRecord]:
        """By name, with the days of the last ten weeks."""
        s, d = t.sources, t.source_days
        wanted = select(d.c.source, d.c.part, d.c.day, d.c.brought, d.c.asked, d.c.failures)
        lately = wanted.where(d.c.day > (now - HISTORY).date()).order_by(d.c.source, d.c.part, d.c.day)
        with self._store.read() as db:
            days: dict[str, dict[str, tuple[SourceDay, ...]]] = {}
            for (source, part), of in groupby(db.execute(lately), lambda r: (r.source, r.part)):
                days.setdefault(source, {})[part] = tuple(SourceDay(*r[2:]) for r in of)
            rows = db.execute(select(s).order_by(s.c.name)).all()
        found = []
        for r in rows:
            memory = Memory(r.etag, r.modified, r.fingerprint, r.newest)
            lacking = {what: date.fromisoformat(since) for what, since in (r.lacking or {}).items()}
            told = r.asked, r.answered, r.brought, r.error
            found.append(SourceRecord(r.name, memory, *told, lacking, days.get(r.name, {})))
        return found

    def failed(self, source: str, error: str, now: datetime, *, day: date | None = None) -> None:
        """Note that *source*, or one *day* of it, could not be read; its memory stays."""
        with self._store.write() as db:
            if day is not None:
                return _put_day(db, self._store, source, "", day, asked=now, failures=1)
            _put(db, self._store, source, {"asked": now, "error": error})


def remember(
    db: Connection, store: Store, source: str, batch: Batch, new: Collection[str], now: datetime, day: date | None
) -> None:
    """After a success, in the transaction of its listings; *new* are the keys that the source never showed before.

    Of a single *day* no more than that it was asked for, and which days brought something.
    """
    if day is not None:
        _came(db, store, source, batch, new, now, first_sight=False)
        return _put_day(db, store, source, "", day, asked=now, failures=0)
    known = db.execute(select(t.sources).where(t.sources.c.name == source)).mappings().one_or_none()
    before = dict(known or {})
    memory = batch.memory
    values = {
        "asked": now, "answered": now, "error": None, "etag": memory.etag, "modified": memory.modified,
        "fingerprint": memory.fingerprint, "newest": memory.newest,
    }  # fmt: skip
    if new or not batch.news:  # who only watches may have nothing to watch
        values["brought"] = now
    if batch.complete and (memory.fingerprint is None or memory.fingerprint != before.get("fingerprint")):
        values |= _shape(before.get("shape") or {}, before.get("lacking") or {}, batch, now.date())
    _put(db, store, source, values)
    if batch.parts:  # those that are no longer asked for are not missed
        d = t.source_days.c
        db.execute(delete(t.source_days).where(d.source == source, d.part.not_in(["", *batch.parts])))
    if batch.news:
        _came(db, store, source, batch, new, now, first_sight=not before.get("answered"))


def _came(
    db: Connection, store: Store, source: str, batch: Batch, new: Collection[str], now: datetime, *, first_sight: bool
) -> None:
    """Keep the days on which something new came: those of its announcement where a source states them."""
    stated = batch.dated or first_sight
    found = {
        (part, min((listing.announced or now).date(), now.date()) if stated else now.date())
        for listing in batch.listings
        if listing.key in new
        for part in batch.parts or ("",)
        if not part or listing.categories[:1] == (part,) or "".join(listing.categories[:1]).startswith(f"{part}.")
    }
    for part, day in found:
        by_then = datetime.combine(day, time(), UTC) + timedelta(days=1)  # nobody saw at what hour
        _put_day(db, store, source, part, day, brought=min(now, by_then) if first_sight else now)


def _put(db: Connection, store: Store, source: str, values: Mapping[str, Any]) -> None:
    statement = store.insert(t.sources).values(name=source, **values)
    db.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def _put_day(db: Connection, store: Store, source: str, part: str, day: date, **values: Any) -> None:
    statement = store.insert(t.source_days).values(source=source, part=part, day=day, **values)
    d, said = t.source_days.c, statement.excluded
    changed = {"brought": func.coalesce(d.brought, said.brought)}
    if "asked" in values:
        changed = {"asked": said.asked, "failures": (d.failures + 1) * said.failures}  # 0 after a success
    db.execute(statement.on_conflict_do_update(index_elements=["source", "part", "day"], set_=changed))


# ---------------------------------------------------------------- shape


def _shape(usual: Mapping[str, float], lacking: Mapping[str, str], batch: Batch, today: date) -> dict[str, Any]:
    """How many entries usually have what (a moving average), and what hardly any has all at once, and since when."""
    share = dict(_shares(batch))
    gone = {what for what, found in share.items() if found <= FEW and usual.get(what, 0.0) >= MOST}
    since = {what: lacking.get(what, today.isoformat()) for what in gone | (lacking.keys() - share.keys())}
    since = {what: day for what, day in since.items() if today - date.fromisoformat(day) < ACCEPTED}
    learned = {
        what: found if what in gone else 0.9 * usual.get(what, found) + 0.1 * found
        for what, found in share.items()
        if what not in since
    }
    return {"shape": {**usual, **learned}, "lacking": since}


def _shares(batch: Batch) -> Iterator[tuple[str, float]]:
    total = len(batch.listings)
    if batch.news and not batch.parts:  # else a calendar tells when there are none, or there was nothing to watch
        yield "entries", float(total > 0)
    if total >= ENOUGH:
        for what, has in _PARTS.items():
            yield what, sum(1 for listing in batch.listings if has(listing)) / total


_PARTS: dict[str, Any] = {
    "identifiers": lambda listing: listing.ids.keys() & {"arxiv", "doi"},
    "abstracts": lambda listing: listing.abstract,
    "authors": lambda listing: listing.authors,
    "dates": lambda listing: listing.announced,
    "counts": lambda listing: listing.signals,
}
