"""From a layout's files to its stationery: compose, mask, MJML, inline, unmask, and prove that nothing was lost.

MJML and premailer would damage Jinja, so they see tokens in its place; each must come back. Loaded only to compile.
"""

import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import jinja2
from jinja2 import meta
from jinja2.sandbox import SandboxedEnvironment
from lxml.html import document_fromstring, tostring  # type: ignore[import-untyped]
from mjml import mjml2html
from premailer import Premailer

from digest.errors import TemplateError
from digest.model import Candidate, Publication
from digest.model import Card as Paper
from digest.rendering.colour import readable
from digest.rendering.lint import lint
from digest.rendering.mime import unquoted
from digest.rendering.page import REQUIRED, VALUES, Detail, Section, card
from digest.rendering.sheet import Sheet, environment
from digest.rendering.words import clean

_INLINE = re.compile(r'<mj-style inline="inline">(.*?)</mj-style>', re.S)
_TOKEN = re.compile(r"XJ\d{4}J")
_STYLE = re.compile(r""" style=("[^"]*"|'[^']*')""")
_CARD = "{% block card"
_QUIRKS = {
    "<!doctype html>": "<!DOCTYPE html>",  # in small letters premailer drops it: quirks mode
    ' vertical-align="middle"': "",  # of buttons: a style, and no attribute in any HTML
    "display:none;font-size:1px;color:#ffffff;": "display:none;font-size:1px;",  # white on white: SpamAssassin's 0.7
}
_AS_THEY_ARE = "values can only be printed as they are, or asked whether they are empty"
_IN_BLOCKS = frozenset({"sections", "card", "publication"})


def compiled(layout: str, folders: Sequence[Path], publication: Publication) -> tuple[str, str, str]:
    """Subject, HTML and text of a layout as Jinja sources. Raises TemplateError."""
    source = Source(layout, folders, publication.accent)
    subject, mjml, text = (source.composed(part) for part in ("subject.txt", "body.mjml", "body.txt"))
    names = _names(source, subject, mjml, text)
    masked, tokens = _mask(mjml)
    html = _unmask(converted(masked, source.body), tokens, source)
    _prove(source, publication, names, subject, mjml, html, text)
    return subject.strip(), html, text


