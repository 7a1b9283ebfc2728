"""Papers: what is new, decided by identity and never by date; and the signals observed of them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, tuple_, update

from digest.catalog import tables as t
from digest.catalog.sources import asked_for, came, remember
from digest.catalog.store import Store, chunks
from digest.model import Batch, Card, Listing, Signal

SCHEMES = ("arxiv", "doi", "url", "title")
"""strongest first; `title` is made here, of a long title and the first author's family name"""

PERSISTENT = ("arxiv", "doi")
"""a paper is never matched by a weaker identifier when one of these disagrees; addresses change, these do not"""

LATE = timedelta(days=31)
"""what a known source announces late (it was down, we were) is news up to this age"""


@dataclass(frozen=True)
class Taken:
    """What one batch brought to the catalog."""

    new: int = 0
    merged: int = 0  # listings of papers that were known from elsewhere
    known: int = 0  # listings that this source had shown before
    signals: int = 0


@dataclass
class _Known:
    """A paper while a batch is merged into it."""

    id: int
    row: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    dirty: bool = False


class Papers:
    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, source: str, batch: Batch, now: datetime, window: timedelta, day: date | None = None) -> Taken:
        """Merge a batch and save its memory in one transaction; only that a *day* was asked for, if it is of one.

        At first sight of a source, what is older than *window* is a baseline; later, what comes late is news once.
        """
        with self._store.write() as db:
            known = select(t.sources.c.answered, t.sources.c.fingerprint).where(t.sources.c.name == source)
            answered, fingerprint = db.execute(known).one_or_none() or (None, None)
            signalled = any(listing.signals for listing in batch.listings)
            merge = _Merge(db, source, now, window, answered is None)
            if fingerprint and fingerprint == batch.memory.fingerprint and not signalled:
                taken = Taken(known=len(batch.listings))  # yesterday's entries: nothing to learn
            else:
                taken = merge.merge(batch.listings)
            if day is None:
                remember(db, self._store, source, batch, merge.new_listings, now)
            else:
                came(db, self._store, source, batch, merge.new_listings, now, first_sight=False)
                asked_for(db, self._store, source, day, now)
        return taken

    def news(self, after: datetime, until: datetime) -> list[tuple[Card, datetime]]:
        """Cards of the papers that became news in the interval, newest first, each with the moment it did."""
        p = t.papers
        wanted = select(p).where(p.c.since > after, p.c.since <= until).order_by(p.c.since.desc(), p.c.id)
        with self._store.read() as db:
            return [(_card(r), r.since) for r in db.execute(wanted)]

    def signals(self, papers: Iterable[int], until: datetime) -> list[Signal]:
        """Every observation of these papers up to *until*, oldest first."""
        s = t.signals
        found: list[Signal] = []
        with self._store.read() as db:
            for chunk in chunks(papers):
                rows = db.execute(select(s).where(s.c.paper_id.in_(chunk), s.c.at <= until).order_by(s.c.at, s.c.id))
                found += [Signal(r.paper_id, r.source, r.kind, r.value, r.at) for r in rows]
        return found

    def named(self, listings: Sequence[Listing]) -> list[int | None]:
        """The paper that each listing names, by its strongest identifier that is known here; None for no paper."""
        wanted = [{**_title(listing), **listing.ids} for listing in listings]
        found: dict[tuple[str, str], int] = {}
        with self._store.read() as db:
            for pairs in chunks({pair for ids in wanted for pair in ids.items()}):
                rows = db.execute(
                    select(t.paper_ids).where(tuple_(t.paper_ids.c.scheme, t.paper_ids.c.value).in_(pairs))
                )
                found |= {(r.scheme, r.value): r.paper_id for r in rows}
        return [next((found[s, ids[s]] for s in SCHEMES if (s, ids.get(s)) in found), None) for ids in wanted]

    def cards(self, numbers: Collection[int]) -> dict[int, Card]:
        """Papers as they are now; those that do not exist are left out."""
        with self._store.read() as db:
            chosen = [select(t.papers).where(t.papers.c.id.in_(some)) for some in chunks(numbers)]
            return {r.id: _card(r) for wanted in chosen for r in db.execute(wanted)}

    def newest(self, most: int) -> list[Card]:
        """The papers that became news last, newest first."""
        p = t.papers.c
        wanted = select(t.papers).where(p.since.is_not(None)).order_by(p.since.desc(), p.id).limit(most)
        with self._store.read() as db:
            return [_card(r) for r in db.execute(wanted)]

    def count(self) -> int:
        with self._store.read() as db:
            return db.scalar(select(func.count()).select_from(t.papers)) or 0


