from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.guarantee import e_lond, lord_plus_plus, saffron

Procedure = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]
MIXED = st.lists(st.one_of(st.floats(0, 1e-3), st.floats(0, 1)), max_size=40)


def levels(procedure: Procedure, p: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Test level of each step, found by bisection on what the procedure does: no formula."""
    found = np.empty(len(p))
    for t in range(len(p)):
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            if procedure(np.append(p[:t], middle), alpha)[t]:
                low = middle
            else:
                high = middle
        found[t] = low
    return found


@given(MIXED.filter(lambda p: len(p) <= 12))
def test_lord_spends_at_most_alpha_per_rejection(p: list[float]) -> None:
    values = np.array(p)
    spent = np.cumsum(levels(lord_plus_plus, values, 0.2))
    rejections = np.cumsum(lord_plus_plus(values, 0.2))
    assert (spent <= 0.2 * np.maximum(1, rejections) + 1e-9).all()


@given(MIXED.filter(lambda p: len(p) <= 12))
def test_saffron_estimate_of_the_false_discovery_proportion_stays_below_alpha(
    p: list[float],
) -> None:
    values = np.array(p)
    spent = np.cumsum(levels(saffron, values, 0.2) * (values > 0.5) / 0.5)
    rejections = np.cumsum(saffron(values, 0.2))
    assert (spent <= 0.2 * np.maximum(1, rejections) + 1e-9).all()


@given(MIXED, st.integers(0, 40))
def test_decisions_do_not_look_ahead(p: list[float], cut: int) -> None:
    values = np.array(p)
    for procedure in (lord_plus_plus, saffron):
        assert np.array_equal(procedure(values, 0.1)[:cut], procedure(values[:cut], 0.1))
    e = 1 / np.maximum(values, 1e-9)
    assert np.array_equal(e_lond(e, 0.1)[:cut], e_lond(e[:cut], 0.1))


@pytest.mark.parametrize("procedure", [lord_plus_plus, saffron])
def test_fdr_holds_at_the_end_of_independent_streams(procedure: Procedure) -> None:
    rng = np.random.default_rng(0)
    fdp, power = [], []
    for _ in range(400):
        null = rng.random(300) < 0.7
        p = np.where(null, rng.random(300), rng.beta(0.05, 8, size=300))
        rejected = procedure(p, 0.1)
        fdp.append((rejected & null).sum() / max(1, rejected.sum()))
        power.append(rejected[~null].mean())
    assert np.mean(fdp) <= 0.1 + 2 * np.std(fdp) / 20
    assert np.mean(power) > 0.3


def test_saffron_is_more_powerful_than_lord_where_few_are_null() -> None:
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(100):
        null = rng.random(500) < 0.3
        p = np.where(null, rng.random(500), rng.beta(0.15, 8, size=500))
        gains.append(saffron(p, 0.1)[~null].mean() - lord_plus_plus(p, 0.1)[~null].mean())
    assert np.mean(gains) - 4 * np.std(gains) / 10 > 0


def test_e_lond_keeps_the_level_under_full_dependence() -> None:
    # One e-value of mean 1 repeated through the stream; all are null: FDR = P(any rejection).
    rng = np.random.default_rng(2)
    e = 1 / (2 * np.sqrt(1 - rng.random(2000)))
    wrong = np.mean([e_lond(np.full(100, one), 0.3).any() for one in e])
    assert 0 < wrong <= 0.3


def test_the_first_level_is_the_published_one() -> None:
    first = levels(lord_plus_plus, np.array([1.0]), 0.1)[0]
    assert first == pytest.approx(0.05 / 2.2857656, rel=1e-5)  # w0 / zeta(1.6)
    assert levels(saffron, np.array([1.0]), 0.1)[0] == pytest.approx(first / 2)


def test_levels_after_two_rejections_are_the_published_sums() -> None:
    # alpha = 0.1, w0 = 0.02: the first rejection earns alpha - w0, later ones alpha.
    gamma = np.arange(1, 5) ** -1.6 / 2.2857656
    p = np.array([0.0, 0.9, 0.0, 1.0])

    def lord(values: NDArray[np.float64], alpha: float) -> NDArray[np.bool_]:
        return lord_plus_plus(values, alpha, wealth=0.02)

    def adaptive(values: NDArray[np.float64], alpha: float) -> NDArray[np.bool_]:
        return saffron(values, alpha, wealth=0.02)

    last = 0.02 * gamma[3] + 0.08 * gamma[2] + 0.1 * gamma[0]
    assert levels(lord, p, 0.1)[3] == pytest.approx(last, rel=1e-5)
    # Only the second of three steps, above 1/2, has drawn on the accounts opened before it.
    last = 0.5 * (0.02 * gamma[1] + 0.08 * gamma[1] + 0.1 * gamma[0])
    assert levels(adaptive, p, 0.1)[3] == pytest.approx(last, rel=1e-5)


def test_e_lond_rejects_from_its_published_bound_on() -> None:
    gamma = np.arange(1, 4) ** -1.6 / 2.2857656
    bound = 1 / (0.1 * gamma * np.array([1, 2, 3]))
    assert e_lond(bound * 1.0001, 0.1).all()
    for t in range(3):
        e = bound * 1.0001
        e[t] = bound[t] * 0.9999
        assert not e_lond(e, 0.1)[t]


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="wealth"):
        lord_plus_plus([0.1], 0.1, wealth=0.2)
    with pytest.raises(InputError, match="candidate"):
        saffron([0.1], 0.1, candidate=1.0)
    with pytest.raises(InputError, match="e-value"):
        e_lond([-1.0], 0.1)
