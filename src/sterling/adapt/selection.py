"""Checkpoint and step of a learner chosen on validation tasks, before any test task is seen."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.adapt.episodes import Task
from sterling.adapt.fit_meta import OptimizerOf, fit_meta
from sterling.adapt.learners import Learner
from sterling.errors import InputError

Draw = Callable[[int], Task]


@runtime_checkable
class Stepwise(Protocol):
    """A learner with logits before its first step of adaptation and after each."""

    def logits_by_step(self, task: Task) -> Tensor:
        """Return logits (steps + 1, queries, ways)."""
        ...


@dataclass(frozen=True, eq=False)
class Judged:
    """Accuracy and cross-entropy on the queries of some tasks.

    Attributes:
        accuracy: (tasks, steps + 1), in [0, 1]; one column for a learner without steps.
        cross_entropy: Mean over queries, in nats, of the same shape.
    """

    accuracy: NDArray[np.float64]
    cross_entropy: NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """Checkpoint and step that validation chose.

    Attributes:
        iteration: Iteration of meta-training whose weights the learner now has.
        step: Step of adaptation.
        accuracy: Accuracy on the validation tasks; optimistic, being the largest of several.
    """

    iteration: int
    step: int
    accuracy: float


def judge_tasks(learner: Learner, draw: Draw, numbers: range) -> Judged:
    """Return accuracy and cross-entropy of tasks after every step of adaptation."""
    rows = []
    for task in map(draw, numbers):
        logits = (
            learner.logits_by_step(task)
            if isinstance(learner, Stepwise)
            else learner.predict(task)[None]
        )
        right = logits.argmax(dim=2) == task.query_labels
        wanted = task.query_labels.expand(len(logits), -1)
        loss = F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none")
        rows.append((right.double().mean(dim=1).tolist(), loss.double().mean(dim=1).tolist()))
    accuracy, cross_entropy = np.array(rows).transpose(1, 0, 2)
    return Judged(accuracy, cross_entropy)


def fit_chosen(
    learner: Learner,
    training: Draw,
    validation: Draw,
    *,
    iterations: int,
    checks: int,
    numbers: range,
    tasks: int = 4,
    at_once: bool = False,
    optimizer: OptimizerOf | None = None,
    clip: float | None = None,
) -> Chosen:
    """Meta-train, and keep the weights of the checkpoint that is best on validation tasks.

    Args:
        learner: Learner to train in place; it ends with the chosen weights.
        training: Maps a number to a task of the training classes.
        validation: Maps a number to a task of classes that are neither trained nor tested on.
        iterations: Number of outer steps.
        checks: Number of checkpoints, evenly apart; the last is the end.
        numbers: Numbers of the validation tasks.
        tasks: Number of tasks of an outer step.
        at_once: As in `fit_meta`.
        optimizer: As in `fit_meta`.
        clip: As in `fit_meta`.

    Raises:
        InputError: More checkpoints than iterations, or none; no validation tasks.
    """
    if not 1 <= checks <= iterations or not numbers:
        raise InputError(
            f"checks {checks}, iterations {iterations}, {len(numbers)} validation tasks: give 1 "
            "check to one for each iteration, and tasks to choose by"
        )
    best, kept = Chosen(0, 0, -1.0), _weights(learner)
    with TemporaryDirectory() as folder:  # fit_meta resumes from there
        for check in range(1, checks + 1):
            until = round(iterations * check / checks)
            fit_meta(
                learner,
                training,
                iterations=until,
                tasks=tasks,
                at_once=at_once,
                optimizer=optimizer,
                clip=clip,
                folder=Path(folder),
                every=iterations + 1,
            )
            means = judge_tasks(learner, validation, numbers).accuracy.mean(axis=0)
            step = int(means.argmax())
            if means[step] > best.accuracy:
                best, kept = Chosen(until, step, float(means[step])), _weights(learner)
    for name, part in learner.parts().items():
        part.load_state_dict(kept[name])
    return best


def _weights(learner: Learner) -> dict[str, dict[str, Tensor]]:
    return {
        name: {key: value.detach().clone() for key, value in part.state_dict().items()}
        for name, part in learner.parts().items()
    }