class Source:
    """A layout's files: each is linted, then composed (`extends`, `include`, `[[ ]]`); Jinja for each mail is left."""

    def __init__(self, layout: str, folders: Sequence[Path], accent: str) -> None:
        self.layout, self.body = layout, f"email/{layout}/body.mjml"
        self._folders = folders
        self._read: dict[str, str] = {}
        self._env = SandboxedEnvironment(
            *("[%", "%]", "[[", "]]", "[#", "#]"),
            undefined=jinja2.StrictUndefined,
            loader=jinja2.FunctionLoader(self._load),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        try:
            day, night = readable(accent, "#f1eee8"), readable(accent, "#272521")  # the palette's middlemost grounds
        except ValueError as error:
            raise TemplateError(str(error), file="publication.accent") from error
        self._env.globals.update(accent=day, accent_dark=night, on_accent=readable("#ffffff", day))

    def composed(self, part: str) -> str:
        """One of `subject.txt`, `body.mjml`, `body.txt` with everything that it includes."""
        try:
            return self._env.get_template(f"{self.layout}/{part}").render()
        except jinja2.TemplateNotFound as error:
            looked = " or ".join(str(folder / "email") for folder in self._folders)
            raise self.error(f"there is no {error.name} in {looked}", str(error.name)) from error
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(str(error.message), file=str(error.filename), line=error.lineno) from error
        except jinja2.TemplateError as error:
            raise self.undefined(error) from error

    def _load(self, name: str) -> tuple[str, str, None] | None:
        path = next((path for folder in self._folders if (path := folder / "email" / name).is_file()), None)
        if path is None:
            return None
        try:
            self._read[str(path)] = source = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateError(f"cannot be read: {error}", file=str(path)) from error
        lint(str(path), source)
        return source, str(path), None

    def error(self, message: str, cause: str) -> TemplateError:
        """The error, at the first place in the files that says *cause*."""
        pattern = re.compile(rf"\b{cause}\b" if cause.isidentifier() else re.escape(cause))
        for file, source in self._read.items():
            if match := pattern.search(source):
                return TemplateError(message, file=file, line=source.count("\n", 0, match.start()) + 1)
        return TemplateError(message, file=f"email/{self.layout}")

    def undefined(self, error: Exception) -> TemplateError:
        """Jinja's word on a variable (it names that first) or an attribute (it names that last) that does not exist."""
        quoted = re.findall(r"'([^']+)'", str(error)) or ["{{"]
        return self.error(str(error), quoted[-1] if "attribute" in str(error) else quoted[0])


def _names(source: Source, *parts: str) -> frozenset[str]:
    """What a mail must fill in. Raises TemplateError for what nobody fills in, and for what a digest must print."""
    used = [meta.find_undeclared_variables(environment(markup=True).parse(part)) - _IN_BLOCKS for part in parts]
    names = frozenset[str]().union(*used)
    if _CARD not in parts[1] and not any(name in VALUES and not name.endswith("_url") for name in names):
        known, unknown = "publication and …_url", frozenset(name for name in names if not name.endswith("_url"))
    else:
        known, unknown = ", ".join(sorted(VALUES | _IN_BLOCKS)), names - VALUES
        for part, printed in (("body.mjml", used[1]), ("body.txt", used[2])):
            if missing := REQUIRED - printed:
                wanted = f"a digest must print {', '.join(sorted(missing))}, here too"
                raise TemplateError(wanted, file=f"email/{source.layout}/{part}")
    if unknown:
        raise source.error(f"unknown variable {min(unknown)}; there are {known}", min(unknown))
    return names


def _mask(source: str) -> tuple[str, dict[str, str]]:
    """*source* with a token for each piece of Jinja: a comment for a statement between tags, else a plain word."""
    masked, tokens, jinja = "", dict[str, str](), ""
    for _, kind, text in environment(markup=True).lex(source):
        if kind == "data":
            masked += text
            continue
        jinja += text
        if not kind.endswith("_end") and kind != "raw_begin":
            continue
        if kind != "comment_end":
            tokens[token := f"XJ{len(tokens):04}J"] = jinja
            within = masked.rfind("<") > masked.rfind(">") or masked.rfind("<!--") > masked.rfind("-->")
            masked += token if within or kind == "variable_end" else f"<!--{token}-->"
        jinja = ""
    return masked, tokens


def converted(mjml: str, file: str) -> str:
    """MJML as finished HTML. Raises TemplateError."""
    inlined = _STYLE.sub(
        lambda match: match[0].replace("; ", ";").replace(", ", ","), _inlined(laid_out(mjml, file), inline_css(mjml))
    )
    lines = re.sub("\n[ \n]*", "\n", re.sub(" +\n", "\n", inlined.replace("\t", " ")))  # \s would take &nbsp; too
    return re.sub("  +", " ", lines).strip()


def inline_css(mjml: str) -> list[str]:
    """The styles that are to stand on the elements: mjml-python would leave them in the head."""
    return _INLINE.findall(mjml)


def laid_out(mjml: str, file: str) -> str:
    """MJML as HTML with all styles but the inline ones. Raises TemplateError."""
    try:
        html = mjml2html(_INLINE.sub("", mjml), fonts={}, disable_comments=False)
    except ValueError as error:
        raise TemplateError(f"MJML: {error}", file=file) from error
    for quirk, right in _QUIRKS.items():
        html = html.replace(quirk, right)
    return html


def _inlined(html: str, css: list[str]) -> str:
    premailer = Premailer(
        html.replace("<style", '<style data-premailer="ignore"'),
        css_text=css,
        disable_leftover_css=True,
        keep_style_tags=True,
        strip_important=False,
        allow_network=False,
        disable_validation=True,
        remove_classes=False,
        align_floating_images=False,
        cssutils_logging_level=logging.CRITICAL,
    )
    return str(premailer.transform(pretty_print=False)).replace(' data-premailer="ignore"', "")


def _unmask(html: str, tokens: dict[str, str], source: Source) -> str:
    """Raises TemplateError unless every token came back: statements once and in order."""
    html = re.sub(rf"<!--({_TOKEN.pattern})-->", r"\1", html)
    found = _TOKEN.findall(html)
    for text in (tokens[token] for token in sorted(tokens.keys() - found)):
        raise source.error(f"{text} was lost: MJML takes only literal values there", text)
    came, went = ([token for token in some if tokens[token].startswith("{%")] for some in (found, tokens))
    if came != went:
        moved = tokens[next((a for a, b in zip(went, came, strict=False) if a != b), came[-1])]
        raise source.error(f"{moved} was moved or doubled: it cannot stand there", moved)
    return _TOKEN.sub(lambda match: tokens[match[0]], html)


# ---------------------------------------------------------------- the proof

_HOSTILE = (
    """"><script>alert('1')</script></td> {{ 7*7 }} {% if %} <!-- &lt; & שלום 論文 — and so on, and so on, and so on"""
)


def _sections() -> list[Section]:
    """Cards with everything, and with as little as there can be."""
    text, url, when = _HOSTILE, "https://example.org/?a=1&b='2'", datetime(2026, 1, 1, tzinfo=UTC)
    rich = Paper(1, text, text, (text,) * 5, (text,) * 2, (("abstract", url), (text, url)), date(2026, 1, 1))
    poor = Paper(2, text, "", (), (), (), date(2026, 1, 1))
    cards = card(Candidate(0, rich, when, 1.0, text), reason=text), card(Candidate(1, poor, when))
    short = card(Candidate(0, rich, when), Detail.SHORT, reason=text), card(Candidate(1, poor, when), Detail.SHORT)
    return [Section(text, text, cards), Section("Trending", "now", cards[1:]), Section("In short", "now", short)]


def _prove(
    source: Source, publication: Publication, names: frozenset[str], subject: str, mjml: str, html: str, text: str
) -> None:
    """Hostile words give the same tree before and after MJML, and the same part whole and with its holes filled."""
    rich = {name: "https://example.org/?a=1&b=2" if name.endswith("_url") else _HOSTILE for name in names}
    try:
        before, after = (Sheet(part, publication, markup=True) for part in (mjml, html))
        lines, line = (Sheet(part, publication, markup=False) for part in (text, subject))
        for values, sections in ((rich, _sections()), (dict.fromkeys(names, ""), _sections()[1:])):
            if VALUES & names and _tried(line.line, values) != clean(line.whole(values)):
                raise TemplateError(_AS_THEY_ARE, file=f"email/{source.layout}/subject.txt")
            if _tree(converted(before.whole(values, sections), source.body)) != _tree(after.whole(values, sections)):
                raise TemplateError("MJML does not keep what Jinja prints", file=source.body)
            for sheet, part in ((after, "body.mjml"), (lines, "body.txt")):
                whole = sheet.whole(values, sections)
                filled = _tried(_by_filling, sheet, values, sections if _CARD in html else [])
                if VALUES & names and filled != whole:
                    raise TemplateError(_AS_THEY_ARE, file=f"email/{source.layout}/{part}")
    except jinja2.TemplateError as error:
        raise source.undefined(error) from error


def _by_filling(sheet: Sheet, values: dict[str, str], sections: list[Section]) -> str:
    cards = [b"".join(sheet.because(sheet.card(card), card.reason) for card in s.cards) for s in sections]
    heads = [(section.title, section.note) for section in sections]
    return unquoted(sheet.filled(values, [(*head, some) for head, some in zip(heads, cards, strict=True)]))


def _tried(fill: Callable[..., str], *values: object) -> str | None:
    try:
        return fill(*values)
    except KeyError:  # a hole's name was changed by a filter
        return None


def _tree(html: str) -> str:
    """The document that a browser makes of *html*, without blanks and line breaks at its tags."""
    document = re.sub(r"\s+", " ", tostring(document_fromstring(html), encoding="unicode"), flags=re.ASCII)
    return re.sub(" ?([<>]) ?", r"\1", document)
