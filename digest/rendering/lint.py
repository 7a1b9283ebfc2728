"""What MJML passes in silence is found here, with its line: unknown tags and attributes, tags open or misplaced."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import TemplateSyntaxError

from digest.errors import TemplateError
from digest.rendering.grammar import HTML, HTML_ATTRIBUTES, MJML, PARENTS, VOID
from digest.rendering.sheet import environment

_NOT_MARKUP = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\[\[.*?\]\]|\[%.*?%\]|\[#.*?#\]|<!--.*?-->|(?<=<mj-style>).*?(?=</mj-style>)",
    re.S,
)
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
        environment(markup=True).parse(source)
    except TemplateSyntaxError as error:
        yield Finding(file, error.lineno, Severity.ERROR, "jinja", error.message or "not Jinja")
        return
    if file.endswith(".mjml"):
        blanked = _NOT_MARKUP.sub(lambda match: re.sub(r"\S", " ", match[0]), source)
        for at, rule, message in _markup(blanked):
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
                yield at, "mismatch", f"</{name}>, but {_said(source, *still_open[-1:])}"
            still_open = still_open[: _opened(still_open, name)]
        elif not match["empty"] and name not in VOID:
            still_open.append((name, at))
    for name, at in still_open[-1:]:
        yield at, "mismatch", f"<{name}> is never closed in this file"


def _said(source: str, *innermost: tuple[str, int]) -> str:
    for name, at in innermost:
        return f"<{name}> of line {source.count(chr(10), 0, at) + 1} is still open"
    return "nothing is open"


def _opened(still_open: list[tuple[str, int]], name: str) -> int:
    """How many tags stay open after </name>: a stray one closes nothing."""
    return next((i for i in reversed(range(len(still_open))) if still_open[i][0] == name), len(still_open))


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
    if tag in ("img", "mj-image") and "alt" not in names:
        yield start, "alt", f'<{tag}> needs alt="what it shows", or alt="" where it only decorates'
