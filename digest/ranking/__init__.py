"""Scoring papers for whole batches of subscribers as arrays, choosing each one's picks, and saying why."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from digest.ranking.arrays import Candidates, Wish


class Feature(Protocol):
    """One term of the score: a kind of *thing* that readers name, such as a topic, an author, a paper voted up.

    What a thing says of the candidates is the same for everybody who names it, so it is worked out once an edition.
    """

    def things(self, wishes: Sequence["Wish"]) -> Mapping[int, Mapping[Any, float]]:
        """What each wish names, each thing with its weight, by place of the wish; most name nothing."""

    def scores(self, candidates: "Candidates", things: Sequence[Any]) -> NDArray[np.float32]:
        """shape (things, candidates), 0 where a thing says nothing. Pure."""
