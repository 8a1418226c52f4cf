import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import (
    conformal_martingale,
    conformal_p_values,
    exchangeability_p_value,
    online_p_values,
)


def test_a_shift_of_the_calibration_is_flagged() -> None:
    # Calibration moved by 0.3 standard deviations, n = 1000: flagged in 90 % of runs.
    rng = np.random.default_rng(0)
    flagged = sum(
        exchangeability_p_value(rng.normal(size=1000) + 0.3, rng.normal(size=1000)) < 0.01
        for _ in range(100)
    )
    assert flagged >= 90


def test_no_shift_is_flagged_as_rarely_as_stated_where_the_one_sample_test_cries_wolf() -> None:
    rng = np.random.default_rng(1)
    two, one = 0, 0
    for _ in range(400):
        known, new = rng.normal(size=(2, 300))
        two += int(exchangeability_p_value(known, new) < 0.05)
        one += int(stats.kstest(conformal_p_values(known, new), "uniform").pvalue < 0.05)
    assert stats.binomtest(two, 400, 0.05, alternative="greater").pvalue > 1e-6
    assert stats.binomtest(one, 400, 0.05, alternative="greater").pvalue < 1e-6


def test_the_statistic_is_that_of_the_p_values_up_to_one_step() -> None:
    known, new = np.random.default_rng(2).normal(size=(2, 80))
    p = conformal_p_values(known, new)
    two_sample = stats.ks_2samp(known, new).statistic
    assert abs(stats.kstest(p, "uniform").statistic - two_sample) <= 1 / 80 + 1 / 81


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=25), st.integers(0, 50))
def test_online_p_values_are_smoothed_ranks_within_the_prefix(scores: list[int], seed: int) -> None:
    p = online_p_values(scores, np.random.default_rng(seed))
    u = 1 - np.random.default_rng(seed).random(len(scores))
    for t, score in enumerate(scores):
        below = sum(other < score for other in scores[:t])
        ties = sum(other == score for other in scores[:t])
        assert p[t] == pytest.approx((below + u[t] * (1 + ties)) / (t + 1))


def test_wealth_rarely_grows_on_exchangeable_streams_and_grows_after_a_change() -> None:
    rng = np.random.default_rng(3)
    high = sum(
        conformal_martingale(online_p_values(rng.normal(size=300), rng)).max() >= np.log(20)
        for _ in range(400)
    )
    assert stats.binomtest(high, 400, 1 / 20, alternative="greater").pvalue > 1e-6
    stream = np.concatenate([rng.normal(size=500), rng.normal(size=500) - 1])
    wealth = conformal_martingale(online_p_values(stream, rng))
    assert wealth[:500].max() < np.log(100) < wealth.max()


def test_wealth_is_a_martingale_in_closed_form_for_one_and_two_steps() -> None:
    # First step: mean of the three bets is 1, so nothing can be won yet.
    assert conformal_martingale([0.9])[0] == pytest.approx(0)
    # Second step without jumps: mean over e of (1 + e (p1 - 1/2)) (1 + e (p2 - 1/2)).
    assert conformal_martingale([0.9, 0.7], jump=0.0)[1] == pytest.approx(
        np.log(1 + 2 / 3 * 0.4 * 0.2)
    )


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="jump"):
        conformal_martingale([0.5], jump=2)
    with pytest.raises(InputError, match="held_out holds 0"):
        exchangeability_p_value([1.0], [])
