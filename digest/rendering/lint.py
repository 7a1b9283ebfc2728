"""What MJML passes in silence is found here, with its line: unknown tags and attributes, tags open or misplaced."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import TemplateSyntaxError, nodes

from digest.errors import TemplateError
from digest.rendering.page import VALUES
from digest.rendering.sheet import environment

# ---------------------------------------------------------------- what MJML 5 and HTML in a mail may say

_PADDING = "padding padding-top padding-right padding-bottom padding-left"
_BORDER = "border border-top border-right border-bottom border-left border-radius"
_GROUND = (
    "background-color background-position background-position-x background-position-y background-repeat background-size"
    " background-url"
)
_BAND = f"{_GROUND} {_BORDER} {_PADDING} direction full-width gutter text-align text-padding"
_FONT = "color font-family font-size font-style font-weight letter-spacing line-height text-decoration text-transform"
_PLACED = f"align container-background-color {_PADDING}"
_LINKED = "href name rel target title"
_CONTENT = {
    "mj-text": f"background-color height vertical-align {_FONT} {_PLACED}",
    "mj-button": f"background-color height inner-padding text-align vertical-align width {_BORDER} {_FONT} {_LINKED}"
    f" {_PLACED}",
    "mj-divider": f"border-color border-style border-width width {_PLACED}",
    "mj-spacer": f"container-background-color height {_BORDER.removesuffix(' border-radius')} {_PADDING}",
    "mj-image": f"alt fluid-on-mobile font-size height max-height sizes src srcset usemap width {_BORDER} {_LINKED}"
    f" {_PLACED}",
    "mj-table": "border cellpadding cellspacing color font-family font-size font-weight line-height role table-layout"
    f" vertical-align width {_PLACED}",
}
_ALL = {
    **_CONTENT,
    "mjml": "lang dir",
    "mj-head": "",
    "mj-attributes": "",
    "mj-class": "name",
    "mj-breakpoint": "width",
    "mj-preview": "",
    "mj-style": "inline",
    "mj-title": "",
    "mj-raw": "",
    "mj-body": "background-color id width",
    "mj-wrapper": f"gap {_BAND}",
    "mj-section": _BAND,
    "mj-column": f"background-color direction vertical-align width {_BORDER} {_PADDING} inner-background-color "
    + " ".join(f"inner-{side}" for side in _BORDER.split()),
    "mj-group": "background-color direction vertical-align width",
}
_ANYWHERE = frozenset({"css-class", "mj-class"})
MJML = {tag: _ANYWHERE.union(attributes.split()) for tag, attributes in _ALL.items()}
MJML["mj-all"] = frozenset[str]().union(*MJML.values())
MJML["mj-class"] |= MJML["mj-all"]

WORDS = frozenset({"alt", "css-class", "href", "lang", "name", "rel", "src", "srcset", "target", "title", "usemap"})
"""attributes of MJML that may hold a placeholder for each mail"""
SIZES = frozenset({"border-radius", "font-size", "height", "inner-padding", "letter-spacing", "padding", "width"})

PARENTS = {
    **dict.fromkeys(_CONTENT, ("mj-column", "mj-attributes")),
    "mj-column": ("mj-section", "mj-group", "mj-attributes"),
    "mj-group": ("mj-section", "mj-attributes"),
    "mj-section": ("mj-body", "mj-wrapper", "mj-attributes"),
    "mj-wrapper": ("mj-body", "mj-attributes"),
    "mj-body": ("mjml", "mj-attributes"),
    "mj-head": ("mjml",),
    **dict.fromkeys(("mj-attributes", "mj-breakpoint", "mj-preview", "mj-style", "mj-title"), ("mj-head",)),
    **dict.fromkeys(("mj-all", "mj-class"), ("mj-attributes",)),
}
"""Elsewhere MJML prints them wrongly or not at all. A tag that is not listed may stand anywhere."""

_HEADINGS, _TABLES, _LISTS = "h1 h2 h3 h4", "table tbody td thead th tr", "li ol ul"
_HTML = f"a abbr b blockquote br code div em hr i img meta p small span strong sub sup u {_HEADINGS} {_TABLES} {_LISTS}"
HTML = frozenset(_HTML.split())
VOID = frozenset({"br", "hr", "img", "meta"})
_HTML_ATTRIBUTES = (
    "align alt aria-hidden aria-label bgcolor border cellpadding cellspacing class colspan content dir height href lang"
    " name rel role rowspan scope src start style target title valign width"
)
HTML_ATTRIBUTES = frozenset(_HTML_ATTRIBUTES.split())

# ---------------------------------------------------------------- what is wrong

_NOT_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\[\[.*?\]\]|\[%.*?%\]|\[#.*?#\]|<!--.*?-->", re.S)
_STYLE = re.compile(r"(?<=<mj-style)([^>]*>)(.*?)(?=</mj-style>)", re.S)
_TAG = re.compile(
    r"""<(?P<end>/?)(?P<name>[a-zA-Z][\w-]*)(?P<attributes>(?:[^<>"']|"[^"]*"|'[^']*')*?)(?P<empty>/?)>|<"""
)
_ATTRIBUTE = re.compile(r"""(?P<name>[^\s=<>"'/]+)(?P<value>\s*=\s*(?:"[^"]*"|'[^']*'))?""")


class Severity(StrEnum):
    ERROR = "error"  # something is lost, or no mail can be made
    NOTE = "note"  # somebody sees it plainer than it was meant


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing about a template that its author should know."""

    file: str
    line: int | None
    severity: Severity
    rule: str
    message: str


def lint(file: str, source: str) -> None:
    """Raises TemplateError for the first thing in *source* that would go wrong later without a line number."""
    for flaw in flaws(file, source):
        raise TemplateError(flaw.message, file=file, line=flaw.line)


def flaws(file: str, source: str) -> Iterator[Finding]:
    """Every error in the text of one template, in its order."""
    try:
        tree = environment(markup=True).parse(source)
    except TemplateSyntaxError as error:
        yield Finding(file, error.lineno, Severity.ERROR, "jinja", error.message or "not Jinja")
        return
    for found in tree.find_all((nodes.Filter, nodes.Getitem, nodes.Getattr)):
        value = next(found.iter_child_nodes(only=["node"]), None)
        if isinstance(value, nodes.Name) and value.name in VALUES:
            message = f"{value.name} can only be printed as it is, or asked whether it is empty"
            yield Finding(file, found.lineno, Severity.ERROR, "value", message)
    if file.endswith(".mjml"):
        blanked = _NOT_MARKUP.sub(lambda match: re.sub(r"\S", "x" if match[0][1] == "[" else " ", match[0]), source)
        styles = [match for match in _STYLE.finditer(blanked) if match[2].count("{") != match[2].count("}")]
        for style in styles:
            line = source.count("\n", 0, style.start()) + 1
            yield Finding(file, line, Severity.ERROR, "style", "this <mj-style> has not as many } as {")
        plain = _STYLE.sub(lambda match: match[1] + re.sub(r"\S", " ", match[2]), blanked)
        for at, rule, message in _markup(plain):
            yield Finding(file, source.count("\n", 0, at) + 1, Severity.ERROR, rule, message)


Flaw = tuple[int, str, str]
"""place, rule, message"""


def _markup(source: str) -> Iterator[Flaw]:
    still_open: list[tuple[str, int]] = []
    for match in _TAG.finditer(source):
        name, at = (match["name"] or "").lower(), match.start()
        if not name:
            yield at, "tag", "a lone <, or a tag without its >; text has &lt;"
            return  # what follows cannot be told
        parent = still_open[-1][0] if still_open else ""
        yield from _tag(name, parent, at, closing=bool(match["end"]))
        yield from _attributes(name, match["attributes"], match.start("attributes"))
        if match["end"]:
            if parent != name:
                line = source.count("\n", 0, still_open[-1][1]) + 1 if parent else 0
                said = f"<{parent}> of line {line} is still open" if parent else "nothing is open"
                yield at, "mismatch", f"</{name}>, but {said}"
            # a stray one closes nothing
            matching = (i for i in reversed(range(len(still_open))) if still_open[i][0] == name)
            del still_open[next(matching, len(still_open)) :]
        elif not match["empty"] and name not in VOID:
            still_open.append((name, at))
    for name, at in still_open[-1:]:
        yield at, "mismatch", f"<{name}> is never closed in this file"


def _tag(name: str, parent: str, at: int, *, closing: bool) -> Iterator[Flaw]:
    if name not in MJML and name not in HTML:
        yield at, "tag", f"unknown tag <{name}>"
    elif not closing and parent in MJML and parent not in PARENTS.get(name, (parent,)):
        yield at, "place", f"<{name}> cannot stand in <{parent}>, only in {' or '.join(PARENTS[name])}"


def _attributes(tag: str, attributes: str, start: int) -> Iterator[Flaw]:
    known = MJML.get(tag, HTML_ATTRIBUTES)
    names = set()
    for match in _ATTRIBUTE.finditer(attributes):
        name, at = match["name"].lower(), start + match.start()
        names.add(name)
        if not match["value"]:
            yield at, "attribute", f'{name} of <{tag}> has no value in quotes: write {name}="…"'
        elif name not in known:
            yield at, "attribute", f"<{tag}> has no attribute {name}"
        elif tag in MJML and name not in WORDS and re.search(r"\s{5}", match["value"]):
            yield at, "attribute", f"{name} of <{tag}> takes no {{{{ }}}}: MJML reads a size or a colour there"
        elif name in SIZES and tag in MJML and re.search(r"[1-9](?![\d.%a-z])", match["value"]):
            yield at, "attribute", f"{name} of <{tag}> needs a unit: write px"
    if tag in ("img", "mj-image") and "alt" not in names:
        yield start, "alt", f'<{tag}> needs alt="what it shows", or alt="" where it only decorates'
