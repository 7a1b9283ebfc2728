"""Scoring papers for whole batches of subscribers as arrays, choosing each one's picks, and saying why."""

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from digest.ranking.arrays import Candidates, Interests


class Feature(Protocol):
    """One term of the score."""

    def scores(self, candidates: "Candidates", interests: "Interests") -> NDArray[np.float32]:
        """shape (interests, candidates) or broadcastable to it. Pure."""
