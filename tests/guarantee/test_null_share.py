from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee import (
    benjamini_hochberg,
    conformal_p_values,
    null_share,
    null_share_at_the_boundary,
    null_share_by_subtraction,
)

Estimate = Callable[[ArrayLike], float]
ESTIMATES = [null_share, null_share_by_subtraction, null_share_at_the_boundary]
P_VALUES = st.lists(st.floats(0, 1), max_size=40)


def test_storeys_estimate_has_the_added_one_and_stays_below_one() -> None:
    assert null_share([0.1, 0.2, 0.6, 0.9]) == 1.0
    assert null_share([0.1] * 9 + [0.6]) == pytest.approx(2 / 5)
    assert null_share_by_subtraction([0.1] * 9 + [0.6]) == pytest.approx(0.7)
    assert [estimate([]) for estimate in ESTIMATES] == [1.0, 1.0, 1.0]


@given(P_VALUES, st.floats(0.05, 0.95))
def test_subtraction_is_never_below_storeys_estimate(p: list[float], cut: float) -> None:
    assert null_share_by_subtraction(p, cut) >= null_share(p, cut) - 1e-12


@given(P_VALUES, st.integers(0, 39), st.floats(0, 1))
def test_a_larger_p_value_never_lowers_the_two_counts(
    p: list[float], row: int, higher: float
) -> None:
    if p:
        raised = list(p)
        raised[row % len(p)] = max(higher, raised[row % len(p)])
        for estimate in (null_share, null_share_by_subtraction):
            assert estimate(raised) >= estimate(p)


def mixture(
    rng: np.random.Generator, nulls: int, others: int, n: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Conformal p-values of nulls and of items 2 standard deviations away, and who is null."""
    null = np.arange(nulls + others) < nulls
    p = conformal_p_values(rng.normal(size=n), rng.normal(-2.0 * ~null, 1))
    return p, null


@pytest.mark.parametrize("estimate", ESTIMATES)
@pytest.mark.parametrize("nulls", [300, 800, 1000])
def test_the_estimate_errs_upwards_and_scaling_keeps_the_level(
    estimate: Estimate, nulls: int
) -> None:
    rng = np.random.default_rng(nulls)
    shares, proportions = [], []
    for _ in range(300):
        p, null = mixture(rng, nulls, 1000 - nulls, 1000)
        shares.append(estimate(p))
        rejected = benjamini_hochberg(p * shares[-1], 0.1)
        proportions.append((rejected & null).sum() / max(1, rejected.sum()))
    error = float(np.std(proportions, ddof=1)) / np.sqrt(300)
    # One-sided, 3 s.e.: a true rate at the level fails once in 700.
    assert np.mean(proportions) <= 0.1 + 3 * error
    share = nulls / 1000
    # Capped at 1, the mean must lie a little below a share of 1.
    assert np.mean(shares) >= min(share, 0.975) - 0.005
    most = (1 + share) / 2 if estimate is null_share_by_subtraction else share + 0.07
    assert np.mean(shares) <= most + 0.03


def test_at_the_boundary_the_bias_of_first_order_is_gone() -> None:
    # Density 1.5 - p on a fine grid: 0.5 at the boundary. One bandwidth alone is off by about b.
    grid = (np.arange(200_000) + 0.5) / 200_000
    p = 1.5 - np.sqrt(2.25 - 2 * grid)
    for b in (0.05, 0.1):
        alone = float(((1 / b + 1) * p ** (1 / b)).mean())
        assert alone - 0.5 == pytest.approx(b, rel=0.2)
        assert null_share_at_the_boundary(p, b) - 0.5 == pytest.approx(0, abs=2.5 * b**2 + 0.01)


def test_uniform_p_values_give_one_within_the_error() -> None:
    p = np.random.default_rng(0).random((200, 2000))
    shares = [null_share_at_the_boundary(row) for row in p]
    assert 0.95 < np.mean(shares) <= 1


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_bad_input_is_refused(estimate: Callable[..., float]) -> None:
    with pytest.raises(InputError, match=r"(cut|bandwidth) 1\.0"):
        estimate([0.1], 1.0)
    with pytest.raises(InputError, match="no p-value"):
        estimate([1.1])
