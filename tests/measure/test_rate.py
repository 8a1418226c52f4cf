import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Interval, Rate, mean_interval


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_the_exact_binomial_one(counts: tuple[int, int]) -> None:
    errors, trials = counts
    ours = Rate(errors, trials).interval(0.9)
    oracle = stats.binomtest(errors, trials).proportion_ci(0.9, method="exact")
    assert ours.low == pytest.approx(oracle.low, abs=1e-9)
    assert ours.high == pytest.approx(oracle.high, abs=1e-9)


def test_no_error_in_150_still_leaves_a_limit_above_two_percent() -> None:
    interval = Rate(0, 150).interval()
    assert interval.low == 0
    assert interval.high == pytest.approx(0.0243, abs=5e-5)
    assert interval.high == pytest.approx(1 - 0.025 ** (1 / 150))


def test_299_clean_trials_are_the_fewest_that_show_less_than_one_percent() -> None:
    assert Rate(0, 299).upper_limit() < 0.01 < Rate(0, 298).upper_limit()
    assert Rate(3, 3).upper_limit() == 1
    # The upper limit u is where at most k errors have a chance of exactly 1 - level.
    limit = Rate(7, 40).upper_limit(0.8)
    assert stats.binom.cdf(7, 40, limit) == pytest.approx(0.2)


def test_interval_covers_at_its_level_over_repetitions() -> None:
    true, trials, repetitions, level = 0.03, 80, 4000, 0.9
    errors = np.random.default_rng(1).binomial(trials, true, repetitions)
    covered = {k: Rate(int(k), trials).interval(level).contains(true) for k in np.unique(errors)}
    hits = sum(covered[k] for k in errors)
    # Were the coverage below its level, so few hits would come less than once in 10,000 runs.
    assert hits >= stats.binom.ppf(1e-4, repetitions, level)


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(NothingMeasuredError, match="0 trials"):
        Rate(0, 0)
    for errors, trials in ((3, 2), (-1, 2), (1, 0), (0, -1)):
        with pytest.raises(InputError, match="between 0 and the number of trials"):
            Rate(errors, trials)
    with pytest.raises(InputError, match="whole counts"):
        Rate(0.5, 2)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="level 95"):
        Rate(0, 2).interval(95)
    assert Rate(np.int64(1), np.int64(4)).value == 0.25  # type: ignore[arg-type]


def test_mean_interval_is_students() -> None:
    values = [0.2, 0.5, 0.3, 0.45]
    ours = mean_interval(values, level=0.9)
    oracle = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((oracle.low, oracle.high))
    with pytest.raises(NothingMeasuredError, match="needs two"):
        mean_interval([1.0])
    with pytest.raises(InputError, match="not finite"):
        mean_interval([1.0, np.nan])


def test_interval_knows_its_order() -> None:
    assert Interval(0.0, 1.0).contains(1.0)
    assert not Interval(0.0, 1.0).contains(1.1)
    with pytest.raises(InputError, match="low must not exceed high"):
        Interval(1.0, 0.0)
