"""Any RSS or Atom feed: journals, preprint servers, blogs.

feedparser reads the bytes from the root element on (entity declarations, where XML bombs live, come before it) and
cleans nothing: every field goes through `text`. An entry whose date cannot be read stays undated.
"""

import re
from calendar import timegm
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from itertools import islice
from typing import Any
from xml.parsers import expat

import feedparser
from feedparser.encodings import convert_to_utf8

from digest.errors import SourceError
from digest.model import Batch, Listing, Memory
from digest.sources import batch, text
from digest.sources.http import Answer, Http

Entry = dict[str, Any]


@dataclass(frozen=True)
class FeedSource:
    """Any RSS or Atom feed."""

    name: str
    url: str
    internal: bool = False

    def fetch(self, http: Http, memory: Memory) -> Batch:
        return batch.fetched(self.name, self.url, http, memory, read, listing, internal=self.internal)


SOURCE = FeedSource


# ---------------------------------------------------------------- the document

_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(?:rss|rdf|feed|channel|entry)[\s>]", re.IGNORECASE)
_ITEM = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(?:item|entry)[\s>]")
# feedparser takes quadratic time for attributes, for authors without blanks, and for most of a malformed document
_ATTRIBUTES = re.compile(rb"""<[^\s<>"'=]+(?:\s+[^\s<>"'=]+\s*=\s*(?:"[^"<]*"|'[^'<]*'|[^\s<>"']+)){200}""")
_BUT_SIGNS = bytes(set(range(256)) - set(b"<="))  # what is left tells whether the search is worth its while
_RUN = re.compile(rb"[\w.+-]{1000,}")
_RUNNING = bytes(ord("x" if _RUN.match(bytes([c]) * 1000) else " ") for c in range(256))  # spares most the search
_UNUSED = re.compile(  # by us, while reading one costs feedparser as much as another
    rb"<((?:dc:)?(?:rights|publisher|format|language)|copyright|"
    rb"prism:(?:volume|number|startingPage|endingPage|issn|eIssn|section|copyright))>[^<]*</\1>"
)
_MAILED = re.compile(rb"(?<=<author>)\s*[^\s<>()@]+@[^\s<>()@]+\s+\(([^<>]+)\)\s*(?=</author>)")
"""RSS's way to name somebody, of which feedparser knows short top-level domains only"""
_BARE = re.compile(rb"<!\[CDATA\[.*?(?:\]\]>|\Z)|&(?!(?:#\w{1,8}|amp|lt|gt|quot|apos);)", re.DOTALL)
"""the fault of most malformed feeds, and CDATA, where it is none"""
_MALFORMED = 1_000_000
_TAGS = 150_000  # 40 MB when each lies within the one before, seconds when they lie side by side


def read(answer: Answer) -> tuple[list[Entry], list[str]]:
    """feedparser's entries, and what is wrong with the document. Raises SourceError when it is no feed."""
    document, trouble = _parsed(answer)
    if issue := said(document.feed, "prism_coverdisplaydate"):  # said once for all that is in it
        for entry in document.entries:
            entry.setdefault("prism_coverdisplaydate", issue)
    return document.entries, trouble


def title(answer: Answer) -> str:
    """What the feed calls itself. Raises SourceError when it is none."""
    return text.clean(said(_parsed(answer)[0].feed, "title"), text.TITLE)


def _parsed(answer: Answer) -> tuple[Any, list[str]]:
    xml = {"content-type": "application/xml; charset=utf-8"}  # and no address, which would find its way into the ids
    try:
        data: bytes = convert_to_utf8({"content-type": answer.content_type or "application/xml"}, answer.body, {})
        data, trouble = _bearable(data, answer.url)
        feed = feedparser.parse(BytesIO(data), response_headers=xml, sanitize_html=False, resolve_relative_uris=False)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise SourceError(f"{answer.url} cannot be read as a feed: {error!r}") from error
    if not feed.get("version"):
        hint = "look on the site for the address of its RSS or Atom feed"
        raise SourceError(f"{answer.url} is no feed: {batch.what_came(answer)} came instead; {hint}")
    return feed, trouble


