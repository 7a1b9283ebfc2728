"""One paper from what several sources say: who is who, what one batch changes, and how two papers become one.

Papers that are one stay rows of their own, each with its listings, identifiers and signals; all but the first are
`part_of` it. So a merge is a row of `merges`, and undoing it loses nothing.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, tuple_, update

from digest.catalog import tables as t
from digest.catalog.language import language
from digest.catalog.store import Store, chunks
from digest.model import NAMED, Listing, look_again

PERSISTENT = ("arxiv", "doi", "preprint", "pmid")
"""a paper is never matched by a weaker identifier when one of these disagrees; addresses change, these do not"""

SCHEMES = (*PERSISTENT, "openreview", "url", "title")
"""strongest first; `preprint` is the DOI of one, `title` is made here of a long title and the first author's name"""

TIMELY, LATE = timedelta(days=1), timedelta(days=31)
"""what a known source shows later than that (it was down, we were) is news when it comes, up to the second age"""

COUNTED = timedelta(days=2)
"""late and with counts, it is taken to be so old at most: not to overrate its speed, nor to be missed"""

APART = timedelta(days=1_100)
"""papers of one title and author that are further apart are two: reports of other years, say"""

_PREPRINT = re.compile(r"10\.(1101|64898|2139|20944|21203|22541|26434|31219|31234|36227|48550)/")
_VERSION = re.compile(r"[./_-]v\d{1,2}$")  # most of their servers give each version a DOI


@dataclass(frozen=True)
class Taken:
    """What one batch brought to the catalog."""

    new: int = 0
    merged: int = 0  # listings of papers that were known from elsewhere
    known: int = 0  # listings that this source had shown before
    signals: int = 0


@dataclass
class _Known:
    """A paper, or a part of one, while a batch is merged into it; *ids* of a whole are those of its parts, too."""

    id: int
    row: dict[str, Any]
    ids: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    fresh: bool = False
    dirty: bool = False


