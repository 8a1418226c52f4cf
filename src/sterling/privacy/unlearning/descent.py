"""The loop that gradient-based unlearning methods share."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.examples import Examples

Objective = Callable[[nn.Module, Examples, Examples], Tensor]
"""From the student, a batch to forget and a batch to retain, to the loss to minimise."""


@dataclass(frozen=True)
class Descent:
    """How far and how fast a method moves the weights, by Adam.

    The papers tune these per model and data set; the defaults are ours.

    Attributes:
        steps: Updates; 0 leaves the model as it is.
        learning_rate: Of Adam.
        batch_size: Examples to forget, and as many to retain, per step.
    """

    steps: int = 60
    learning_rate: float = 1e-3
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.steps < 0 or self.batch_size < 1 or not self.learning_rate > 0:
            raise InputError(
                f"steps {self.steps}, batch_size {self.batch_size}, learning_rate "
                f"{self.learning_rate}: give 0 or more, 1 or more, and above 0"
            )


def draw_seed(rng: torch.Generator) -> int:
    """A seed for another generator, from this one."""
    return int(torch.randint(2**62, (), generator=rng))


def batches(examples: Examples, size: int, rng: torch.Generator) -> Iterator[Examples]:
    """Endless batches, each pass over the examples in a new random order."""
    while True:
        for rows in torch.split(torch.randperm(len(examples), generator=rng), size):
            yield examples.batch(rows)


def frozen(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode that takes no gradient: a reference, a teacher."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def reset(model: nn.Module, rng: torch.Generator) -> nn.Module:
    """A copy of the model's architecture with new initial weights.

    Raises:
        InputError: When a layer that holds parameters has no ``reset_parameters``.
    """
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw_seed(rng))
        for layer in fresh.modules():
            renew = getattr(layer, "reset_parameters", None)
            if callable(renew):
                renew()
            elif next(layer.parameters(recurse=False), None) is not None:
                raise InputError(
                    f"{type(layer).__name__} has parameters but no reset_parameters(); give it one"
                )
    return fresh


def descend(
    model: nn.Module,
    objective: Objective,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    descent: Descent,
    *,
    masks: list[Tensor] | None = None,
    trained: Callable[[str], bool] = lambda _name: True,
    after_step: Callable[[nn.Module], None] = lambda _student: None,
) -> nn.Module:
    """Minimise an objective from the model on; the model itself is left as it is.

    Args:
        model: Where to start.
        objective: What to minimise.
        forget: Batches of these come first in the objective.
        retain: And of these second.
        rng: Draws the order of examples.
        descent: Steps and rate.
        masks: Which entries of each trained parameter may move, 0 or 1; None lets all move.
        trained: Which parameters are trained at all, by name.
        after_step: Called with the student after each update.

    Returns:
        The student, in evaluation mode.

    Raises:
        InputError: When the loss stops being finite: the rate is too high for this method.
    """
    student = copy.deepcopy(model).train()
    parameters = [value for name, value in student.named_parameters() if trained(name)]
    if not parameters:
        raise InputError("no parameter is named to be trained; check the layer's name")
    optimiser = torch.optim.Adam(parameters, lr=descent.learning_rate, fused=True)
    to_forget = batches(forget, descent.batch_size, rng)
    to_retain = batches(retain, descent.batch_size, rng)
    for step in range(descent.steps):
        loss = objective(student, next(to_forget), next(to_retain))
        if not math.isfinite(loss.item()):
            raise InputError(
                f"learning_rate {descent.learning_rate}: the loss was {loss.item()} at step "
                f"{step}; lower the rate or the steps"
            )
        for value in parameters:
            value.grad = None
        # Not autograd.grad: the fused step needs gradients that lie in memory as parameters do.
        torch.autograd.backward(loss, inputs=parameters)
        if masks is not None:
            for value, mask in zip(parameters, masks, strict=True):
                if value.grad is not None:
                    value.grad.mul_(mask)
        optimiser.step()
        after_step(student)
    return student.eval()
