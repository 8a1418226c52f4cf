import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import (
    betting_p_values,
    binomial_p_values,
    hoeffding_bentkus_p_values,
    learn_then_test,
    risk_tests,
)
from sterling.guarantee.risk_tests import RiskTest, total_losses


@pytest.mark.parametrize(
    ("risk_test", "draw"),
    [
        (binomial_p_values, lambda rng: rng.random((60, 1)) < 0.2),
        (hoeffding_bentkus_p_values, lambda rng: rng.random((60, 1)) < 0.2),
        (hoeffding_bentkus_p_values, lambda rng: rng.beta(0.2, 0.8, size=(60, 1))),
        (betting_p_values, lambda rng: rng.random((60, 1)) < 0.2),
        (betting_p_values, lambda rng: rng.beta(2, 8, size=(60, 1))),
    ],
)
def test_at_the_edge_of_the_hypothesis_p_is_rarely_small(
    risk_test: RiskTest, draw: Callable[[np.random.Generator], Any]
) -> None:
    rng = np.random.default_rng(0)
    p = np.array([risk_test(draw(rng), 0.2)[0] for _ in range(2000)])
    for level in (0.05, 0.2):
        below = int((p <= level).sum())
        assert stats.binomtest(below, 2000, level, alternative="greater").pvalue > 1e-6


def test_binomial_is_the_exact_tail() -> None:
    losses = np.zeros((50, 3))
    losses[:4, 1] = losses[:12, 2] = 1
    p = binomial_p_values(losses, 0.1)
    for column, errors in enumerate((0, 4, 12)):
        tail = sum(math.comb(50, k) * 0.1**k * 0.9 ** (50 - k) for k in range(errors + 1))
        assert p[column] == pytest.approx(tail)


def test_hoeffding_bentkus_is_the_smaller_of_its_two_bounds_and_at_most_one() -> None:
    losses = np.full((40, 3), [0.05, 0.3, 1.0])
    n, epsilon = 40, 0.3

    def entropy(a: float) -> float:
        return a * math.log(a / epsilon) + (1 - a) * math.log((1 - a) / (1 - epsilon))

    bentkus = math.e * stats.binom.cdf(math.ceil(n * 0.05), n, epsilon)
    expected = min(math.exp(-n * entropy(0.05)), bentkus)
    p = hoeffding_bentkus_p_values(losses, epsilon)
    assert p == pytest.approx([expected, 1.0, 1.0])
    assert hoeffding_bentkus_p_values(np.zeros((10, 1)), 0.2) == pytest.approx(0.8**10)


def test_betting_is_sharper_where_losses_hardly_vary() -> None:
    losses = np.random.default_rng(1).beta(20, 180, size=(300, 1))  # about 0.1, sd 0.02
    assert betting_p_values(losses, 0.13)[0] < 0.2 * hoeffding_bentkus_p_values(losses, 0.13)[0]


def test_settings_are_independent_columns() -> None:
    losses = np.random.default_rng(2).random((30, 5))
    for risk_test in (hoeffding_bentkus_p_values, betting_p_values):
        apart = [risk_test(losses[:, [j]], 0.6)[0] for j in range(5)]
        assert risk_test(losses, 0.6) == pytest.approx(apart)


@given(st.integers(1, 700), st.integers(1, 30), st.integers(0, 99), st.integers(1, 4000))
def test_sums_in_blocks_are_sums(n: int, settings: int, seed: int, block: int) -> None:
    losses = np.random.default_rng(seed).random((n, settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(risk_tests, "BLOCK_BYTES", block)
        np.testing.assert_allclose(total_losses(losses)[1], losses.sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(total_losses(losses < 0.5)[1], (losses < 0.5).sum(axis=0))


@pytest.mark.parametrize("risk_test", [hoeffding_bentkus_p_values, binomial_p_values])
def test_bool_losses_give_what_zeros_and_ones_give(risk_test: RiskTest) -> None:
    failed = np.random.default_rng(0).random((600, 40)) < np.linspace(0.02, 0.3, 40)
    for view in (failed, np.asfortranarray(failed), np.repeat(failed, 2, axis=1)[:, ::2]):
        as_bool, as_float = (
            learn_then_test(one, 0.15, 0.1, risk_test=risk_test) for one in (view, 1.0 * view)
        )
        np.testing.assert_allclose(as_bool.p, as_float.p, rtol=1e-12)
        np.testing.assert_array_equal(as_bool.risk, as_float.risk)
        assert 0 < as_bool.safe.sum() < 40
    np.testing.assert_allclose(betting_p_values(failed, 0.15), betting_p_values(1.0 * failed, 0.15))


@pytest.mark.parametrize("wrong", [np.nan, -1e-300, np.nextafter(1, 2), np.inf, -np.inf, -np.nan])
def test_one_wrong_loss_anywhere_is_found(wrong: float) -> None:
    losses = np.full((500, 700), 0.5)
    losses[-1, 3] = wrong
    with pytest.raises(InputError, match=r"bring them into \[0, 1\]"):
        total_losses(losses)


def test_the_ends_of_the_range_are_in_it() -> None:
    ends = np.array([[0.0, -0.0, 2.5, 5e-324]])
    np.testing.assert_array_equal(total_losses(ends, 2.5)[0], ends)
    assert total_losses([[1, 0]])[0].dtype == np.float64


def test_bad_losses_are_refused() -> None:
    with pytest.raises(InputError, match="losses between 0 and 1"):
        binomial_p_values([[0.5]], 0.1)
    for losses in ([0.1], np.zeros((0, 3))):
        with pytest.raises(InputError, match="items, settings"):
            hoeffding_bentkus_p_values(losses, 0.1)
    with pytest.raises(InputError, match="epsilon 0"):
        hoeffding_bentkus_p_values([[0.1]], 0)
