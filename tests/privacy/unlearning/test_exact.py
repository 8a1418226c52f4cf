"""SISA bit for bit, Newton steps against retraining, and methods on the Fisher diagonal."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.data.records import simulated_records
from sterling.privacy.influence import (
    flatten_parameters,
    hessian_matrix,
    per_record_gradients,
    set_parameters,
)
from sterling.privacy.targets.models import initialise, mlp, softmax_regression
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import (
    Examples,
    SisaConfig,
    fit_sisa,
    sisa,
    split_request,
    train_by_recipe,
)
from sterling.privacy.unlearning.fisher import fisher_diagonal
from sterling.privacy.unlearning.fisher_forgetting import (
    FisherForgettingConfig,
    fisher_forgetting,
)
from sterling.privacy.unlearning.newton import NewtonConfig, newton
from sterling.privacy.unlearning.ssd import SSDConfig, ssd


def examples(n: int = 120, seed: int = 0) -> Examples:
    records = simulated_records(n, classes=3, features=6, seed=seed)
    return Examples(torch.from_numpy(records.x), torch.from_numpy(records.y), torch.arange(n))


def network() -> nn.Module:
    return initialise(lambda: mlp((6,), 3, width=8), [0]).module(0)


def weights(model: nn.Module) -> Tensor:
    return flatten_parameters(model)


@pytest.mark.parametrize("seed", range(3))
def test_sisa_after_deletion_equals_sisa_without_the_record_bit_for_bit(seed: int) -> None:
    config = SisaConfig(train_by_recipe(Recipe(epochs=3)), shards=4, slices=3, seed=seed)
    everything = examples()
    asked = torch.randperm(120, generator=torch.Generator().manual_seed(seed))[:3]
    forget, retain = split_request(everything, asked)
    full = fit_sisa(network(), everything, config)
    kept = copy.deepcopy(full)
    after = sisa(full, forget, retain, torch.Generator(), config)
    never = fit_sisa(network(), retain, config)
    assert torch.equal(weights(after), weights(never))
    assert not torch.equal(weights(after), weights(full))
    assert torch.equal(weights(full), weights(kept))
    # Shards without a removed record are as they were.
    affected = {config.place(int(record))[0] for record in forget.ids}
    for shard in set(range(4)) - affected:
        before, now = full.checkpoints()[shard][-1], after.get_submodule(f"shards.{shard}.3")
        assert torch.equal(weights(before), weights(now))


def test_sisa_answers_with_the_mean_posterior() -> None:
    config = SisaConfig(train_by_recipe(Recipe(epochs=2)), shards=3, slices=1)
    everything = examples(60)
    model = fit_sisa(network(), everything, config)
    with torch.no_grad():
        parts = [chain[-1](everything.inputs).softmax(1) for chain in model.checkpoints()]
        torch.testing.assert_close(
            model(everything.inputs).exp(), torch.stack(parts).mean(0), rtol=1e-5, atol=1e-6
        )


def test_sisa_refuses_other_models() -> None:
    config = SisaConfig(train_by_recipe(Recipe(epochs=1)), shards=2, slices=2)
    everything = examples(60)
    forget, retain = split_request(everything, [0])
    with pytest.raises(InputError, match="not in Sequential"):
        sisa(network(), forget, retain, torch.Generator(), config)
    ensemble = fit_sisa(network(), everything, config)
    other = SisaConfig(config.train, shards=2, slices=3)
    with pytest.raises(InputError, match="trained with others"):
        sisa(ensemble, forget, retain, torch.Generator(), other)
    with pytest.raises(InputError, match="shards 0"):
        SisaConfig(config.train, shards=0)


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
    forget, retain = split_request(data, range(6))
    # The ridge of the sum stays what it was, as the method's derivation has it.
    exact = to_minimum(full, retain, l2 * 200 / 194)
    config = NewtonConfig("exact", damping=l2 * 200 / 194)
    after = newton(full, forget, retain, torch.Generator(), config)
    left = float((weights(after) - weights(exact)).norm())
    before = float((weights(full) - weights(exact)).norm())
    assert left < 0.05 * before
    factored = newton(full, forget, retain, torch.Generator(), NewtonConfig("kfac", 0.05))
    assert float((weights(factored) - weights(exact)).norm()) < before
    with pytest.raises(InputError, match="curvature 'lissa'"):
        NewtonConfig("lissa")  # type: ignore[arg-type]


def test_fisher_diagonal_is_the_mean_squared_gradient() -> None:
    data, model = examples(50), network()
    expected = torch.zeros_like(weights(model))
    for x, y in zip(data.inputs, data.labels, strict=True):
        loss = F.cross_entropy(model(x[None]), y[None])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        expected += torch.cat([g.flatten() for g in gradients]).square() / 50
    torch.testing.assert_close(fisher_diagonal(model, data, chunk=7), expected)


def test_dampening_shrinks_only_what_the_forget_set_uses_most() -> None:
    forget, retain = split_request(examples(), range(10))
    model = network()
    of_forget = fisher_diagonal(model, forget)
    of_all = (10 * of_forget + 110 * fisher_diagonal(model, retain)) / 120
    chosen = of_forget > 2 * of_all
    assert 0 < chosen.sum() < len(chosen)
    after = weights(ssd(model, forget, retain, torch.Generator(), SSDConfig(selection=2.0)))
    ratio = (after / weights(model)).nan_to_num(1.0)
    assert torch.equal(ratio[~chosen], torch.ones_like(ratio[~chosen]))
    torch.testing.assert_close(ratio[chosen], (of_all / of_forget)[chosen])


def test_fisher_noise_has_the_stated_spread() -> None:
    forget, retain = split_request(examples(), range(10))
    model, config = network(), FisherForgettingConfig(scale=0.1)
    noise = torch.stack(
        [
            weights(
                fisher_forgetting(model, forget, retain, torch.Generator().manual_seed(s), config)
            )
            - weights(model)
            for s in range(400)
        ]
    )
    expected = 0.1 * (fisher_diagonal(model, retain) + config.floor) ** -0.25
    # 400 draws: a standard deviation is known to 3.5 %; 83 weights within 5 of these.
    assert float((noise.std(0) / expected - 1).abs().max()) < 5 * 0.0354
