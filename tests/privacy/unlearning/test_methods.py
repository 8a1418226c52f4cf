"""Every method on a small classifier: it leaves the model alone, repeats, forgets, and retains."""

from inspect import signature
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.draws import seeded
from tests.privacy.small import examples, network, with_descent
from torch import nn

from sterling.errors import InputError
from sterling.privacy.influence import flatten_parameters
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import (
    Descent,
    Examples,
    fit_amnesiac,
    split_deletion_request,
    train_by_recipe,
    unlearning_methods,
)
from sterling.privacy.unlearning.descent import minimise
from sterling.privacy.unlearning.distillation import scrub
from sterling.privacy.unlearning.gradient_based import pdu
from sterling.privacy.unlearning.losses import logit_margin_loss
from sterling.privacy.unlearning.rmu import rmu
from sterling.testing import check_unlearning

TRAIN = train_by_recipe(Recipe(epochs=60, learning_rate=0.1))
METHODS = unlearning_methods(TRAIN, Descent(steps=60, learning_rate=3e-3, batch_size=32))
WITHOUT_RETAIN = {"GA", "task vector", "boundary shrink", "boundary expand", "UNDIAL", "CE-U"}
NOT_RAISING_THE_LOSS = {"FT", "l1-sparse", "Fisher"}


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, Examples, Examples]:
    """An MLP that memorises 80 records of a noisy three-class problem, 16 of them to forget."""
    training = examples(80, features=12, seed=1, first_id=1000)
    forget, retain = split_deletion_request(training, range(1000, 1016))
    return TRAIN(network(12, width=32), training, 0), forget, retain


@torch.no_grad()
def loss(model: nn.Module, examples: Examples) -> float:
    return float(F.cross_entropy(model(examples.inputs), examples.labels))


@torch.no_grad()
def accuracy(model: nn.Module, examples: Examples) -> float:
    return float((model(examples.inputs).argmax(1) == examples.labels).float().mean())


@pytest.mark.parametrize("name", METHODS)
def test_contract(name: str, trained: tuple[nn.Module, Examples, Examples]) -> None:
    model, forget, retain = trained
    unlearned = check_unlearning(METHODS[name], model, forget, retain)
    if name not in NOT_RAISING_THE_LOSS:
        assert loss(unlearned, forget) > 2 * loss(model, forget)
    if name not in WITHOUT_RETAIN:
        assert accuracy(unlearned, retain) >= 0.85


@pytest.mark.parametrize(
    "name", [n for n, each in METHODS.items() if "descent" in getattr(each.unlearn, "keywords", ())]
)
def test_zero_steps_change_nothing(
    name: str, trained: tuple[nn.Module, Examples, Examples]
) -> None:
    model, forget, retain = trained
    still = with_descent(METHODS[name], Descent(steps=0))(model, forget, retain, seeded())
    torch.testing.assert_close(flatten_parameters(still), flatten_parameters(model))


def test_a_retrained_model_never_saw_the_forget_set(
    trained: tuple[nn.Module, Examples, Examples],
) -> None:
    model, forget, retain = trained
    once = METHODS["retrain"](model, forget, retain, seeded(3))
    other = forget.with_labels((forget.labels + 1) % 3)
    twice = METHODS["retrain"](model, other, retain, seeded(3))
    assert torch.equal(flatten_parameters(once), flatten_parameters(twice))


def test_bad_deletion_requests_are_told(trained: tuple[nn.Module, Examples, Examples]) -> None:
    model, forget, retain = trained
    training = forget.join(retain)
    for asked, message in (
        ([1000, 7], "record 7 is not in the training set"),
        ([], "the request is empty"),
        (training.ids, "names every record"),
    ):
        with pytest.raises(InputError, match=message):
            split_deletion_request(training, asked)
    with pytest.raises(InputError, match="record 1000 is both to forget and to retain"):
        METHODS["FT"](model, forget, training, seeded())
    broken = forget.inputs.clone()
    broken[3, 1] = torch.nan
    for inputs, labels, ids, message in (
        (forget.inputs[:0], forget.labels[:0], forget.ids[:0], "the set is empty"),
        (broken, forget.labels, forget.ids, "record 1003 holds a value that is not finite"),
        (forget.inputs, forget.labels, torch.zeros(16, dtype=torch.int64), "an id is repeated"),
        (forget.inputs, forget.labels[1:], forget.ids, "16 inputs, 15 labels"),
    ):
        with pytest.raises(InputError, match=message):
            Examples(inputs, labels, ids)


