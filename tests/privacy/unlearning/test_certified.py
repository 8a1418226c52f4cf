"""Certified removal: the residual, the budget, and the promise itself by repetition."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from tests.draws import seeded
from tests.privacy.small import normal_records

from sterling.errors import InputError
from sterling.privacy.targets.convex import fit_convex
from sterling.privacy.unlearning.certified import CertifiedModel, fit_certified, remove_certified

RECORDS = normal_records(40, 2, 2, 1.5, 0)


def trained(seed: int, sigma: float = 1.0, epsilon: float = 1.0) -> CertifiedModel:
    rng = seeded(seed)
    return fit_certified(*RECORDS, 2, 1.0, sigma=sigma, epsilon=epsilon, delta=1e-2, rng=rng)


def test_the_tilt_stands_in_the_objective() -> None:
    certified = trained(0)
    model = certified.model
    assert model.tilt is not None
    assert float(model.objective_gradient().abs().max()) < 1e-6
    plain = fit_convex(*RECORDS, 2, 1.0)
    assert float((plain.weights - model.weights).norm()) > 0.01
    gradient = model.record_gradients().sum(0) + model.weights
    torch.testing.assert_close(gradient, -model.tilt, rtol=0, atol=1e-6)


def test_a_removal_comes_near_retraining_with_the_same_noise_and_counts_what_is_left() -> None:
    certified = trained(1)
    rows = torch.tensor([3, 7])
    after = remove_certified(certified, rows, torch.Generator())
    exact = certified.model.without(rows)
    left = float((after.model.weights - exact.weights).norm())
    assert left < 0.1 * float((certified.model.weights - exact.weights).norm())
    width = math.sqrt(2 * math.log(1.5 / 1e-2))
    assert after.spent == pytest.approx(width * float(after.model.objective_gradient().norm()))
    assert 0 < after.spent < certified.epsilon
    assert len(after.model.features) == 38


def test_a_used_up_promise_trains_again_with_fresh_noise() -> None:
    certified = trained(2, epsilon=1e-6)
    after = remove_certified(certified, torch.tensor([0]), seeded(9))
    assert after.spent == 0
    assert float(after.model.objective_gradient().abs().max()) < 1e-6
    assert after.model.tilt is not None
    assert certified.model.tilt is not None
    assert not torch.equal(after.model.tilt, certified.model.tilt)


def test_no_half_space_tells_removal_from_retraining_beyond_the_promise() -> None:
    """P(A) ≤ e^ε P'(A) + δ for half-spaces A, at the ε that the removals spent; 600 noises.

    The direction in which both clouds of weights differ most is searched on the first half of the
    draws and tested on the second, with a one-sided binomial bound at 1e-4.
    """
    rows = torch.tensor([0, 1, 2])
    removed, again, spent = [], [], []
    for seed in range(600):
        certified = trained(seed, sigma=0.4, epsilon=50.0)
        after = remove_certified(certified, rows, torch.Generator())
        removed.append(after.model.weights.numpy())
        spent.append(after.spent)
        fresh = trained(seed + 10_000, sigma=0.4).model
        again.append(fresh.without(rows).weights.numpy())
    a, b = np.array(removed), np.array(again)
    direction = a[:300].mean(0) - b[:300].mean(0)
    epsilon, delta = float(np.max(spent)), 1e-2
    first, second = a[300:] @ direction, b[300:] @ direction
    for threshold in np.quantile(second, [0.5, 0.7, 0.9, 0.95]):
        allowed = math.exp(epsilon) * float((second > threshold).mean()) + delta
        hits = int((first > threshold).sum())
        assert stats.binom.sf(hits - 1, 300, min(1.0, allowed)) > 1e-4
    assert epsilon < 3, "the promise would be empty"


@pytest.mark.parametrize(
    ("sigma", "epsilon", "delta", "message"),
    [(0.0, 1.0, 0.1, "sigma 0"), (1.0, 0.0, 0.1, "epsilon 0"), (1.0, 1.0, 1.0, "delta 1")],
)
def test_bad_promises_are_told(sigma: float, epsilon: float, delta: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_certified(
            *RECORDS, 2, 1.0, sigma=sigma, epsilon=epsilon, delta=delta, rng=torch.Generator()
        )


def test_records_that_are_not_there_are_told() -> None:
    with pytest.raises(InputError, match="name some that are there"):
        remove_certified(trained(0), torch.tensor([40]), torch.Generator())
