"""Task over-fitting: a learner trained for one number of shots and tested at another (PKAML).

Qin et al., "Prior-Knowledge and Attention-based Meta-Learning for Few-Shot Learning"
(Knowledge-Based Systems 213, 2021) names the phenomenon (TOF) and a metric, Cross-Entropy across
Tasks (CET), whose formula could not be established. The quantities here are ours.

In A, accuracy, and E, mean cross-entropy of the queries in nats, row i was trained at one setting
and column j is tested at another, all rows of a column on the same tasks.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError

Floats = NDArray[np.float64]


def tof_gap(accuracy: ArrayLike) -> Floats:
    """Return mean_j (max_k A[k, j] - A[i, j]) of every row i, in [0, 1].

    0 is best: no other row is better anywhere. It is never negative, so that a gap above 0 alone
    says nothing; compare gaps.

    Raises:
        InputError: Not a matrix of accuracies.
    """
    a = _matrix("accuracy", accuracy, 1.0)
    return np.asarray((a.max(axis=0) - a).mean(axis=1))


def cet_proxy(accuracy: ArrayLike) -> Floats:
    """Return -mean_j log A[i, j] of every row i, in nats, 0 or more; small is good.

    Raises:
        InputError: Not a matrix of accuracies, or one is 0.
    """
    a = _matrix("accuracy", accuracy, 1.0)
    if (a == 0).any():
        raise InputError("accuracy: one is 0, whose logarithm is infinite; test on more tasks")
    return np.asarray(-np.log(a).mean(axis=1))


def cet_loss(cross_entropy: ArrayLike) -> Floats:
    """Return mean_j E[i, j] of every row i, in nats, 0 or more; small is good.

    Raises:
        InputError: Not a matrix of cross-entropies.
    """
    return np.asarray(_matrix("cross_entropy", cross_entropy, np.inf).mean(axis=1))


def _matrix(name: str, values: ArrayLike, largest: float) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"{name}: shape {array.shape}; give rows (trained) by columns (tested)")
    if not (np.isfinite(array).all() and (array >= 0).all() and (array <= largest).all()):
        raise InputError(f"{name}: give finite numbers from 0 to {largest:g}")
    return array
