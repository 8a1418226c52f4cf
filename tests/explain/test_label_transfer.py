import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from torch import nn

from sterling.errors import InputError
from sterling.explain import (
    ConceptNetwork,
    ConceptScore,
    all_vectors,
    box_labels,
    box_of_values,
    interval_labels,
    label_scores_by_enumeration,
    lp_gap,
    lp_labels,
    pgd_labels,
)


def random_head(
    rng: np.random.Generator, classes: int, m: int
) -> tuple[nn.Sequential, NDArray[np.float64], NDArray[np.float64]]:
    weight, bias = rng.normal(size=(classes, m)), 0.3 * rng.normal(size=classes)
    layer = nn.Linear(m, classes).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return nn.Sequential(layer), weight, bias


def feasible(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    label: int,
) -> bool:
    """Another program than the code's: is there a point at all? Nothing is minimised."""
    solved = linprog(
        np.zeros(len(low)),
        A_ub=weight - weight[label],
        b_ub=bias[label] - bias + 1e-7,
        bounds=list(zip(low, high, strict=True)),
    )
    return bool(solved.status == 0)


def test_pgd_within_lp_within_box_for_three_hundred_heads() -> None:
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    totals = np.zeros(3)
    for number in range(300):
        head, weight, bias = random_head(rng, 4, 5)
        low = rng.integers(0, 2, size=(1, 5)).astype(float) * (rng.random((1, 5)) < 0.5)
        high = np.maximum(low, rng.random((1, 5)) < 0.6).astype(float)
        box = box_labels(weight, bias, low, high)
        exact = lp_labels(weight, bias, low, high)
        found = pgd_labels(head, low, high, steps=6, restarts=1, generator=generator)
        assert (found <= exact).all()
        assert (exact <= box).all()
        assert np.array_equal(box, interval_labels(head, low, high))
        totals += [found.sum(), exact.sum(), box.sum()]
        if number < 60:
            plain = [feasible(weight, bias, low[0], high[0], label) for label in range(4)]
            assert plain == exact[0].tolist()
    assert totals[0] < totals[1] < totals[2]  # the three do differ
    assert totals[0] > 0.9 * totals[1]


def test_the_gap_is_the_shortfall_of_a_label_in_closed_form() -> None:
    # Two labels, one concept in [0, 1]: g = (2 v - 3, 0): label 0 falls short by 1 at v = 1.
    weight, bias = np.array([[2.0], [0.0]]), np.array([-3.0, 0.0])
    assert lp_gap(weight, bias, np.zeros(1), np.ones(1), 0) == pytest.approx(1)
    assert lp_gap(weight, bias, np.zeros(1), np.ones(1), 1) == pytest.approx(-3)
    assert lp_labels(weight, bias, np.zeros((1, 1)), np.ones((1, 1))).tolist() == [[False, True]]


def test_a_certain_box_has_the_label_of_its_point() -> None:
    rng = np.random.default_rng(1)
    head, weight, bias = random_head(rng, 6, 4)
    points = rng.integers(0, 2, size=(30, 4)).astype(float)
    winner = (points @ weight.T + bias).argmax(axis=1)
    expected = winner[:, None] == np.arange(6)
    generator = torch.Generator().manual_seed(0)
    for labels in (
        box_labels(weight, bias, points, points),
        lp_labels(weight, bias, points, points),
        interval_labels(head, points, points),
        pgd_labels(head, points, points, steps=2, restarts=1, generator=generator),
    ):
        assert np.array_equal(labels, expected)


def test_interval_bounds_hold_every_sampled_label_of_a_deep_head() -> None:
    rng = np.random.default_rng(2)
    for seed in range(20):
        head = ConceptNetwork((3,), 6, 5, hidden=12, seed=seed).head.double()
        low = rng.random((8, 6)) * 0.5
        high = low + rng.random((8, 6)) * 0.5
        points = low[:, None] + (high - low)[:, None] * rng.random((8, 300, 6))
        with torch.no_grad():
            winner = head(torch.from_numpy(points)).argmax(dim=2).numpy()
        sampled = np.array([np.isin(np.arange(5), row) for row in winner])
        certified = interval_labels(head, low, high)
        generator = torch.Generator().manual_seed(seed)
        found = pgd_labels(head, low, high, generator=generator)
        assert (sampled <= certified).all()
        assert (found <= certified).all()
        assert found.sum() >= 0.9 * sampled.sum()


def test_pgd_leaves_the_head_as_it_was() -> None:
    head = nn.Sequential(nn.Linear(2, 2))
    pgd_labels(head, np.zeros((1, 2)), np.ones((1, 2)), generator=torch.Generator())
    assert head[0].weight.dtype == torch.float32
    assert head[0].weight.grad is None


def test_enumeration_is_the_set_of_labels_of_the_members_and_within_the_box() -> None:
    rng = np.random.default_rng(3)
    _, weight, bias = random_head(rng, 5, 6)
    vectors = all_vectors(6)
    winners = (vectors @ weight.T + bias).argmax(axis=1)
    h = rng.beta(0.5, 0.5, size=(40, 6))
    for score in (ConceptScore((1.0,) * 6), ConceptScore((1.0,) * 6, "nll", "sum")):
        scores = score.of_vectors(h, vectors)
        least = label_scores_by_enumeration(scores, winners, 5)
        for limit in (0.5, 0.8, 2.0):
            members = [set(winners[row <= limit].tolist()) for row in scores]
            assert [set(np.flatnonzero(row <= limit).tolist()) for row in least] == members
            boxes = box_of_values(score.values(h, limit), h)
            exact = lp_labels(weight, bias, *boxes)
            assert ((least <= limit) <= exact).all()


SCORES = (
    ConceptScore((1.0,) * 6),
    ConceptScore(tuple(np.linspace(0.2, 1, 6))),
    ConceptScore((1.0,) * 6, "absolute", "sum"),
    ConceptScore((1.0,) * 6, "nll", "sum"),
)


@pytest.mark.parametrize("score", SCORES)
def test_a_perfect_head_covers_the_label_wherever_the_concepts_are_covered(
    score: ConceptScore,
) -> None:
    rng = np.random.default_rng(4)
    _, weight, bias = random_head(rng, 5, 6)
    vectors = all_vectors(6)
    winners = (vectors @ weight.T + bias).argmax(axis=1)
    h = rng.beta(0.5, 0.5, size=(300, 6))
    truth = rng.random((300, 6)) < h
    labels = (truth @ weight.T + bias).argmax(axis=1)
    least = label_scores_by_enumeration(score.of_vectors(h, vectors), winners, 5)
    own, of_label = score(h, truth), least[np.arange(300), labels]
    assert (of_label <= own + 1e-9).all()  # rounding of another order of sums
    for limit in (0.3, 0.6, 0.9):
        concept = own <= limit
        boxes = box_of_values(score.values(h, limit), h)
        assert (concept <= box_labels(weight, bias, *boxes)[np.arange(300), labels]).all()


def test_an_empty_set_becomes_the_nearest_vector() -> None:
    values = np.zeros((1, 2, 2), dtype=bool)
    low, high = box_of_values(values, np.array([[0.4, 0.9]]))
    assert low.tolist() == high.tolist() == [[0.0, 1.0]]


def test_heads_without_interval_bounds_are_refused() -> None:
    box = np.zeros((1, 2)), np.ones((1, 2))
    with pytest.raises(InputError, match="layer Tanh"):
        interval_labels(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)), *box)
    with pytest.raises(InputError, match="ends in a linear layer"):
        interval_labels(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), *box)
