"""Calibration of posteriors: calibration error, Brier score, likelihood."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError


def calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15, adaptive: bool = False
) -> float:
    """Return the expected calibration error of the likeliest class, in [0, 1]; 0 is best.

    Σ_b (n_b / n) |accuracy − mean confidence| over bins of the confidence (Guo et al., "On
    Calibration of Modern Neural Networks", ICML 2017). It is biased upwards on few items.

    Args:
        probabilities: (N, C), rows sum to 1.
        labels: Class numbers (N,), 0 to C − 1.
        bins: Number of bins.
        adaptive: Use bins of equal counts instead of equal widths.

    Raises:
        InputError: On rows that are no distributions, labels outside, or no bins.
    """
    p, y = _checked(probabilities, labels)
    return _binned(p.max(axis=1), p.argmax(axis=1) == y, bins, adaptive)


def classwise_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15
) -> float:
    """Return the mean over classes of the calibration error of each one's probability."""
    p, y = _checked(probabilities, labels)
    return float(
        np.mean([_binned(p[:, c], y == c, bins, adaptive=False) for c in range(p.shape[1])])
    )


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean squared distance of posterior and one-hot label, in [0, 2]; 0 is best."""
    p, y = _checked(probabilities, labels)
    return float(((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1).mean())


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of −log p of the label, in nats; 0 is best, infinite where p is 0."""
    p, y = _checked(probabilities, labels)
    with np.errstate(divide="ignore"):
        return float(-np.log(p[np.arange(len(y)), y]).mean())


def _binned(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int, adaptive: bool
) -> float:
    if bins < 1:
        raise InputError(f"bins {bins}: give 1 or more")
    if adaptive:
        place = np.argsort(np.argsort(confidence, kind="stable"), kind="stable") * bins
        place //= len(confidence)
    else:
        place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _checked(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if p.ndim != 2 or not len(p) or y.shape != p.shape[:1]:
        raise InputError(
            f"probabilities {p.shape}, labels {y.shape}: give (N, C) and (N,), one item at least"
        )
    if not np.isfinite(p).all() or p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise InputError("probabilities: a row is no distribution; apply softmax to logits")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= p.shape[1]:
        raise InputError(f"labels: give whole numbers from 0 to {p.shape[1] - 1}")
    return p, y.astype(np.intp)