def test_a_model_without_finite_outputs_is_told(
    trained: tuple[nn.Module, Examples, Examples],
) -> None:
    _, forget, retain = trained
    broken = network(12)
    nn.init.constant_(next(broken.parameters()), torch.nan)
    with pytest.raises(InputError, match="outputs that are not finite"):
        METHODS["FT"](broken, forget, retain, seeded())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
    ],
)
def test_bad_descents_are_told(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Descent(**config)


def test_a_diverging_rate_is_told(trained: tuple[nn.Module, Examples, Examples]) -> None:
    model, forget, retain = trained
    with pytest.raises(InputError, match=r"lower the (learning )?rate"):
        with_descent(METHODS["GA"], Descent(200, 1e30))(model, forget, retain, seeded())


def test_rewinding_ends_at_the_last_step_nearest_to_the_validation_error() -> None:
    everything = examples(120)
    start = fit_amnesiac(network(), everything, torch.tensor([0]), Descent(150, 1e-2), 0).model
    forget, retain = split_deletion_request(everything, range(20))
    validation = examples(400).select(torch.arange(300, 400))

    def after(steps: int, among: Examples | None) -> nn.Module:
        return scrub(
            start,
            forget,
            retain,
            seeded(),
            ascents=3,
            validation=among,
            descent=Descent(steps, 0.1),
            note_step=noted.append,
        )

    noted: list[int] = []
    # A run of fewer steps passes the same weights: the oracle.
    moments = [after(steps, None) for steps in range(1, 13)]
    goal = 1 - accuracy(moments[-1], validation)
    distances = [abs(1 - accuracy(moment, forget) - goal) for moment in moments]
    nearest = max(step for step, distance in enumerate(distances) if distance == min(distances))
    assert nearest < 11, "or there is nothing to rewind"
    rewound = after(12, validation)
    assert torch.equal(flatten_parameters(rewound), flatten_parameters(moments[nearest]))
    assert noted == [nearest + 1]


def _bound(name: str) -> dict[str, Any]:
    found: dict[str, Any] = METHODS[name].unlearn.keywords  # type: ignore[attr-defined]
    return found


def test_weights_of_both_losses_are_those_of_the_released_configurations() -> None:
    """OpenUnlearning: SatImp 0.1 and 1; UNDIAL and CE-U without a retain term; RMU's c = 2."""
    assert _bound("SatImp")["forget_weight"] == 0.1
    assert "retain_weight" not in _bound("SatImp")
    for name in ("UNDIAL", "CE-U"):
        assert _bound(name)["retain_loss"] is None
    assert signature(rmu).parameters["scale"].default == 2
    constants = {name: one.default for name, one in signature(pdu).parameters.items()}
    assert constants["dual_step"] == 1


def test_the_multiplier_of_pdu_moves_after_its_warm_up(
    trained: tuple[nn.Module, Examples, Examples],
) -> None:
    """With a warm-up of all steps the multiplier is a constant weight of the retain loss."""
    model, forget, retain = trained
    descent = Descent(steps=4, learning_rate=1e-2, batch_size=32)

    def margin(student: nn.Module, _before: nn.Module, batch: Examples) -> torch.Tensor:
        return logit_margin_loss(student(batch.inputs), batch.labels)

    def ends(unlearned: nn.Module) -> torch.Tensor:
        return torch.cat([one.detach().flatten() for one in unlearned.parameters()])

    constant = minimise(model, forget, retain, seeded(), forget_loss=margin, descent=descent)
    warm, cold = (
        ends(pdu(model, forget, retain, seeded(), warm_up=share, bound=-1.0, descent=descent))
        for share in (1.0, 0.0)
    )
    torch.testing.assert_close(warm, ends(constant))
    assert not torch.allclose(cold, warm)
