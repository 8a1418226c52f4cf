"""Confidence sequences: intervals that stay valid however often one looks before stopping.

An interval for a fixed number of observations holds at that number. Looked at after every
observation, with a stop as soon as it leaves a bar, it errs far more often than it says. With
confidence ``level`` the intervals here hold the true value after every observation at once, so any
rule may stop. They are 1.7 to 2 times as wide as Student-t at 5 to 20 values::

    mean_sequence(differences).low > 0  # may be asked after every repetition
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from sterling.measure.interval import Interval, check_level, finite_values
from sterling.measure.rate import Rate

EFFECT_VARIANCE = 2.5
"""Variance of the mixture over standardised effects; ours. At 95 % the interval is within 5 % of
the narrowest that any variance gives at each of 5 to 20 values, and bounded from 4 values."""


def mean_sequence(values: Sequence[float] | NDArray[np.floating], level: float = 0.95) -> Interval:
    """Return the confidence sequence of the mean of independent normal values, at its last value.

    The likelihood ratio of all ratios ``values / sigma``, mixed over standardised effects from
    N(0, g), against no effect is a martingale whatever the unknown variance is. With n values,
    their mean m and their variance v (divided by n) it is, for a mean of 0,
    ``(1 + n g)**-0.5 * ((1 + u) / (1 + u / (1 + n g)))**(n / 2)`` with ``u = m**2 / v``. The
    interval holds every mean against which it is below ``1 / (1 - level)`` (Ville's inequality).

    Args:
        values: At least two finite numbers, in any order.
        level: Confidence in (0, 1) with which the intervals at all numbers of values hold at once.

    Returns:
        The interval; from minus to plus infinity where the values are too few to bound the mean: at
        95 % fewer than 4. Identical values, which no normal distribution gives, have zero width
        from then on.

    Raises:
        NothingMeasuredError: On fewer than two values.
        InputError: On a value that is not finite.

    Source: Lai, Annals of Statistics 4 (1976); Wang and Ramdas, "Anytime-valid t-tests and
    confidence sequences for Gaussian means with unknown variance" (2024).

    Examples:
        >>> mean_sequence([0.9, 1.0, 1.1, 1.0, 1.1, 0.9]).contains(1.0)
        True
    """
    array = finite_values(values)
    limit = t_limit(array.size, level)
    mean = float(array.mean())
    if math.isinf(limit):
        return Interval(-math.inf, math.inf)
    half = limit * float(array.std(ddof=1)) / math.sqrt(array.size)
    return Interval(mean - half, mean + half)


def t_limit(n: int, level: float = 0.95) -> float:
    """Return the largest absolute t statistic of n values with which `mean_sequence` holds 0.

    It takes the place of the Student-t quantile; infinite where n values do not bound the mean.
    """
    spread = 1 + n * EFFECT_VARIANCE
    # The ratio (1 + u) / (1 + u / spread) has to stay below this.
    ratio = (math.sqrt(spread) / (1 - check_level(level))) ** (2 / n)
    if ratio >= spread:
        return math.inf
    return math.sqrt((n - 1) * spread * (ratio - 1) / (spread - ratio))


def rate_sequence(errors: int, trials: int, level: float = 0.95) -> Interval:
    """Return the confidence sequence of the rate of independent trials, at its last trial.

    The likelihood, mixed over rates from Beta(1/2, 1/2), over that of one rate is a martingale. The
    interval holds every rate against which it is below ``1 / (1 - level)``. The choice of 1/2 is
    ours: narrow for rates near 0 and 1.

    Args:
        errors: Number of trials that showed the counted event, 0 to ``trials``.
        trials: Number of trials so far, 1 or more.
        level: Confidence in (0, 1) with which the intervals at all numbers of trials hold at once.

    Raises:
        NothingMeasuredError: Without a trial.
        InputError: On counts that are no counts.

    Source: Robbins, Annals of Mathematical Statistics 41 (1970).

    Examples:
        >>> round(rate_sequence(0, 150).high, 3)
        0.04
    """
    counted = Rate(errors, trials)
    return rate_limits(counted.errors, counted.trials, level)


def rate_limits(errors: float, trials: float, level: float = 0.95) -> Interval:
    """Return `rate_sequence`, continued to counts between whole numbers."""
    mixture = betaln(errors + 0.5, trials - errors + 0.5) - betaln(0.5, 0.5)
    return likelihood_interval(errors, trials, float(mixture) + math.log(1 - check_level(level)))


def likelihood_interval(errors: float, trials: float, least: float) -> Interval:
    """Return the rates whose binomial log-likelihood is at least ``least``."""

    def excess(rate: float) -> float:
        return float(xlogy(errors, rate) + xlog1py(trials - errors, -rate)) - least

    value = errors / trials
    ends = [
        # A rate near 0 needs many relative digits.
        brentq(excess, value, beyond, xtol=1e-15, rtol=1e-12) if beyond != value else value
        for beyond in (0.0, 1.0)
    ]
    return Interval(float(ends[0]), float(ends[1]))
