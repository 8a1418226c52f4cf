"""The order statistic behind every split conformal method."""

import math
import warnings
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.guarantee.arrays import check_alpha, check_scores
from sterling.guarantee.statement import ResolutionWarning


def conformal_rank(n: int, alpha: float) -> int:
    """``ceil((n + 1)(1 - alpha))``, in exact arithmetic on the decimal that was written."""
    return math.ceil((n + 1) * (1 - Fraction(repr(float(alpha)))))


def needed_for(alpha: float) -> int:
    """The least calibration size at which the conformal quantile is finite."""
    return math.ceil(1 / Fraction(repr(float(alpha)))) - 1


def conformal_quantile(scores: ArrayLike, alpha: float) -> float:
    """The ``ceil((n + 1)(1 - alpha))``-th smallest of n calibration scores.

    The score of a new exchangeable item is at most this with probability at least 1 - alpha, and
    at most 1 - alpha + 1/(n + 1) when no scores tie (Vovk et al. 2005; Lei et al., JASA 2018).
    Given the calibration set the probability is Beta(k, n + 1 - k) distributed, k the rank.

    Args:
        scores: Calibration scores (n,); larger means the item fits worse.
        alpha: Error level in (0, 1).

    Returns:
        Infinity, with a :class:`ResolutionWarning`, when n < 1/alpha - 1.
    """
    values = check_scores("scores", scores)
    check_alpha(alpha)
    n = len(values)
    rank = conformal_rank(n, alpha)
    if rank > n:
        warnings.warn(
            f"{n} calibration items are too few for alpha = {alpha:g}: every label or value is "
            f"kept; give at least {needed_for(alpha)}",
            ResolutionWarning,
            stacklevel=2,
        )
        return math.inf
    return float(np.partition(values, rank - 1)[rank - 1])


def group_quantiles(
    scores: NDArray[np.float64], groups: NDArray[np.intp], n_groups: int, alpha: float
) -> NDArray[np.float64]:
    """The conformal quantile of every group, (G,); ``groups`` holds numbers from 0 to G - 1."""
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=n_groups))
    parts = np.split(scores[order], ends)[:n_groups]
    return np.array([conformal_quantile(part, alpha) for part in parts])
