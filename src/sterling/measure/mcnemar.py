"""Do two systems err on the same items equally often?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sterling.errors import InputError


@dataclass(frozen=True)
class McNemar:
    """Outcome of McNemar's exact test.

    Attributes:
        only_first: Items that only the first system decided correctly.
        only_second: Items that only the second system decided correctly.
        p_value: Two-sided; small when the systems differ.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> McNemar:
    """McNemar's exact test on the decisions of two systems on the same independent items.

    Where the systems disagree, each is right with chance 1/2 if they err equally often.

    Args:
        first_correct: Bool (N,), ``threshold.accept(scores) == scores.label`` of one system.
        second_correct: Bool (N,), the same items in the same order, of the other.

    Raises:
        InputError: When the two differ in length.
    """
    first = np.asarray(first_correct, dtype=np.bool_)
    second = np.asarray(second_correct, dtype=np.bool_)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"decisions have shapes {first.shape} and {second.shape}; pair them")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    disagreements = only_first + only_second
    p = float(stats.binomtest(only_first, disagreements).pvalue) if disagreements else 1.0
    return McNemar(only_first, only_second, p)
