"""p-values of "the risk of this setting exceeds epsilon": small when the losses are low.

Losses are arrays (n, L), bool or float: n independent calibration items, L settings. Every p-value
is valid in finite samples, so that a family-wise correction over the settings gives a guarantee.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, xlog1py, xlogy

from sterling.errors import InputError
from sterling.guarantee.arrays import check_alpha
from sterling.guarantee.losses import check_losses, total_losses


def _binomial_tail(errors: NDArray[np.float64], n: int, epsilon: float) -> NDArray[np.float64]:
    """``P(Binomial(n, epsilon) <= errors)``, (L,), for whole numbers of errors up to n."""
    counts = errors.astype(np.intp)
    # Many settings share few counts: one tail for each count that occurs.
    occurring = np.flatnonzero(np.bincount(counts))
    tail = np.empty(occurring[-1] + 1)
    tail[occurring] = bdtr(occurring, n, epsilon)
    return tail[counts]


def binomial_p_values(losses: ArrayLike, epsilon: float) -> NDArray[np.float64]:
    """``P(Binomial(n, epsilon) <= errors)``, (L,): exact for losses that are 0 or 1.

    Raises:
        InputError: On a loss between 0 and 1.
    """
    array, errors = total_losses(losses)
    check_alpha(epsilon, "epsilon")
    if array.dtype != np.bool_ and not ((array == 0) | (array == 1)).all():
        raise InputError("losses between 0 and 1: use hoeffding_bentkus_p_values")
    return _binomial_tail(errors, len(array), epsilon)


def hoeffding_bentkus_p_values(losses: ArrayLike, epsilon: float) -> NDArray[np.float64]:
    """The smaller of Hoeffding's and Bentkus's bounds, (L,), for any losses in [0, 1].

    ``min(exp(-n h(min(R, eps), eps)), e P(Binomial(n, eps) <= ceil(n R)))`` with the mean loss R
    and the binary relative entropy h (Bates et al., JACM 2021, section 3; Angelopoulos et al.,
    "Learn then Test", 2021).
    """
    array, total = total_losses(losses)
    check_alpha(epsilon, "epsilon")
    n = len(array)
    low = np.minimum(total / n, epsilon)
    entropy = xlogy(low, low / epsilon) + xlog1py(1 - low, (epsilon - low) / (1 - epsilon))
    # Forty losses of 0.05 are 2 in decimals, and a little more in floating point.
    errors = np.ceil(total * (1 - 1e-12))
    bentkus = np.e * _binomial_tail(errors, n, epsilon)
    p: NDArray[np.float64] = np.minimum(1, np.minimum(np.exp(-n * entropy), bentkus))
    return p


def betting_p_values(losses: ArrayLike, epsilon: float, delta: float = 0.1) -> NDArray[np.float64]:
    """Waudby-Smith and Ramdas's betting p-values, (L,): tight where losses vary little.

    ``1 / max_t K_t`` with ``K_t = prod_(j <= t) (1 - v_j (loss_j - eps))`` and stakes v_j from
    the losses before j (JRSS B, 2024; as used in Bates et al., JACM 2021, appendix B). Valid at
    every level; the stakes are tuned to ``delta``. Depends on the order of the items.
    """
    array = check_losses(losses).astype(np.float64, copy=False)
    check_alpha(epsilon, "epsilon")
    check_alpha(delta, "delta")
    n = len(array)
    seen = np.arange(1, n + 1)[:, None]
    mean = (0.5 + np.cumsum(array, axis=0)) / (1 + seen)
    variance = (0.25 + np.cumsum((array - mean) ** 2, axis=0)) / (1 + seen)
    before = np.vstack([np.full((1, array.shape[1]), 0.25), variance[:-1]])
    stakes = np.minimum(1, np.sqrt(2 * np.log(1 / delta) / (n * before)))
    # A stake of at most 1 keeps each factor above 0, for losses up to 1 and epsilon above 0.
    wealth = np.cumsum(np.log1p(-stakes * (array - epsilon)), axis=0).max(axis=0)
    p: NDArray[np.float64] = np.exp(-np.maximum(wealth, 0))
    return p
