"""Lists of feeds as other programs keep them: OPML (https://opml.org/spec2.opml) and plain CSV."""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from digest.errors import SourceError
from digest.model import Memory
from digest.sources import Source, text
from digest.sources.http import FEEDS, Answer, Http

_KINDS = dict.fromkeys(("connect.biorxiv.org", "connect.medrxiv.org"), "biorxiv")
_KINDS |= {"rss.arxiv.org": "arxiv", "hnrss.org": "hn"}
_OURS = "digestKind"  # an attribute of our own, which other programs pass over


@dataclass(frozen=True)
class Listed:
    """A feed in such a list; *kind* as the list says, else as its host tells, else `feed`."""

    name: str
    url: str
    kind: str


def feeds(data: bytes, where: str) -> list[Listed]:
    """The feeds in a list, each address once. Raises SourceError for what is neither OPML nor CSV."""
    rows = _outlines(data, where) if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else _rows(data, where)
    found: dict[str, Listed] = {}
    for name, address, kind in rows:
        if url := text.web_address(address.strip()):
            host = urlsplit(url).hostname or ""
            named = text.clean(name, 90) or url[:90]
            found.setdefault(url, Listed(named, url, text.clean(kind, 40) or _KINDS.get(host, "feed")))
    if not found:
        raise SourceError(f"{where} names no feeds; it should be OPML, or CSV with the columns journal and url")
    return list(found.values())


def _outlines(data: bytes, where: str) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        said = {name.lower(): value for name, value in attributes.items()}
        if tag.lower() == "outline" and "xmlurl" in said:
            name = said.get("title") or said.get("text", "")
            found.append((name, said["xmlurl"], said.get(_OURS.lower(), "")))

    def entity(*_: Any) -> None:
        raise SourceError(f"{where} declares XML entities, as no list does; it is not read")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = start, entity
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the others of encodings that expat does not know
        raise SourceError(f"{where} is cut or malformed: {error}") from error
    return found


def _rows(data: bytes, where: str) -> Iterable[tuple[str, str, str]]:
    """The address is what looks like one, the name what stands beside it."""
    try:
        for row in csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=None)):
            address = next((cell for cell in row if cell.strip().lower().startswith(("http://", "https://"))), "")
            yield next((cell for cell in row if cell.strip() and cell != address), ""), address, ""
    except csv.Error as error:
        raise SourceError(f"{where} is malformed: {error}") from error


def written(sources: Iterable[tuple[str, Source]], title: str) -> tuple[str, list[str]]:
    """An OPML document of sources (each with its kind), and the names of those that have no public address."""
    lines, without = [], []
    for kind, source in sources:
        asked = _Asked()
        with suppress(SourceError):
            source.fetch(asked, Memory())
        if address := text.web_address(asked.url):
            name, url = quoteattr(source.name), quoteattr(address)
            lines.append(f'    <outline type="rss" text={name} title={name} xmlUrl={url} {_OURS}="{kind}"/>\n')
        else:
            without.append(source.name)
    head = f'<opml version="2.0">\n  <head><title>{escape(title)}</title></head>\n'
    body = f"  <body>\n{''.join(lines)}  </body>\n</opml>\n"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{body}', without


class _Asked(Http):
    """Is asked for one address, and has nothing there."""

    def __init__(self) -> None:
        self.url = ""

    def get(self, url: str, memory: Memory | None = None, accept: str = FEEDS, *, internal: bool = False) -> Answer:
        self.url = url
        raise SourceError(url)
