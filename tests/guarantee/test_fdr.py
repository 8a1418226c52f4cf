from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import (
    adjusted_p_values,
    benjamini_hochberg,
    benjamini_yekutieli,
    conformal_e_values,
    conformal_p_values,
    e_benjamini_hochberg,
    harmonic_e_values,
    null_share,
    null_share_at_the_boundary,
    null_share_by_subtraction,
    storey_benjamini_hochberg,
)

P_VALUES = st.lists(st.floats(0, 1), max_size=40)
Procedure = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]
Estimate = Callable[[ArrayLike], float]
ESTIMATES = [null_share, null_share_by_subtraction, null_share_at_the_boundary]


@given(P_VALUES, st.floats(0.01, 0.5))
def test_rejections_agree_with_adjusted_p_values_and_with_scipy(
    p: list[float], alpha: float
) -> None:
    rejected = benjamini_hochberg(p, alpha)
    assert np.array_equal(rejected, adjusted_p_values(p) <= alpha)
    if p:
        by = stats.false_discovery_control(p, method="by")
        clear = np.abs(by - alpha) > 1e-9
        assert np.array_equal(benjamini_yekutieli(p, alpha)[clear], (by <= alpha)[clear])


@given(P_VALUES, st.floats(0.01, 0.5))
def test_rejections_are_the_smallest_and_self_consistent(p: list[float], alpha: float) -> None:
    values = np.array(p)
    for mask in (benjamini_hochberg(p, alpha), storey_benjamini_hochberg(p, alpha)):
        if mask.any() and not mask.all():
            assert values[mask].max() < values[~mask].min()
    mask = benjamini_hochberg(p, alpha)
    # The largest self-consistent set: every larger threshold would break p <= alpha R / T.
    assert (values[mask] * len(p) <= alpha * mask.sum() * (1 + 1e-12)).all()
    for size in range(int(mask.sum()) + 1, len(p) + 1):
        assert np.sort(values)[size - 1] * len(p) > alpha * size * (1 - 1e-12)


def test_benjamini_and_hochbergs_own_example() -> None:
    # Table 1 of the 1995 paper: 15 p-values, 4 rejections at 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    assert benjamini_hochberg(p, 0.05).sum() == 4


def test_procedures_on_no_hypotheses_reject_nothing() -> None:
    for procedure in (benjamini_hochberg, benjamini_yekutieli, e_benjamini_hochberg):
        assert procedure([], 0.1).shape == (0,)


def conformal_fdp(
    procedure: Procedure, *, n: int, pi0: float, alpha: float, repeats: int, shift: float = 0.0
) -> tuple[NDArray[np.float64], float, float]:
    """FDP per repetition, mean power and marginal error: 1,000 items, members at N(-2, 1)."""
    rng = np.random.default_rng((n, int(100 * pi0), repeats))
    null = np.arange(1000) < 1000 * pi0
    fdp, power, marginal = [], [], []
    for _ in range(repeats):
        p = conformal_p_values(
            rng.normal(size=n) + shift, rng.normal(size=1000) - np.where(null, 0, 2)
        )
        rejected = procedure(p, alpha)
        fdp.append((rejected & null).sum() / max(1, rejected.sum()))
        power.append(rejected[~null].mean())
        marginal.append((p[null] <= alpha).mean())
    return np.array(fdp), float(np.mean(power)), float(np.mean(marginal))


@pytest.mark.parametrize(
    ("procedure", "n", "pi0", "alpha", "bound", "power"),
    [
        (benjamini_hochberg, 1000, 0.5, 0.1, 0.05, 0.532),
        (benjamini_hochberg, 1000, 0.9, 0.1, 0.09, 0.155),
        (benjamini_hochberg, 200, 0.5, 0.1, 0.05, 0.498),
        (benjamini_hochberg, 50, 0.5, 0.1, 0.05, 0.333),
        (benjamini_hochberg, 1000, 0.5, 0.2, 0.1, 0.723),
        (storey_benjamini_hochberg, 1000, 0.5, 0.1, 0.1, 0.708),
    ],
)
def test_fdr_of_conformal_p_values_is_bounded_and_power_as_expected(
    procedure: Procedure, n: int, pi0: float, alpha: float, bound: float, power: float
) -> None:
    fdp, measured_power, marginal = conformal_fdp(procedure, n=n, pi0=pi0, alpha=alpha, repeats=500)
    assert fdp.mean() <= bound + 2 * fdp.std(ddof=1) / np.sqrt(500)
    assert measured_power == pytest.approx(power, abs=0.03)
    assert alpha - 1 / (n + 1) - 0.006 <= marginal <= alpha + 0.006


def test_a_shifted_calibration_breaks_the_level_so_the_test_above_can_fail() -> None:
    fdp, _, marginal = conformal_fdp(
        benjamini_hochberg, n=1000, pi0=0.5, alpha=0.1, repeats=200, shift=0.3
    )
    assert fdp.mean() - 5 * fdp.std(ddof=1) / np.sqrt(200) > 0.05
    assert marginal > 0.13


def test_conformal_e_values_average_one_over_the_places_of_the_test_item() -> None:
    # Exchangeability: each of the n + 1 items is the test item with equal chance.
    weights = np.random.default_rng(6).gamma(0.3, size=41)
    e = [conformal_e_values(np.delete(weights, i), weights[[i]])[0] for i in range(41)]
    assert np.mean(e) == pytest.approx(1)
    assert max(e) <= 41


def test_e_benjamini_hochberg_counts_as_defined_and_equals_bh_on_inverse_p() -> None:
    rng = np.random.default_rng(7)
    for _ in range(50):
        p = rng.beta(0.3, 1, size=30)
        assert np.array_equal(e_benjamini_hochberg(1 / p, 0.1), benjamini_hochberg(p, 0.1))


def test_e_values_keep_the_level_under_full_dependence() -> None:
    # All 50 nulls share one e-value of mean 1: rejected together or not at all.
    rng = np.random.default_rng(8)
    e = rng.choice([0.0, 10.0], p=[0.9, 0.1], size=3000)
    wrong = sum(int(e_benjamini_hochberg(np.full(50, one), 0.1).any()) for one in e)
    assert stats.binomtest(wrong, 3000, 0.1, alternative="greater").pvalue > 1e-6
    assert wrong > 200


def test_e_values_average_one_over_the_ranks() -> None:
    for n in (1, 4, 99):
        e = harmonic_e_values(np.arange(1, n + 2) / (n + 1), n)
        assert e.mean() == pytest.approx(1)
        assert (np.diff(e) < 0).all()
    mixed = harmonic_e_values([0.5, 0.5], [1, 3])
    assert mixed.tolist() == [harmonic_e_values([0.5], one)[0] for one in (1, 3)]


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: benjamini_hochberg([0.1], 0.0), "alpha 0.0"),
        (lambda: benjamini_hochberg([1.5], 0.1), "is no p-value"),
        (lambda: benjamini_hochberg([np.nan], 0.1), "NaN"),
        (lambda: e_benjamini_hochberg([-1.0], 0.1), "is no e-value"),
        (lambda: conformal_e_values([-1.0], [1.0]), "finite and at least 0"),
        (lambda: conformal_e_values([0.0], [0.0]), "all weights are 0"),
        (lambda: null_share([0.1], 1.0), r"cut 1\.0"),
        (lambda: null_share_by_subtraction([0.1], 1.0), r"cut 1\.0"),
        (lambda: null_share_at_the_boundary([0.1], 1.0), r"bandwidth 1\.0"),
        (lambda: null_share_at_the_boundary([1.1]), "no p-value"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