class Merge:
    """One batch on its way into the tables. Reads what it may meet at once, decides in memory, writes in bulk."""

    def __init__(self, db: Connection, store: Store, source: str, now: datetime, first_sight: bool) -> None:
        self.db, self.store, self.source, self.now, self.first_sight = db, store, source, now, first_sight
        self.by_key: dict[str, int] = {}
        self.by_id: dict[tuple[str, str], int] = {}
        self.papers: dict[int, _Known] = {}
        self.ours: dict[int, int] = {}  # by paper: the part of it that this source lists
        self.apart: set[tuple[int, int]] = set()  # what was merged once and is not to be again
        self.signals: list[dict[str, Any]] = []
        self.observed: dict[tuple[int, str], datetime] = {}  # when a paper's count was last kept
        self.events: list[dict[str, Any]] = []
        self.merges: list[dict[str, Any]] = []
        self.new_ids: list[dict[str, Any]] = []
        self.new_listings: dict[str, dict[str, Any]] = {}

    def merge(self, announced: Sequence[Listing]) -> Taken:
        listings = [replace(listing, ids=names(listing)) for listing in announced]
        self._load(listings)
        self.next_id = (self.db.scalar(select(func.max(t.papers.c.id))) or 0) + 1
        kinds = Counter(self._one(listing) for listing in listings)
        self._save()
        return Taken(kinds["new"], kinds["merged"], kinds["known"], len(self.signals))

    # ---- what is known

    def _load(self, listings: Sequence[Listing]) -> None:
        for keys in chunks({listing.key for listing in listings}):
            wanted = select(t.listings.c.key, t.listings.c.paper_id)
            here = wanted.where(t.listings.c.source == self.source, t.listings.c.key.in_(keys))
            self.by_key |= {r.key: r.paper_id for r in self.db.execute(here)}
        ids = {(scheme, listing.ids[scheme]) for listing in listings for scheme in SCHEMES if scheme in listing.ids}
        for pairs in chunks(ids):
            found = select(t.paper_ids).where(tuple_(t.paper_ids.c.scheme, t.paper_ids.c.value).in_(pairs))
            self.by_id |= {(r.scheme, r.value): r.paper_id for r in self.db.execute(found)}
        self._load_papers({*self.by_key.values(), *self.by_id.values()})
        if any(listing.signals for listing in listings):
            s, ours = t.signals.c, self.store.among(t.signals.c.paper_id, self.papers)
            last = select(s.paper_id, s.kind, func.max(s.at)).where(s.source == self.source, ours)
            rows = self.db.execute(last.group_by(s.paper_id, s.kind))
            self.observed = {(paper, kind): at for paper, kind, at in rows}
        if self.apart:
            self._load_papers({number for pair in self.apart for number in pair})
        p, known = t.papers.c, t.listings.c
        here = select(p.id, p.part_of).join(t.listings, known.paper_id == p.id).where(known.source == self.source)
        rows = self.db.execute(here.where(self.store.among(p.id, self.papers)))
        self.ours = {r.part_of or r.id: r.id for r in rows}

    def _load_papers(self, numbers: set[int]) -> None:
        among, p, m = self.store.among, t.papers.c, t.merges.c
        while missing := numbers - self.papers.keys():
            wanted = select(t.papers).where(among(p.id, missing) | among(p.part_of, missing))
            for row in self.db.execute(wanted).mappings():
                self.papers[row["id"]] = _Known(row["id"], dict(row))
            numbers = {known.row["part_of"] or known.id for known in self.papers.values()}
        for r in self.db.execute(select(t.paper_ids).where(among(t.paper_ids.c.paper_id, self.papers))):
            self._whole(self.papers[r.paper_id]).ids[r.scheme].add(r.value)
        ours = among(m.part, self.papers) | among(m.whole, self.papers)
        undone = self.db.execute(select(m.part, m.whole).where(m.undone.is_not(None), ours))
        self.apart |= {pair for r in undone for pair in ((r.part, r.whole), (r.whole, r.part))}

    def _whole(self, paper: _Known) -> _Known:
        return self.papers[paper.row["part_of"]] if paper.row["part_of"] else paper

    # ---- one listing

    def _one(self, listing: Listing) -> str:
        seen_here = listing.key in self.by_key
        scheme, paper = ("", self.papers[self.by_key[listing.key]]) if seen_here else self._match(listing)
        known = paper is not None
        if paper is None:
            paper = self._added(listing)
        elif scheme == "title":
            paper = self._titled(listing, paper)
        self._name(paper, listing)
        self._complete(paper, listing)
        if listing.signals:
            self._observe(paper, listing)
        if not seen_here:
            self.by_key[listing.key] = self.ours[self._whole(paper).id] = paper.id
            self.new_listings[listing.key] = {
                "source": self.source, "key": listing.key, "paper_id": paper.id, "announced": listing.announced,
                "announce_type": listing.announce_type, "first_seen": self.now,
            }  # fmt: skip
        return "known" if seen_here else "merged" if known else "new"

    def _match(self, listing: Listing) -> tuple[str, _Known | None]:
        for scheme in SCHEMES:
            number = self.by_id.get((scheme, listing.ids.get(scheme, "")))
            if number is None:
                continue
            paper = self.papers[number]
            stated = self._whole(paper).ids
            both = stated.keys() & listing.ids.keys() & set(PERSISTENT)
            disagrees = any(listing.ids[name] not in stated[name] for name in both)
            if not disagrees and (scheme != "title" or _alike(listing, paper.row, self.now)):
                return scheme, paper
        return "", None

    def _titled(self, listing: Listing, paper: _Known) -> _Known:
        """What only looks like *paper* becomes a part that can be taken off again, unless we list it there already, or
        as what was taken off."""
        whole = self._whole(paper)
        for number in (whole.id, *sorted(part for part, other in self.apart if other == whole.id)):
            if number in self.ours:
                return self.papers[self.ours[number]]
        part = self._added(listing)
        self._join(part, whole, "the same title and first author")
        return part

    def _added(self, listing: Listing) -> _Known:
        announced = min(listing.announced or self.now, self.now)
        row = {
            "id": self.next_id, "title": listing.title, "abstract": listing.abstract, "authors": list(listing.authors),
            "categories": list(listing.categories), "links": dict(listing.links), "announced": announced,
            "first_seen": self.now, "signalled": None, "since": self._since(listing, announced), "part_of": None,
            "version": listing.version, "keywords": list(listing.keywords),
            "language": language(f"{listing.title} {listing.abstract}"),
        }  # fmt: skip
        paper = self.papers[self.next_id] = _Known(self.next_id, row, fresh=True)
        self.next_id += 1
        return paper

    def _since(self, listing: Listing, announced: datetime) -> datetime | None:
        """The moment a paper becomes news; None for one that was never announced to us."""
        if _replaces(listing) or listing.announce_type == NAMED:
            return None
        return self._noticed(announced, bool(listing.signals))

    def _noticed(self, moment: datetime, counted: bool) -> datetime:
        late = not self.first_sight and TIMELY < self.now - moment <= LATE
        return max(moment, self.now - COUNTED * counted) if late else moment

    def _name(self, paper: _Known, listing: Listing) -> None:
        """Give *paper* the identifiers that are still free; one that names another paper shows that the two are one."""
        for scheme in SCHEMES:
            whole, value = self._whole(paper), listing.ids.get(scheme)
            if not value:
                continue
            named = self.by_id.get((scheme, value))
            if named is not None:
                other = self._whole(self.papers[named])
                if other is not whole and scheme in PERSISTENT:
                    first, second = sorted((whole, other), key=lambda known: known.id)
                    self._join(second, first, f"{self.source} says that {scheme}:{value} is this paper")
            elif not (scheme in PERSISTENT and scheme in whole.ids):
                if scheme == "doi" and not whole.fresh and _preprint(whole):
                    self._happened(paper, "published", value)
                whole.ids[scheme].add(value)
                self.by_id[scheme, value] = paper.id
                self.new_ids.append({"scheme": scheme, "value": value, "paper_id": paper.id})

    def _join(self, part: _Known, whole: _Known, reason: str) -> None:
        """Unless an identifier keeps them apart, or somebody did."""
        if part.ids.keys() & whole.ids.keys() & set(PERSISTENT) or (part.id, whole.id) in self.apart:
            return
        if "doi" in part.ids and _preprint(whole):
            self._happened(part, "published", min(part.ids["doi"]))
        for known in self.papers.values():
            if known is part or known.row["part_of"] == part.id:
                known.row["part_of"], known.dirty = whole.id, True
        for scheme, values in part.ids.items():
            whole.ids[scheme] |= values
        self.merges.append({"part": part.id, "whole": whole.id, "reason": reason, "at": self.now})

    def _complete(self, paper: _Known, listing: Listing) -> None:
        """Fill what is missing. What is there stays, unless it was a mere mention or stub, or of an earlier version."""
        row, before = paper.row, dict(paper.row)
        renewed = listing.version > row["version"] > 0
        mentioned = not (row["abstract"] or row["authors"]) and (listing.abstract or listing.authors)
        if renewed or mentioned:
            row |= {"title": listing.title, "authors": list(listing.authors) or row["authors"]}
        if row["since"] is None and (listing.announced or self._since(listing, self.now)):
            row["announced"] = min(listing.announced or self.now, self.now)
            row["since"] = self._since(listing, row["announced"])
        if listing.abstract and (renewed or len(listing.abstract) > 2 * len(row["abstract"])):
            row["abstract"] = listing.abstract
        row["authors"] = row["authors"] or list(listing.authors)
        for what, said in (("categories", listing.categories), ("keywords", listing.keywords)):
            row[what] = list(dict.fromkeys([*row[what], *said]))
        row["links"] = {**row["links"], **listing.links} if renewed else {**listing.links, **row["links"]}
        row["version"] = max(row["version"], listing.version)
        if listing.version > 1 and (renewed or _replaces(listing)):
            self._happened(paper, "version", f"v{listing.version}")
        if row != before:
            row["language"] = language(f"{row['title']} {row['abstract']}")
            paper.dirty = True

    def _observe(self, paper: _Known, listing: Listing) -> None:
        age = self.now - (paper.row["signalled"] or self.now)
        for kind, value in listing.signals.items():
            last = self.observed.get((paper.id, kind))
            if last is None or look_again(age, self.now - last):
                self.observed[paper.id, kind] = self.now
                counted = {"source": self.source, "kind": kind, "value": value, "at": self.now}
                self.signals.append({"paper_id": paper.id, **counted})
        if paper.row["signalled"] is None:
            first = min(listing.announced or self.now, self.now)
            since = max(filter(None, (self._noticed(first, counted=True), paper.row["since"])))
            paper.row |= {"signalled": first, "since": since}
            paper.dirty = True

    def _happened(self, paper: _Known, kind: str, detail: str) -> None:
        self.events.append({"paper_id": paper.id, "kind": kind, "detail": detail, "at": self.now})

    # ---- what is new

    def _save(self) -> None:
        columns = [c.name for c in t.papers.c]
        if fresh := [p.row for p in self.papers.values() if p.fresh]:
            self.db.execute(insert(t.papers), fresh)
        if changed := [
            {f"new_{k}": p.row[k] for k in columns} for p in self.papers.values() if p.dirty and not p.fresh
        ]:
            setting: dict[str, Any] = {k: bindparam(f"new_{k}") for k in columns if k != "id"}
            self.db.execute(update(t.papers).where(t.papers.c.id == bindparam("new_id")).values(setting), changed)
        for statement, rows in (
            (insert(t.paper_ids), self.new_ids),
            (insert(t.listings), list(self.new_listings.values())),
            (insert(t.signals), self.signals),
            (insert(t.merges), self.merges),
            (self.store.ignoring(t.events), self.events),  # each is heard once
        ):
            if rows:
                self.db.execute(statement, rows)


