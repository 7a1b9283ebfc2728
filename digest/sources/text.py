"""Strangers' text made plain, and the identifiers found in it.

What leaves here is one line without markup or invisible characters, and every address is http(s). It is still text, not
HTML: "a < b" and "<think>" stay as their authors wrote them, so whoever prints it escapes it. Clean once: entities are
read once, and reading them again would change the text.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from digest.sources import latex

TITLE, ABSTRACT = 500, 5_000

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,30});")
_TAG = re.compile(r"</?(?P<name>[a-zA-Z][\w.-]*(?::[\w.-]+)?)(?P<rest>(?:[\s/][^<>]*)?)(?P<end>>|(?=<)|$)")
_DECLARATION = re.compile(r"<!--|<!\[CDATA\[|\]\]>|<[!?][a-zA-Z][^<>]*>")
_ATTRIBUTE = re.compile(r"""=\s*["']|\bon\w+\s*=""", re.IGNORECASE)
_SILENT = tuple(
    (re.compile(f".*{end}", re.I | re.S), re.compile(f"{start}.*?{end}", re.I | re.S))
    for start, end in (("<!--", "-->"), (r"<script\b", r"</script\s*>"), (r"<style\b", r"</style\s*>"))
)
_BLOCK = re.compile(
    "article|aside|blockquote|br|caption|center|d[dlt]|div|fig(?:ure|caption)|footer|form|h[1-6]|header|hr|li|main|nav|"
    "ol|p|pre|sec|section|t(?:able|body|[drh]|foot|head|itle)|ul"
)
_INLINE = re.compile(
    "a|abbr|acronym|b|base|bd[io]|big|body|cite|code|del|dfn|em|embed|font|frame(?:set)?|head|html|i|iframe|img|input|ins|"
    "italic|kbd|link|math|meta|m(?:frac|[ino]|row|su[bp]|text)|noscript|object|q|script|semantics|small|span|strike|"
    "strong|style|su[bp]|svg|tt|u|var|wbr"
)


def clean(text: str, limit: int = ABSTRACT) -> str:
    """*text* as one line of plain text of at most *limit* characters, cut between words."""
    text = _plain(text[: 8 * limit])
    if "&" in text:  # entities may spell tags: feeds escape twice, some by mistake and some on purpose
        text = _plain(_ENTITY.sub(lambda entity: html.unescape(entity[0]), text))
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"


def readable(plain: str) -> str:
    """What was cleaned, in the letters that its LaTeX and Markdown stand for. For what people read, never for ids."""
    made = latex.readable(plain)
    return plain if made == plain else unicodedata.normalize("NFC", _plain(made))


def _plain(text: str) -> str:
    """One line without tags and without what does not show: control, zero width and bidi characters, surrogates."""
    for _ in range(5):
        text = _spaced(text)
        if "<" not in text:
            return text
        before, text = text, _untagged(text)
        if text == before:
            return text
    return " ".join(text.replace("<", " ").split())  # tags inside tags inside tags are no accident


def _spaced(text: str) -> str:
    """Only what is printable, each run of blanks as one; fast for text that needs little of it."""
    text = text.replace(" \n", " ").replace("\n", " ")
    if not text.isprintable():
        text = " ".join(text.split())
        return text if text.isprintable() else " ".join("".join(filter(str.isprintable, text)).split())
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip(" ")


def _untagged(text: str) -> str:
    for zone, silent in _SILENT:
        if reach := zone.match(text):  # up to the last end every start has one, which keeps the search linear
            text = silent.sub(" ", reach[0]) + text[reach.end() :]
    return _TAG.sub(_instead, _DECLARATION.sub("", text))


def _instead(tag: re.Match[str]) -> str:
    """Nothing or a blank for markup; the tag itself for an author's `<think>`, `i <j` or `p <q and r>`."""
    name, rest = tag["name"].lower().rpartition(":")[2], tag["rest"]
    attributed = bool(_ATTRIBUTE.search(rest))
    prose = len(name) == 1 and re.fullmatch(r" [^=]*[^=/ ]", rest)
    if prose or (not tag["end"] and not attributed):
        return tag[0]
    if _BLOCK.fullmatch(name):
        return " "
    return "" if _INLINE.fullmatch(name) or attributed or ":" in tag["name"] else tag[0]