class _Merge:
    """One batch on its way into the tables. Reads what it may meet at once, decides in memory, writes in bulk."""

    def __init__(self, db: Connection, source: str, now: datetime, window: timedelta, first_sight: bool) -> None:
        self.db, self.source, self.now, self.window, self.first_sight = db, source, now, window, first_sight
        self.by_key: dict[str, int] = {}
        self.by_id: dict[tuple[str, str], int] = {}
        self.papers: dict[int, _Known] = {}
        self.signals: list[dict[str, Any]] = []
        self.new_ids: list[dict[str, Any]] = []
        self.new_listings: dict[str, dict[str, Any]] = {}

    def merge(self, announced: Sequence[Listing]) -> Taken:
        listings = [replace(listing, ids={**_title(listing), **listing.ids}) for listing in announced]
        self._load(listings)
        self.next_id = (self.db.scalar(select(func.max(t.papers.c.id))) or 0) + 1
        kinds = Counter(self._one(listing) for listing in listings)
        self._save()
        return Taken(kinds["new"], kinds["merged"], kinds["known"], len(self.signals))

    def _load(self, listings: Sequence[Listing]) -> None:
        keys = {listing.key for listing in listings}
        for chunk in chunks(keys):
            rows = self.db.execute(
                select(t.listings.c.key, t.listings.c.paper_id).where(
                    t.listings.c.source == self.source, t.listings.c.key.in_(chunk)
                )
            )
            self.by_key |= {r.key: r.paper_id for r in rows}
        ids = {(scheme, listing.ids[scheme]) for listing in listings for scheme in SCHEMES if scheme in listing.ids}
        for pairs in chunks(ids):
            found = select(t.paper_ids).where(tuple_(t.paper_ids.c.scheme, t.paper_ids.c.value).in_(pairs))
            self.by_id |= {(r.scheme, r.value): r.paper_id for r in self.db.execute(found)}
        for numbers in chunks({*self.by_key.values(), *self.by_id.values()}):
            for row in self.db.execute(select(t.papers).where(t.papers.c.id.in_(numbers))).mappings():
                self.papers[row["id"]] = _Known(row["id"], dict(row))
            for r in self.db.execute(select(t.paper_ids).where(t.paper_ids.c.paper_id.in_(numbers))):
                self.papers[r.paper_id].ids[r.scheme] = r.value

    def _one(self, listing: Listing) -> str:
        seen_here = listing.key in self.by_key
        paper = self.papers[self.by_key[listing.key]] if seen_here else self._match(listing)
        known = paper is not None
        paper = paper or self._added(listing)
        self._name(paper, listing)
        _complete(paper, listing)
        if listing.signals:
            self._observe(paper, listing)
        if not seen_here:
            self.by_key[listing.key] = paper.id
            self.new_listings[listing.key] = {
                "source": self.source, "key": listing.key, "paper_id": paper.id, "announced": listing.announced,
                "announce_type": listing.announce_type, "first_seen": self.now,
            }  # fmt: skip
        return "known" if seen_here else "merged" if known else "new"

    def _match(self, listing: Listing) -> _Known | None:
        for scheme in SCHEMES:
            number = self.by_id.get((scheme, listing.ids.get(scheme, "")))
            if number is None:
                continue
            paper = self.papers[number]
            if all(listing.ids.get(name, value) == value for name, value in paper.ids.items() if name in PERSISTENT):
                return paper
        return None

    def _added(self, listing: Listing) -> _Known:
        announced = min(listing.announced or self.now, self.now)
        row = {
            "id": self.next_id, "title": listing.title, "abstract": listing.abstract, "authors": list(listing.authors),
            "categories": list(listing.categories), "links": dict(listing.links), "announced": announced,
            "first_seen": self.now, "signalled": None, "since": self._since(listing, announced),
        }  # fmt: skip
        paper = self.papers[self.next_id] = _Known(self.next_id, row, fresh=True)
        self.next_id += 1
        return paper

    def _since(self, listing: Listing, announced: datetime) -> datetime | None:
        """The moment a paper becomes news; None for a new version of one that was never announced to us."""
        if (listing.announce_type or "").startswith("replace"):
            return None
        age = self.now - announced
        late = not self.first_sight and self.window < age <= LATE
        return self.now if late else announced

    def _name(self, paper: _Known, listing: Listing) -> None:
        for scheme in SCHEMES:
            value = listing.ids.get(scheme)
            if value and (scheme, value) not in self.by_id and not (scheme in PERSISTENT and scheme in paper.ids):
                paper.ids[scheme] = value
                self.by_id[scheme, value] = paper.id
                self.new_ids.append({"scheme": scheme, "value": value, "paper_id": paper.id})

    def _observe(self, paper: _Known, listing: Listing) -> None:
        for kind, value in listing.signals.items():
            self.signals.append(
                {"paper_id": paper.id, "source": self.source, "kind": kind, "value": value, "at": self.now}
            )
        if paper.row["signalled"] is None:
            first = min(listing.announced or self.now, self.now)
            since = max(filter(None, (first, paper.row["since"])))
            paper.row |= {"signalled": first, "since": since}
            paper.dirty = True

    def _save(self) -> None:
        columns = [c.name for c in t.papers.c]
        if fresh := [p.row for p in self.papers.values() if p.fresh]:
            self.db.execute(insert(t.papers), fresh)
        if changed := [
            {f"new_{k}": p.row[k] for k in columns} for p in self.papers.values() if p.dirty and not p.fresh
        ]:
            setting: dict[str, Any] = {k: bindparam(f"new_{k}") for k in columns if k != "id"}
            self.db.execute(update(t.papers).where(t.papers.c.id == bindparam("new_id")).values(setting), changed)
        for table, rows in (
            (t.paper_ids, self.new_ids),
            (t.listings, list(self.new_listings.values())),
            (t.signals, self.signals),
        ):
            if rows:
                self.db.execute(insert(table), rows)


