"""Confidence sequences hold under any stopping; intervals for a fixed number do not."""

import math
from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Interval, Rate, mean_interval, mean_sequence, rate_sequence
from sterling.measure.sequence import EFFECT_VARIANCE, t_limit

RUNS = 4000
LOOKS = np.arange(2, 201)
MOST = int(stats.binom.ppf(0.999, RUNS, 0.05))  # of 4000 runs with an error chance of 5 %


def _t_statistics(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The t statistic of every run (rows) at every look."""
    mean = values.cumsum(axis=1)[:, LOOKS - 1] / LOOKS
    square = (values**2).cumsum(axis=1)[:, LOOKS - 1]
    spread = np.sqrt((square - LOOKS * mean**2) / (LOOKS - 1))
    statistic: NDArray[np.float64] = mean / spread * np.sqrt(LOOKS)
    return statistic


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_looking_after_every_value_misleads_in_at_most_one_run_of_twenty(scale: float) -> None:
    values = np.random.default_rng(0).normal(0, scale, (RUNS, LOOKS[-1]))
    statistic = np.abs(_t_statistics(values))
    sequence = np.array([t_limit(n) for n in LOOKS.tolist()])
    fixed = stats.t.ppf(0.975, LOOKS - 1)
    excluded = (statistic > sequence).any(axis=1).sum()
    assert excluded <= MOST
    assert excluded > RUNS * 0.005  # not valid by being useless
    assert (statistic > fixed).any(axis=1).sum() > 6 * MOST


def test_the_sequence_covers_where_a_rule_stopped() -> None:
    """The worst rule: stop as soon as 0 lies above the lower end."""
    values = np.random.default_rng(1).normal(0, 1, (RUNS, LOOKS[-1]))
    positive = _t_statistics(values) > np.array([t_limit(n) for n in LOOKS.tolist()])
    stop = np.where(positive.any(axis=1), positive.argmax(axis=1), len(LOOKS) - 1)
    some = np.random.default_rng(2).choice(RUNS, 500, replace=False)
    missed = sum(not mean_sequence(values[row, : LOOKS[stop[row]]]).contains(0.0) for row in some)
    assert missed == positive[some].any(axis=1).sum()
    assert missed <= stats.binom.ppf(0.999, 500, 0.05)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5])
def test_a_rate_may_be_looked_at_after_every_trial(rate: float) -> None:
    sequence = _ever_excluded(rate_sequence, rate, 200)
    assert 0.001 < sequence <= 0.05
    assert _ever_excluded(lambda k, n: Rate(k, n).interval(), rate, 200) > 0.1


def _ever_excluded(interval: Callable[[int, int], Interval], rate: float, last: int) -> float:
    """Exact probability that one of the intervals after 1 to ``last`` trials misses the rate."""
    never = np.array([1.0])  # by number of errors
    for trials in range(1, last + 1):
        never = np.append(never, 0) * (1 - rate) + np.append(0, never) * rate
        counts = range(trials + 1)
        least = bisect_left(counts, True, key=lambda k: interval(k, trials).high >= rate)
        beyond = bisect_left(counts, True, key=lambda k: interval(k, trials).low > rate)
        never[:least] = 0
        never[beyond:] = 0
    return 1 - float(never.sum())


@given(st.integers(1, 3000), st.data())
def test_ends_of_the_rate_are_where_the_mixture_is_twenty_times_as_likely(
    trials: int, data: st.DataObject
) -> None:
    errors = data.draw(st.integers(0, trials))
    interval = rate_sequence(errors, trials)
    assert interval.contains(errors / trials)
    mixture = stats.betabinom.logpmf(errors, trials, 0.5, 0.5)
    for end in (interval.low, interval.high):
        if 0 < end < 1:
            ratio = mixture - stats.binom.logpmf(errors, trials, end)
            assert ratio == pytest.approx(math.log(20), abs=1e-5)
    assert (interval.low == 0) == (errors == 0)
    assert (interval.high == 1) == (errors == trials)


@pytest.mark.parametrize("n", [4, 10, 60])
def test_the_limit_is_where_the_mixture_is_twenty_times_as_likely(n: int) -> None:
    """The ratio by quadrature over effects, from the densities of noncentral t."""
    limit = t_limit(n)

    def mixed(effect: float) -> float:
        density = stats.nct.pdf(limit, n - 1, effect * math.sqrt(n))
        return float(density * stats.norm.pdf(effect, scale=math.sqrt(EFFECT_VARIANCE)))

    numerator = integrate.quad(mixed, -2, 8, points=[0, limit / math.sqrt(n)])[0]
    assert numerator / stats.t.pdf(limit, n - 1) == pytest.approx(20, rel=1e-3)


def test_the_mean_has_the_units_of_the_values() -> None:
    values = np.array([0.3, 1.9, 1.1, 0.4, 2.2])
    interval, moved = mean_sequence(values), mean_sequence(5 - 3 * values)
    ends = (5 - 3 * interval.high, 5 - 3 * interval.low)
    assert (moved.low, moved.high) == pytest.approx(ends)
    half = t_limit(5) * stats.sem(values)
    assert interval.high - interval.low == pytest.approx(2 * half)


def test_too_few_values_do_not_bound_the_mean() -> None:
    assert mean_sequence([1.0, 2.0, 3.0]).high == math.inf
    assert math.isfinite(mean_sequence([1.0, 2.0, 3.0, 4.0]).high)
    assert mean_sequence([1.0, 1.0]).low == -math.inf
    assert mean_sequence([1.0] * 4).low == 1.0


def test_the_price_of_looking_at_five_to_twenty_values() -> None:
    for n in range(5, 21):
        values = np.arange(float(n))
        sequence, fixed = mean_sequence(values), mean_interval(values)
        assert 1.65 < (sequence.high - sequence.low) / (fixed.high - fixed.low) < 2.05


def test_a_higher_level_is_wider() -> None:
    values = [1.0, 2.0, 1.5, 1.7, 1.2, 1.1, 1.9, 1.4]
    assert mean_sequence(values, 0.99).high > mean_sequence(values, 0.95).high
    assert rate_sequence(3, 20, 0.99).high > rate_sequence(3, 20, 0.95).high


def test_what_has_no_interval() -> None:
    with pytest.raises(NothingMeasuredError, match="needs two"):
        mean_sequence([1.0])
    with pytest.raises(InputError, match="not finite"):
        mean_sequence([1.0, math.nan])
    with pytest.raises(NothingMeasuredError, match="0 trials"):
        rate_sequence(0, 0)
    with pytest.raises(InputError, match="3 errors in 2 trials"):
        rate_sequence(3, 2)
    for bad in (0.0, 1.0):
        with pytest.raises(InputError, match="level"):
            mean_sequence([1.0, 2.0], bad)
        with pytest.raises(InputError, match="level"):
            rate_sequence(1, 2, bad)
