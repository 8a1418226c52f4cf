"""APS: adaptive prediction sets (Romano, Sesia, Candès, NeurIPS 2020, section 2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.guarantee.label_score import Standing


@dataclass(frozen=True)
class APS:
    """Mass ranked before the label plus ``u`` times its own: larger sets on harder items."""

    def __call__(self, standing: Standing) -> NDArray[np.float64]:
        """One score per label, in [0, 1]; larger fits worse."""
        return standing.before + standing.u * standing.probability
