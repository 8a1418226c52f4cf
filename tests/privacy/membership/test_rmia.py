import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sterling.measure import Scores, auc
from sterling.privacy.membership import likelihood_ratio, rmia_score, tune_offline_a
from sterling.privacy.targets.training import balanced_membership

RATIOS = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 4, width=16))


@given(RATIOS, RATIOS, st.floats(0.25, 4))
def test_the_sort_equals_the_matrix_of_all_pairs(
    x: np.ndarray, z: np.ndarray, gamma: float
) -> None:
    matrix = (x[:, None] > gamma * z[None, :]).mean(axis=1)
    np.testing.assert_array_equal(rmia_score(x, z, gamma=gamma), matrix)


def test_also_at_size() -> None:
    rng = np.random.default_rng(0)
    x, z = rng.lognormal(size=5000).round(2), rng.lognormal(size=1501).round(2)
    np.testing.assert_array_equal(rmia_score(x, z), (x[:, None] > z).mean(axis=1))


def test_ratio_in_closed_form() -> None:
    reference = [[0.2, 0.9], [0.4, 0.1]]
    outside = [[True, False], [True, True]]
    ratio = likelihood_ratio([0.6, 0.5], reference, outside, offline_a=0.5)
    marginal = [(1.5 * 0.3 + 0.5) / 2, (1.5 * 0.1 + 0.5) / 2]
    np.testing.assert_allclose(ratio, [0.6 / marginal[0], 0.5 / marginal[1]])
    assert likelihood_ratio([0.0, 0.5], [[0.0, 0.0]], [[True, True]], offline_a=1.0)[0] == 0


def test_one_reference_is_read_backwards_where_it_was_trained_on_the_record() -> None:
    # The relation p_in = a p_out + 1 - a both ways: the same marginal, whichever is known.
    a, p_out = 0.4, np.array([0.1, 0.5, 0.9])
    p_in = a * p_out + 1 - a
    target = np.array([0.6, 0.7, 0.8])
    known = likelihood_ratio(target, p_out[None], np.ones((1, 3), bool), offline_a=a)
    imputed = likelihood_ratio(target, p_in[None], np.zeros((1, 3), bool), offline_a=a, impute=True)
    np.testing.assert_allclose(imputed, known)
    np.testing.assert_allclose(known, target / ((p_in + p_out) / 2))
    # A reference less sure than 1 - a of its own record: nothing is left outside.
    low = likelihood_ratio([0.6], [[0.2]], [[False]], offline_a=a, impute=True)
    assert low[0] == pytest.approx(0.6 / ((1 - a) / 2))


def test_tuning_keeps_the_best_a_on_the_paired_model() -> None:
    rng = np.random.default_rng(3)
    records = 600
    membership = balanced_membership(6, records, rng)
    hard = rng.random(records)
    p = np.clip(hard + 0.3 * membership * (1 - hard) + 0.1 * rng.normal(size=(6, records)), 0, 1)
    population = rng.random(records) < 0.3
    references, outside = p[2:], ~membership[2:]
    a = tune_offline_a(p[1], membership[1], references, outside, population)

    def area(value: float) -> float:
        ratio = likelihood_ratio(p[1], references, outside, offline_a=value)
        matrix = (ratio[~population][:, None] > ratio[population]).mean(axis=1)
        return auc(Scores(matrix, membership[1][~population])).value

    areas = {value: area(value) for value in np.linspace(0, 1, 11).round(1).tolist()}
    assert areas[a] == max(areas.values()) > min(areas.values())


def test_the_bound_of_an_imputed_mean_is_ours() -> None:
    """Without it p(x) would be (1.3 · (-2) + 0.7) / 2 = -0.95 for a reference that gives 0.1."""
    bare = ((1 + 0.3) * ((0.1 + 0.3 - 1) / 0.3) + (1 - 0.3)) / 2
    assert bare == pytest.approx(-0.95)
    bounded = likelihood_ratio([0.6], [[0.1]], [[False]], offline_a=0.3, impute=True)
    assert bounded == pytest.approx(0.6 / 0.35)
