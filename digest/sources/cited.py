"""Papers as people paste them: arXiv ids, DOIs and addresses in any text, and BibTeX as other programs write it."""

import re
from collections.abc import Iterator

from digest.model import Listing
from digest.sources import text

PASTED = "pasted"
"""the source of such papers, and the origin of votes for them"""

MOST = 500
"""papers that are read of one text"""

_ENTRY = re.compile(r"@\s*(?P<kind>[a-zA-Z]+)\s*[{(]")
_FIELD = re.compile(r"(?<![\w-])(?P<name>[a-zA-Z][\w-]*+)\s*+=\s*+")
_BRACE = re.compile(r"[{}()]")
_NONE = ("comment", "string", "preamble")


def cited(pasted: str) -> list[Listing]:
    """One listing for each paper that is named, each once, at most MOST. Its title is what was written."""
    found: dict[object, Listing] = {}
    for listing in _listings(pasted.replace("\0", " ")):  # which no database takes
        found.setdefault(tuple(listing.ids.items()) or listing.title.casefold(), listing)
        if len(found) == MOST:
            break
    return list(found.values())


def _listings(pasted: str) -> Iterator[Listing]:
    at = 0
    while entry := _ENTRY.search(pasted, at):
        yield from _named(pasted[at : entry.start()])
        following = pasted.find("\n@", entry.end())  # for an entry that is never closed
        at = _closing(pasted, entry.end(), following if following > 0 else len(pasted))
        if entry["kind"].lower() not in _NONE:
            yield _entry(dict(_fields(pasted[entry.end() : at])))
    yield from _named(pasted[at:])


def _named(plain: str) -> Iterator[Listing]:
    """What stands line by line, or several in a line."""
    for line in plain.splitlines():
        named = [ids for word in re.split(r"[\s,;]+", line) if (ids := _ids(word))]
        for ids in named:
            yield Listing(PASTED, "", next(iter(ids.values())), ids=ids)
        if not named and re.search(r"\w", line):
            yield Listing(PASTED, "", text.clean(line, 100))


def _ids(word: str, elsewhere: str = "") -> dict[str, str]:
    """The identifiers in a word (which may be a bare arXiv id) and, if it has none, in what stands *elsewhere*."""
    bare = text.arxiv_id(f"arXiv:{word}")
    address = text.web_address(word) if word.lower().startswith("http") else None
    return ({"url": address} if address else {}) | text.ids(f"{word} {elsewhere}") | ({"arxiv": bare} if bare else {})


def _closing(pasted: str, start: int, end: int) -> int:
    """Behind the brace that closes what was opened before *start*, or *end*."""
    depth, kind = 1, "{}" if pasted[start - 1] == "{" else "()"
    for brace in _BRACE.finditer(pasted, start, end):
        depth += (brace[0] == kind[0]) - (brace[0] == kind[1])
        if not depth:
            return brace.end()
    return end


def _fields(body: str) -> Iterator[tuple[str, str]]:
    at = 0
    while field := _FIELD.search(body, at):
        start = field.end()
        if body[start : start + 1] == "{":
            at = _closing(body, start + 1, len(body))
        else:
            close = body.find('"', start + 1) if body[start : start + 1] == '"' else body.find(",", start)
            at = close + 1 if close > 0 else len(body)
        value = text.readable(text.clean(body[start:at].strip(' {}",\n')))
        yield field["name"].lower(), re.sub(r"[{}]", "", value)


def _entry(fields: dict[str, str]) -> Listing:
    elsewhere = " ".join(fields.get(name, "") for name in ("doi", "journal", "note", "howpublished"))
    ids = _ids(fields.get("url", ""), elsewhere) | _ids(fields.get("arxivid") or fields.get("eprint", ""))
    title = fields.get("title", "") or next(iter(ids.values()), "an entry without a title")
    authors = tuple(filter(None, re.split(r"\s+and\s+", fields.get("author", ""))))
    return Listing(PASTED, "", title, authors=authors, ids=ids)
