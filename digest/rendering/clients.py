"""Which mail programs show what a mail uses: features found in finished HTML, and caniemail's word on them."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lxml.html import HtmlElement, document_fromstring  # type: ignore[import-untyped]

CLIENTS = (
    "gmail/desktop-webmail",
    "gmail/android",
    "gmail/ios",
    "apple-mail/ios",
    "apple-mail/macos",
    "outlook/windows",
    "outlook/outlook-com",
    "outlook/ios",
    "yahoo/desktop-webmail",
    "yahoo/android",
    "samsung-email/android",
    "thunderbird/windows",
)
"""What most people read mail with; `clients.json` knows some more."""

LOST = re.compile(
    "html-(audio|button-.*|dialog|form|image-maps|input-.*|object|picture|popover|select|svg|textarea|video)"
    "|image-(apng|avif|base64|bmp|hdr|heif|ico|mp4|svg|tiff|webp)"
    "|css-(clip-path|display-flex|display-grid|left-right-top-bottom|mask-image|position|writing-mode)"
)
"""Features that carry content or hold it apart: without them something cannot be read. Without others it is plainer."""

_SAME = {
    **dict.fromkeys(("html-ul", "html-ol", "html-li"), "html-lists"),
    **dict.fromkeys((f"html-h{n}" for n in range(1, 7)), "html-h1-h6"),
    **dict.fromkeys(("html-b", "html-em", "html-i"), "html-strong"),
    **dict.fromkeys((f"css-{side}" for side in ("left", "right", "top", "bottom")), "css-left-right-top-bottom"),
    "css-@import": "css-at-import",
    "css-@font-face": "css-at-font-face",
}
_SIDE = re.compile("css-(border|margin|padding)-(top|right|bottom|left)(-.*)?")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
DECLARED = re.compile(r"([a-z-]+)\s*:\s*([^;]+)")
_SELECTORS = {"attribute": r"\[[\w-]+", "child": ">", "adjacent-sibling": r"\+", "general-sibling": "~"}
_AT = re.compile(r"@([a-z-]+)([^{;]*)")
_PSEUDO = re.compile(r"(?<=[\w\]*\s]):([a-z-]+)")
_UNIT = re.compile(r"\d(rem|em|vw|vh|vmin|vmax|ch|ex|cm|mm|pc|in)\b")
_FUNCTION = re.compile(r"\b(calc|clamp|min|max|rgba?|linear-gradient|radial-gradient|conic-gradient|light-dark|var)\(")
_FUNCTIONS = {"rgb": "css-rgb", "rgba": "css-rgba", "calc": "css-unit-calc", "var": "css-variables"}


@cache
def known() -> dict[str, Any]:
    """`clients` with their names for people, `features` with a letter for each, `notes` with whom they are about."""
    table: dict[str, Any] = json.loads((Path(__file__).parent / "clients.json").read_text("utf-8"))
    return table


def chosen(wanted: Sequence[str]) -> tuple[str, ...]:
    """All of a family (`gmail`) or one (`outlook-windows`) for each name; CLIENTS for none. Raises ValueError."""
    names = [*known()["clients"]]
    for name in wanted:
        if not any(name in _called(client) for client in names):
            known_as = sorted({called for client in names for called in _called(client)})
            raise ValueError(f"{name!r} is no mail program that caniemail.com knows; write {', '.join(known_as)}")
    return tuple(client for client in names if {*wanted} & _called(client)) or CLIENTS


def _called(client: str) -> set[str]:
    return {client.partition("/")[0], client.replace("/", "-")}


def lacking(feature: str, clients: Sequence[str] = CLIENTS) -> tuple[str, bool]:
    """Which *clients* do not show *feature* or only in part, and how; empty for none. And is something lost with it?"""
    table = known()
    names = [*table["clients"]]
    letters = dict(zip(names, table["features"][feature], strict=True))
    told = []
    for letter, how in (("n", "not shown by"), ("a", "in part by")):
        if them := [table["clients"][client] for client in clients if letters[client] == letter]:
            told.append(f"{how} {', '.join(them)}")
    if told:
        about = {names.index(client) for client in clients}
        told += [note.rstrip(".") for note, whom in table["notes"].get(feature, {}).items() if about.intersection(whom)]
    return "; ".join(told), bool(LOST.fullmatch(feature)) and any(letters[client] == "n" for client in clients)


def used(html: str) -> dict[str, str]:
    """The features of *html* that the table knows, each with the words that brought it, as a source may have them."""
    found: dict[str, str] = {}
    for feature, cause in _features(document_fromstring(html)):
        feature = _SAME.get(feature, feature)
        if side := _SIDE.fullmatch(feature):
            feature = f"css-{side[1]}"
        if feature in known()["features"]:
            found.setdefault(feature, cause)
    return found


def _features(document: HtmlElement) -> Iterator[tuple[str, str]]:
    for element in document.iter("*"):
        yield f"html-{element.tag}", f"<{element.tag}"
        for name, value in element.attrib.items():
            yield f"html-{name}", name
            if name == "style":
                yield from _declared(str(value))
            elif name in ("src", "background"):
                yield from _image(str(value))
        if element.tag == "style":
            yield from _sheet(re.sub(r"/\*.*?\*/", "", element.text or "", flags=re.S))


def _sheet(css: str) -> Iterator[tuple[str, str]]:
    for name, asked in _AT.findall(css):
        yield f"css-at-{name}", f"@{name}"
        for feature in re.findall(r"\((prefers-[a-z-]+|hover|orientation)", asked):
            yield f"css-at-media-{feature}", feature
    for selectors, declarations in RULE.findall(css):
        for feature, mark in _SELECTORS.items():
            if match := re.search(mark, selectors):
                yield f"css-selector-{feature}", match[0]
        for pseudo in _PSEUDO.findall(selectors):
            yield f"css-pseudo-class-{pseudo}", f":{pseudo}"
        yield from _declared(declarations)


def _declared(declarations: str) -> Iterator[tuple[str, str]]:
    for name, value in DECLARED.findall(declarations):
        yield f"css-{name}", name
        if name == "display":
            yield f"css-display-{value.split('!')[0].strip()}", f"display: {value}"
        for unit in _UNIT.findall(value):
            yield f"css-unit-{unit}", unit
        for function in _FUNCTION.findall(value):
            yield _FUNCTIONS.get(function, f"css-{function}"), f"{function}("
            yield f"css-function-{function}", f"{function}("
        yield from (found for url in re.findall(r"url\(['\"]?([^'\")]+)", value) for found in _image(url))


def _image(url: str) -> Iterator[tuple[str, str]]:
    if url.startswith("data:"):
        yield "image-base64", "data:"
    elif kind := re.search(r"\.(\w+)(?:[?#]|$)", url):
        yield f"image-{'jpg' if kind[1].lower() == 'jpeg' else kind[1].lower()}", url
