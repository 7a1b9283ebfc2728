"""What is trending: how fast a paper gathers signals, beside what is usual for its source and day."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor, isfinite, prod

import numpy as np
from numpy.typing import NDArray

from digest.model import Signal

KINDS = {
    "upvotes": (1.0, 1e6),
    "points": (1.0, 1e6),
    "comments": (0.25, 100.0),
    "stars": (0.02, 200.0),
    "pick": (5.0, 100.0),
}
"""how much one of them says, and the count from which more say nothing"""
OTHER = (0.5, 100.0)
SETTLING = 6.0  # hours added to every span, so that the first minutes do not look like a storm
SMALL = 3.0  # a paper of which so much was said is believed by half
ENOUGH = 5  # papers that make a median worth comparing with
FALLBACK = 0.5  # what is usual in an hour where too few papers tell
CAP = 0.8  # the most that one source can say alone
HALF_LIFE = 72.0  # hours
ABOUT = timedelta(hours=18)  # before and after: papers of about the same time, wherever a source's day begins
SMALL_FIELD = 20  # so many papers make their field count as much as the whole source
EVERYTHING: Mapping[int, str] = {}


@dataclass(frozen=True)
class Trend:
    value: float
    """0 to 1"""
    line: str
    """for people, true as it stands"""


@dataclass(frozen=True)
class _Said:
    """What one source says of one paper: observations by kind, in the order of time."""

    kinds: dict[str, list[Signal]]
    start: datetime

    def mass(self) -> float:
        return sum(_weight(seen[-1]) for seen in self.kinds.values())

    def rate(self, start: datetime) -> float:
        return sum(_rate(seen, start) for seen in self.kinds.values())

    def line(self, peers: Sequence["_Said"]) -> str:
        kind = max(self.kinds, key=lambda kind: (_weight(self.kinds[kind][-1]), kind))
        first, last = self.kinds[kind][0], self.kinds[kind][-1]
        if kind == "pick":
            return f"picked by {last.value:,.0f} curator{'s' if last.value != 1 else ''}"
        line = f"{last.value:,.0f} {kind if last.value != 1 else kind.removesuffix('s')}"
        hours = _hours(self.start, last.at)
        if hours >= 1 and kind != "stars" and (first.at > self.start or not first.value):  # all were given since then
            line += f" in {ceil(hours)} h" if hours <= 48 else f" in {ceil(hours / 24)} days"
        usual = _median([peer.kinds[kind][-1].value for peer in peers if kind in peer.kinds])
        if usual and last.value >= 1.5 * usual:
            line += f", {floor(last.value / usual * 10) / 10:g}× the median of its day"
        return line


def trends(
    signals: Iterable[Signal], since: Mapping[int, datetime], now: datetime, fields: Mapping[int, str] = EVERYTHING
) -> dict[int, Trend]:
    """By paper id; papers of which nothing (or only zeros) was said are absent.

    *since* says when each paper was announced or first signalled, *fields* where it is filed; what was observed after
    *now* is not known yet. A paper is compared with those that its source spoke of about the same time, and as far as
    they are enough with those of its field among them. Sources that agree make more of a trend than either alone.
    """
    by_source: dict[str, list[tuple[int, _Said]]] = defaultdict(list)
    for (paper, source), one in _said(signals, since, now).items():
        by_source[source].append((paper, one))
    told: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for members in by_source.values():
        members.sort(key=lambda member: (member[1].start, member[0]))
        starts, papers = [one.start for _, one in members], [paper for paper, _ in members]
        always = _median([one.rate(one.start) for _, one in members]) or FALLBACK
        for paper, one in members:
            first, last = bisect_left(starts, one.start - ABOUT), bisect_right(starts, one.start + ABOUT)
            peers = [peer for _, peer in members[first:last]]
            start = peers[len(peers) // 2].start  # one clock for all: who came first was only seen for longer
            rates = [peer.rate(start) for peer in peers]
            usual = _median(rates) or always
            if field := fields.get(paper):
                own = [rate for rate, peer in zip(rates, papers[first:last], strict=True) if fields.get(peer) == field]
                usual *= ((_median(own) or usual) / usual) ** (len(own) / (len(own) + SMALL_FIELD))
            ratio = one.rate(start) / usual
            strength = CAP * one.mass() / (one.mass() + SMALL) * ratio / (ratio + 2)
            told[paper].append((strength * 0.5 ** (_hours(start, now) / HALF_LIFE), one.line(peers)))
    return {
        paper: Trend(1 - prod(1 - strength for strength, _ in sources), max(sources)[1])
        for paper, sources in told.items()
    }


def unfaded(values: NDArray[np.float32], days: NDArray[np.float64]) -> NDArray[np.float32]:
    """What these trends of papers so many days old would be if they had not faded (with two sources, about that)."""
    whole: NDArray[np.float32] = np.minimum(values * np.exp2(days * 24 / HALF_LIFE), np.maximum(values, CAP)).astype(
        np.float32
    )
    return whole


def _said(signals: Iterable[Signal], since: Mapping[int, datetime], now: datetime) -> dict[tuple[int, str], _Said]:
    """By paper and source, where there is anything to tell."""
    said: dict[tuple[int, str], _Said] = {}
    for signal in sorted(signals, key=lambda signal: signal.at):
        if signal.at <= now and isfinite(signal.value) and signal.value >= 0:
            one = said.setdefault((signal.paper, signal.source), _Said({}, since.get(signal.paper, signal.at)))
            one.kinds.setdefault(signal.kind, []).append(signal)
    return {key: one for key, one in said.items() if one.mass() > 0}


def _rate(seen: Sequence[Signal], start: datetime) -> float:
    """Weight an hour, overall or since the last look, whichever is faster."""
    last, before = seen[-1], seen[-2:-1]
    overall = _weight(last) / (_hours(start, last.at) + SETTLING)
    return max([overall, *((_weight(last) - _weight(b)) / (_hours(b.at, last.at) + SETTLING) for b in before)])


def _weight(signal: Signal) -> float:
    each, most = KINDS.get(signal.kind, OTHER)
    return float(floor(each * min(signal.value, most)))  # in whole votes, for less than one tells nothing


def _hours(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds() / 3600, 0.0)


def _median(values: Sequence[float]) -> float | None:
    """None when there are too few to tell."""
    return float(np.median(values)) if len(values) >= ENOUGH else None