# ---------------------------------------------------------------- who is who


def names(listing: Listing) -> dict[str, str]:
    """The identifiers of a listing as the catalog knows them."""
    ids = {**_title(listing), **listing.ids}
    if _PREPRINT.match(ids.get("doi", "")):
        ids["preprint"] = _VERSION.sub("", ids.pop("doi"))
    if published := ids.pop("published", ""):
        ids["doi"] = published
    return ids


def _preprint(paper: _Known) -> bool:
    return not paper.ids.keys().isdisjoint(("arxiv", "preprint"))


def _replaces(listing: Listing) -> bool:
    return (listing.announce_type or "").startswith("replace")


def _title(listing: Listing) -> dict[str, str]:
    """An identifier for what has no better one; none for short titles, which many papers share."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", listing.title).casefold())
    length = len(words) if listing.title.isascii() else sum(map(_weight, words))
    if length < (4 if listing.authors else 8):
        return {}
    family = _person(listing.authors[0])[0] if listing.authors else ""
    return {"title": f"{' '.join(words)[:900]}|{family[:90]}"}


def _weight(word: str) -> int:
    """How many words: Chinese and Japanese have no blanks between theirs."""
    return max(1, len(word) // 2) if "\u3040" <= word[0] <= "\u9fff" else 1


def _person(name: str) -> tuple[str, str]:
    """Family name and first initial, in any of the ways in which they are written."""
    plain = name.replace(".", " ")
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    family, comma, given = plain.partition(",")
    if not comma:
        words = plain.split()
        last = words[-1:] if len(words) < 2 or not re.fullmatch("[A-Z]{1,3}", words[-1]) else words[-2:-1]  # Curie MS
        family, given = "".join(last), " ".join(word for word in words if word not in last)
    return family.strip().casefold(), given.strip()[:1].casefold()


def _alike(listing: Listing, row: Mapping[str, Any], now: datetime) -> bool:
    """Whether what has the same title and first author's family is the same paper, as far as one can tell."""
    ours, theirs = [[_person(name) for name in people[:50]] for people in (listing.authors, row["authors"])]
    if abs((listing.announced or now) - row["announced"]) > APART:
        return False
    if not ours or not theirs:
        return True  # of neither, for the name is part of the identifier
    given = {initial for _, initial in (ours[0], theirs[0])} - {""}
    shared = {family for family, _ in ours} & {family for family, _ in theirs}
    return len(given) < 2 and len(shared) >= 0.7 * min(len(ours), len(theirs), 50)
