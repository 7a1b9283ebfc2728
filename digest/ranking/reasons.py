"""Why each pick was picked: what the (at most two) features with the greatest shares in its score point at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from digest.model import NAMELESS, ReasonCode
from digest.ranking.arrays import REFS, Candidates, Places
from digest.ranking.features import FEATURES, NOTHING
from digest.ranking.shelf import Named, Shelf, Wants
from digest.ranking.text import Rows


def tell(
    candidates: Candidates,
    shelf: Shelf,
    wants: Wants,
    chosen: Places,
    trend: Rows,
    exploring: NDArray[np.bool_],
    picked: NDArray[np.bool_],
) -> tuple[Places, Places]:
    """Codes and refs of two reasons, 0 for none, the stronger first, for each place *chosen* that was *picked*.

    *trend*: its share in the score. A topic alone has beside it the word that the paper shares with it, and what is
    there to explore at most its trend.
    """
    named = [(each, feature) for each, (feature, _) in zip(wants.named, FEATURES, strict=False) if len(each.wishes)]
    things, worth = _shares(shelf, [each for each, _ in named], chosen, trend)
    at = np.flatnonzero(picked)
    things = things.reshape(picked.size, -1).take(at, axis=0)
    worth = worth.reshape(picked.size, -1).take(at, axis=0)
    place, exploring = chosen.take(at), exploring.take(at)
    general = np.where(candidates.trend[place] > 0, ReasonCode.TREND, ReasonCode.PROMISING)
    explored = np.where(worth[:, -1] > 0, general, 0)[exploring]
    strongest, codes, refs = np.zeros((3, 2, len(place)), dtype=np.int64)
    row = np.arange(len(place))
    for best in strongest:
        best[:] = worth.argmax(axis=1)
        best[worth[row, best] <= 0] = NOTHING
        worth[row, best] = 0
    for kind, (_, feature) in enumerate(named):
        nth, which = np.nonzero(strongest == kind)
        codes[nth, which], refs[nth, which] = feature.code, shelf.refs(feature, things[which, kind], place[which])
    codes = np.where(strongest == len(named), general, codes)
    codes[(refs < 0) | (refs >= REFS)] = 0
    refs[codes == 0] = 0
    lost = codes[0] == 0  # what could not be told
    for numbers in (codes, refs):
        numbers[0, lost], numbers[1, lost] = numbers[1, lost], 0
    alone = np.flatnonzero((codes[0] == ReasonCode.TOPIC) & (codes[1] == 0))
    words = candidates.terms(refs[0, alone], place[alone])
    alone, words = alone[words < NAMELESS], words[words < NAMELESS]
    codes[1, alone], refs[1, alone] = ReasonCode.TERM, words
    codes[0, exploring], codes[1, exploring], refs[:, exploring] = ReasonCode.EXPLORE, explored, 0
    codes[0, codes[0] == 0] = ReasonCode.FRESH
    return codes, refs


def _shares(shelf: Shelf, features: Sequence[Named], chosen: Places, trend: Rows) -> tuple[Places, Rows]:
    """wishes × picks × features: the thing that adds most to each score, and how much; last of all the trend."""
    things = np.zeros((*chosen.shape, len(features) + 1), dtype=np.int64)
    worth = np.zeros(things.shape, dtype=np.float32)
    for kind, named in enumerate(features):
        found = shelf.strongest(named, chosen[named.wishes])
        things[named.wishes, :, kind], worth[named.wishes, :, kind] = found
    worth[:, :, -1] = trend
    return things, worth
