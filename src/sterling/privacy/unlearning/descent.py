"""The engine of gradient-based unlearning: ``forget_weight · loss + retain_weight · loss``.

`descend` minimises any objective of two batches; `minimise` composes one from two losses; `learn`
trains on one set.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sterling.checks import Count, Natural, Positive, check_fields
from sterling.errors import InputError
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.losses import Loss, cross_entropy, mean_loss

Objective = Callable[[nn.Module, Examples, Examples], Tensor]
"""From the student, a batch to forget and a batch to retain, to the loss to minimise."""


@dataclass(frozen=True)
class Descent:
    """Steps and rate by which a method moves the weights, by Adam.

    The papers tune these per model and data set; the defaults are ours.

    Attributes:
        steps: Number of updates; 0 leaves the model as it is.
        learning_rate: Learning rate of Adam.
        batch_size: Examples to forget, and as many to retain, per step.
    """

    steps: Natural = 60
    learning_rate: Positive = 1e-3
    batch_size: Count = 64

    def __post_init__(self) -> None:
        check_fields(self)


def draw_seed(rng: torch.Generator) -> int:
    """Draw a seed for another generator."""
    return int(torch.randint(2**62, (), generator=rng))


def batches(examples: Examples, size: int, rng: torch.Generator) -> Iterator[Examples]:
    """Yield batches without end, each pass over the examples in a new random order."""
    while True:
        for rows in torch.split(torch.randperm(len(examples), generator=rng), size):
            yield examples.batch(rows)


def frozen(model: nn.Module) -> nn.Module:
    """Copy a model in evaluation mode, without gradients, as a reference or a teacher."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def reset(model: nn.Module, rng: torch.Generator) -> nn.Module:
    """Copy the model's architecture with new initial weights.

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
    """Minimise an objective, starting from a model that is left as it is.

    Args:
        model: Start.
        objective: Loss of the student on a batch to forget and a batch to retain.
        forget: Source of the first batches.
        retain: Source of the second batches.
        rng: Draws the order of examples.
        descent: Steps and rate.
        masks: 1 for entries of each trained parameter that may move, else 0; None moves all.
        trained: Predicate on the names of the parameters to train.
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


def minimise(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    forget_loss: Loss | None = None,
    retain_loss: Loss | None = cross_entropy,
    forget_weight: float = 1.0,
    retain_weight: float = 1.0,
    descent: Descent,
    masks: list[Tensor] | None = None,
    trained: Callable[[str], bool] = lambda _name: True,
) -> nn.Module:
    """Unlearn by minimising ``forget_weight · forget_loss + retain_weight · retain_loss``.

    Args:
        model: Model to unlearn from; left as it is.
        forget: Examples to forget.
        retain: Examples to retain.
        rng: Draws the order of examples.
        forget_loss: Loss on the forget set; None leaves the term out.
        retain_loss: Loss on the retain set; None leaves the term out.
        forget_weight: γ of the forget loss.
        retain_weight: α of the retain loss.
        descent: Steps and rate.
        masks: As in `descend`.
        trained: As in `descend`.

    Returns:
        The student, in evaluation mode.
    """
    before = frozen(model)
    terms = [(forget_weight, forget_loss), (retain_weight, retain_loss)]

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        values = [
            weight * loss(student, before, batch)
            for (weight, loss), batch in zip(terms, (gone, kept), strict=True)
            if loss is not None
        ]
        return values[0] if len(values) == 1 else values[0] + values[1]

    return descend(model, objective, forget, retain, rng, descent, masks=masks, trained=trained)


def learn(
    model: nn.Module,
    examples: Examples,
    rng: torch.Generator,
    descent: Descent,
    *,
    trained: Callable[[str], bool] = lambda _name: True,
    after_step: Callable[[nn.Module], None] = lambda _student: None,
) -> nn.Module:
    """Train on the cross-entropy of some examples; arguments as in `descend`."""

    def objective(student: nn.Module, batch: Examples, _same: Examples) -> Tensor:
        return mean_loss(student(batch.inputs), batch.labels)

    return descend(
        model, objective, examples, examples, rng, descent, trained=trained, after_step=after_step
    )
