"""What every function of this room asks of its arrays."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError


def check_alpha(alpha: float, name: str = "alpha") -> float:
    """The error level itself, when it lies strictly between 0 and 1."""
    if not 0 < alpha < 1:
        raise InputError(f"{name} {alpha}: give an error level between 0 and 1, such as 0.1")
    return float(alpha)


def check_scores(name: str, values: ArrayLike, *, minimum: int = 0) -> NDArray[np.float64]:
    """Scores as float64 (N,), none of them NaN. Infinite scores have a rank, so they may stay.

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


def check_p_values(p: ArrayLike) -> NDArray[np.float64]:
    """p-values as float64 (T,), all in [0, 1]."""
    array = check_scores("p", p)
    outside = (array < 0) | (array > 1)
    if outside.any():
        raise InputError(f"p: {array[outside][0]} is no p-value; they lie in [0, 1]")
    return array
