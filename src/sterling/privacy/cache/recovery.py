"""How much of a text an attack gave back."""

from collections.abc import Sequence

import numpy as np

from sterling.errors import InputError


def token_recovery(found: Sequence[int], truth: Sequence[int]) -> tuple[int, int]:
    """Tokens that are right at their position, and how many there were.

    Raises:
        InputError: The truth is empty.
    """
    if not len(truth):
        raise InputError("truth: no tokens; there is nothing to recover")
    return sum(int(a) == int(b) for a, b in zip(found, truth, strict=False)), len(truth)


def rouge_l(found: Sequence[int], truth: Sequence[int]) -> float:
    """F1 of the longest common subsequence, in [0, 1] (Lin, 2004); 0 if either is empty."""
    if not len(found) or not len(truth):
        return 0.0
    row = np.zeros(len(truth) + 1, dtype=np.int64)
    wanted = np.asarray(truth)
    for token in found:
        longer = np.where(wanted == token, row[:-1] + 1, row[1:])
        row[1:] = np.maximum.accumulate(longer)
    common = int(row[-1])
    return 2 * common / (len(found) + len(truth))
