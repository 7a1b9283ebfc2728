"""One part of a layout, printed whole for one digest, or once for all: with holes that each digest fills."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import escape

from digest.model import Publication
from digest.rendering.mime import quoted
from digest.rendering.page import Card, Section
from digest.rendering.words import clean, wrapped

_VOTE = b"\0"  # where a finished card has a link of the digest's own: in no quoted-printable

Stencil = tuple[bytes | str, ...]
"""quoted pieces, and in their place among them the names of the holes"""

_HOLE = re.compile("\ufdd0(.*?)\ufdd1")  # noncharacters: `clean` removes them from everything that strangers write
_SHELL = "{% extends page %}{% block card %}{{ card }}{% endblock %}"


def environment(*, markup: bool) -> SandboxedEnvironment:
    """Jinja as every layout is read: sandboxed and strict, escaping what is printed in HTML, wrapping it in text."""
    return SandboxedEnvironment(
        autoescape=markup,
        finalize=None if markup else lambda value: wrapped(str(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Sheet:
    """The HTML part (*markup*) or a text part. `whole` and `filled` give the same; the compiler makes sure of it."""

    def __init__(self, source: str, publication: Publication, *, markup: bool) -> None:
        texts = {name: clean(getattr(publication, name)) for name in ("name", "tagline", "postal_address")}
        self._publication = replace(publication, **texts)  # what an operator writes is text too (REQ-39)
        self._page = _template(source, markup)
        self._shell = _template(_SHELL, markup)
        self._quoted = _in_html if markup else _in_text
        self._stencils: dict[tuple[object, ...], tuple[Stencil, list[tuple[int, str]]]] = {}
        self._lines: dict[tuple[str, ...], list[str]] = {}

    def whole(self, values: Mapping[str, str], sections: Sequence[Section] = ()) -> str:
        """The part as Jinja prints it, from beginning to end."""
        return self._page.render(publication=self._publication, sections=sections, **values)

    def line(self, values: Mapping[str, str]) -> str:
        """A part of a single line, such as the subject; the same as `whole`, but for breaks."""
        key = tuple([name for name, value in values.items() if value])
        if key not in self._lines:
            self._lines[key] = _HOLE.split(self.whole({name: _mark(name) if values[name] else "" for name in values}))
        pieces = self._lines[key]
        return clean("".join([values[piece] if i % 2 else piece for i, piece in enumerate(pieces)]))

    def card(self, card: Card) -> Stencil:
        """A card, with holes for its vote links and, if it has one, its reason."""
        marked = replace(card, reason=_mark("reason") if card.reason else "")
        context = self._page.new_context(
            {"publication": self._publication, "card": marked, "vote_url": _mark("vote_url")}
        )
        return _stencil("".join(self._page.blocks["card"](context)))

    def because(self, card: Stencil, reason: str) -> bytes:
        """A card with its reason in place, quoted; `filled` adds the vote links."""
        own: dict[bytes | str, bytes] = {"reason": self._quoted(reason), "vote_url": _VOTE}
        return b"".join([piece if isinstance(piece, bytes) else own[piece] for piece in card])

    def weight(self, card: bytes, values: Mapping[str, str]) -> int:
        """Bytes of a card of `because` once its vote links are in place."""
        return len(card) + card.count(_VOTE) * (len(self._quoted(values["vote_url"])) - 1)

    def filled(self, values: Mapping[str, str], sections: Sequence[tuple[str, str, bytes]]) -> bytes:
        """The part, quoted, around what is quoted already: each section's title, note and cards."""
        # what a layout prints may depend on which values there are, not on what they are: one stencil for each such set
        key = (*[name for name, value in values.items() if value], *[head[:2] for head in sections])
        if key not in self._stencils:
            shown = [
                {"title": title, "note": note, "cards": [_mark(str(n))]} for n, (title, note, _) in enumerate(sections)
            ]
            marked = {name: _mark(name) if value else "" for name, value in values.items()}
            page = self._shell.render(page=self._page, publication=self._publication, sections=shown, **marked)
            stencil = _stencil(page)
            self._stencils[key] = stencil, [(i, hole) for i, hole in enumerate(stencil) if isinstance(hole, str)]
        stencil, holes = self._stencils[key]
        pieces: list[Any] = [*stencil]
        for i, name in holes:
            pieces[i] = self._quoted(values[name]) if name in values else sections[int(name)][2]
        part = b"".join(pieces)
        return part.replace(_VOTE, self._quoted(values["vote_url"])) if _VOTE in part else part


@lru_cache(maxsize=64)
def _template(source: str, markup: bool) -> Template:
    return environment(markup=markup).from_string(source)


def _mark(name: str) -> str:
    return f"\ufdd0{name}\ufdd1"


def _stencil(page: str) -> Stencil:
    pieces = _HOLE.split(page)
    return tuple([piece if i % 2 else quoted(piece) for i, piece in enumerate(pieces) if piece])


@lru_cache(maxsize=8192)
def _in_html(value: str) -> bytes:
    return quoted(str(escape(value)))  # its own type is slow to look into


@lru_cache(maxsize=8192)
def _in_text(value: str) -> bytes:
    return quoted(wrapped(value))