_COMMA = re.compile("[,，、]")
_INITIALS = re.compile(r"(?:[^\W\d_a-z]\.?[\s-]?){1,4}|[JSjs]r\.?")
_EMPLOYED = re.compile(  # what AAAS puts right behind a name, where arXiv has brackets
    r"(?<=[^\W\d_])\d*(?:Cent(?:er|re)|College|Department|Division|Facult|Hospital|Institut|Laborator|School|Universi)"
    r"\w*\W.*|(?<=[^\W\d_])\d[A-Z].*"
)
_NOBODY = re.compile(r"et al\.?|and others|\W*", re.IGNORECASE)


def names(people: Iterable[str], *, commas: bool = False) -> tuple[str, ...]:
    """Authors, each once, at most 200. A single string is split where it lists several names; with *commas* at each."""
    listed = list(dict.fromkeys(readable(clean(_mended(person), 30_000)) for person in people))
    if not commas:
        listed = list(dict.fromkeys(_EMPLOYED.sub("", person) for person in listed))
    if len(listed) == 1:
        listed = _split(listed[0], commas)
    return tuple(dict.fromkeys(name[:120] for name in listed if not _NOBODY.fullmatch(name)))[:200]


def _mended(name: str) -> str:
    """UTF-8 that somebody took for Latin-1, as a few names have come to arXiv: JosÃ© is José."""
    if name.isascii() or not ("Ã" in name or "Ä" in name or "Å" in name):
        return name
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name


