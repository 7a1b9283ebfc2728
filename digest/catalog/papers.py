"""Papers: what is new, decided by identity and never by date; and the signals observed of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, tuple_, update

from digest.catalog import tables as t
from digest.catalog.merging import SCHEMES, Merge, Taken, names
from digest.catalog.sources import remember
from digest.catalog.store import Store, chunks, count
from digest.errors import NotFound
from digest.model import Batch, Card, Listing, Signal, look_again

WATCHED = timedelta(days=14)
"""how long papers are looked at again, and how long after they were signalled their counts are of interest"""

OFTEN = timedelta(hours=6)
"""how often at most"""


@dataclass(frozen=True)
class Record:
    """All that is known of a paper, for people; rows are in the order of time where they have one."""

    card: Card
    since: datetime | None
    version: int
    keywords: list[str]
    ids: list[tuple[str, str, int]]
    """scheme, value, number of the part that has it"""
    listings: list[tuple[datetime, str, str, str, int]]
    """first seen, source, key, announce type, number of the part"""
    signals: list[tuple[datetime, str, str, float]]
    """at, source, kind, value"""
    events: list[tuple[datetime, str, str]]
    """at, kind, detail"""
    picks: list[tuple[datetime, str, str]]
    """at, curator, note"""
    merges: list[tuple[datetime, int, int, str, datetime | None]]
    """at, part, whole, reason, undone"""


class Papers:
    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, source: str, batch: Batch, now: datetime, *, day: date | None = None) -> Taken:
        """Merge a batch and save its memory in one transaction; only that a *day* was asked for, if it is of one.

        At first sight of a source all is as old as it says; later, what comes late is news when it comes, once.
        """
        with self._store.write() as db:
            known = select(t.sources.c.answered, t.sources.c.fingerprint).where(t.sources.c.name == source)
            answered, fingerprint = db.execute(known).one_or_none() or (None, None)
            signalled = any(listing.signals for listing in batch.listings)
            merge = Merge(db, self._store, source, now, answered is None)
            if fingerprint and fingerprint == batch.memory.fingerprint and not signalled:
                taken = Taken(known=len(batch.listings))  # yesterday's entries: nothing to learn
            else:
                taken = merge.merge(batch.listings)
            remember(db, self._store, source, batch, merge.new_listings, now, day)
        return taken

    def news(self, after: datetime, until: datetime) -> list[tuple[Card, datetime]]:
        """Cards of the papers that became news in the interval, newest first, each with the moment it did."""
        p = t.papers.c
        with self._store.read() as db:
            moved = db.execute(select(p.id, p.part_of).where(p.since > after, p.since <= until))
            wholes = self._wholes(db, {r.part_of or r.id for r in moved})
        found = [(_card(rows), since) for rows in wholes.values() if (since := _since(rows)) and after < since <= until]
        return sorted(found, key=lambda news: (-news[1].timestamp(), news[0].paper))

    def events(self, after: datetime, until: datetime) -> list[tuple[Card, datetime, str, datetime]]:
        """What last happened in the interval to papers that were news once: card, when it was news, what, when."""
        e, p = t.events.c, t.papers.c
        wanted = select(p.id, p.part_of, e.detail, e.at).join(t.papers, p.id == e.paper_id)
        with self._store.read() as db:
            rows = db.execute(wanted.where(e.at > after, e.at <= until).order_by(e.at, e.detail))
            last = {r.part_of or r.id: (r.detail, r.at) for r in rows}
            wholes = self._wholes(db, last)
        return [(_card(rows), since, *last[n]) for n, rows in sorted(wholes.items()) if (since := _since(rows))]

    def history(self, until: datetime, most: int) -> list[tuple[Card, bool]]:
        """The newest papers announced until then and known before anybody spoke of them, oldest first; did they?"""
        p = t.papers.c
        quiet = p.signalled.is_(None) | (p.first_seen < p.signalled)
        wanted = select(t.papers).where(p.since.is_not(None), p.part_of.is_(None), p.announced <= until, quiet)
        with self._store.read() as db:
            rows = list(db.execute(wanted.order_by(p.announced.desc(), p.id.desc()).limit(most)))
        return [(_card([row]), row.signalled is not None) for row in reversed(rows)]

    def signals(self, papers: Iterable[int], until: datetime) -> list[Signal]:
        """Every observation of these papers (and what is part of them) up to *until*, oldest first."""
        s, p, wholes = t.signals.c, t.papers.c, [*papers]
        among = self._store.among
        with self._store.read() as db:
            parts = dict(db.execute(select(p.id, p.part_of).where(among(p.part_of, wholes))).all())
            seen = select(t.signals).where(among(s.paper_id, [*wholes, *parts]), s.at <= until).order_by(s.at, s.id)
            rows = db.execute(seen).all()
        return [Signal(parts.get(r.paper_id, r.paper_id), r.source, r.kind, r.value, r.at) for r in rows]

    def gains(self, now: datetime) -> dict[tuple[int, str, str], float]:
        """By how much each count grew in the day before *now*, by paper, source and kind; those of the last two weeks.

        Between two observations a count is taken to grow evenly, and to begin at nothing when the paper was signalled.
        """
        p = t.papers.c
        begun: dict[int, datetime] = {}
        with self._store.read() as db:
            for r in db.execute(select(p.id, p.part_of, p.signalled).where(p.signalled > now - WATCHED)):
                begun[r.part_of or r.id] = min(r.signalled, begun.get(r.part_of or r.id, r.signalled))
        series = defaultdict[tuple[int, str, str], list[tuple[datetime, float]]](list)
        for signal in self.signals(begun, now):
            series[signal.paper, signal.source, signal.kind].append((signal.at, signal.value))
        return {key: _gained([(begun[key[0]], 0.0), *seen], now - timedelta(days=1)) for key, seen in series.items()}

    def named(self, listings: Sequence[Listing]) -> list[int | None]:
        """The paper that each listing names, by its strongest identifier that is known here; None for no paper."""
        wanted = [names(listing) for listing in listings]
        found: dict[tuple[str, str], int] = {}
        i, p = t.paper_ids.c, t.papers.c
        with self._store.read() as db:
            for pairs in chunks({pair for ids in wanted for pair in ids.items()}):
                known = select(i.scheme, i.value, p.id, p.part_of).join(t.papers, p.id == i.paper_id)
                rows = db.execute(known.where(tuple_(i.scheme, i.value).in_(pairs)))
                found |= {(r.scheme, r.value): r.part_of or r.id for r in rows}
        return [next((found[s, ids[s]] for s in SCHEMES if (s, ids.get(s)) in found), None) for ids in wanted]

    def bare(self, source: str, after: datetime) -> list[str]:
        """arXiv ids of papers that *source* named after that moment, of which nobody has said more; newest first."""
        p, seen, ids = t.papers.c, t.listings.c, t.paper_ids.c
        named = select(ids.value).join(t.papers, p.id == ids.paper_id).join(t.listings, seen.paper_id == p.id)
        named = named.where(ids.scheme == "arxiv", p.abstract == "", seen.source == source, seen.first_seen > after)
        with self._store.read() as db:
            return list(db.scalars(named.order_by(seen.first_seen.desc(), ids.value)))

    def cards(self, numbers: Collection[int]) -> dict[int, Card]:
        """Papers as they are now, that of a part being the whole's; those that do not exist are left out."""
        p = t.papers.c
        with self._store.read() as db:
            known = db.execute(select(p.id, p.part_of).where(self._store.among(p.id, numbers))).all()
            wholes = self._wholes(db, {r.part_of or r.id for r in known})
        return {r.id: _card(wholes[r.part_of or r.id]) for r in known}

    def newest(self, most: int) -> list[Card]:
        """The papers that became news last, newest first."""
        p = t.papers.c
        wanted = select(p.id).where(p.since.is_not(None), p.part_of.is_(None)).order_by(p.since.desc(), p.id)
        with self._store.read() as db:
            numbers = list(db.scalars(wanted.limit(most)))
            wholes = self._wholes(db, numbers)
        return [_card(wholes[number]) for number in numbers]

    def count(self) -> int:
        with self._store.read() as db:
            return count(db, t.papers, t.papers.c.part_of.is_(None))

    def same(self) -> dict[int, frozenset[int]]:
        """The numbers under which a paper is known, by each of them, where there are several."""
        p, groups = t.papers.c, defaultdict[int, set[int]](set)
        with self._store.read() as db:
            for number, whole in db.execute(select(p.id, p.part_of).where(p.part_of.is_not(None))):
                groups[whole] |= {number, whole}
        return {number: frozenset(group) for group in groups.values() for number in group}

    def join(self, part: int, whole: int, reason: str, now: datetime) -> None:
        """Make one paper a part of another. Raises NotFound where that makes no sense."""
        p = t.papers
        with self._store.write() as db:
            part, whole = _top(db, part), _top(db, whole)
            if part == whole:
                raise NotFound(f"these are one paper already, {whole}; `digest papers show {whole}`")
            db.execute(insert(t.merges).values(part=part, whole=whole, reason=reason, at=now))
            db.execute(update(p).where((p.c.id == part) | (p.c.part_of == part)).values(part_of=whole))

    def split(self, part: int, now: datetime) -> int:
        """Undo the merge that made *part* a part, for good; the number of the whole. Raises NotFound."""
        m, p = t.merges, t.papers
        with self._store.write() as db:
            whole, standing = _top(db, part), m.c.undone.is_(None)
            if db.execute(update(m).where(m.c.part == part, standing).values(undone=now)).rowcount == 0:
                raise NotFound(f"paper {part} is part of no other; `digest papers show {part}` lists its parts")
            members = _members(db, whole)
            joined = {r.part: r.whole for r in db.execute(select(m).where(m.c.part.in_(members), standing))}
            for member in members:
                over = member
                while over in joined:
                    over = joined[over]
                db.execute(update(p).where(p.c.id == member).values(part_of=None if over == member else over))
        return whole

    def pick(self, number: int, source: str, curator: str, note: str, now: datetime) -> None:
        """One voice more of *source* for a paper; once for each curator. Raises NotFound."""
        p, k = t.papers, t.picks
        with self._store.write() as db:
            whole = _top(db, number)
            group = _members(db, whole)
            voices = set(db.scalars(select(k.c.curator).where(k.c.paper_id.in_(group))))
            if curator in voices:
                return
            db.execute(insert(k).values(paper_id=whole, curator=curator, note=note, at=now))
            signal = {"source": source, "kind": "pick", "value": len(voices) + 1, "at": now}
            db.execute(insert(t.signals).values(paper_id=whole, **signal))
            if not db.scalar(select(p.c.id).where(p.c.id.in_(group), p.c.signalled.is_not(None)).limit(1)):
                db.execute(update(p).where(p.c.id == whole).values(signalled=now, since=now))

    def watched(self, source: str, link: str, now: datetime) -> tuple[Listing, ...]:
        """Young papers with such a link that *source* has not looked at for a while, a longer one the older they are.

        Those never looked at come first.
        """
        p, s = t.papers.c, t.signals.c
        last = select(s.paper_id, func.max(s.at).label("at")).where(s.source == source).group_by(s.paper_id).subquery()
        young = select(t.papers, last.c.at).outerjoin(last, last.c.paper_id == p.id).where(p.since > now - WATCHED)
        due: list[tuple[datetime, Any]] = []
        with self._store.read() as db:
            for r in db.execute(young.order_by(p.id)):
                age = now - (r.signalled or r.since)
                if link in r.links and (r.at is None or (now - r.at >= OFTEN and look_again(age, now - r.at))):
                    due.append((r.at or r.since - WATCHED, r))
            ids: dict[int, dict[str, str]] = defaultdict(dict)
            named = self._store.among(t.paper_ids.c.paper_id, [r.id for _, r in due])
            for i in db.execute(select(t.paper_ids).where(named)):
                ids[i.paper_id][i.scheme] = i.value
        due.sort(key=lambda pair: pair[0])
        return tuple(
            Listing(source, f"{r.id} {url}", r.title, ids=ids[r.id], links={link: url}, announced=r.since)
            for _, r in due
            for url in (r.links[link],)
        )

    def record(self, number: int) -> Record:
        """Raises NotFound."""
        of, merges = (t.paper_ids, t.listings, t.signals, t.events, t.picks), t.merges.c
        with self._store.read() as db:
            whole = _top(db, number)
            rows = self._wholes(db, [whole])[whole]
            numbers = [row.id for row in rows]
            found = (db.execute(select(table).where(table.c.paper_id.in_(numbers))).all() for table in of)
            ids, listings, signals, events, picks = found
            joined = select(t.merges).where(merges.part.in_(numbers) | merges.whole.in_(numbers)).order_by(merges.id)
            return Record(
                _card(rows),
                _since(rows),
                max(row.version for row in rows),
                list(dict.fromkeys(word for row in rows for word in row.keywords)),
                sorted((r.scheme, r.value, r.paper_id) for r in ids),
                sorted((r.first_seen, r.source, r.key, r.announce_type or "", r.paper_id) for r in listings),
                sorted((r.at, r.source, r.kind, r.value) for r in signals),
                sorted((r.at, r.kind, r.detail) for r in events),
                sorted((r.at, r.curator, r.note) for r in picks),
                [(r.at, r.part, r.whole, r.reason, r.undone) for r in db.execute(joined)],
            )

    def _wholes(self, db: Connection, numbers: Collection[int]) -> dict[int, list[Any]]:
        """The rows of papers, each followed by those of its parts."""
        p, found = t.papers.c, dict[int, list[Any]]()
        either = self._store.among(p.id, numbers) | self._store.among(p.part_of, numbers)
        for row in db.execute(select(t.papers).where(either).order_by(p.part_of.is_not(None), p.id)):
            found.setdefault(row.part_of or row.id, []).append(row)
        return found


