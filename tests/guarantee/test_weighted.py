import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import ResolutionWarning, conformal_quantile, weighted_quantiles


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


@pytest.mark.parametrize(
    ("weights", "test_weights", "words"),
    [
        ([1.0], [1.0], "one per score"),
        ([0.0, 0.0], [1.0], "all 0"),
        ([1.0, -1.0], [1.0], "at least 0"),
        ([1.0, 1.0], [np.inf], "test_weights must be finite"),
    ],
)
def test_bad_weights_are_refused(
    weights: list[float], test_weights: list[float], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        weighted_quantiles([1.0, 2.0], weights, test_weights, 0.1)
