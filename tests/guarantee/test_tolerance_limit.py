import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import tolerance_limit
from sterling.measure import Rate


@given(st.integers(1, 400), st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_it_is_the_highest_rank_that_clopper_and_pearson_allow(
    n: int, rate: float, confidence: float
) -> None:
    # k - 1 errors on the calibration items have an exact upper limit at or below the rate.
    try:
        limit = tolerance_limit(np.arange(n), rate, confidence)
    except InputError:
        assert Rate(0, n).upper_limit(confidence) > rate * (1 - 1e-9)
        return
    assert limit.value == limit.below
    assert Rate(limit.below, n).upper_limit(confidence) <= rate * (1 + 1e-9)
    assert Rate(limit.below + 1, n).upper_limit(confidence) > rate * (1 - 1e-9)


def test_the_true_share_exceeds_the_rate_as_rarely_as_promised() -> None:
    # Uniform scores: the share below the limit is the limit itself. Exact law: Beta(k, n + 1 - k).
    rng = np.random.default_rng(0)
    shares = [tolerance_limit(rng.random(100), 0.1, 0.9).value for _ in range(3000)]
    k = tolerance_limit(rng.random(100), 0.1, 0.9).below + 1
    exceeded = sum(share > 0.1 for share in shares)
    exact = stats.beta(k, 101 - k).sf(0.1)
    assert exact <= 0.1
    assert stats.binomtest(exceeded, 3000, exact).pvalue > 1e-6


def test_ties_only_lower_the_share() -> None:
    rng = np.random.default_rng(1)
    limits = [tolerance_limit(rng.integers(0, 4, 60), 0.3, 0.9).value for _ in range(1000)]
    assert np.mean([limit / 4 > 0.3 for limit in limits]) < 0.1


def test_the_famous_299_and_59() -> None:
    assert tolerance_limit(np.arange(299), 0.01).below == 0
    assert tolerance_limit(np.arange(59), 0.05).guarantee.n == 59
    for n, rate, needed in ((298, 0.01, 299), (58, 0.05, 59)):
        with pytest.raises(InputError, match=f"; {needed} are needed"):
            tolerance_limit(np.arange(n), rate)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        tolerance_limit([np.nan] * 60, 0.05)
    with pytest.raises(InputError, match="rate 0"):
        tolerance_limit(np.arange(60), 0)
    with pytest.raises(InputError, match="confidence"):
        tolerance_limit(np.arange(60), 0.05, 1.0)
