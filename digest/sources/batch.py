"""From what a document holds to a `Batch`: one bad entry does not spoil the rest, and each has a name of its own."""

import gc
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import BoundedSemaphore
from typing import Any

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources.http import FEEDS, OWN_TAG, Answer, Http
from digest.sources.text import clean

ENTRIES = 2_000
_WARNINGS = 20
_READING = BoundedSemaphore(2)  # documents at a time: read, one may take forty megabytes, and threads make none faster


@contextmanager
def _reading() -> Iterator[None]:
    """Without the search for garbage: all is in use until it is read, and walking through that takes its time."""
    with _READING:
        collecting = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                gc.enable()


class Unusable(Exception):
    """An entry that cannot become a listing; the message names it and says why."""


def fetched(
    name: str,
    url: str,
    http: Http,
    memory: Memory,
    read: Callable[[Answer], tuple[list[Any], list[str]]],
    listing: Callable[[Any, str, str], Listing | None],
    accept: str = FEEDS,
    *,
    internal: bool = False,
) -> Batch:
    """The whole of `Source.fetch`: *read* gives the entries and what is wrong with the document, *listing* makes one of
    an entry, the source's name and the document's address, or None of what is about no paper. *accept* and *internal*
    are `Http.get`'s. A SourceError leaves with the name of the source."""
    try:
        answer = http.get(url, memory, accept, internal=internal)
        tag = answer.etag or OWN_TAG + hashlib.blake2b(answer.body, digest_size=16).hexdigest()
        if answer.unchanged or (tag == memory.etag and not answer.etag):
            return Batch((), memory)
        listings, warnings, others = [], [], 0
        with _reading():
            entries, trouble = read(answer)
            if len(entries) > ENTRIES:
                trouble = [*trouble, f"only the first {ENTRIES:,} entries were read; ask for fewer at a time"]
                del entries[ENTRIES:]
            for number, entry in enumerate(_drained(entries), 1):
                try:
                    if made := listing(entry, name, answer.url):
                        listings.append(made)
                    else:
                        others += 1
                except Unusable as reason:
                    warnings.append(f"entry {number} is left out: {reason}")
    except SourceError as error:
        error.name = name
        raise
    if len(warnings) > _WARNINGS:
        warnings[_WARNINGS:] = [f"and {len(warnings) - _WARNINGS} more are left out"]
    if others:
        warnings.append(f"{others} entries are about no paper and passed over")
    distinct = _distinct(listings)
    remembered = replace(_remembered(distinct, memory), etag=tag, modified=answer.modified)
    if trouble:  # to be asked for again in full
        remembered = replace(remembered, etag=None, modified=None)
    return Batch(distinct, remembered, not trouble, (*trouble, *warnings))


def _drained(entries: list[Any]) -> Iterator[Any]:
    """Each entry, and then it is gone: read, a document takes many times the room of what becomes of it."""
    entries.reverse()
    while entries:
        yield entries.pop()


def key(*candidates: str) -> str:
    """The first that says anything, as a name of bearable length."""
    name = next((" ".join(words) for candidate in candidates if (words := candidate.split())), "")
    return name if len(name) <= 300 and name.isprintable() else hashed(name)


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def what_came(answer: Answer) -> str:
    """A few words on a document that is not what it should be, for the error message."""
    beginning = answer.body[:20_000].decode("utf-8", "replace")
    if not beginning.strip():
        return "nothing"
    if title := re.search(r"<title[^<>]*>([^<]*)", beginning, re.IGNORECASE):
        return f"a page titled “{clean(title[1], 100)}”"
    return f"{answer.content_type or 'something'} that begins “{clean(beginning, 60)}”"


def _distinct(listings: list[Listing]) -> tuple[Listing, ...]:
    """The listings, each once, of several versions the first, which is the news. What others share (a constant guid,
    the journal's home page) is nobody's identity."""
    found: dict[tuple[str, str], Listing] = {}
    for listing in listings:
        name = listing.key, "" if listing.version else listing.title
        if name not in found or listing.version < found[name].version:
            found[name] = listing
    unique = tuple(found.values())
    keys = Counter(listing.key for listing in unique)
    ids = Counter(pair for listing in unique for pair in listing.ids.items() if pair[0] != "arxiv")
    if len(keys) == len(unique) and len(ids) == ids.total():
        return unique

    def own(listing: Listing) -> Listing:
        name = listing.key if keys[listing.key] == 1 else f"{listing.key} {hashed(listing.title)}"
        return replace(listing, key=name, ids={k: v for k, v in listing.ids.items() if ids[k, v] <= 1})

    return tuple(map(own, unique))


def _remembered(listings: tuple[Listing, ...], before: Memory) -> Memory:
    newest = max(listings, key=lambda listing: (listing.announced is not None, listing.announced), default=None)
    fingerprint = hashed("\n".join(sorted(map(_described, listings))))
    return Memory(fingerprint=fingerprint, newest=newest.key if newest else before.newest)


def _described(listing: Listing) -> str:
    """All that the catalog could learn from a listing but its signals, in short; not the dates, which feeds renew."""
    sizes = f"{len(listing.abstract)} {len(listing.authors)} {listing.announce_type} {listing.version}"
    more = (*listing.ids.values(), *listing.categories, *listing.keywords, *listing.links.values())
    return "\t".join((listing.key, listing.title, sizes, *more))