def _bearable(data: bytes, url: str) -> tuple[bytes, list[str]]:
    """The document without its prolog and most of its surplus, and a warning when it is malformed."""
    root = _ROOT.search(data)
    if b"<!ENTITY" in data[: root.start() if root else None]:
        raise SourceError(f"{url} declares XML entities, as no feed does; it is not read")
    data = _UNUSED.sub(b"", data[root.start() :]) if root else b"<nothing/>"
    data = _MAILED.sub(rb"\1", data)
    if b"x" * 1000 in data.translate(_RUNNING):
        data = _RUN.sub(b"...", data)
    if surplus := next(islice(_ITEM.finditer(data), batch.ENTRIES + 1, None), None):  # one more tells that it was cut
        end = b"</channel></rss>" if data[:4] == b"<rss" else b"</%b>" % re.split(rb"[\s>]", data[1:200])[0]
        data = data[: surplus.start()] + end
    if (opening := data.count(b"<")) > _TAGS and opening - data.count(b"</") > _TAGS:
        raise SourceError(f"{url} has more than {_TAGS:,} tags, as no feed does; it is not read")
    if b"=" * 200 in data.translate(None, _BUT_SIGNS) and _ATTRIBUTES.search(data):
        raise SourceError(f"{url} has a tag with hundreds of attributes, as no feed does; it is not read")
    if not _fault(data):
        return data, []
    data = _BARE.sub(lambda found: b"&amp;" if found[0] == b"&" else found[0], data)
    if not (error := _fault(data)):
        return data, []
    return data[:_MALFORMED], [f"the document is cut or malformed ({error}); what could be read was taken"]


def _fault(data: bytes) -> str:
    try:
        expat.ParserCreate("utf-8", " ").Parse(data, True)
    except expat.ExpatError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------- its entries


def listing(entry: Entry, source: str, base: str) -> Listing:
    """What a feed at *base* says of one paper. Raises Unusable."""
    return Listing(**fields(entry, source, base))


def fields(entry: Entry, source: str, base: str, *, commas: bool = False) -> dict[str, Any]:
    """Those of a listing, for who knows better than the feed. With *commas* they separate authors. Raises Unusable."""
    headline = text.clean(said(entry, "title"), text.TITLE)
    links = _links(entry, base)
    name = batch.key(said(entry, "id"), links.get("abstract", ""))
    if not headline:
        raise batch.Unusable(f"it has no title ({name or 'nor a name'})")
    told = _description(entry)
    abstract = told["abstract"]
    people = text.names((said(author, "name") for author in several(entry, "authors")), commas=commas)
    byline = text.names([told.get("authors", "")])
    authors = byline if byline[: len(people)] == people else people  # PLOS: the first one, and all in the description
    named = [said(entry, field) for field in ("prism_doi", "dc_identifier", "arxiv_doi", "id", "link")]
    published, updated = moment(entry, "published") or _issued(entry, told.get("date", "")), moment(entry, "updated")
    return {
        "source": source,
        "key": name or batch.hashed("\n".join((headline, *authors))),
        "title": text.readable(headline),
        "abstract": "" if abstract == headline else text.readable(abstract),
        "authors": authors,
        "ids": _ids([*named, told.get("doi", "")], links.get("abstract", "")),
        "categories": text.words(said(tag, "term") for tag in several(entry, "tags"))[:20],
        "links": links,
        "announced": published or updated,
        "updated": updated if published else None,
    }


_get = dict.get  # past feedparser's aliases


def said(entry: Entry, field: str) -> str:
    """A field; what feedparser does not know comes as a dictionary when it has attributes."""
    value = _get(entry, field)
    return value if isinstance(value, str) else ""


def several(entry: Entry, field: str) -> list[Entry]:
    value = _get(entry, field)
    return value if isinstance(value, list) else []


def _ids(named: list[str], address: str) -> dict[str, str]:
    bare = address.count("/") <= 3 and "?" not in address  # a bare host is nobody's identity
    return text.ids("\n".join(named)) | ({"url": address} if address and not bare else {})


def _links(entry: Entry, base: str) -> dict[str, str]:
    links: dict[str, str] = {}
    for link in ({"href": said(entry, "link")}, *several(entry, "links")):
        address = (href := said(link, "href")) and text.web_address(href, base)
        if address and said(link, "type") == "application/pdf":
            links.setdefault("pdf", address)
        if address and said(link, "rel") in ("", "alternate"):
            links.setdefault("abstract", address)
    return links


