"""p-values of "the risk of this setting exceeds epsilon": small when the losses are low.

Losses are arrays (n, L), bool or float: n independent calibration items, L settings. Every p-value
is valid in finite samples, so that a family-wise correction over the settings gives a guarantee.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, xlog1py, xlogy

from sterling.errors import InputError
from sterling.guarantee.checks import Floats, check_alpha

Losses = NDArray[np.bool_] | NDArray[np.float64]
"""(n, L), n items at L settings, lower is better. bool for losses that are 0 or 1: an eighth of the
memory, and counted without rounding."""
RiskTest = Callable[[ArrayLike, float], NDArray[np.float64]]

BLOCK_BYTES = 2**21  # a block is still in the cache when it is read the second time


def total_losses(losses: ArrayLike, bound: float = 1.0) -> tuple[Losses, Floats]:
    """Return checked losses (n, L), bool or float64, and their sum at each setting (L,).

    Raises:
        InputError: On another shape, no item or setting, a NaN, or a loss outside [0, bound].
    """
    array = np.asarray(losses)
    if array.dtype != np.bool_:
        array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        raise InputError(f"losses have shape {array.shape}; give (items, settings), one of each")
    if array.dtype == np.bool_:
        return array, _counts(array)
    total = np.zeros(array.shape[1])
    rows = max(1, BLOCK_BYTES // (array.itemsize * array.shape[1]))
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        if not (block.min() >= 0 and block.max() <= bound):
            raise InputError(
                f"losses reach from {array.min():g} to {array.max():g}; bring them into "
                f"[0, {bound:g}]"
            )
        total += np.ones(len(block)) @ block
    return array, total


def _counts(array: NDArray[np.bool_]) -> Floats:
    # A byte holds the count of 255 rows, and bytes are added 32 or 64 at a time.
    total = np.zeros(array.shape[1], dtype=np.int64)
    for start in range(0, len(array), 255):
        total += array[start : start + 255].view(np.uint8).sum(axis=0, dtype=np.uint8)
    return total.astype(np.float64)


def _binomial_tail(errors: Floats, n: int, epsilon: float) -> Floats:
    """Return ``P(Binomial(n, epsilon) <= errors)``, (L,), for whole numbers of errors up to n."""
    counts = errors.astype(np.intp)
    # Many settings share few counts: one tail for each count that occurs.
    occurring = np.flatnonzero(np.bincount(counts))
    tail = np.empty(occurring[-1] + 1)
    tail[occurring] = bdtr(occurring, n, epsilon)
    return tail[counts]


def binomial_p_values(losses: ArrayLike, epsilon: float) -> Floats:
    """Return ``P(Binomial(n, epsilon) <= errors)``, (L,): exact for losses that are 0 or 1.

    Raises:
        InputError: On a loss between 0 and 1.
    """
    array, errors = total_losses(losses)
    check_alpha(epsilon, "epsilon")
    if array.dtype != np.bool_ and not ((array == 0) | (array == 1)).all():
        raise InputError("losses between 0 and 1: use hoeffding_bentkus_p_values")
    return _binomial_tail(errors, len(array), epsilon)


def hoeffding_bentkus_p_values(losses: ArrayLike, epsilon: float) -> Floats:
    """Return the smaller of Hoeffding's and Bentkus's bounds, (L,), for any losses in [0, 1].

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
    p: Floats = np.minimum(1, np.minimum(np.exp(-n * entropy), bentkus))
    return p


def betting_p_values(losses: ArrayLike, epsilon: float, delta: float = 0.1) -> Floats:
    """Return betting p-values (Waudby-Smith and Ramdas), (L,): tight where losses vary little.

    ``1 / max_t K_t`` with ``K_t = prod_(j <= t) (1 - v_j (loss_j - eps))`` and stakes v_j from
    the losses before j (JRSS B, 2024; as used in Bates et al., JACM 2021, appendix B). Valid at
    every level; the stakes are tuned to ``delta``. Depends on the order of the items.
    """
    array = total_losses(losses)[0].astype(np.float64, copy=False)
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
    p: Floats = np.exp(-np.maximum(wealth, 0))
    return p
