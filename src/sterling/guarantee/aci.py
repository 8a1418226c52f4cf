"""Adaptive conformal inference: coverage in the long run, whatever the stream does."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee.arrays import check_alpha, check_p_values


@dataclass(frozen=True, eq=False)
class AdaptiveLevels:
    """Levels over a stream.

    Attributes:
        levels: Level used at each time (T,); below 0 keeps everything, from 1 on keeps nothing.
        missed: Whether the truth fell outside the set, bool (T,).
        bound: Largest possible distance of the share missed from alpha, over the whole stream.
    """

    levels: NDArray[np.float64]
    missed: NDArray[np.bool_]
    bound: float


def adaptive_conformal_inference(p: ArrayLike, alpha: float, gamma: float) -> AdaptiveLevels:
    """Gibbs and Candès's rule ``a_(t+1) = a_t + gamma (alpha - missed_t)`` (NeurIPS 2021).

    The share missed differs from alpha by at most ``(max(a_1, 1 - a_1) + gamma) / (T gamma)``: a
    property of the rule, with no assumption on the stream.

    Args:
        p: Conformal p-value of the true outcome at each time (T,), in (0, 1]: the set at level a
            holds every outcome of p-value above a.
        alpha: Share that may be missed, in (0, 1); also a_1.
        gamma: Step, above 0; the paper's 0.005 adapts over about a thousand items.
    """
    values = check_p_values(p)
    check_alpha(alpha)
    if not gamma > 0:
        raise InputError(f"gamma {gamma}: give a step above 0, such as 0.005")
    if not values.all():
        raise InputError("p holds a 0; conformal p-values are at least 1/(n + 1)")
    levels, missed, level = np.empty(len(values)), np.empty(len(values), np.bool_), alpha
    for t, value in enumerate(values):
        levels[t], missed[t] = level, value <= level
        level += gamma * (alpha - float(missed[t]))
    bound = (max(alpha, 1 - alpha) + gamma) / (max(len(values), 1) * gamma)
    return AdaptiveLevels(levels, missed, bound)
