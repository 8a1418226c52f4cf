"""Checks of what callers pass: levels, scores, p-values, weights and groups."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def check_alpha(alpha: float, name: str = "alpha") -> float:
    """Return the error level when it lies strictly between 0 and 1."""
    if not 0 < alpha < 1:
        raise InputError(f"{name} {alpha}: give an error level between 0 and 1, such as 0.1")
    return float(alpha)


def check_scores(name: str, values: ArrayLike, *, minimum: int = 0) -> Floats:
    """Return scores as float64 (N,), none of them NaN. Infinite scores have a rank and may stay.

    Raises:
        InputError: On another shape, fewer than ``minimum`` values, or a NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}; give one number per item")
    if len(array) < minimum:
        raise InputError(f"{name} holds {len(array)} value(s); give at least {minimum}")
    missing = np.isnan(array)
    if missing.any():
        raise InputError(
            f"{name}: {missing.sum()} of {len(array)} values are NaN (first at "
            f"{missing.argmax()}); leave out what could not be scored, and count it"
        )
    return array


def check_p_values(p: ArrayLike) -> Floats:
    """Return p-values as float64 (T,), all in [0, 1]."""
    array = check_scores("p", p)
    outside = (array < 0) | (array > 1)
    if outside.any():
        raise InputError(f"p: {array[outside][0]} is no p-value; they lie in [0, 1]")
    return array


def check_e_values(e: ArrayLike) -> Floats:
    """Return e-values as float64 (T,), all at least 0."""
    array = check_scores("e", e)
    if (array < 0).any():
        raise InputError(f"e: {array.min()} is no e-value; they are at least 0")
    return array


def check_weights(name: str, values: ArrayLike, *, minimum: int = 0) -> Floats:
    """Return weights as float64 (N,), all finite and at least 0."""
    array = check_scores(name, values, minimum=minimum)
    if not (np.isfinite(array) & (array >= 0)).all():
        raise InputError(f"{name}: weights must be finite and at least 0")
    return array


def check_groups(name: str, groups: ArrayLike | None, n: int) -> NDArray[np.generic]:
    """Return the groups as an array of shape (n,)."""
    array = np.asarray(groups)
    if array.shape != (n,):
        raise InputError(f"{name}: shape {array.shape}; give one group per item ({n})")
    return array
