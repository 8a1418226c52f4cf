"""What lingers: the forget set's losses under the unlearned model against the retrained one."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sterling.errors import InputError


def lingering(unlearned: ArrayLike, retrained: ArrayLike) -> tuple[float, float]:
    """Kolmogorov–Smirnov distance of two sets of losses and its p-value.

    Args:
        unlearned: Losses of the forget set under the unlearned model (A,).
        retrained: Under the retrained model (B,).

    Returns:
        The distance in [0, 1], 0 is best, and the chance of so large a one between two models that
        are alike (TOFU calls the p-value "forget quality").

    Raises:
        InputError: When a set is empty or holds a value that is not finite.
    """
    first, second = (
        np.asarray(values, dtype=np.float64).ravel() for values in (unlearned, retrained)
    )
    for name, values in (("unlearned", first), ("retrained", second)):
        if not len(values) or not np.isfinite(values).all():
            raise InputError(f"{name}: give one finite loss at least, and no other")
    outcome = stats.ks_2samp(first, second)
    return float(outcome.statistic), float(outcome.pvalue)
