"""The best sentences of an abstract: what was done and what came of it, rather than why the field matters."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import east_asian_width

from digest.rendering.words import cut

LIMIT = 340
"""columns: four lines of a mail at full width; a Chinese or Japanese character takes two"""

_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s+[\"“‘(\[]?[A-Z0-9])|[。！？](?=.)")
_NO_END = re.compile(r"(?:\b(?:e\.g|i\.e|et al|etc|vs|cf|resp|approx|Fig|Eq|Sec|Tab|No|Dr|St|[A-Z])|\.\.)\.$")
_WORD = re.compile(r"[^\W\d_][\w-]{3,}")
_WE = "we|here,?|this (?:paper|work|study|article)"
_DOING = "introduce|propose|present|develop|design|build|release|study|investigate|examine|address|explore"
_RESULTS = "we|results?|experiments?|evaluations?|analys[ie]s|findings?"
_SHOWING = "show|find|found|demonstrate|reveal|indicate|prove|confirm|observe|suggest|achieve"
_BETTER = "outperform|surpass|exceed|improv|reduc|halv|doubl|speed|state-of-the-art|competitive"
_BEFORE = (
    "recent|recently|existing|current|previous|prior|traditional|conventional|despite|while|although|however"
    "|unfortunately|in recent years|there (?:is|are)|we (?:believe|hope)"
)
_LEANS = (
    "it|its|this|these|they|their|such|also|then|thus|therefore|hence|here|finally|second|first|third|further|moreover"
    "|furthermore|additionally|in addition|specifically|consequently|for example|for instance|the (?:former|latter)"
    "|we (?:also|further)"
)
_CUES = (  # a sentence gets the first weight of each row whose words it has
    (
        (3.0, rf"\b(?:{_WE}) (?:\w+ly |then |also |further )?(?:{_DOING})s?\b"),
        (2.5, r"\b(?:is|are) (?:proposed|presented|introduced|developed)\b"),
        (2.5, r"\bour (?:\w+ ){0,3}(?:method|approach|model|framework|system|algorithm)\b"),
        (2.0, r"\bwe\b"),
    ),
    ((3.0, rf"\b(?:{_RESULTS})\b.{{0,60}}\b(?:{_SHOWING})"), (2.5, rf"\b(?:{_BETTER})")),
    ((1.0, r"\d[\d.,]*\s?(?:%|×|x\b|times|points|percent|-fold)"),),
    (
        (-5.0, r"^(?:our |the )?(?:code|project|data|datasets?|models?)\b.*\bavailable\b|https?://|github"),
        (-1.5, rf"^(?:{_BEFORE})\b"),
        (-1.5, r"\b(?:has|have) (?:become|emerged|made|necessitated|shown)\b"),
    ),
)
_SCORED = [[(weight, re.compile(pattern, re.I)) for weight, pattern in row] for row in _CUES]
_LEANING = re.compile(rf"(?:{_LEANS})\b(?! (?:paper|work|study|article)\b)", re.I)


def sentences(text: str) -> list[str]:
    """*text* in its sentences, each with the blank before it; an abbreviation or a decimal ends none."""
    found, start = [], 0
    for match in _END.finditer(text):
        if not _NO_END.search(text[max(start, match.end() - 12) : match.end()]):  # longer than any of them
            found.append(text[start : match.end()])
            start = match.end()
    return [*found, text[start:]] if text[start:].strip() else found


@lru_cache(maxsize=4096)
def excerpt(text: str, limit: int = LIMIT) -> str:
    """Up to three of the best sentences of *text*, in its order, `…` for what is left out between; whole words."""
    if columns(text) <= limit:
        return text
    limit = limit * len(text) // columns(text)
    told = sentences(text)
    scores = _scores([sentence.strip() for sentence in told])
    chosen: list[int] = []
    for i in sorted(range(len(told)), key=lambda i: (-scores[i], i)):
        worth = scores[i] >= 1 or len(_joined(told, chosen)) < limit // 2
        if worth and len(chosen) < 3 and len(_joined(told, [*chosen, i])) <= limit:
            chosen.append(i)
    best = max(range(len(told)), key=lambda i: (scores[i], -i))
    if not chosen or (best not in chosen and scores[best] > sum(scores[i] for i in chosen)):
        return cut(told[best].strip(), limit)
    return _joined(told, chosen)


def columns(text: str) -> int:
    """How wide *text* is, in narrow characters."""
    return len(text) if text.isascii() else len(text) + sum(east_asian_width(char) in "WF" for char in text)


def _joined(told: Sequence[str], chosen: Sequence[int]) -> str:
    order = sorted(chosen)
    follows = [i == before + 1 for before, i in zip([-1, *order], order, strict=False)]
    pieces = [told[i] if near else f" … {told[i].strip()}" for near, i in zip(follows, order, strict=True)]
    return "".join(pieces).removeprefix(" … ").strip()


def _scores(told: Sequence[str]) -> list[float]:
    """Cue words, how central the words are, and the place; less for a sentence that leans on the one before."""
    words = [{*map(str.lower, _WORD.findall(sentence))} for sentence in told]
    spread = Counter(word for some in words for word in some)
    return [_cued(told[i]) + _central(words[i], spread) + _placed(i, len(told)) for i in range(len(told))]


def _cued(sentence: str) -> float:
    rows = (next((weight for weight, cue in row if cue.search(sentence)), 0.0) for row in _SCORED)
    return sum(rows) - (1.5 if _LEANING.match(sentence) else 0)


def _central(words: set[str], spread: Counter[str]) -> float:
    """0 to 1.5: the share of its words that other sentences have too."""
    return 1.5 * sum(spread[word] > 1 for word in words) / len(words) if words else 0.0


def _placed(i: int, count: int) -> float:
    """Later is better, since abstracts end with what was found; and the first sentence says what it is about."""
    return 0.8 if i == 0 else i / count
