"""Amnesiac unlearning: take back the updates of every batch that held a record to forget.

Graves, Nagisetty and Ganesh, "Amnesiac Machine Learning", AAAI 2021 (their second method). Later
batches were trained on weights that the forgotten ones had moved, so that this is not exact; and
the more batches held forgotten records, the less of the training is left. As theirs, ours repairs
the model by some steps on what is retained.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.influence import flatten_parameters, set_parameters
from sterling.privacy.unlearning.descent import Descent, descend, learn
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.losses import mean_loss


class Amnesiac(nn.Module):
    """A model with the log of its training.

    Attributes:
        model: The trained model.
        batches: Ids of each logged step's records.
        updates: Change of the flattened weights by each logged step, (steps, weights).
    """

    def __init__(
        self, model: nn.Module, batches: Sequence[Tensor], updates: Sequence[Tensor]
    ) -> None:
        super().__init__()
        self.model = model
        self.batches = tuple(batches)
        self.updates = tuple(updates)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the model's outputs."""
        outputs: Tensor = self.model(inputs)
        return outputs


def fit_amnesiac(
    network: nn.Module, examples: Examples, watched: Tensor, descent: Descent, seed: int
) -> Amnesiac:
    """Train by Adam and log every step whose batch holds a watched record.

    Args:
        network: Untrained network; left as it is.
        examples: Training set.
        watched: Ids of records that somebody may ask to forget; others need no log.
        descent: Steps and rate of training. A log holds one copy of the weights per logged step.
        seed: Seed of the order of examples.
    """
    ids: list[Tensor] = []
    batches: list[Tensor] = []
    updates: list[Tensor] = []
    last = flatten_parameters(network)

    def objective(student: nn.Module, batch: Examples, _same: Examples) -> Tensor:
        ids[:] = [batch.ids]
        return mean_loss(student(batch.inputs), batch.labels)

    def log(student: nn.Module) -> None:
        nonlocal last
        now = flatten_parameters(student)
        if torch.isin(ids[0], watched).any():
            batches.append(ids[0])
            updates.append(now - last)
        last = now

    rng = torch.Generator().manual_seed(seed)
    model = descend(network, objective, examples, examples, rng, descent, after_step=log)
    return Amnesiac(model, batches, updates)


def amnesiac(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, *, descent: Descent
) -> nn.Module:
    """Subtract the logged updates of all batches with a forgotten record, then repair.

    Constants:
        descent: Steps and rate of the repair on what is retained; 0 steps repair nothing.

    Returns:
        A model with the log of what is left, so that it can forget again.

    Raises:
        InputError: When the model has no log, or no batch of it held a record to forget.
    """
    if not isinstance(model, Amnesiac):
        raise InputError(
            f"amnesiac unlearning needs the log of fit_amnesiac, not {type(model).__name__}"
        )
    gone = [bool(torch.isin(batch, forget.ids).any()) for batch in model.batches]
    if not any(gone):
        raise InputError("forget set: no logged batch held one of its records; watch them")
    steps = list(zip(model.batches, model.updates, gone, strict=True))
    student = copy.deepcopy(model.model)
    taken_back = torch.stack([update for _, update, left in steps if left]).sum(0)
    set_parameters(student, flatten_parameters(model.model) - taken_back)
    repaired = learn(student, retain, rng, descent)
    kept_log = [(batch, update) for batch, update, left in steps if not left]
    return Amnesiac(repaired, [b for b, _ in kept_log], [u for _, u in kept_log])
