"""Titles and abstracts as people read them: LaTeX and Markdown, which nothing will typeset, made plain Unicode.

Only what is certainly markup is touched, piece by piece; a piece that cannot be read stays as its author wrote it.
"""

import re
from functools import cache, lru_cache
from typing import Any

_STYLE = re.compile(
    r"\\(?:text(?:bf|it|tt|sc|sf|sl|rm|md|up|normal)?|emph|underline|uline|mbox|(?:text)?color\{\w*\})\s?\{([^{}]*)\}"
    r"|\{\\(?:bf|it|tt|sc|sf|em|rm|sl|bfseries|itshape|ttfamily)\s([^{}]*)\}"
)
_LINK = re.compile(r"\\href\s?\{[^{}]*\}\s?\{([^{}]*)\}|\\url\s?\{([^{}]*)\}")
_ASIDE = re.compile(r"[~ ]?\\(?:cite\w*|footnote(?:mark|text)?|label|ref)\s?(?:\[[^\[\]]*\])?\{[^{}]*\}")
_QUOTED = re.compile(r"``([^`']{1,300})''")
_CODE = re.compile(r"\\unicode\{x([0-9a-fA-F]{2,5})\}|\\textsuperscript\{([^{}]*)\}|\\textsubscript\{([^{}]*)\}")
_ESCAPED = re.compile(r"\\([%&$#_{}])|\\[ ,;!]")
_STRONG = re.compile(r"(?<![*\w])\*\*(?=\S)([^*]{1,300})(?<=\S)\*\*(?![*\w])")
_EMPHASIS = re.compile(r"(?<![*\w)])\*(?=[^\s*])([^*]{1,100})(?<=[^\s*])\*(?![*\w(])")

_ARGUMENT = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_PIECE = re.compile(
    r"\$\$(?P<display>[^$]{1,1000})\$\$"
    r"|\$(?=[^\s$])(?P<math>(?:[^$\\]|\\.){1,1000})(?<=\S)\$(?!\d)"  # and $5 of $10 stay what they are, as in Pandoc
    r"|\$(?P<sure>\\[^$]{1,300}|[<>=]{1,2})\$"
    r"|\\\((?P<inline>.{1,1000}?)\\\)|\\\[(?P<block>.{1,1000}?)\\\]"
    r"|\{?\\(?:ss|[oOlLij]|ae|AE|oe|OE|aa|AA)(?:\{\}|\s|\}|(?![A-Za-z]))"
    r"|(?P<accent>\{?\\(?:[\"'`^~=.]\s?|[uvHcdbkr](?=[{ ]))(?:\{\\?[A-Za-z]\}|\s?\\?[A-Za-z](?![A-Za-z]*\{))\}?)"
    rf"|(?P<macro>\\[a-zA-Z]+\*?(?:{_ARGUMENT}){{0,3}})"
)
_PIECES = 60  # a hostile text is full of them, and each costs a fraction of a millisecond


def readable(text: str) -> str:
    """*text*, which was cleaned, without LaTeX and Markdown. Whoever calls it cleans away what that brings to light."""
    if "\\" not in text and "$" not in text and "*" not in text and "``" not in text:
        return text
    text = _EMPHASIS.sub(r"\1", _STRONG.sub(r"\1", text))
    if "\\" not in text and "$" not in text and "``" not in text:
        return text
    text = _LINK.sub(r"\1\2", _ASIDE.sub("", _QUOTED.sub("“\\1”", text)))
    for _ in range(3):  # as deep as styles are nested
        text = _STYLE.sub(r"\1\2", text)
    text = _PIECE.sub(_unicode, _CODE.sub(_character, text), count=_PIECES)
    return " ".join(_ESCAPED.sub(lambda escaped: escaped[1] or " ", text).split())


def _character(found: re.Match[str]) -> str:
    code, raised, lowered = found.groups()
    if code:
        return chr(int(code, 16))
    return _small("^", raised) if lowered is None else _small("_", lowered)


def _unicode(piece: re.Match[str]) -> str:
    math = next((piece[kind] for kind in ("display", "math", "sure", "inline", "block") if piece[kind]), None)
    return _converted(piece[0] if math is None else math, math is not None) or piece[0]


_RAISED = str.maketrans("0123456789+-=()niabcdeghjklmoprstuvwxyzT*′", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵃᵇᶜᵈᵉᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀ*′")
_LOWERED = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_KEPT, _SHOWN = str.maketrans("^_", "\ue000\ue001"), str.maketrans("\ue000\ue001", "^_")  # from being read again
_SCRIPT = re.compile(r"(?<!\\)([\^_])\s?(?:\{([^{}]*)\}|(\\[A-Za-z]+|[^\s{}\\]))")


@lru_cache(4096)
def _converted(source: str, math: bool) -> str:
    """One piece in Unicode; empty when it cannot be said so."""
    from pylatexenc.latexwalker import LatexWalkerError

    source = re.sub(r"(?<!\\)%", r"\\%", source)
    try:
        if not math:
            return str(_library().latex_to_text(source, tolerant_parsing=False))
        while (scripted := _SCRIPT.sub(_script, source)) != source:
            source = scripted
        return str(_library().latex_to_text(f"${source}$", tolerant_parsing=False)).translate(_SHOWN).strip()
    except (LatexWalkerError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return ""


def _script(found: re.Match[str]) -> str:
    """A sub- or superscript in letters of that kind where there are such, else behind a mark."""
    mark, words = found[1], (found[2] if found[2] is not None else found[3]).strip()
    small = {r"\circ": "°", r"\prime": "′"}.get(words) or _small(mark, words)
    return "{}" + small.translate(_KEPT)  # braces end the name of a macro that stands before


def _small(mark: str, words: str) -> str:
    table = _RAISED if mark == "^" else _LOWERED
    if all(ord(letter) in table for letter in words):
        return words.translate(table)
    alone = len(words) == 1 or re.fullmatch(r"\\?[A-Za-z]+", words)
    return f"{mark}{words}" if alone else f"{mark}({words})"


_OPERATORS = ("arg", "argmax", "argmin", "det", "dim", "exp", "inf", "lim", "log", "max", "min", "mod", "Pr", "sup")
_WORDS = {"textless": "<", "textgreater": ">", "deg": "°", "eg": "e.g.", "ie": "i.e.", "|": "‖", "mid": "|"}
_SIZES = (
    *("left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "middle"),
    *("limits", "displaystyle", "boldsymbol", "bm"),
)


@cache
def _library() -> Any:
    from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db

    def refused(node: Any, l2tobj: Any) -> str:
        raise LookupError(node.macroname)

    def fraction(node: Any, l2tobj: Any) -> str:
        sides = [l2tobj.node_arg_to_text(node, side).strip() for side in (0, 1)]
        return "/".join(side if re.fullmatch(r"\w+|\w", side) else f"({side})" for side in sides)

    said = {name: name for name in _OPERATORS} | _WORDS | dict.fromkeys(_SIZES, "")
    said |= dict.fromkeys(("mathbf", "mathrm", "mathit", "mathsf", "mathtt"), "%s")
    ours = {name: MacroTextSpec(name, words) for name, words in said.items()}
    ours |= {name: MacroTextSpec(name, simplify_repl=fraction) for name in ("frac", "dfrac", "tfrac")}
    known = get_default_latex_context_db()
    known.add_context_category("ours", prepend=True, macros=[*ours.values(), MacroTextSpec("today", refused)])
    known.set_unknown_macro_spec(MacroTextSpec("", refused))
    return LatexNodes2Text(latex_context=known, math_mode="text", strict_latex_spaces=False)
