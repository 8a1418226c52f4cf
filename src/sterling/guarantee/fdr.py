"""False discovery rate: which of many hypotheses to reject so that few rejections are wrong.

The false discovery proportion of a set of rejections is (wrong rejections) / max(1, rejections);
its expectation is the false discovery rate (FDR). Of T hypotheses T0 are true nulls; the
``null_share`` functions estimate T0 / T. Benjamini-Hochberg on ``p * share`` spends all of alpha
where plain Benjamini-Hochberg spends alpha T0 / T. An estimate that is too small breaks the bound,
so each of them errs upwards.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee.checks import (
    Bools,
    Floats,
    check_alpha,
    check_e_values,
    check_p_values,
    check_weights,
)


def benjamini_hochberg(p: ArrayLike, alpha: float) -> Bools:
    """Reject by Benjamini and Hochberg's step-up procedure (JRSS B, 1995): FDR <= alpha T0 / T.

    Holds when the p-values of true nulls are independent, or positively dependent (PRDS), as
    conformal p-values that share one calibration set are.

    Args:
        p: p-values (T,), in any order.
        alpha: FDR level in (0, 1).

    Returns:
        Mask of the hypotheses to reject, bool (T,). Equals ``adjusted_p_values(p) <= alpha``.
    """
    values = check_p_values(p)
    check_alpha(alpha)
    ordered = np.sort(values)
    passing = np.flatnonzero(ordered * (len(values) / np.arange(1, len(values) + 1)) <= alpha)
    return values <= (ordered[passing[-1]] if len(passing) else -1.0)


def adjusted_p_values(p: ArrayLike) -> Floats:
    """Return Benjamini-Hochberg adjusted p-values (T,): the least FDR level that rejects each."""
    return np.asarray(stats.false_discovery_control(check_p_values(p)))


def benjamini_yekutieli(p: ArrayLike, alpha: float) -> Bools:
    """Reject by Benjamini and Yekutieli (2001): FDR <= alpha T0 / T under any dependence.

    Benjamini-Hochberg at ``alpha / (1 + 1/2 + ... + 1/T)`` (Annals of Statistics). Needed when
    p-values come from several calibration sets of different origin.
    """
    values = check_p_values(p)
    check_alpha(alpha)
    if not len(values):
        return np.zeros(0, dtype=np.bool_)
    return benjamini_hochberg(values, alpha / harmonic_number(len(values)))


def harmonic_number(n: int) -> float:
    """Return 1 + 1/2 + ... + 1/n."""
    return float(np.sum(1 / np.arange(1, n + 1)))


def storey_benjamini_hochberg(p: ArrayLike, alpha: float, cut: float = 0.5) -> Bools:
    """Reject by Benjamini-Hochberg on ``p * null_share(p)``: more power when many nulls are false.

    FDR <= alpha for independent p-values (Storey, Taylor, Siegmund 2004), and for conformal
    p-values that share one calibration set (Bates et al. 2023, theorem 3).
    """
    values = check_p_values(p)
    return benjamini_hochberg(values * null_share(values, cut), alpha)


def conformal_e_values(calibration: ArrayLike, test: ArrayLike) -> Floats:
    """Return e-values of "this item is of the calibration population"; large means unlike it.

    ``(n + 1) w / (w + sum of the calibration weights)`` has expectation 1 for an item exchangeable
    with the calibration items. They stay valid under every dependence, with
    :func:`e_benjamini_hochberg` or :func:`sterling.guarantee.e_lond`.

    Args:
        calibration: Weights (n,), finite and >= 0: any fixed function of an item that is large
            when the item is unlike the population.
        test: Weights (T,).

    Returns:
        e (T,), in [0, n + 1].

    Raises:
        InputError: On a negative or infinite weight, or when all weights are 0.
    """
    known = check_weights("calibration", calibration, minimum=1)
    weights = check_weights("test", test)
    total = float(known.sum())
    if total == 0 and not weights.all():
        raise InputError("calibration: all weights are 0; use a weight that some items have")
    return (len(known) + 1) * weights / (weights + total)


def harmonic_e_values(p: ArrayLike, calibration: ArrayLike) -> Floats:
    """Return e-values from conformal p-values: (n + 1) / (r H_{n+1}), rank r = ceil((n + 1) p).

    The rank of an exchangeable item is uniform on 1 to n + 1 (ties make it larger), so that the
    expectation is at most 1. Any decreasing function of the rank that averages 1 would do; this
    one has no parameter, and is ours.

    Args:
        p: Conformal p-values, (T,).
        calibration: Number n of calibration items behind each, a number or (T,).

    Returns:
        e (T,), at least 0.
    """
    grid = np.asarray(calibration) + 1
    # Rounding may lift (n + 1) p above the whole number it stands for.
    rank = np.ceil(check_p_values(p) * grid - 1e-6)
    sizes, position = np.unique(grid, return_inverse=True)
    harmonic = np.array([harmonic_number(int(size)) for size in sizes])
    return np.asarray(grid / (np.maximum(rank, 1) * harmonic[position.reshape(grid.shape)]))


def e_benjamini_hochberg(e: ArrayLike, alpha: float) -> Bools:
    """Reject by e-BH (Wang, Ramdas, JRSS B, 2022): FDR <= alpha T0 / T under any dependence.

    Rejects the k largest e-values, k the largest number with ``e_(k) >= T / (alpha k)``.

    Args:
        e: e-values (T,), at least 0.
        alpha: FDR level in (0, 1).
    """
    values = check_e_values(e)
    check_alpha(alpha)
    ordered = np.sort(values)[::-1]
    ranks = np.arange(1, len(values) + 1)
    passing = np.flatnonzero(ordered * ranks * alpha >= len(values))
    return values >= (ordered[passing[-1]] if len(passing) else np.inf)


def null_share(p: ArrayLike, cut: float = 0.5) -> float:
    """Return Storey's estimate of T0 / T, in (0, 1]: ``min(1, (1 + #{p > cut}) / ((1 - cut) T))``.

    Conservative (JRSS B, 2002; with the added 1 of Storey, Taylor, Siegmund, JRSS B, 2004), also
    for conformal p-values that share one calibration set (Bates et al. 2023, theorem 3).
    """
    values = check_p_values(p)
    check_alpha(cut, "cut")
    if not len(values):
        return 1.0
    return min(1.0, float((1 + np.sum(values > cut)) / ((1 - cut) * len(values))))


def null_share_by_subtraction(p: ArrayLike, cut: float = 0.5) -> float:
    """Return ``min(1, cut + (1 + #{p > cut}) / T)``, an estimate of T0 / T in (0, 1].

    The false nulls are a share of at least #{p <= cut} / T less cut.
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
    """Return the density of the p-values at 1 plus one standard error, in (0, 1].

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