_DESCRIPTIONS = (  # of arXiv, Pensoft, ScienceDirect, PubMed, CNKI and others: more than the abstract, or less
    re.compile(r"arXiv:\S+ Announce Type: \S+(?: Abstract: (?P<abstract>.*))?"),
    re.compile(r".{0,300}?\bDOI: (?P<doi>10\.\S+) Authors?: (?P<authors>.+?) Abstract: (?P<abstract>.*?)(?: HTML.*)?"),
    re.compile(r"Publication date: (?P<date>.{0,80}?) Source: .{0,300}?(?: Author\(s\): (?P<authors>.*))?"),
    re.compile(r".{0,300}?\bdoi: (?P<doi>10\.\S+?)\.? .{0,100}?(?:NO )?ABSTRACT (?P<abstract>.*?)(?: ?PMID:.*)?"),
    re.compile(r".{0,120}?, Published online: .{0,60}?; doi:(?P<doi>10\.\S+) ?(?P<abstract>.*)"),
    re.compile(r"(?:.{0,200}? )?DOI: ?(?P<doi>10\.\S+)"),
    re.compile(r"(?:Abstract|ABSTRACT|Summary) ?[:.]? (?P<abstract>[A-Z].*)"),
    re.compile(r"(?P<authors>[\u4e00-\u9fff]{2,4}|[^\s;:.][^;:.]{1,60}(?:;[^\s;:.][^;:.]{1,60})+); (?P<abstract>.*)"),
    re.compile(r"N/A|<正>.{0,9}|(?:.{0,80}, )?Volume \d+, Issue .{0,80}|.{0,80}, (?:EarlyView|Ahead of Print)\."),
)
_BYLINES = (  # of Schweizerbart, PLOS and APS, where only the tags tell them from the abstract
    (
        "</a></h1>",
        r"</a></h1>\s*<b>(?P<authors>[^<]*)</b>(?:<br/?>)?\s*(?:<a[^<>]*>[^<]*</a>)?[^<]*<h2>[^<]*</h2>(?P<abstract>.*)",
    ),
    ("<p>by ", r"^\s*<p>by (?P<authors>[^<]*)</p>(?P<abstract>.*)"),
    ("<p>Author(s): ", r"^\s*<p>Author\(s\): (?P<authors>[^<]*)</p>(?P<abstract>.*?)(?:<br/?>\s*)?(?:<p>\[|$).*"),
)


def _description(entry: Entry) -> dict[str, str]:
    """The `abstract`, and as far as the description or the content has them `authors`, `doi` and `date`."""
    told = _described(said(entry, "summary"))
    for part in several(entry, "content"):
        if (value := said(part, "value")) != said(entry, "summary"):
            told = max(told, _described(value), key=lambda told: len(told["abstract"]))
    return told


def _described(raw: str) -> dict[str, str]:
    for mark, byline in _BYLINES:
        if mark in raw and (match := re.search(byline, raw[:20_000], re.DOTALL)):
            return {name: text.clean(value) for name, value in match.groupdict().items()}
    words = text.clean(raw)
    for pattern in _DESCRIPTIONS:
        if match := pattern.fullmatch(words):
            return {"abstract": ""} | {name: value for name, value in match.groupdict().items() if value}
    return {"abstract": words}


def _issued(entry: Entry, described: str) -> datetime | None:
    """The day of the issue, or the first of its month, where the entry itself has no date."""
    if said(entry, "updated"):
        return None
    stated = next(filter(None, (said(entry, f"prism_{name}") for name in _ISSUED)), described)
    if at := text.moment(stated):
        return at
    if not (match := re.search(r"(?:\b(\d\d?) )?\b([A-Z][a-z]{2,8}) (\d{4})$", stated)):
        return None
    with suppress(ValueError):
        return text.moment(parsedate_to_datetime(f"{match[1] or 1} {match[2]} {match[3]} 00:00:00").isoformat())
    return None


_ISSUED = ("publicationdate", "coverdate", "coverdisplaydate")


def moment(entry: Entry, field: str) -> datetime | None:
    """A date, in UTC. feedparser misreads 2021/10/16 and does not know other languages' weekdays."""
    stated, known = said(entry, field), dict.get(entry, f"{field}_parsed")
    if not stated:
        return None
    try:
        if known and stated[4:5] != "/":
            return text.moment(datetime.fromtimestamp(timegm(known), UTC).isoformat())
        iso = re.sub(r"^(\d{4})/(\d\d)/(\d\d)\b.*", r"\1-\2-\3", stated)
        return text.moment(iso) or text.moment(parsedate_to_datetime(re.sub(r"^\w+\.?,\s*", "", stated)).isoformat())
    except (ValueError, OverflowError, OSError):
        return None
