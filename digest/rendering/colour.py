"""Colours that can be read: one accent moved until it can, and every word of a finished mail, by day and by night."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cssselect import HTMLTranslator, parse
from lxml.html import HtmlElement  # type: ignore[import-untyped]

from digest.rendering.clients import DECLARED, RULE

_AA = 4.5  # https://www.w3.org/TR/WCAG22/#contrast-minimum


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio, 1 to 21, of two `#rrggbb`."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable(colour: str, ground: str, ratio: float = _AA) -> str:
    """*colour*, moved towards white or black until it can be read on *ground*. Raises ValueError unless `#rrggbb`."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ValueError(f"a colour is written #rrggbb, not {colour!r}")
    towards = max("#ffffff", "#000000", key=lambda end: contrast(end, ground))
    steps = (_mixed(colour, towards, share / 20) for share in range(21))
    return next((step for step in steps if contrast(step, ground) >= ratio), towards)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mixed(one: str, other: str, share: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_rgb(one), _rgb(other), strict=True))


def _luminance(colour: str) -> float:
    red, green, blue = (c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# ---------------------------------------------------------------- a whole mail

_DARK = re.compile(r"@media \(prefers-color-scheme: ?dark\)\s*\{((?:[^{}]*\{[^{}]*\})*)\s*\}")
_COLOUR = re.compile("#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})(?![0-9a-fA-F])")
_BOLD = ("b", "strong", "th", "h1", "h2", "h3", "h4")
_UNSEEN = ("head", "style", "script", "title")

Styles = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Ink:
    colour: str = "#000000"
    ground: str = "#ffffff"
    size: float = 16
    bold: bool = False

    def enough(self) -> float:
        """WCAG AA: large letters may be paler."""
        return 3.0 if self.size >= 24 or (self.bold and self.size >= 18.66) else _AA


def unreadable(document: HtmlElement) -> Iterator[tuple[str, str]]:
    """A message for each pair of colours that is too close, and the colour to look for in the sources."""
    for scheme, rules in (("by day", {}), ("by night", _night(document))):
        told = set()
        for text, ink in _words(document, _Ink(), rules):
            ratio = contrast(ink.colour, ink.ground)
            if ratio < ink.enough() and (ink.colour, ink.ground) not in told:
                told.add((ink.colour, ink.ground))
                message = f"{scheme} “{text[:40]}” is {ink.colour} on {ink.ground}: {ratio:.1f}, not {ink.enough()}"
                yield message, ink.colour


def _night(document: HtmlElement) -> dict[HtmlElement, Styles]:
    """What the dark scheme says of each element; the more specific rule last."""
    rules = []
    for css in (style.text or "" for style in document.iter("style")):
        for block in _DARK.findall(css):
            for selectors, declarations in RULE.findall(block):
                rules += [(selector.specificity(), selector, declarations) for selector in parse(selectors.strip())]
    found: dict[HtmlElement, Styles] = {}
    for _, selector, declarations in sorted(rules, key=lambda rule: rule[0]):
        for element in document.xpath(HTMLTranslator().selector_to_xpath(selector)):
            found.setdefault(element, {}).update(_declared(declarations))
    return found


def _words(element: HtmlElement, ink: _Ink, rules: dict[HtmlElement, Styles]) -> Iterator[tuple[str, _Ink]]:
    if not isinstance(element.tag, str) or element.tag in _UNSEEN:
        return
    styles = {"background": element.get("bgcolor", "")} | _declared(element.get("style", ""))
    if styles.get("display", "").startswith("none"):
        return
    ink = _inked(element.tag, ink, styles | rules.get(element, {}))
    if text := (element.text or "").strip():
        yield text, ink
    for child in element:
        yield from _words(child, ink, rules)
        if text := (child.tail or "").strip():
            yield text, ink


def _inked(tag: str, ink: _Ink, styles: Styles) -> _Ink:
    font = styles.get("font", "")
    size = re.search(r"([\d.]+)px", styles.get("font-size", "") or font)
    weight = styles.get("font-weight", "") or font
    return replace(
        ink,
        colour=_hex(styles.get("color", ""), ink.colour),
        ground=_hex(styles.get("background", ""), ink.ground),
        size=float(size[1]) if size else ink.size,
        bold=bool(re.search("bold|[6-9]00", weight)) if weight else ink.bold or tag in _BOLD,
    )


def _declared(css: str) -> Styles:
    found = ((name, value.strip()) for name, value in DECLARED.findall(css))
    return {name.replace("background-color", "background"): value for name, value in found}


def _hex(value: str, otherwise: str) -> str:
    if not (match := _COLOUR.search(value)):
        return otherwise
    digits = match[1]
    return f"#{digits if len(digits) == 6 else ''.join(digit * 2 for digit in digits)}".lower()
