"""Every method on a small classifier: it leaves the model alone, repeats, forgets, and retains."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.data.records import simulated_records
from sterling.privacy.influence import flatten_parameters
from sterling.privacy.targets.models import initialise, mlp
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import (
    Descent,
    Examples,
    Method,
    catalogue,
    split_request,
    train_by_recipe,
)

TRAIN = train_by_recipe(Recipe(epochs=60, learning_rate=0.1))
METHODS = catalogue(TRAIN, Descent(steps=60, learning_rate=3e-3, batch_size=32))
WITHOUT_RETAIN = {"GA", "task vector", "boundary shrink", "boundary expand"}
NOT_RAISING_THE_LOSS = {"FT", "l1-sparse", "Fisher"}


def problem() -> tuple[nn.Module, Examples, Examples]:
    """An MLP that memorises 80 records of a noisy three-class problem, 16 of them to forget."""
    records = simulated_records(80, classes=3, features=12, separation=2.0, seed=1)
    training = Examples(
        torch.from_numpy(records.x), torch.from_numpy(records.y), torch.arange(1000, 1080)
    )
    forget, retain = split_request(training, range(1000, 1016))
    network = initialise(lambda: mlp((12,), 3, width=32), [0]).module(0)
    return TRAIN(network, training, 0), forget, retain


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, Examples, Examples]:
    return problem()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def loss(model: nn.Module, examples: Examples) -> float:
    return float(F.cross_entropy(model(examples.inputs), examples.labels))


@torch.no_grad()
def accuracy(model: nn.Module, examples: Examples) -> float:
    return float((model(examples.inputs).argmax(1) == examples.labels).float().mean())


@pytest.mark.parametrize("name", METHODS)
def test_contract(name: str, trained: tuple[nn.Module, Examples, Examples]) -> None:
    model, forget, retain = trained
    before = flatten_parameters(model)
    method = METHODS[name]
    unlearned = method(model, forget, retain, generator())
    assert torch.equal(flatten_parameters(model), before), "the model itself was changed"
    assert not unlearned.training
    assert all(value.requires_grad for value in unlearned.parameters())
    assert [value.shape for value in unlearned.parameters()] == [
        value.shape for value in model.parameters()
    ]
    again = method(model, forget, retain, generator())
    assert torch.equal(flatten_parameters(again), flatten_parameters(unlearned))
    assert not torch.equal(flatten_parameters(unlearned), before)
    if name not in NOT_RAISING_THE_LOSS:
        assert loss(unlearned, forget) > 2 * loss(model, forget)
    if name not in WITHOUT_RETAIN:
        assert accuracy(unlearned, retain) >= 0.85


@pytest.mark.parametrize(
    "name", [name for name, method in METHODS.items() if hasattr(method.config, "descent")]
)
def test_zero_steps_change_nothing(
    name: str, trained: tuple[nn.Module, Examples, Examples]
) -> None:
    model, forget, retain = trained
    config = replace(METHODS[name].config, descent=Descent(steps=0))
    still = replace(METHODS[name], config=config)(model, forget, retain, generator())
    torch.testing.assert_close(flatten_parameters(still), flatten_parameters(model))


def test_a_retrained_model_never_saw_the_forget_set(
    trained: tuple[nn.Module, Examples, Examples],
) -> None:
    model, forget, retain = trained
    once = METHODS["retrain"](model, forget, retain, generator(3))
    other = forget.with_labels((forget.labels + 1) % 3)
    twice = METHODS["retrain"](model, other, retain, generator(3))
    assert torch.equal(flatten_parameters(once), flatten_parameters(twice))


def test_bad_requests_are_told(trained: tuple[nn.Module, Examples, Examples]) -> None:
    model, forget, retain = trained
    training = Examples(
        torch.cat([forget.inputs, retain.inputs]),
        torch.cat([forget.labels, retain.labels]),
        torch.cat([forget.ids, retain.ids]),
    )
    with pytest.raises(InputError, match="record 7 is not in the training set"):
        split_request(training, [1000, 7])
    with pytest.raises(InputError, match="the request is empty"):
        split_request(training, [])
    with pytest.raises(InputError, match="names every record"):
        split_request(training, training.ids)
    with pytest.raises(InputError, match="record 1000 is both to forget and to retain"):
        METHODS["FT"](model, forget, training, generator())
    with pytest.raises(InputError, match="the set is empty"):
        forget.select(torch.zeros(len(forget), dtype=torch.bool))
    broken = forget.inputs.clone()
    broken[3, 1] = torch.nan
    with pytest.raises(InputError, match="record 1003 holds a value that is not finite"):
        Examples(broken, forget.labels, forget.ids)
    with pytest.raises(InputError, match="an id is repeated"):
        Examples(forget.inputs, forget.labels, torch.zeros(16, dtype=torch.int64))
    with pytest.raises(InputError, match="16 inputs, 15 labels"):
        Examples(forget.inputs, forget.labels[1:], forget.ids)


class Wrong(nn.Module):
    """A model whose outputs are not numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, :3] * torch.nan + self.weight


def test_a_model_without_finite_outputs_is_told(
    trained: tuple[nn.Module, Examples, Examples],
) -> None:
    _, forget, retain = trained
    with pytest.raises(InputError, match="outputs that are not finite"):
        METHODS["FT"](Wrong(), forget, retain, generator())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"steps": -1}, "steps -1"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"learning_rate": 0.0}, "learning_rate 0"),
    ],
)
def test_bad_descents_are_told(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Descent(**config)


def test_a_diverging_rate_is_told(trained: tuple[nn.Module, Examples, Examples]) -> None:
    model, forget, retain = trained
    ascent: Method = METHODS["GA"]
    config = replace(ascent.config, descent=Descent(steps=200, learning_rate=1e30))
    with pytest.raises(InputError, match=r"lower the (learning )?rate"):
        replace(ascent, config=config)(model, forget, retain, generator())
