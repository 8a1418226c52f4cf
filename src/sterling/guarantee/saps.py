"""SAPS: sorted adaptive prediction sets (Huang, Xi, Zhang, Yao, Qiu, Wei, ICML 2024)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.guarantee.label_score import Standing


@dataclass(frozen=True)
class SAPS:
    """``u p_max`` for the top label, else ``p_max + (rank - 2 + u) weight``.

    Of the probabilities only the largest counts, so noise in the tail does no harm.

    Attributes:
        weight: At least 0; the default is ours.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.weight < np.inf:
            raise InputError(f"{self}: weight must be finite and at least 0")

    def __call__(self, standing: Standing) -> NDArray[np.float64]:
        """One score per label, at least 0; larger fits worse."""
        behind = standing.top + (standing.rank - 2 + standing.u) * self.weight
        return np.where(standing.rank == 1, standing.u * standing.top, behind)
