import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.targets.models import Models, cnn, initialise, mlp, softmax_regression
from sterling.privacy.targets.training import Recipe, balanced_membership, train_many


def problem(shape: tuple[int, ...], records: int = 61) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(records, *shape, generator=generator, dtype=torch.float64)
    return x, torch.randint(4, (records,), generator=generator)


def untrained(build: Callable[[], nn.Module], seeds: list[int]) -> Models:
    models = initialise(build, seeds)
    return Models(models.network, {name: p.double() for name, p in models.parameters.items()})


def alone(
    module: nn.Module, x: Tensor, y: Tensor, own: NDArray[np.bool_], recipe: Recipe, seed: int
) -> nn.Module:
    """One model by PyTorch's own optimiser and scheduler."""
    x, y = x[torch.from_numpy(own)], y[torch.from_numpy(own)]
    steps = recipe.epochs * math.ceil(len(x) / recipe.batch_size)
    optimiser = torch.optim.SGD(
        module.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(recipe.epochs):
        for batch in torch.split(torch.randperm(len(x), generator=generator), recipe.batch_size):
            optimiser.zero_grad()
            F.cross_entropy(module(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return module


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: softmax_regression((6,), 4), (6,)),
        (lambda: mlp((6,), 4, width=9), (6,)),
        (lambda: cnn((2, 8, 8), 4, width=3), (2, 8, 8)),
    ],
)
def test_trained_together_equals_a_plain_loop(
    build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    x, y = problem(shape)
    seeds, recipe = [3, 4, 5, 9], Recipe(3, 8, 0.05, 0.8, 0.01)
    membership = np.random.default_rng(1).random((4, len(x))) < [[0.2], [0.5], [0.9], [0.05]]
    models = untrained(build, seeds)
    together = train_many(models, x, y, membership, recipe, seeds=seeds)
    logits = together.logits(x, batch_size=7)
    for row, seed in enumerate(seeds):
        module = alone(models.module(row), x, y, membership[row], recipe, seed)
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(together.parameters[name][row], parameter.detach())
        torch.testing.assert_close(logits[row], module(x).detach())
        torch.testing.assert_close(together.module(row)(x).detach(), logits[row])


def test_a_model_does_not_depend_on_its_neighbours() -> None:
    x, y = problem((5,))
    membership = np.random.default_rng(0).random((3, len(x))) < [[0.3], [0.95], [0.5]]
    models = untrained(lambda: mlp((5,), 4), [0, 1, 2])
    together = train_many(models, x, y, membership, Recipe(epochs=4), seeds=[7, 8, 9])
    for row in range(3):
        single = train_many(
            models.select([row]), x, y, membership[[row]], Recipe(epochs=4), seeds=[7 + row]
        )
        for name, parameter in single.parameters.items():
            torch.testing.assert_close(together.parameters[name][row], parameter[0])


def test_training_leaves_its_start_and_the_global_generator_alone() -> None:
    x, y = problem((5,))
    state = torch.get_rng_state()
    models = untrained(lambda: mlp((5,), 4), [0, 1])
    before = {name: p.clone() for name, p in models.parameters.items()}
    train_many(models, x, y, np.ones((2, len(x)), bool), Recipe(epochs=1), seeds=[0, 1])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(models.parameters[name], p) for name, p in before.items())
    assert not torch.equal(*next(iter(before.values())))


def test_pairs_are_complements_and_every_record_is_in_half_of_the_models() -> None:
    membership = balanced_membership(8, 31, np.random.default_rng(0))
    assert (membership.sum(0) == 4).all()
    assert (membership[::2] != membership[1::2]).all()
    assert set(membership.sum(1)) == {15, 16}
    assert len({row.tobytes() for row in membership}) == 8


def test_wrong_input_is_refused() -> None:
    x, y = problem((5,))
    models = untrained(lambda: mlp((5,), 4), [0, 1])
    everyone = np.ones((2, len(x)), bool)
    with pytest.raises(InputError, match=r"true or false per model and record, \(2, 61\)"):
        train_many(models, x, y, everyone[:1], Recipe(), seeds=[0, 1])
    with pytest.raises(InputError, match="1 seeds for 2 models"):
        train_many(models, x, y, everyone, Recipe(), seeds=[0])
    nobody = everyone.copy()
    nobody[1] = False
    with pytest.raises(InputError, match="model 1 has no record"):
        train_many(models, x, y, nobody, Recipe(), seeds=[0, 1])
    with pytest.raises(InputError, match="not finite"):
        train_many(models, x * float("nan"), y, everyone, Recipe(), seeds=[0, 1])
    with pytest.raises(InputError, match="epochs is 0"):
        Recipe(epochs=0)
    with pytest.raises(InputError, match="momentum is 1"):
        Recipe(momentum=1.0)
    with pytest.raises(InputError, match="even number of models"):
        balanced_membership(3, 10, np.random.default_rng(0))
    with pytest.raises(InputError, match="'mlp' or 'softmax'"):
        cnn((64,), 10)
    with pytest.raises(InputError, match="running_mean"):
        initialise(lambda: nn.BatchNorm1d(3), [0])
    with pytest.raises(InputError, match="at least one"):
        initialise(lambda: mlp((5,), 4), [])
