"""Activations turn raw feedback x >= 0 into a reward in [0, 1]; 1 is a perfect answer.

Every activation takes the feedback and a sharpness k: the larger k, the less an error of the same
size earns. Feedback that is infinite or NaN earns 0.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.checks import Positive, Weight, check_values
from sterling.errors import InputError

Floats = NDArray[np.float64]
Activation = Callable[[ArrayLike, float], Floats]

EXPONENT = 700.0  # exp(710) overflows; up to here different errors earn different rewards


def snra(x: ArrayLike, k: Weight) -> Floats:
    """Return the smooth numerical reward activation 2 / (1 + exp(k x)).

    Half of the reward is lost at x = ln 3 / k. With the squared relative error and k = 100 this
    is a relative error of 10.5 %.

    Args:
        x: Raw feedback, 0 or more, of any shape.
        k: Sharpness, 0 or more.

    Raises:
        InputError: The sharpness is negative or not finite, or the feedback is negative.

    Source: Smooth Operator (arXiv 2601.07695); the form is taken from secondary sources.

    Examples:
        >>> snra([0.0, 0.01, float("inf")], 100).round(5).tolist()
        [1.0, 0.53788, 0.0]
    """
    check_values({"k": k}, snra)
    return _rewards(x, lambda error: 2.0 / (1.0 + np.exp(np.minimum(k * error, EXPONENT))))


def exponential(x: ArrayLike, k: Weight) -> Floats:
    """Return exp(−k x).

    Raises:
        InputError: The sharpness is negative or not finite, or the feedback is negative.

    Examples:
        >>> exponential([0.0, 0.1], 10).round(4).tolist()
        [1.0, 0.3679]
    """
    check_values({"k": k}, exponential)
    return _rewards(x, lambda error: np.exp(-k * error))


def linear(x: ArrayLike, k: Weight) -> Floats:
    """Return max(0, 1 − k x): zero from x = 1 / k on.

    Raises:
        InputError: The sharpness is negative or not finite, or the feedback is negative.

    Examples:
        >>> linear([0.0, 0.05, 0.2], 10).tolist()
        [1.0, 0.5, 0.0]
    """
    check_values({"k": k}, linear)
    return _rewards(x, lambda error: np.maximum(1.0 - k * error, 0.0))


def huber(x: ArrayLike, k: Weight, delta: Positive = 1.0) -> Floats:
    """Return max(0, 1 − h(k x)), h the Huber loss: flat near 0, then falling in a line.

    Args:
        x: Raw feedback, 0 or more, of any shape.
        k: Sharpness, 0 or more.
        delta: Value of k x at which the square turns into a line, above 0.

    Raises:
        InputError: The sharpness is negative or not finite, or the feedback is negative.

    Source: the form of the reward is our choice.

    Examples:
        >>> huber([0.0, 0.05, 0.12], 10).round(3).tolist()
        [1.0, 0.875, 0.3]
    """
    check_values({"k": k, "delta": delta}, huber)

    def reward(error: Floats) -> Floats:
        u = k * error
        near = np.minimum(u, delta)  # keeps the square finite
        return np.maximum(1.0 - np.where(u <= delta, near**2 / 2, delta * (u - delta / 2)), 0.0)

    return _rewards(x, reward)


def threshold(x: ArrayLike, k: Weight) -> Floats:
    """Return 1 where k x <= 1, else 0: right up to an error of 1 / k.

    Raises:
        InputError: The sharpness is negative or not finite, or the feedback is negative.

    Examples:
        >>> threshold([0.01, 0.05, 0.06], 20).tolist()
        [1.0, 1.0, 0.0]
    """
    check_values({"k": k}, threshold)
    return _rewards(x, lambda error: (k * error <= 1.0).astype(np.float64))


def _rewards(x: ArrayLike, reward: Callable[[Floats], Floats]) -> Floats:
    error = np.asarray(x, dtype=np.float64)
    if (error < 0).any():
        raise InputError(
            f"x: feedback {error[error < 0].flat[0]:g} is negative; give 0 for a perfect answer "
            "and more for a worse one"
        )
    usable = np.isfinite(error)
    with np.errstate(over="ignore", under="ignore"):
        rewards: Floats = np.where(usable, reward(np.where(usable, error, 0.0)), 0.0)[()]
    return rewards
