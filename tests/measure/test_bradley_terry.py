import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from sterling.errors import InputError
from sterling.measure import fit_bradley_terry

counts = arrays(np.float64, (4, 4), elements=st.floats(0, 20))


@given(counts, st.floats(0.05, 5))
def test_at_the_mode_the_gradient_is_zero(wins: np.ndarray, ridge: float) -> None:
    np.fill_diagonal(wins, 0)
    theta = fit_bradley_terry(wins, ridge).strengths
    chance = special.expit(theta[:, None] - theta[None, :])
    gradient = (wins - (wins + wins.T) * chance).sum(axis=1) - ridge * theta
    np.testing.assert_allclose(gradient, 0, atol=1e-7)
    assert abs(theta.sum()) < 1e-7  # the prior centres them


def test_newton_agrees_with_minorisation_to_the_maximum_likelihood() -> None:
    """Hunter's MM update (Annals of Statistics 2004) has no prior: here it is nearly none."""
    draw = np.random.default_rng(0)
    wins = draw.integers(1, 30, size=(6, 6)).astype(float)
    np.fill_diagonal(wins, 0)
    played = wins + wins.T
    strength = np.ones(6)
    for _ in range(20_000):
        strength = wins.sum(axis=1) / (played / (strength[:, None] + strength[None, :])).sum(axis=1)
        strength /= np.exp(np.log(strength).mean())
    newton = fit_bradley_terry(wins, ridge=1e-9).strengths
    np.testing.assert_allclose(newton, np.log(strength), atol=1e-6)


def test_two_things_have_the_closed_form() -> None:
    fitted = fit_bradley_terry([[0, 30], [10, 0]], ridge=1e-9)
    mean, variance = fitted.difference(0, 1)
    assert mean == pytest.approx(np.log(3), abs=1e-6)
    assert variance == pytest.approx(1 / 30 + 1 / 10, rel=1e-3)
    assert fitted.order() == [0, 1]


def test_intervals_cover_and_order_is_probable() -> None:
    draw = np.random.default_rng(1)
    covered = total = 0
    for _ in range(150):
        truth = draw.normal(size=5)
        wins = np.zeros((5, 5))
        for i in range(5):
            for j in range(i):
                wins[i, j] = draw.binomial(12, special.expit(truth[i] - truth[j]))
                wins[j, i] = 12 - wins[i, j]
        fitted = fit_bradley_terry(wins, ridge=1.0)
        for thing in range(5):
            interval = fitted.interval(thing, 0.9)
            covered += interval.low <= truth[thing] <= interval.high
            total += 1
    assert 0.87 < covered / total < 0.94


def test_things_never_compared_keep_the_prior() -> None:
    fitted = fit_bradley_terry(np.zeros((3, 3)), ridge=2.0)
    np.testing.assert_array_equal(fitted.strengths, 0)
    np.testing.assert_allclose(fitted.covariance, np.eye(3) / 2)
    assert fitted.probability_above(0, 1) == 0.5


@pytest.mark.parametrize(
    ("wins", "ridge", "named"),
    [([[0, 1]], 1, "shape"), ([[0, -1], [1, 0]], 1, "0 or more"), ([[0, 1], [1, 0]], 0, "ridge 0")],
)
def test_bad_input_is_named(wins: list[list[float]], ridge: float, named: str) -> None:
    with pytest.raises(InputError, match=named):
        fit_bradley_terry(wins, ridge)
