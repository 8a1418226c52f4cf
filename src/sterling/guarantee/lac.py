"""LAC: least ambiguous sets (Sadinle, Lei, Wasserman, JASA 2019)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sterling.guarantee.label_score import Standing


@dataclass(frozen=True)
class LAC:
    """``1 - p``: the smallest sets on average, which may be empty and under-cover hard items."""

    ranked: ClassVar[bool] = False

    def __call__(self, standing: Standing) -> NDArray[np.float64]:
        """One score per label, in [0, 1]; larger fits worse."""
        return 1 - standing.probability
