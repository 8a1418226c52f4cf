from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import conformal_p_values, mondrian_p_values

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@given(SCORES, SCORES)
def test_plain_p_values_count_the_calibration_scores_at_or_below(
    known: list[int], test: list[int]
) -> None:
    counted = [(sum(k <= t for k in known) + 1) / (len(known) + 1) for t in test]
    assert conformal_p_values(known, test).tolist() == counted


@given(SCORES, SCORES, st.integers(0, 100))
def test_smoothed_p_values_lie_between_the_strict_and_the_plain_count(
    known: list[int], test: list[int], seed: int
) -> None:
    p = conformal_p_values(known, test, smooth=True, rng=np.random.default_rng(seed))
    below = np.array([sum(k < t for k in known) for t in test]) / (len(known) + 1)
    assert (p > below).all()
    assert (p <= conformal_p_values(known, test)).all()


def test_order_and_increasing_maps_of_the_scores_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    known, test = rng.normal(size=200), rng.normal(size=50)
    p = conformal_p_values(known, test)
    assert np.array_equal(p, conformal_p_values(rng.permutation(known), test))
    assert np.array_equal(p, conformal_p_values(np.exp(known), np.exp(test)))
    assert p.min() >= 1 / 201
    assert p.max() <= 1


def test_smoothed_p_values_of_tied_scores_are_exactly_uniform() -> None:
    # Scores of three values only: 4,000 repetitions of one test item and nine others.
    rng = np.random.default_rng(1)
    p = [
        conformal_p_values(draw[:9], draw[9:], smooth=True, rng=rng)[0]
        for draw in rng.integers(0, 3, size=(4000, 10))
    ]
    assert stats.kstest(p, "uniform").pvalue > 1e-4


def test_marginal_error_is_within_one_step_below_alpha() -> None:
    # Exact law without ties: P(p <= a) = floor(a (n + 1)) / (n + 1). False alarm 1e-6 per row.
    rng = np.random.default_rng(2)
    for n, alpha in ((50, 0.1), (200, 0.05), (9, 0.1)):
        hits = sum(
            int(conformal_p_values(row[:-1], row[-1:])[0] <= alpha)
            for row in rng.normal(size=(4000, n + 1))
        )
        exact = np.floor(alpha * (n + 1) + 1e-9) / (n + 1)
        assert alpha - 1 / (n + 1) < exact <= alpha
        assert stats.binomtest(hits, 4000, exact).pvalue > 1e-6


def test_mondrian_is_plain_within_each_group() -> None:
    rng = np.random.default_rng(3)
    known, test = rng.normal(size=90), rng.normal(size=40)
    groups, of_test = rng.choice(["a", "b", "c"], 90), rng.choice(["a", "b"], 40)
    p = mondrian_p_values(known, test, groups, of_test)
    for group in ("a", "b"):
        expected = conformal_p_values(known[groups == group], test[of_test == group])
        assert np.array_equal(p[of_test == group], expected)


def test_mondrian_holds_in_groups_where_pooling_fails() -> None:
    # Group 1 scores lower by two standard deviations and is a tenth of the calibration items.
    rng = np.random.default_rng(4)
    pooled = grouped = 0
    for _ in range(1000):
        groups = np.arange(100) % 10 == 0
        known = rng.normal(size=100) - 2.0 * groups
        test = rng.normal(size=1) - 2.0
        pooled += int(conformal_p_values(known, test)[0] <= 0.2)
        grouped += int(mondrian_p_values(known, test, groups, [True])[0] <= 0.2)
    assert stats.binomtest(grouped, 1000, 0.2, alternative="greater").pvalue > 1e-6
    assert stats.binomtest(pooled, 1000, 0.2, alternative="greater").pvalue < 1e-6


def test_infinite_scores_have_a_rank() -> None:
    assert conformal_p_values([-np.inf, 0, np.inf], [-np.inf, np.inf]).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: conformal_p_values([], [1.0]), "calibration holds 0"),
        (lambda: conformal_p_values([1.0, np.nan], [1.0]), "calibration: 1 of 2 values are NaN"),
        (lambda: conformal_p_values([1.0], [np.nan]), "test: 1 of 1 values are NaN"),
        (lambda: conformal_p_values([[1.0]], [1.0]), "one number per item"),
        (lambda: conformal_p_values([1.0], [1.0], smooth=True), "pass rng="),
        (lambda: mondrian_p_values([1.0], [1.0], ["a"], ["b"]), "group b has no calibration item"),
        (lambda: mondrian_p_values([1.0], [1.0], ["a", "a"], ["a"]), "one group per item"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
