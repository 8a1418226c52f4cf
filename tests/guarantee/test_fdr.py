from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
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
    storey_benjamini_hochberg,
)

P_VALUES = st.lists(st.floats(0, 1), max_size=40)
Procedure = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]


@given(P_VALUES, st.floats(0.01, 0.5))
def test_adjusted_p_values_agree_with_the_rejections_and_with_scipy(
    p: list[float], alpha: float
) -> None:
    rejected = benjamini_hochberg(p, alpha)
    assert np.array_equal(rejected, adjusted_p_values(p) <= alpha)
    if p:
        np.testing.assert_allclose(adjusted_p_values(p), stats.false_discovery_control(p))
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
    ("n", "pi0", "alpha", "power"),
    [
        (1000, 0.5, 0.1, 0.532),
        (1000, 0.9, 0.1, 0.155),
        (200, 0.5, 0.1, 0.498),
        (50, 0.5, 0.1, 0.333),
        (1000, 0.5, 0.2, 0.723),
    ],
)
def test_fdr_of_conformal_p_values_is_below_alpha_times_the_null_share(
    n: int, pi0: float, alpha: float, power: float
) -> None:
    fdp, measured_power, marginal = conformal_fdp(
        benjamini_hochberg, n=n, pi0=pi0, alpha=alpha, repeats=500
    )
    error = fdp.std(ddof=1) / np.sqrt(500)
    assert fdp.mean() <= alpha * pi0 + 2 * error
    assert measured_power == pytest.approx(power, abs=0.03)
    assert alpha - 1 / (n + 1) - 0.006 <= marginal <= alpha + 0.006


def test_storey_gains_power_and_keeps_the_level() -> None:
    fdp, power, _ = conformal_fdp(
        storey_benjamini_hochberg, n=1000, pi0=0.5, alpha=0.1, repeats=500
    )
    assert fdp.mean() <= 0.1 + 2 * fdp.std(ddof=1) / np.sqrt(500)
    assert power == pytest.approx(0.708, abs=0.02)


def test_a_shifted_calibration_breaks_the_level_so_the_test_above_can_fail() -> None:
    fdp, _, marginal = conformal_fdp(
        benjamini_hochberg, n=1000, pi0=0.5, alpha=0.1, repeats=200, shift=0.3
    )
    assert fdp.mean() - 5 * fdp.std(ddof=1) / np.sqrt(200) > 0.05
    assert marginal > 0.13


def test_benjamini_yekutieli_holds_where_nulls_depend_adversely() -> None:
    # Guo and Rao's construction (2008): one draw decides how many nulls share one small value,
    # so that BH's FDR is alpha times the harmonic sum. T = T0 = 20, 4,000 repetitions.
    rng = np.random.default_rng(5)
    n, alpha, repeats = 20, 0.5, 4000
    harmonic = float(np.sum(1 / np.arange(1, n + 1)))
    alpha /= harmonic
    wrong_bh = wrong_by = 0
    for _ in range(repeats):
        p = 1 - rng.random(n) * (1 - alpha)  # in (alpha, 1]: never rejected
        j = int(rng.integers(1, n + 1))
        # With total probability alpha H: j members of a random set share a value in bin j.
        if rng.random() < alpha * harmonic:
            j = int(rng.choice(np.arange(1, n + 1), p=1 / np.arange(1, n + 1) / harmonic))
            p[rng.permutation(n)[:j]] = alpha * (j - rng.random()) / n
        wrong_bh += int(benjamini_hochberg(p, alpha).any())
        wrong_by += int(benjamini_yekutieli(p, alpha).any())
    assert stats.binomtest(wrong_bh, repeats, alpha, alternative="greater").pvalue < 1e-6
    assert stats.binomtest(wrong_by, repeats, alpha, alternative="greater").pvalue > 1e-6


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: benjamini_hochberg([0.1], 0.0), "alpha 0.0"),
        (lambda: benjamini_hochberg([1.5], 0.1), "is no p-value"),
        (lambda: benjamini_hochberg([np.nan], 0.1), "NaN"),
        (lambda: e_benjamini_hochberg([-1.0], 0.1), "is no e-value"),
        (lambda: conformal_e_values([-1.0], [1.0]), "finite and at least 0"),
        (lambda: conformal_e_values([0.0], [0.0]), "all weights are 0"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_e_values_average_one_over_the_ranks() -> None:
    for n in (1, 4, 99):
        e = harmonic_e_values(np.arange(1, n + 2) / (n + 1), n)
        assert e.mean() == pytest.approx(1)
        assert (np.diff(e) < 0).all()
    mixed = harmonic_e_values([0.5, 0.5], [1, 3])
    assert mixed.tolist() == [
        harmonic_e_values([0.5], 1)[0],
        harmonic_e_values([0.5], 3)[0],
    ]
