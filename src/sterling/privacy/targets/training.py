"""Train many models together, each on its own subset of the records.

An audit by shadow models trains dozens of small networks. One by one they spend most of their time
in the overhead of small operations; stacked, each operation does the work of all of them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, vmap

from sterling.checks import Count, Positive, Range, Weight, check_fields
from sterling.errors import InputError
from sterling.privacy.targets.models import Models


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum; the rate falls to zero along a half cosine.

    Attributes:
        epochs: Passes over a model's own records.
        batch_size: Records per step; an epoch's last batch holds what is left.
        learning_rate: Learning rate at the first step.
        momentum: Momentum in [0, 1).
        weight_decay: Weight of the parameter that is added to the gradient.
    """

    epochs: Count = 30
    batch_size: Count = 32
    learning_rate: Positive = 0.1
    momentum: Annotated[float, Range(0, 1, open_high=True)] = 0.9
    weight_decay: Weight = 0.0

    def __post_init__(self) -> None:
        check_fields(self)


def balanced_membership(models: int, records: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw training sets so that every record is in exactly half of the models.

    Models 2i and 2i + 1 are complements of each other (Carlini et al., 2022); the first of a pair
    takes a random half of the records.

    Args:
        models: Number of models, even.
        records: Number of records, 2 or more.
        rng: Draws the halves.

    Returns:
        (models, records).
    """
    if models < 2 or models % 2 or records < 2:
        raise InputError(
            f"{models} models on {records} records: give an even number of models, 2 records or "
            "more"
        )
    halves = np.zeros((models // 2, records), dtype=np.bool_)
    for half in halves:
        half[rng.permutation(records)[: records // 2]] = True
    return np.stack([halves, ~halves], axis=1).reshape(models, records)


def train_many(
    models: Models,
    x: Tensor,
    y: Tensor,
    membership: NDArray[np.bool_],
    recipe: Recipe,
    *,
    seeds: Sequence[int],
) -> Models:
    """Train every model on its own records by cross-entropy; start from the models given.

    Each model is trained as if it were alone: its batches, steps and learning rates depend on its
    own records and seed only. In each epoch a model visits its records, taken in their order, in
    the order of ``torch.randperm`` from a generator that starts at the model's seed.

    Args:
        models: Models to start from; they are left as they are.
        x: Records, (records, *shape); taken to the models' floating-point type.
        y: Classes, (records,), whole numbers from 0.
        membership: Whether a model is trained on a record, (models, records).
        recipe: Training of each model.
        seeds: Seed of each model's order of records.

    Raises:
        InputError: Shapes that do not fit, or a model without a record.
    """
    _check(models, x, y, membership, seeds)
    x = x.to(models.dtype)
    parameters = {name: p.clone().requires_grad_() for name, p in models.parameters.items()}
    velocity = {name: torch.zeros_like(p) for name, p in parameters.items()}

    def loss(own: dict[str, Tensor], records: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
        logits = functional_call(models.network, own, records)
        return (F.cross_entropy(logits, labels, reduction="none") * weight).sum()

    # Over one model, mapping would cost more than the model's own steps.
    losses = vmap(loss) if len(models) > 1 else _of_one(loss)
    for index, rate in _batches(membership, recipe, seeds):
        present = index >= 0
        weight = present.to(models.dtype)
        weight /= weight.sum(1, keepdim=True).clamp_min(1)
        chosen = index.clamp_min(0)
        # The models share no parameter: the gradient of the sum is the gradient of each loss.
        total = losses(parameters, x[chosen], y[chosen], weight).sum()
        gradients = torch.autograd.grad(total, list(parameters.values()))
        with torch.no_grad():
            _step(parameters, velocity, gradients, rate.to(models.dtype), present.any(1), recipe)
    return Models(models.network, {name: p.detach() for name, p in parameters.items()})


def _of_one(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a stand-in for ``vmap(loss)`` where all arguments hold one model."""

    def losses(parameters: dict[str, Tensor], *batch: Tensor) -> Tensor:
        return loss({name: p[0] for name, p in parameters.items()}, *[part[0] for part in batch])

    return losses


def _step(
    parameters: dict[str, Tensor],
    velocity: dict[str, Tensor],
    gradients: Sequence[Tensor],
    rate: Tensor,
    active: Tensor,
    recipe: Recipe,
) -> None:
    # A model whose epoch is over waits for those with more records: its gradient is 0, its velocity
    # and parameters stay.
    momentum = torch.where(active, recipe.momentum, 1.0).to(rate)
    rate = rate.where(active, 0)
    for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
        each = (-1,) + (1,) * (parameter.ndim - 1)
        velocity[name].mul_(momentum.view(each)).add_(gradient)
        if recipe.weight_decay:
            decay = (recipe.weight_decay * active).to(rate)
            velocity[name].addcmul_(parameter, decay.view(each))
        parameter.addcmul_(velocity[name], rate.view(each), value=-1)


def _batches(
    membership: NDArray[np.bool_], recipe: Recipe, seeds: Sequence[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield positions of each step's records, (models, batch), -1 for none, and the rates."""
    members = [torch.from_numpy(np.flatnonzero(row)) for row in membership]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    steps = torch.tensor([math.ceil(len(own) / recipe.batch_size) for own in members])
    longest = int(steps.max())
    for epoch in range(recipe.epochs):
        order = torch.full((len(members), longest * recipe.batch_size), -1)
        for row, own, generator in zip(order, members, generators, strict=True):
            row[: len(own)] = own[torch.randperm(len(own), generator=generator)]
        for step, index in enumerate(torch.split(order, recipe.batch_size, dim=1)):
            done = (epoch * steps + step) / (recipe.epochs * steps)
            yield index, recipe.learning_rate * (1 + torch.cos(math.pi * done.double())) / 2


def _check(
    models: Models, x: Tensor, y: Tensor, membership: NDArray[np.bool_], seeds: Sequence[int]
) -> None:
    if membership.dtype != np.bool_ or membership.shape != (len(models), len(x)):
        raise InputError(
            f"membership is {membership.dtype} {membership.shape}; give true or false per model "
            f"and record, ({len(models)}, {len(x)})"
        )
    if y.shape != (len(x),) or len(seeds) != len(models):
        raise InputError(
            f"{len(y)} labels for {len(x)} records, {len(seeds)} seeds for {len(models)} models: "
            "give one each"
        )
    if not torch.isfinite(x).all():
        raise InputError("x: a record holds a value that is not finite; leave it out")
    empty = ~membership.any(axis=1)
    if empty.any():
        raise InputError(f"membership: model {int(empty.argmax())} has no record to train on")
