"""RAPS: regularised adaptive prediction sets (Angelopoulos, Bates, Malik, Jordan, ICLR 2021)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.guarantee.label_score import Standing


@dataclass(frozen=True)
class RAPS:
    """APS plus ``penalty * max(0, rank - free)``: cuts the long tail of large sets.

    Attributes:
        penalty: lambda, at least 0; the default is ours, within the paper's 0.01 to 0.1.
        free: k_reg, ranks without a penalty, at least 0; the default is ours.
    """

    penalty: float = 0.01
    free: int = 5

    def __post_init__(self) -> None:
        if not (0 <= self.penalty < np.inf and self.free >= 0):
            raise InputError(f"{self}: penalty and free must be finite and at least 0")

    def __call__(self, standing: Standing) -> NDArray[np.float64]:
        """One score per label, at least 0; larger fits worse."""
        adaptive = standing.before + standing.u * standing.probability
        return adaptive + self.penalty * np.maximum(0, standing.rank - self.free)
