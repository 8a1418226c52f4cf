"""False discovery rate over a stream: each hypothesis is decided before the next one is seen.

All three procedures spend the level along a sequence gamma that sums to 1. Ours is
``t**-1.6 / zeta(1.6)`` (SAFFRON's own exponent; the papers leave gamma free), exact over an endless
stream.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import zeta

from sterling.errors import InputError
from sterling.guarantee.checks import Bools, Floats, check_alpha, check_e_values, check_p_values

EXPONENT = 1.6


def _spending(n: int) -> Floats:
    gamma: Floats = np.arange(1, n + 1) ** -EXPONENT / zeta(EXPONENT)
    return gamma


def lord_plus_plus(p: ArrayLike, alpha: float, wealth: float | None = None) -> Bools:
    """Reject by LORD++ (Ramdas et al., NeurIPS 2017): FDR <= alpha at every time.

    The test level is ``g_t w0 + (alpha - w0) g_(t - tau_1) + alpha sum_(j >= 2) g_(t - tau_j)``
    over the past rejections tau_j. For independent p-values; conformal p-values that share one
    calibration set are not: give each its own, or use :func:`e_lond`.

    Args:
        p: p-values (T,), in order of arrival.
        alpha: FDR level in (0, 1).
        wealth: w0 in (0, alpha), spent before the first rejection; alpha / 2 by default (ours).

    Returns:
        Mask of the hypotheses to reject, bool (T,); entry t depends on p-values up to t only.
    """
    values = check_p_values(p)
    start = _wealth(alpha, wealth)
    gamma = _spending(len(values))
    levels = start * gamma
    rejected = np.zeros(len(values), dtype=np.bool_)
    earned = alpha - start
    for t, value in enumerate(values):
        if value <= levels[t]:
            rejected[t] = True
            levels[t + 1 :] += earned * gamma[: len(values) - t - 1]
            earned = alpha
    return rejected


def saffron(
    p: ArrayLike, alpha: float, wealth: float | None = None, candidate: float = 0.5
) -> Bools:
    """Reject by SAFFRON (Ramdas, Zrnic, Wainwright, Jordan, ICML 2018), which adapts to T0 / T.

    Only p-values above ``candidate`` cost wealth. FDR <= alpha at every time for independent
    p-values (see :func:`lord_plus_plus` for conformal ones). T0 / T is the share of true nulls.

    Args:
        p: p-values (T,), in order of arrival.
        alpha: FDR level in (0, 1).
        wealth: w0 in (0, alpha); alpha / 2 by default.
        candidate: lambda in (0, 1); the paper's 0.5.

    Returns:
        Mask of the hypotheses to reject, bool (T,).
    """
    values = check_p_values(p)
    start = _wealth(alpha, wealth)
    check_alpha(candidate, "candidate")
    gamma = _spending(len(values))
    rejected = np.zeros(len(values), dtype=np.bool_)
    # One account from the start and one per rejection: what it may spend in all, and how many
    # non-candidates have drawn on it.
    budget, drawn = [start], [0]
    for t, value in enumerate(values):
        level = (1 - candidate) * float(np.dot(budget, gamma[drawn]))
        rejected[t] = value <= min(candidate, level)
        if value > candidate:
            drawn = [count + 1 for count in drawn]
        if rejected[t]:
            budget.append(alpha if len(budget) > 1 else alpha - start)
            drawn.append(0)
    return rejected


def e_lond(e: ArrayLike, alpha: float) -> Bools:
    """Reject by e-LOND (Xu, Ramdas, AISTATS 2024): FDR <= alpha at any time and dependence.

    Rejects when ``e_t >= 1 / (alpha g_t (D + 1))``, D the number of rejections so far.

    Args:
        e: e-values (T,), at least 0, in order of arrival.
        alpha: FDR level in (0, 1).

    Returns:
        Mask of the hypotheses to reject, bool (T,).
    """
    values = check_e_values(e)
    check_alpha(alpha)
    gamma = _spending(len(values))
    rejected = np.zeros(len(values), dtype=np.bool_)
    discoveries = 0
    for t, value in enumerate(values):
        rejected[t] = value * alpha * gamma[t] * (discoveries + 1) >= 1
        discoveries += int(rejected[t])
    return rejected


def _wealth(alpha: float, wealth: float | None) -> float:
    start = check_alpha(alpha) / 2 if wealth is None else wealth
    if not 0 < start < alpha:
        raise InputError(f"wealth {start}: give a start between 0 and alpha = {alpha:g}")
    return start
