"""Gradients, Hessians and their inverses against dense algebra and against retraining."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.draws import normal, seeded
from tests.privacy.small import mixture
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.influence import (
    conjugate_gradient,
    flatten_parameters,
    hessian_matrix,
    hessian_product,
    per_record_gradients,
    removal_step,
    set_parameters,
    softmax_hessian,
    softmax_record_gradients,
    split_parameters,
)
from sterling.privacy.kfac import fit_kfac
from sterling.privacy.targets.convex import fit_convex


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def records(seed: int, n: int = 30) -> tuple[Tensor, Tensor]:
    generator = seeded(seed)
    inputs = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(3, (n,), generator=generator)


def positive_definite(seed: int, size: int = 8) -> tuple[Tensor, Tensor]:
    generator = seeded(seed)
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    right = torch.randn(size, generator=generator, dtype=torch.float64)
    return root @ root.T / size + 0.1 * torch.eye(size, dtype=torch.float64), right


def test_record_gradients_are_those_of_one_record_at_a_time() -> None:
    module, (inputs, labels) = network(), records(0)
    expected = []
    for x, y in zip(inputs, labels, strict=True):
        loss = F.cross_entropy(module(x[None]), y[None])
        gradients = torch.autograd.grad(loss, list(module.parameters()))
        expected.append(torch.cat([g.flatten() for g in gradients]))
    for chunk in (None, 7):
        together = per_record_gradients(module, inputs, labels, chunk=chunk)
        torch.testing.assert_close(together, torch.stack(expected), rtol=0, atol=1e-12)


def test_hessian_is_the_derivative_of_the_gradient_by_central_differences() -> None:
    module, (inputs, labels) = network(), records(1)
    matrix = hessian_matrix(module, inputs, labels, l2=0.2)
    here, step = flatten_parameters(module), 1e-5

    def gradient(vector: Tensor) -> Tensor:
        set_parameters(module, vector)
        return per_record_gradients(module, inputs, labels).mean(0) + 0.2 * vector

    unit = torch.eye(len(here), dtype=torch.float64)
    columns = [(gradient(here + step * e) - gradient(here - step * e)) / (2 * step) for e in unit]
    torch.testing.assert_close(matrix, torch.stack(columns, 1), rtol=0, atol=1e-8)


def test_products_are_those_of_the_dense_hessian() -> None:
    module, (inputs, labels) = network(), records(2)
    matrix = hessian_matrix(module, inputs, labels, l2=0.1)
    product = hessian_product(module, inputs, labels, l2=0.1)
    for seed in range(3):
        generator = seeded(seed)
        vector = torch.randn(len(matrix), generator=generator, dtype=torch.float64)
        torch.testing.assert_close(product(vector), matrix @ vector, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), damping=st.floats(0, 2))
def test_conjugate_gradients_solve_the_damped_system(seed: int, damping: float) -> None:
    matrix, right = positive_definite(seed)
    solution = conjugate_gradient(lambda v: matrix @ v, right, damping=damping, tolerance=1e-11)
    damped = matrix + damping * torch.eye(len(matrix), dtype=torch.float64)
    torch.testing.assert_close(solution, torch.linalg.solve(damped, right), rtol=1e-7, atol=1e-8)


def test_an_indefinite_hessian_or_too_few_iterations_are_told() -> None:
    matrix, right = positive_definite(0)
    with pytest.raises(InputError, match="not positive definite"):
        conjugate_gradient(lambda v: -(matrix @ v), right)
    with pytest.raises(InputError, match="iterations 2: conjugate gradients left"):
        conjugate_gradient(lambda v: matrix @ v, right, iterations=2, tolerance=1e-12)


def test_last_layer_closed_forms_are_autograds() -> None:
    inputs, labels = records(4)
    torch.manual_seed(0)
    layer = nn.Linear(4, 3, bias=False).double()
    probabilities = layer(inputs).softmax(1).detach()
    torch.testing.assert_close(
        softmax_record_gradients(inputs, probabilities, labels),
        per_record_gradients(layer, inputs, labels),
    )
    torch.testing.assert_close(
        softmax_hessian(inputs, probabilities, l2=0.3),
        hessian_matrix(layer, inputs, labels, l2=0.3),
    )


def gauss_newton(module: nn.Module, inputs: Tensor) -> Tensor:
    """Mean of Jᵀ(diag p − ppᵀ)J, from the Jacobian of the logits."""
    jacobian = torch.func.jacrev(
        lambda v: torch.func.functional_call(module, split_parameters(module, v), (inputs,))
    )(flatten_parameters(module))
    p = module(inputs).softmax(1).detach()
    middle = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    total: Tensor = torch.einsum("ncp,ncd,ndq->pq", jacobian, middle, jacobian)
    return total / len(inputs)


def test_kfac_is_exact_where_inputs_do_not_vary() -> None:
    # With one record the factorisation is no approximation; blocks between layers are dropped.
    module = network(1)
    inputs = records(5)[0][:1]
    dense = gauss_newton(module, inputs)
    sizes = [25, 18]
    blocks = torch.zeros_like(dense)
    blocks[:25, :25], blocks[25:, 25:] = dense[:25, :25], dense[25:, 25:]
    vector = normal(sum(sizes), seed=1, dtype=torch.float64)
    expected = torch.linalg.solve(blocks + 0.05 * torch.eye(43, dtype=torch.float64), vector)
    factored = fit_kfac(module, inputs)
    torch.testing.assert_close(factored.solve(vector, damping=0.05), expected)
    torch.testing.assert_close(
        factored.solve(torch.stack([vector, 2 * vector]), damping=0.05),
        torch.stack([expected, 2 * expected]),
    )


def test_kfac_on_many_records_points_where_gauss_newton_points() -> None:
    module, (inputs, labels) = network(2), records(6, 200)
    gradient = per_record_gradients(module, inputs, labels).mean(0)
    dense = gauss_newton(module, inputs) + 0.1 * torch.eye(43, dtype=torch.float64)
    exact = torch.linalg.solve(dense, gradient)
    approximate = fit_kfac(module, inputs).solve(gradient, damping=0.1)
    assert float(F.cosine_similarity(exact, approximate, dim=0)) > 0.9


def test_kfac_refuses_other_layers_and_no_damping() -> None:
    with pytest.raises(InputError, match=r"parameter '0.weight' is not of a linear layer"):
        fit_kfac(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3)), torch.zeros(2, 4))
    factored = fit_kfac(network(), records(0)[0])
    with pytest.raises(InputError, match="damping 0"):
        factored.solve(torch.zeros(43, dtype=torch.float64), damping=0)
    with pytest.raises(InputError, match="vectors of 7 numbers"):
        factored.solve(torch.zeros(7, dtype=torch.float64), damping=1)


def test_a_vector_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="the module has 43"):
        split_parameters(network(), torch.zeros(42))


@pytest.mark.parametrize("seed", range(3))
def test_influence_predicts_exact_retraining(seed: int) -> None:
    """Pearson r >= 0.95 between predicted and exact change of a target's margin, 50 batches."""
    rng, l2 = np.random.default_rng(seed), 1e-3
    features, labels = mixture(rng, 600)
    target = mixture(rng, 1)[0][0]
    full = fit_convex(features, labels, 3, 600 * l2)
    p = full.posteriors(features)
    gradients = softmax_record_gradients(features, p, labels)
    inverse = torch.linalg.inv(softmax_hessian(features, p, l2=l2))

    def margin(weight: Tensor) -> float:
        top = (weight.view(3, -1) @ target).topk(2).values
        return float(top[0] - top[1])

    here = margin(full.weights)
    predicted, exact = [], []
    for _ in range(50):
        batch = torch.from_numpy(rng.choice(600, 30, replace=False))
        step = removal_step(gradients[batch], lambda v: inverse @ v, 600)
        predicted.append(margin(full.weights + step) - here)
        # The removed records' share of the mean loss goes, and so does their weight in the mean:
        # the same minimum is that of the sum with the ridge at its old strength.
        exact.append(margin(full.without(batch).weights) - here)
    assert np.corrcoef(predicted, exact)[0, 1] >= 0.95
