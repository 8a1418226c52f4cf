"""Intervals, and values that carry one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sterling.display import line, number, span
from sterling.errors import InputError, NothingMeasuredError


@dataclass(frozen=True)
class Interval:
    """A closed interval from ``low`` to ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InputError(f"interval from {self.low} to {self.high}: low must not exceed high")

    def contains(self, x: float) -> bool:
        """Return whether ``low <= x <= high``."""
        return self.low <= x <= self.high

    def __repr__(self) -> str:
        return line(self, f"{number(self.low)} … {number(self.high)}")


@dataclass(frozen=True)
class Estimate:
    """A measured value with its interval.

    Attributes:
        value: The measured value.
        interval: Interval that holds the true value with confidence ``level``.
        level: Confidence, in (0, 1).
        method: Method of the interval, in a few words.
    """

    value: float
    interval: Interval
    level: float
    method: str

    def __repr__(self) -> str:
        limits = span(self.interval.low, self.interval.high, self.level)
        return line(self, number(self.value), limits, self.method)


def check_level(level: float) -> float:
    """Return the confidence level when it lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"level {level}: give a confidence between 0 and 1, such as 0.95")
    return level


def mean_interval(values: Sequence[float] | NDArray[np.floating], level: float = 0.95) -> Interval:
    """Return the two-sided Student-t interval of the mean of independent values.

    Exact for normally distributed values. Identical values give an interval of zero width.

    Args:
        values: At least two finite numbers.
        level: Confidence in (0, 1).

    Raises:
        NothingMeasuredError: On fewer than two values, whose spread cannot be known.
        InputError: On a value that is not finite.
    """
    check_level(level)
    array = finite_values(values)
    half = float(stats.t.ppf((1 + level) / 2, array.size - 1)) * float(array.std(ddof=1))
    half /= math.sqrt(array.size)
    mean = float(array.mean())
    return Interval(mean - half, mean + half)


def finite_values(values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Return values whose mean can have an interval: two or more, all finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        raise NothingMeasuredError(f"{array.size} value(s): an interval of the mean needs two")
    if not np.isfinite(array).all():
        raise InputError(f"values: {array[~np.isfinite(array)][0]} is not finite; leave it out")
    return array
