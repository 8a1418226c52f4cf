"""The logit-scaled confidence that the stronger attacks work on."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from sterling.errors import InputError


def phi(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """φ = log(p_y / (1 - p_y)) as z_y - log Σ_{j≠y} exp z_j (Carlini et al., 2022).

    Taken from logits, not from probabilities: a float32 probability of a confident model is 1 and
    its odds are infinite, while φ keeps the order of such records.

    Args:
        logits: (..., records, classes), finite; two classes or more.
        labels: The true classes, (records,).

    Returns:
        float64 (..., records). Higher for members: the model is surer of their class. The
        confidence p_y is ``expit(phi)`` and the log-likelihood ``log_expit(phi)``.

    Raises:
        InputError: Shapes that do not fit, a label that is no class, or a logit that is not finite.
    """
    z, y = check_outputs(logits, labels)
    chosen = np.take_along_axis(z, y.reshape((1,) * (z.ndim - 2) + (-1, 1)), axis=-1)[..., 0]
    others = np.where(np.arange(z.shape[-1]) == y[:, None], -np.inf, z)
    return np.asarray(chosen - logsumexp(others, axis=-1))


def check_outputs(
    logits: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Logits as float64 (..., records, classes) and labels as positions (records,)."""
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels)
    if z.ndim < 2 or z.shape[-1] < 2 or y.shape != z.shape[-2:-1]:
        raise InputError(
            f"logits have shape {z.shape} and labels {y.shape}; give (..., records, classes), two "
            "classes or more, and (records,)"
        )
    if not np.isfinite(z).all():
        raise InputError("logits: a value is not finite; leave that record out")
    if y.dtype.kind not in "iu" or (len(y) and (y.min() < 0 or y.max() >= z.shape[-1])):
        raise InputError(f"labels: give whole numbers from 0 to {z.shape[-1] - 1}")
    return z, y.astype(np.intp)
