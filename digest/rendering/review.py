"""All that can be said of a set of templates before anybody gets a mail: their text, and the mail they make."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import meta
from lxml.html import HtmlElement, document_fromstring  # type: ignore[import-untyped]

from digest.errors import TemplateError
from digest.model import WELCOME, Publication
from digest.rendering import clients, specimen
from digest.rendering.colour import unreadable
from digest.rendering.lint import Finding, Severity, flaws
from digest.rendering.mime import quoted
from digest.rendering.press import Parts, Press
from digest.rendering.sheet import Sheet, environment
from digest.rendering.stationery import Stationery, compiled, files

LIGHT = 38_000
"""bytes of the HTML part that ten cards should stay under; at twice as many, long papers lose their abstracts"""


_EMPTY = r"<a\b[^>]*>\s*</a>"
_DRAWN = re.compile(r"""\[%-?\s*(?:extends|include|import|from)\s+["']([^"']+)""")


def review(folders: Sequence[Path], publication: Publication, wanted: Sequence[str] = clients.CLIENTS) -> list[Finding]:
    """Errors and notes about every layout in *folders*, read as for a mail to the *wanted* clients; errors first."""
    sources = {path: path.read_text("utf-8", errors="replace") for path in files(folders).values()}
    found = {flaw for path, source in sources.items() for flaw in flaws(str(path), source)}
    broken = {flaw.file for flaw in found}
    for layout in layouts(folders):
        try:
            made = compiled(layout, folders, publication)
        except TemplateError as error:
            if error.file not in broken:  # else it is the first of what was found there
                message = re.sub(r"^.*?:(\d+:)? ", "", str(error).removeprefix(error.file), count=1)
                found.add(Finding(error.file, error.line, Severity.ERROR, "template", message))
        else:
            found |= {*_mail(made, _family(layout, sources), wanted)}
    return sorted(found, key=lambda finding: (finding.severity, finding.file, finding.line or 0, finding.message))


def layouts(folders: Sequence[Path]) -> list[str]:
    """Names of all folders of `email/` that make mails; those with an underscore are only included."""
    return sorted({p.name for f in folders for p in (f / "email").glob("*") if p.is_dir() and p.name[0] not in "._"})


def _family(layout: str, sources: Mapping[Path, str]) -> dict[Path, str]:
    """The files that a layout is made of, its own last."""
    named = {f"{path.parent.name}/{path.name}": path for path in sources}
    names = [name for name in named if name.startswith(f"{layout}/")]
    for name in names:  # grows
        names += [other for other in _DRAWN.findall(sources[named[name]]) if other in named and other not in names]
    return {named[name]: sources[named[name]] for name in reversed(names)}


def _mail(made: Stationery, sources: Mapping[Path, str], wanted: Sequence[str]) -> Iterator[Finding]:
    for nth, parts in enumerate(_printed(made)):
        document = document_fromstring(parts.html)
        for severity, rule, message, cause in (
            *_structure(document),
            *_links(document),
            *_out(made, parts),
            *(_size(parts.html) if nth == 0 else ()),
            *((Severity.ERROR, "contrast", message, cause) for message, cause in unreadable(document)),
            *_support(parts.html, wanted),
        ):
            file, line = _place(cause, sources)
            # what MJML writes by itself has its own fallbacks
            if file or rule != "support" or severity is Severity.ERROR:
                yield Finding(file or f"email/{made.layout}", line, severity, rule, message)


def _printed(made: Stationery) -> list[Parts]:
    """Mails on this stationery: of usual size; and of a week, which tells some papers in short."""
    if made.digests:
        press, full = Press(made, specimen.edition(12)), "sections" in _names(made.html)
        turns = (WELCOME, 10) if made.layout == WELCOME else ("2026-01-30", 10), ("2026-W05", 12)
        digests = [specimen.digest(papers if full else 0, turn) for turn, papers in turns]
        return [press.parts(digest, specimen.NOON.date(), specimen.URLS) for digest in digests]
    urls = {name: f"https://news.example.org/{name}" for part in (made.html, made.text) for name in _names(part)}
    html, text = (Sheet(part, made.publication, markup=part is made.html) for part in (made.html, made.text))
    return [Parts(made.subject, html.whole(urls), text.whole(urls))]


def _names(part: str) -> set[str]:
    return meta.find_undeclared_variables(environment(markup=True).parse(part)) - {"publication"}


def _place(cause: str, sources: Mapping[Path, str]) -> tuple[str, int | None]:
    """The first file and line that says *cause*, as a word of its own."""
    alone = r"(?<![\w-])" if cause[:1].isalpha() else ""
    spaced = re.escape(cause).replace(r":\ ", r":\s*")
    pattern = re.compile(f"{alone}{spaced}(?![\\w-])" if cause != _EMPTY else _EMPTY) if cause else None
    for path, source in sources.items():
        if pattern and (match := pattern.search(source)):
            return str(path), source.count("\n", 0, match.start()) + 1
    return "", None


Remark = tuple[Severity, str, str, str]
"""severity, rule, message, and the words that a source may have for the cause"""


def _structure(document: HtmlElement) -> Iterator[Remark]:
    if document.get("lang", "und") == "und":  # MJML's word for none
        yield Severity.ERROR, "lang", 'the mail names no language: <mjml lang="en">', "<mjml"
    if not (document.findtext(".//title") or "").strip():
        yield Severity.ERROR, "title", "the mail has no title: <mj-title>", "<mj-head"
    levels = [int(element.tag[1]) for element in document.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    if levels.count(1) != 1:
        yield Severity.ERROR, "headings", f"a mail has one <h1>, this one has {levels.count(1)}", "<h1"
    for before, after in zip([0, *levels], levels, strict=False):
        if after > before + 1:
            message = f"<h{after}> follows {f'<h{before}>' if before else 'nothing'}: no level is left out"
            yield Severity.ERROR, "headings", message, f"<h{after}"


def _links(document: HtmlElement) -> Iterator[Remark]:
    for link in document.iter("a"):
        href = link.get("href", "")
        shown = "".join(link.itertext()).strip() or "".join(image.get("alt", "") for image in link.iter("img")).strip()
        if not shown:
            yield Severity.ERROR, "link", "a link without words", _EMPTY
        if not href.startswith(("https://", "http://", "mailto:")):
            yield Severity.ERROR, "link", f"“{shown}” leads to {href or 'nowhere'}: links are whole addresses", href


def _out(made: Stationery, parts: Parts) -> Iterator[Remark]:
    """The law's part: who writes, and the way out (REQ-22)."""
    html = document_fromstring(parts.html).text_content()
    for part, source, words in (("HTML", parts.html, html), ("text", parts.text, parts.text)):
        if " ".join(made.publication.postal_address.split()) not in " ".join(words.split()):
            yield Severity.ERROR, "address", f"the {part} part lacks publication.postal_address", ""
        if made.digests and specimen.URLS.unsubscribe not in source:
            yield Severity.ERROR, "unsubscribe", f"the {part} part lacks unsubscribe_url", ""


def _size(html: str) -> Iterator[Remark]:
    size = len(quoted(html))
    if size > LIGHT:
        severity = Severity.ERROR if size > 2 * LIGHT else Severity.NOTE
        yield severity, "size", f"ten usual cards make {size:,} bytes of HTML, more than {LIGHT:,}", ""


def _support(html: str, wanted: Sequence[str]) -> Iterator[Remark]:
    for feature, cause in clients.used(html).items():
        told, lost = clients.lacking(feature, wanted)
        if told:
            where = f"https://www.caniemail.com/features/{feature}/"
            severity = Severity.ERROR if lost else Severity.NOTE
            yield severity, "support", f"{feature.partition('-')[2]}: {told} ({where})", cause