def _split(listed: str, commas: bool) -> list[str]:
    if ";" in listed or "；" in listed:
        return re.split(r"\s*[;；]\s*", listed)
    if "(" in listed:
        listed = re.sub(r"\s*\([^()]*\)", "", listed)
    spelled = listed.replace(" and ", ", ").replace(" & ", ", ")
    pieces = spelled.split(",") if spelled.isascii() else _COMMA.split(spelled)
    parts = [part for piece in pieces if (part := piece.strip())]
    if commas or (not listed.isascii() and not any(" " in part for part in parts)):
        return parts
    if len(parts) % 2 == 0 and all(map(_INITIALS.fullmatch, parts[1::2])):  # Curie, M., Meitner, L.
        return [", ".join(pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    return [listed] if len(parts) == 2 and "," in listed and " " not in parts[0] else parts  # Curie, Marie


def words(listed: Iterable[str]) -> tuple[str, ...]:
    """Names or categories, clean, each once, at most 200 of them."""
    kept = dict.fromkeys(_word(word[:1_000]) for word in listed)
    return tuple(filter(None, kept))[:200]


@lru_cache(2_000)  # few differ
def _word(word: str) -> str:
    return clean(word, 120)


def moment(stated: str) -> datetime | None:
    """An ISO 8601 time in UTC; None for anything else, and where a clock begins or ends, which nobody means."""
    try:
        at = datetime.fromisoformat(stated)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return at if 1970 < at.year < 9999 else None
    except (ValueError, OverflowError):
        return None


_HOST = re.compile(r"(?:[\w-]+\.)*[\w-]+|\[[0-9a-f:.]+\]", re.ASCII)
_CANONICAL = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)+/[\w/.~:@!$&'()*+,;=%-]{0,500}", re.ASCII)
_TRACKING = re.compile(
    r"(?:^|&)(?:(?:utm_|fbclid|gclid|dgcid|wt_mc)[^&]*|af=R|rss=(?:1|yes)|source=rss[^&]*)(?=&|$)", re.IGNORECASE
)


def web_address(url: str, base: str = "") -> str | None:
    """*url*, as seen from *base*, in one spelling without fragment and tracking; None if it is not plain http(s)."""
    if _CANONICAL.fullmatch(url):
        return url
    try:
        parts = urlsplit(urljoin(base, "".join(filter(str.isprintable, url)).strip()))
        host = (parts.hostname or "").encode("idna").decode() if not url.isascii() else parts.hostname or ""
        port = parts.port
    except ValueError:  # a broken port, bracket or host name
        return None
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        host = f"{host}:{port}"
    query = "" if host == "pubmed.ncbi.nlm.nih.gov" else _TRACKING.sub("", parts.query).lstrip("&")
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in (parts.path, query))
    address = urlunsplit((parts.scheme, host, path or "/", query, ""))
    return address if len(address) <= 1_000 else None


_ARCHIVES = (
    "acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|cond-mat|cs|dg-ga|"
    "funct-an|gr-qc|hep-(?:ex|lat|ph|th)|math(?:-ph)?|mtrl-th|nlin|nucl-(?:ex|th)|patt-sol|physics|plasm-ph|q-(?:alg|bio)|"
    "quant-ph|solv-int|supr-con"
)
"""up to March 2007; arXiv answers nothing at all to a question that names another"""
_ARXIV = re.compile(
    r"(?:(?:\bar|\balpha)xiv(?:\.org)?[:./](?:(?:abs|pdf|html|format|e-print|src)/)?|huggingface\.co/papers/)\s*(?P<id>"
    rf"\d\d(?:0[1-9]|1[0-2])\.\d{{4,5}}|(?:{_ARCHIVES})(?:\.[a-z-]{{2,20}})?/\d\d(?:0[1-9]|1[0-2])\d{{3}})(?![\d/])",
    re.IGNORECASE,
)


def arxiv_id(text: str) -> str | None:
    """The arXiv id without version in an address, an `arXiv:` or `oai:` name or an arXiv DOI."""
    if not (found := _ARXIV.search(text)):
        return None
    archive, slash, number = found["id"].lower().rpartition("/")
    return archive.partition(".")[0] + slash + number  # math.GT/0309136 and math/0309136 are one paper


_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>?#]+")
_PAGE = re.compile(r"/(?:full|abstract|summary|meta|e?pdf)(?:/.*)?$|\.(?:full|abstract)(?:\.\w+)?$")
_PREPRINT = re.compile(r"(10\.(?:1101|64898)/[\d.]*\d)v\d+\b.*")  # bioRxiv and medRxiv put the version behind the DOI


def doi(text: str) -> str | None:
    """The DOI in *text*, lower case: bare, labelled or within an address."""
    if "10." not in text and "%" not in text:
        return None
    if not (found := _DOI.search(unquote(text))):
        return None
    name = _PREPRINT.sub(r"\1", _PAGE.sub("", found[0].lower())).rstrip(".,;:'/")
    if name.startswith("10.48550/arxiv"):  # says no more than the arXiv id in it, and may say the version
        return None
    while name.endswith(")") and name.count(")") > name.count("("):
        name = name[:-1].rstrip(".,;")
    return name if len(name) <= 200 and name.isprintable() else None


_PUBMED = re.compile(r"\b(?:(?:pubmed|PubMed)(?:\.ncbi\.nlm\.nih\.gov/|[:/])|(?:pmid|PMID):)\s*(\d{1,8})\b", re.ASCII)
_OPENREVIEW = re.compile(r"\bopenreview\.net/(?:forum|pdf|attachment)\?(?:[^#\s]{0,300}&)?id=([\w-]{6,30})", re.ASCII)


def ids(text: str) -> dict[str, str]:
    """The identifiers of a paper in *text*, by scheme."""
    pubmed = ("ubMed" in text or "pubmed" in text or "mid:" in text or "MID:" in text) and _PUBMED.search(text)
    openreview = "openreview" in text and _OPENREVIEW.search(text)
    found: dict[str, Any] = {"arxiv": arxiv_id(text), "doi": doi(text)}
    found |= {"pmid": pubmed and pubmed[1], "openreview": openreview and openreview[1]}
    return {scheme: value for scheme, value in found.items() if value}
