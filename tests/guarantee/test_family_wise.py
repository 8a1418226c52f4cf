from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import bonferroni, fixed_sequence, graphical
from sterling.guarantee.family_wise import holm_adjusted

P_VALUES = st.lists(st.one_of(st.floats(0, 0.05), st.floats(0, 1)), min_size=1, max_size=12)


def holm(p: NDArray[np.float64], delta: float) -> NDArray[np.bool_]:
    """Holm's step-down procedure, from its definition."""
    rejected = np.zeros(len(p), dtype=np.bool_)
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] > delta / (len(p) - step):
            break
        rejected[i] = True
    return rejected


@given(P_VALUES, st.floats(0.01, 0.5))
def test_the_complete_graph_is_holm(p: list[float], delta: float) -> None:
    n, values = len(p), np.array(p)
    transitions = np.zeros((1, 1)) if n == 1 else (1 - np.eye(n)) / (n - 1)
    rejected = graphical(values, delta * (1 + 1e-12), np.full(n, 1 / n), transitions)
    low, high = holm(values, delta * (1 - 1e-9)), holm(values, delta * (1 + 1e-9))
    assert (low <= rejected).all()
    assert (rejected <= high).all()


@given(P_VALUES, st.floats(0.01, 0.5))
def test_a_chain_is_the_fixed_sequence(p: list[float], delta: float) -> None:
    n = len(p)
    rejected = graphical(p, delta, np.eye(n)[0], np.eye(n, k=1))
    assert np.array_equal(rejected, fixed_sequence(p, delta))


@given(P_VALUES, st.floats(0.01, 0.5))
def test_a_graph_rejects_at_least_what_its_weights_alone_do(p: list[float], delta: float) -> None:
    n = len(p)
    rng = np.random.default_rng(n)
    weights = rng.dirichlet(np.ones(n))
    transitions = rng.random((n, n)) * (1 - np.eye(n)) / n
    plain = np.array(p) <= weights * delta
    assert (graphical(p, delta, weights, transitions) >= plain).all()
    assert np.array_equal(graphical(p, delta, weights, 0 * transitions), plain)


def test_a_fixed_sequence_stops_at_the_first_failure_of_each_part() -> None:
    p = [0.01, 0.2, 0.01, 0.04, 0.01, 0.01]
    assert fixed_sequence(p, 0.1).tolist() == [True, False, False, False, False, False]
    assert fixed_sequence(p, 0.1, starts=(0, 2, 4)).tolist() == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    assert bonferroni(p, 0.1).tolist() == [True, False, True, False, True, True]  # 0.1 / 6
    assert fixed_sequence([], 0.1).tolist() == []


def test_family_wise_error_stays_below_delta() -> None:
    rng = np.random.default_rng(0)
    graph = (1 - np.eye(8)) / 7
    procedures: list[Callable[[NDArray[np.float64], float], NDArray[np.bool_]]] = [
        bonferroni,
        partial(fixed_sequence, starts=(0, 4)),
        partial(graphical, weights=np.full(8, 1 / 8), transitions=graph),
    ]
    nulls = np.arange(8) % 2 == 0
    wrong = np.zeros(3)
    for _ in range(2000):
        shared = rng.normal()  # correlated nulls, strong effects between them
        z = 0.7 * shared + 0.7 * rng.normal(size=8)
        p = np.where(nulls, stats.norm.sf(z / np.sqrt(0.98)), rng.random(8) * 1e-4)
        wrong += [(procedure(p, 0.1) & nulls).any() for procedure in procedures]
    for errors in wrong:
        assert stats.binomtest(int(errors), 2000, 0.1, alternative="greater").pvalue > 1e-6
    assert (wrong > 20).all()


@pytest.mark.parametrize("starts", [(1,), (0, 0), (0, 9), ()])
def test_bad_starts_are_refused(starts: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="starts"):
        fixed_sequence([0.1, 0.2], 0.1, starts=starts)


@pytest.mark.parametrize(
    ("weights", "transitions", "words"),
    [
        ([0.9, 0.9], np.zeros((2, 2)), "weights"),
        ([0.5], np.zeros((2, 2)), "weights"),
        ([0.5, 0.5], np.eye(2), "diagonal 0"),
        ([0.5, 0.5], [[0, 2.0], [0, 0]], "transitions"),
    ],
)
def test_bad_graphs_are_refused(weights: list[float], transitions: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        graphical([0.1, 0.2], 0.1, weights, transitions)  # type: ignore[arg-type]


@given(P_VALUES, st.floats(0.01, 0.5))
def test_an_adjusted_p_value_is_the_least_level_of_holms_procedure(
    p: list[float], delta: float
) -> None:
    adjusted = holm_adjusted(p)
    assert (
        np.array_equal(adjusted <= delta, holm(np.array(p), delta))
        or np.isclose(adjusted, delta).any()
    )
