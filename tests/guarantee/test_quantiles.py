import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import (
    ResolutionWarning,
    conformal_quantile,
    tolerance_limit,
    weighted_quantiles,
)
from sterling.guarantee.quantiles import conformal_rank, needed_for
from sterling.measure import Rate


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.sampled_from([0.1, 0.25, 0.5]))
def test_the_quantile_leaves_few_enough_scores_above_it(scores: list[int], alpha: float) -> None:
    n = len(scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        q = conformal_quantile(scores, alpha)
    if np.isinf(q):
        assert n < 1 / alpha - 1
    else:
        assert q in scores
        assert sum(score <= q for score in scores) >= (1 - alpha) * (n + 1)
        assert sum(score < q for score in scores) < (1 - alpha) * (n + 1)


def test_the_rank_is_computed_in_exact_decimals() -> None:
    assert conformal_rank(9, 0.7) == 3  # 10 * (1 - 0.7) is 3.0000000000000004 in floating point
    assert conformal_rank(99, 0.1) == 90
    assert needed_for(0.05) == 19
    assert needed_for(0.1) == 9


def test_split_conformal_coverage_given_calibration_is_beta() -> None:
    # n = 100, alpha = 0.1: Beta(91, 10), mean 91/101, sd 0.029; uniform scores make it exact.
    rng = np.random.default_rng(0)
    coverage = [conformal_quantile(rng.random(100), 0.1) for _ in range(2000)]
    assert stats.kstest(coverage, stats.beta(91, 10).cdf).pvalue > 1e-4
    assert np.mean(coverage) == pytest.approx(91 / 101, abs=4 * 0.03 / np.sqrt(2000))


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.floats(0.1, 10),
)
def test_equal_weights_give_the_plain_quantile(
    scores: list[int], alpha: float, weight: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        plain = conformal_quantile(scores, alpha)
    assert weighted_quantiles(scores, [weight] * len(scores), [weight], alpha)[0] == plain


def test_coverage_under_a_known_shift_where_the_plain_quantile_fails() -> None:
    # Scores spread with x; calibration x ~ U(0, 1), test x ~ Beta(3, 1): ratio 3 x**2.
    rng = np.random.default_rng(0)
    weighted = plain = 0
    for _ in range(1000):
        x, new = rng.random(100), rng.beta(3, 1)
        scores, score = np.abs(rng.normal(size=100)) * x**2, abs(rng.normal()) * new**2
        limit = weighted_quantiles(scores, 3 * x**2, [3 * new**2], 0.1)[0]
        weighted += int(score <= limit)
        plain += int(score <= conformal_quantile(scores, 0.1))
    assert stats.binomtest(weighted, 1000, 0.9, alternative="less").pvalue > 1e-6
    assert stats.binomtest(plain, 1000, 0.9, alternative="less").pvalue < 1e-6


def test_a_heavy_test_item_keeps_everything() -> None:
    assert weighted_quantiles([1, 2, 3], [1, 1, 1], [0, 1, 100], 0.3).tolist() == [3, 3, np.inf]


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tolerance_limit([np.nan] * 60, 0.05), "NaN"),
        (lambda: tolerance_limit(np.arange(60), 0), "rate 0"),
        (lambda: tolerance_limit(np.arange(60), 0.05, 1.0), "confidence"),
        (lambda: weighted_quantiles([1.0, 2.0], [1.0], [1.0], 0.1), "one per score"),
        (lambda: weighted_quantiles([1.0, 2.0], [0.0, 0.0], [1.0], 0.1), "all 0"),
        (lambda: weighted_quantiles([1.0, 2.0], [1.0, -1.0], [1.0], 0.1), "weights.* at least 0"),
        (lambda: weighted_quantiles([1.0, 2.0], [1.0, 1.0], [np.inf], 0.1), "test_weights.*finite"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
