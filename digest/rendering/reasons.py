"""A pick's reasons in words. What a reason points at is frozen with the edition, so the words never change."""

from collections.abc import Iterable

from digest.model import Candidate, Edition, Reason, ReasonCode
from digest.rendering.words import clean

GENERAL = (ReasonCode.TREND, ReasonCode.FRESH, ReasonCode.PROMISING, ReasonCode.EXPLORE)


def phrase(reason: Reason, candidate: Candidate, edition: Edition) -> str:
    """`you follow Long context`; empty when the topic was not known yet when the edition was opened."""
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
        case ReasonCode.LIKED:
            return f"you voted for papers on “{_word(card.words[reason.ref])}”"
        case _:
            return _general(reason.code, candidate)


def _general(code: ReasonCode, candidate: Candidate) -> str:
    match code:
        case ReasonCode.TREND:
            return f"it is trending: {clean(candidate.trend_line)}" if candidate.trend_line else "it is trending"
        case ReasonCode.PROMISING:
            return (
                f"it is new, and like papers that went on to trend: about 1 in {round(1 / (candidate.chance or 1))} did"
            )
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
    return clean(word).strip(".,;:!?()[]{}\"'“”‘’")