def _top(db: Connection, number: int) -> int:
    """The paper that *number* is or is a part of. Raises NotFound."""
    row = db.execute(select(t.papers.c.part_of).where(t.papers.c.id == number)).one_or_none()
    if row is None:
        raise NotFound(f"there is no paper {number}; `digest search` finds papers")
    return int(row.part_of or number)


def _members(db: Connection, whole: int) -> list[int]:
    """The paper and its parts."""
    return [*db.scalars(select(t.papers.c.id).where((t.papers.c.id == whole) | (t.papers.c.part_of == whole)))]


def _gained(seen: Sequence[tuple[datetime, float]], after: datetime) -> float:
    """How much more the last of these is than what they say of a moment, by the line between its neighbours."""
    later = next((n for n, (at, _) in enumerate(seen) if at > after), 0)
    if not later:
        return seen[-1][1] if seen[0][0] > after else 0.0
    (start, low), (end, high) = seen[later - 1 : later + 1]
    return seen[-1][1] - low - (high - low) * ((after - start) / (end - start))


def _since(rows: Sequence[Any]) -> datetime | None:
    """When a paper became news: announced or first signalled, the later; its parts count by their signals alone."""
    whole, *parts = rows
    signalled = [part.signalled for part in parts if part.signalled and not whole.signalled]
    return max(filter(None, (whole.since, min(signalled, default=None))), default=None)


def _card(rows: Sequence[Any]) -> Card:
    """Of a paper and its parts, which add what it lacks."""
    whole, *parts = rows
    links: dict[str, str] = dict(whole.links)
    journal: dict[str, str] = {}
    for part in parts:
        links = {**part.links, **links}
        journal = {"journal": part.links["abstract"]} if "abstract" in part.links else journal
    return Card(
        paper=whole.id,
        title=whole.title,
        abstract=next((row.abstract for row in rows if row.abstract), ""),
        authors=tuple(next((row.authors for row in rows if row.authors), ())),
        categories=tuple(dict.fromkeys(category for row in rows for category in row.categories)),
        links=_links(journal | links),
        announced=whole.announced.date(),
        language=whole.language,
    )


def _links(links: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    order = ("abstract", "pdf", "code", "project", "discussion")
    return tuple((what, links[what]) for what in (*order, *sorted(links.keys() - set(order))) if what in links)
