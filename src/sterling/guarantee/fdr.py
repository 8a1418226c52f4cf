"""False discovery rate: which of many hypotheses to reject so that few rejections are wrong.

The false discovery proportion of a set of rejections is (wrong rejections) / max(1, rejections);
its expectation is the false discovery rate (FDR). T hypotheses, of which T0 are true nulls.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee.arrays import check_alpha, check_p_values, check_scores
from sterling.guarantee.null_share import null_share


def benjamini_hochberg(p: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Benjamini and Hochberg's step-up procedure (JRSS B, 1995): FDR <= alpha T0 / T.

    Holds when the p-values of true nulls are independent, or positively dependent (PRDS), as
    conformal p-values that share one calibration set are.

    Args:
        p: p-values (T,), in any order.
        alpha: FDR level in (0, 1).

    Returns:
        Which hypotheses to reject, bool (T,). Equals ``adjusted_p_values(p) <= alpha``.
    """
    values = check_p_values(p)
    check_alpha(alpha)
    ordered = np.sort(values)
    passing = np.flatnonzero(_inflated(ordered) <= alpha)
    return values <= (ordered[passing[-1]] if len(passing) else -1.0)


def adjusted_p_values(p: ArrayLike) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p-values (T,): the least FDR level that rejects each one."""
    values = check_p_values(p)
    order = np.argsort(values, kind="stable")
    inflated = _inflated(values[order])
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1, np.minimum.accumulate(inflated[::-1])[::-1])
    return adjusted


def benjamini_yekutieli(p: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Benjamini and Yekutieli (Annals of Statistics, 2001): FDR <= alpha T0 / T, any dependence.

    Benjamini-Hochberg at ``alpha / (1 + 1/2 + ... + 1/T)``. Needed when p-values come from several
    calibration sets of different origin.
    """
    values = check_p_values(p)
    check_alpha(alpha)
    if not len(values):
        return np.zeros(0, dtype=np.bool_)
    return benjamini_hochberg(values, alpha / harmonic_number(len(values)))


def harmonic_number(n: int) -> float:
    """1 + 1/2 + ... + 1/n."""
    return float(np.sum(1 / np.arange(1, n + 1)))


def storey_benjamini_hochberg(p: ArrayLike, alpha: float, cut: float = 0.5) -> NDArray[np.bool_]:
    """Benjamini-Hochberg on ``p * null_share(p)``: more power when many nulls are false.

    FDR <= alpha for independent p-values (Storey, Taylor, Siegmund 2004), and for conformal
    p-values that share one calibration set (Bates et al. 2023, theorem 3).
    """
    values = check_p_values(p)
    return benjamini_hochberg(values * null_share(values, cut), alpha)


def conformal_e_values(calibration: ArrayLike, test: ArrayLike) -> NDArray[np.float64]:
    """e-values of "this item is of the calibration population"; large means unlike it.

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
    known = check_scores("calibration", calibration, minimum=1)
    weights = check_scores("test", test)
    for name, values in (("calibration", known), ("test", weights)):
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InputError(f"{name}: weights of e-values must be finite and at least 0")
    total = float(known.sum())
    if total == 0 and not weights.all():
        raise InputError("calibration: all weights are 0; use a weight that some items have")
    return (len(known) + 1) * weights / (weights + total)


def harmonic_e_values(p: ArrayLike, calibration: ArrayLike) -> NDArray[np.float64]:
    """e-values from conformal p-values: (n + 1) / (r H_{n+1}) with rank r = ceil((n + 1) p), (T,).

    The rank of an exchangeable item is uniform on 1 to n + 1 (ties make it larger), so that the
    expectation is at most 1. Any decreasing function of the rank that averages 1 would do; this
    one has no parameter, and is ours.

    Args:
        p: Conformal p-values, (T,).
        calibration: n, the calibration items behind each, a number or (T,).
    """
    grid = np.asarray(calibration) + 1
    # Rounding may lift (n + 1) p above the whole number it stands for.
    rank = np.ceil(check_p_values(p) * grid - 1e-6)
    sizes, position = np.unique(grid, return_inverse=True)
    harmonic = np.array([harmonic_number(int(size)) for size in sizes])
    return np.asarray(grid / (np.maximum(rank, 1) * harmonic[position.reshape(grid.shape)]))


def e_benjamini_hochberg(e: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Wang and Ramdas's e-BH (JRSS B, 2022): FDR <= alpha T0 / T under any dependence.

    Rejects the k largest e-values, k the largest number with ``e_(k) >= T / (alpha k)``.

    Args:
        e: e-values (T,), at least 0.
        alpha: FDR level in (0, 1).
    """
    values = check_scores("e", e)
    check_alpha(alpha)
    if (values < 0).any():
        raise InputError(f"e: {values.min()} is no e-value; they are at least 0")
    ordered = np.sort(values)[::-1]
    ranks = np.arange(1, len(values) + 1)
    passing = np.flatnonzero(ordered * ranks * alpha >= len(values))
    return values >= (ordered[passing[-1]] if len(passing) else np.inf)


def _inflated(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(ordered)
    return ordered * (n / np.arange(1, n + 1))
