"""Newton steps against retraining, and methods on the diagonal of the Fisher information."""

import copy

import pytest
import torch
import torch.nn.functional as F
from tests.draws import seeded
from tests.privacy.small import examples, network
from torch import nn

from sterling.errors import InputError
from sterling.privacy.influence import flatten_parameters as weights
from sterling.privacy.influence import hessian_matrix, per_record_gradients, set_parameters
from sterling.privacy.targets.models import softmax_regression
from sterling.privacy.unlearning import Examples, split_deletion_request
from sterling.privacy.unlearning.curvature import fisher_diagonal, fisher_forgetting, newton, ssd


def to_minimum(model: nn.Module, data: Examples, l2: float) -> nn.Module:
    """Newton's method to the minimum of the mean loss plus ridge."""
    model = copy.deepcopy(model)
    for _ in range(30):
        here = weights(model)
        gradient = per_record_gradients(model, data.inputs, data.labels).mean(0) + l2 * here
        step = torch.linalg.solve(hessian_matrix(model, data.inputs, data.labels, l2=l2), gradient)
        set_parameters(model, here - step)
        if float(gradient.abs().max()) < 1e-12:
            break
    return model


def test_a_newton_step_removes_nearly_all_of_the_distance_to_retraining() -> None:
    data = examples(200)
    data = Examples(data.inputs.double(), data.labels, data.ids)
    l2 = 0.02
    full = to_minimum(softmax_regression((6,), 3).double(), data, l2)
    forget, retain = split_deletion_request(data, range(6))
    # The ridge of the sum stays what it was, as the method's derivation has it.
    exact = to_minimum(full, retain, l2 * 200 / 194)
    after = newton(
        full, forget, retain, torch.Generator(), curvature="exact", damping=l2 * 200 / 194
    )
    left = float((weights(after) - weights(exact)).norm())
    before = float((weights(full) - weights(exact)).norm())
    assert left < 0.05 * before
    factored = newton(full, forget, retain, torch.Generator(), damping=0.05)
    assert float((weights(factored) - weights(exact)).norm()) < before
    with pytest.raises(InputError, match="curvature 'lissa'"):
        newton(full, forget, retain, torch.Generator(), curvature="lissa")  # type: ignore[arg-type]


def test_fisher_diagonal_is_the_mean_squared_gradient() -> None:
    data, model = examples(50), network()
    expected = torch.zeros_like(weights(model))
    for x, y in zip(data.inputs, data.labels, strict=True):
        loss = F.cross_entropy(model(x[None]), y[None])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        expected += torch.cat([g.flatten() for g in gradients]).square() / 50
    torch.testing.assert_close(fisher_diagonal(model, data, chunk=7), expected)


def test_dampening_shrinks_only_what_the_forget_set_uses_most() -> None:
    forget, retain = split_deletion_request(examples(120), range(10))
    model = network()
    of_forget = fisher_diagonal(model, forget)
    of_all = (10 * of_forget + 110 * fisher_diagonal(model, retain)) / 120
    chosen = of_forget > 2 * of_all
    assert 0 < chosen.sum() < len(chosen)
    after = weights(ssd(model, forget, retain, torch.Generator(), selection=2.0))
    ratio = (after / weights(model)).nan_to_num(1.0)
    assert torch.equal(ratio[~chosen], torch.ones_like(ratio[~chosen]))
    torch.testing.assert_close(ratio[chosen], (of_all / of_forget)[chosen])


def test_fisher_noise_has_the_stated_spread() -> None:
    forget, retain = split_deletion_request(examples(120), range(10))
    model = network()
    noise = torch.stack(
        [
            weights(fisher_forgetting(model, forget, retain, seeded(seed), scale=0.1))
            - weights(model)
            for seed in range(400)
        ]
    )
    expected = 0.1 * (fisher_diagonal(model, retain) + 1e-6) ** -0.25
    # 400 draws: a standard deviation is known to 3.5 %; 83 weights within 5 of these.
    assert float((noise.std(0) / expected - 1).abs().max()) < 5 * 0.0354