def _title(listing: Listing) -> dict[str, str]:
    """An identifier for what has no better one; none for short titles, which many papers share."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", listing.title).casefold())
    if len(words) < (4 if listing.authors else 8):
        return {}
    family, comma, _ = "".join(listing.authors[:1]).casefold().partition(",")
    return {"title": f"{' '.join(words)[:900]}|{family if comma else ''.join(family.split()[-1:])}"}


def _complete(paper: _Known, listing: Listing) -> None:
    """Fill what is missing; what is there stays, unless the abstract was only a stub of this one."""
    row, before = paper.row, dict(paper.row)
    if len(listing.abstract) > 2 * len(row["abstract"]):
        row["abstract"] = listing.abstract
    row["authors"] = row["authors"] or list(listing.authors)
    row["categories"] = list(dict.fromkeys([*row["categories"], *listing.categories]))
    row["links"] = {**listing.links, **row["links"]}
    paper.dirty |= row != before


def _card(row: Any) -> Card:
    return Card(
        paper=row.id,
        title=row.title,
        abstract=row.abstract,
        authors=tuple(row.authors),
        categories=tuple(row.categories),
        links=_links(row.links),
        announced=row.announced.date(),
    )


def _links(links: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    order = ("abstract", "pdf", "code", "project", "discussion")
    return tuple((what, links[what]) for what in (*order, *sorted(links.keys() - set(order))) if what in links)
