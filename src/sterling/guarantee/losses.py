"""Losses of calibration items at every setting, checked and added up in one pass over memory."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError

Losses = NDArray[np.bool_] | NDArray[np.float64]
"""(n, L), n items at L settings, lower is better. bool for losses that are 0 or 1: an eighth of the
memory, and counted without rounding."""

BLOCK_BYTES = 2**21  # a block is still in the cache when it is read the second time


def check_losses(losses: ArrayLike, bound: float = 1.0) -> Losses:
    """Losses as bool or float64 (n, L), n >= 1, L >= 1, all in [0, bound].

    Raises:
        InputError: On another shape, a NaN, or a loss outside [0, bound].
    """
    return total_losses(losses, bound)[0]


def total_losses(losses: ArrayLike, bound: float = 1.0) -> tuple[Losses, NDArray[np.float64]]:
    """Checked losses, and their sum over the items at each setting, (L,).

    Raises:
        InputError: As :func:`check_losses`.
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
    weights = np.ones(rows)
    # Doubles from 0 up are ordered as their bits are; a sign or a NaN has larger ones.
    largest = np.float64(bound).view(np.uint64)
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        if block.view(np.uint64).max() > largest and not (
            block.min() >= 0 and block.max() <= bound
        ):
            raise InputError(
                f"losses reach from {array.min():g} to {array.max():g}; bring them into "
                f"[0, {bound:g}]"
            )
        total += weights[: len(block)] @ block
    return array, total


def _counts(array: NDArray[np.bool_]) -> NDArray[np.float64]:
    # A byte holds the count of 255 rows, and bytes are added 32 or 64 at a time.
    total = np.zeros(array.shape[1], dtype=np.int64)
    for start in range(0, len(array), 255):
        total += array[start : start + 255].view(np.uint8).sum(axis=0, dtype=np.uint8)
    return total.astype(np.float64)
