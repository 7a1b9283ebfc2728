"""A pick's reasons in words. What a reason points at is frozen with the edition, so the words never change."""

from collections.abc import Iterable

from digest.model import GENERAL, NAMELESS, Candidate, Edition, Reason, ReasonCode
from digest.rendering.words import clean, cut

QUOTED = 40
"""characters of what a language without blanks takes for a word"""


def phrases(reasons: Iterable[Reason], candidate: Candidate, edition: Edition) -> list[str]:
    """`you follow Long context: “retrieval”`; nothing of a topic that was not known when the edition was opened."""
    told = [""]
    for reason in reasons:
        if reason.code is not ReasonCode.TERM:
            told.append(_phrase(reason, candidate, edition))
        elif told[-1]:
            told[-1] += f": “{_word(candidate.card.words[reason.ref])}”"
    return [*filter(None, told)]


def _phrase(reason: Reason, candidate: Candidate, edition: Edition) -> str:
    card = candidate.card
    match reason.code:
        case ReasonCode.TOPIC:
            topic = edition.topics.get(reason.ref)
            return f"you follow {clean(topic)}" if topic else ""
        case ReasonCode.TEXT:
            return f"your words “{_word(card.words[reason.ref])}”"
        case ReasonCode.KEYWORD:
            return f"your keyword “{_word(card.words[reason.ref])}”"
        case ReasonCode.CATEGORY:
            return f"you follow {clean(card.categories[reason.ref])}"
        case ReasonCode.AUTHOR:
            return f"you follow {clean(card.authors[reason.ref])}"
        case ReasonCode.EVENT:
            event = clean(candidate.event)
            return (
                f"you know it, and {f'it is published now, {event}' if event.startswith('10.') else f'{event} is out'}"
            )
        case ReasonCode.LIKED if reason.ref == NAMELESS:
            return "it is like papers you voted for"
        case ReasonCode.LIKED:
            return f"you voted for papers on “{_word(card.words[reason.ref])}”"
        case _:
            return _general(reason.code, candidate)


def _general(code: ReasonCode, candidate: Candidate) -> str:
    match code:
        case ReasonCode.TREND:
            return f"it is trending: {clean(candidate.trend_line)}" if candidate.trend_line else "it is trending"
        case ReasonCode.PROMISING if candidate.chance:
            often = f"about 1 in {round(1 / candidate.chance)}" if candidate.chance < 2 / 3 else "most of them"
            return f"it is new, and like papers that went on to trend: {often} did"
        case ReasonCode.EXPLORE:
            return "it lies outside of what you follow"
        case _:
            return "it is new"


def because(phrases: Iterable[str]) -> str:
    """One line: `Because you follow Long context · your words “retrieval”`; empty for none."""
    line = " · ".join(filter(None, phrases))
    if not line:
        return ""
    return f"Because of {line}" if line.startswith("your ") else f"Because {line}"


def personal(reasons: Iterable[Reason]) -> bool:
    """Does anything of the subscriber's own speak for the pick? Else it is there because it trends, or is new."""
    return any(reason.code not in GENERAL for reason in reasons)


def _word(word: str) -> str:
    return cut(clean(word), QUOTED).strip(".,;:!?()[]{}\"'“”‘’").removesuffix("'s").removesuffix("’s")
