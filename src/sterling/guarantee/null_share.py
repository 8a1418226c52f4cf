"""How many of many hypotheses are true nulls? Estimates of T0 / T from their p-values.

Benjamini-Hochberg on ``p * share`` spends all of alpha where plain Benjamini-Hochberg spends
alpha T0 / T. An estimate that is too small breaks the bound, so each of these errs upwards.
"""

import numpy as np
from numpy.typing import ArrayLike

from sterling.guarantee.arrays import check_alpha, check_p_values


def null_share(p: ArrayLike, cut: float = 0.5) -> float:
    """Storey's estimate, in (0, 1]: ``min(1, (1 + #{p > cut}) / ((1 - cut) T))``.

    Conservative (JRSS B, 2002; with the added 1 of Storey, Taylor, Siegmund, JRSS B, 2004), also
    for conformal p-values that share one calibration set (Bates et al. 2023, theorem 3).
    """
    values = check_p_values(p)
    check_alpha(cut, "cut")
    if not len(values):
        return 1.0
    return min(1.0, float((1 + np.sum(values > cut)) / ((1 - cut) * len(values))))


def null_share_by_subtraction(p: ArrayLike, cut: float = 0.5) -> float:
    """``min(1, cut + (1 + #{p > cut}) / T)``: false nulls are at least #{p <= cut} / T less cut.

    The name and the idea, a share of training data by subtracting what non-members alone would
    show, are of "High-Power Training Data Identification with Provable Statistical Guarantees"
    (PTDI, arXiv 2510.09717v1); its formula could not be established, so this one is ours. It is
    never below :func:`null_share` at the same cut and grows with every p-value, so that it is
    conservative wherever that one is.
    """
    values = check_p_values(p)
    check_alpha(cut, "cut")
    if not len(values):
        return 1.0
    return min(1.0, float(cut + (1 + np.sum(values > cut)) / len(values)))


def null_share_at_the_boundary(p: ArrayLike, bandwidth: float = 0.1) -> float:
    """The density of the p-values at 1, one standard error up, in (0, 1].

    False nulls hardly reach p = 1, so the density there is T0 / T. It is estimated by the kernel of
    the Beta(1/b + 1, 1) law, ``(1/b + 1) p^(1/b)``, whose mass lies at the boundary; a jackknife of
    the bandwidths b and 2b takes away the bias of first order. "Jackknife-corrected Beta boundary
    estimator" is the name of PTDI's second version (arXiv 2510.09717v2); its formula could not be
    established, so this one, with its standard error, is ours. It is conservative for many
    p-values and smooth densities, which is no statement for a finite number.

    Args:
        p: p-values (T,).
        bandwidth: b, in (0, 1).
    """
    values = check_p_values(p)
    check_alpha(bandwidth, "bandwidth")
    if len(values) < 2:
        return 1.0
    narrow, wide = ((1 / b + 1) * np.power(values, 1 / b) for b in (bandwidth, 2 * bandwidth))
    density = 2 * narrow - wide
    error = density.std(ddof=1) / np.sqrt(len(values))
    return float(np.clip(density.mean() + error, 1 / len(values), 1))
