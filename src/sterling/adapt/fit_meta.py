"""Meta-training: draw tasks, step along their mean meta-gradient, resume when interrupted."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from sterling.adapt.episodes import Task
from sterling.adapt.learners import BatchLearner, Learner, MetaLearner
from sterling.errors import InputError
from sterling.runs import track
from sterling.storage import read_sealed, write_sealed

logger = logging.getLogger("sterling")

T = TypeVar("T")
OptimizerOf = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@dataclass
class History:
    """Course of a meta-training.

    Attributes:
        losses: Mean outer loss of each iteration.
    """

    losses: list[float] = field(default_factory=list)


def fit_meta(
    learner: MetaLearner[T],
    draw: Callable[[int], T],
    *,
    iterations: int,
    tasks: int = 4,
    at_once: bool = False,
    optimizer: OptimizerOf | None = None,
    clip: float | None = None,
    folder: Path | None = None,
    every: int = 100,
    progress: bool = False,
) -> History:
    """Train the start of a learner.

    Args:
        learner: Learner whose parts are trained in place.
        draw: Maps a number to a task: iteration i takes numbers i · tasks to (i + 1) · tasks - 1.
        iterations: Number of outer steps.
        tasks: Number of tasks of an outer step.
        at_once: Run the tasks of an outer step, of equal shapes, through ``torch.vmap`` instead of
            one after the other: for GPUs, whose small kernels it fills.
        optimizer: Maps the parameters to an optimiser; Adam at 0.001 by default.
        clip: Bound ± of each number of the mean meta-gradient.
        folder: Folder of checkpoints; training resumes from one, with the same end.
        every: Number of iterations between checkpoints.
        progress: Show a bar.

    Raises:
        InputError: The folder holds a checkpoint of another learner, nothing is to be learned, or
            the learner cannot take tasks at once.
    """
    parameters = [one for part in learner.parts().values() for one in part.parameters()]
    parameters = [one for one in parameters if one.requires_grad]
    if not parameters:
        raise InputError("learner: none of its parameters is to be learned")
    shares = _at_once(learner) if at_once else _one_by_one(learner)
    steps = (optimizer or _adam)(parameters)
    history = History()
    if folder is not None:
        _restore(folder, learner, steps, history)
    with track("meta-training", iterations) if progress else nullcontext(_nothing) as advance:
        for iteration in range(len(history.losses), iterations):
            steps.zero_grad()
            drawn = map(draw, range(iteration * tasks, (iteration + 1) * tasks))
            total = 0.0
            for loss in shares(drawn, tasks):
                torch.autograd.backward(loss)
                total += float(loss.detach())
            if clip is not None:
                nn.utils.clip_grad_value_(parameters, clip)
            steps.step()
            history.losses.append(total)
            advance()
            if folder is not None and (iteration + 1) % every == 0:
                _save(folder, learner, steps, history)
    if folder is not None:
        _save(folder, learner, steps, history)
    return history


def evaluate_tasks(learner: Learner, draw: Callable[[int], Task], numbers: range) -> list[float]:
    """Return the accuracy on the queries of each of some tasks."""
    return [
        float((learner.predict(task).argmax(dim=1) == task.query_labels).double().mean())
        for task in map(draw, numbers)
    ]


def _one_by_one(learner: MetaLearner[T]) -> Callable[[Iterable[T], int], Iterator[Tensor]]:
    """Map the tasks of an outer step to the terms of its mean loss, one at a time."""
    return lambda drawn, tasks: (learner.outer_loss(task) / tasks for task in drawn)


def _at_once(learner: MetaLearner[T]) -> Callable[[Iterable[T], int], Iterator[Tensor]]:
    if not isinstance(learner, BatchLearner):
        raise InputError(f"at_once: {type(learner).__name__} has no outer_losses; leave it out")
    return lambda drawn, _tasks: iter([learner.outer_losses(list(drawn)).mean()])


def _adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, 1e-3)


def _nothing() -> None:
    """Show no progress."""


def _weights(learner: MetaLearner[Any]) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.detach().clone().contiguous()
        for name, part in learner.parts().items()
        for key, value in part.state_dict().items()
    }


def _save(
    folder: Path, learner: MetaLearner[Any], steps: torch.optim.Optimizer, history: History
) -> None:
    state: dict[int, dict[str, Any]] = steps.state_dict()["state"]
    moments = {
        f"{row}.{key}": torch.as_tensor(value)
        for row, one in state.items()
        for key, value in one.items()
    }
    content = save(
        {
            **{f"weights.{name}": value for name, value in _weights(learner).items()},
            **{f"optimizer.{name}": value.contiguous() for name, value in moments.items()},
            "losses": torch.tensor(history.losses, dtype=torch.float64),
        }
    )
    write_sealed(folder / "meta.safetensors", content)


def _restore(
    folder: Path, learner: MetaLearner[Any], steps: torch.optim.Optimizer, history: History
) -> None:
    path = folder / "meta.safetensors"
    try:
        stored: dict[str, Tensor] = load(read_sealed(path))
    except FileNotFoundError:
        return
    except ValueError as error:
        logger.warning("%s: training starts anew", error)
        return
    expected = {f"weights.{name}": value.shape for name, value in _weights(learner).items()}
    found = {name: one.shape for name, one in stored.items() if name.startswith("weights.")}
    if expected != found:
        raise InputError(f"{path}: is of another learner; choose another folder")
    for name, part in learner.parts().items():
        head = f"weights.{name}."
        part.load_state_dict(
            {key.removeprefix(head): one for key, one in stored.items() if key.startswith(head)}
        )
    state: dict[int, dict[str, Tensor]] = {}
    for name, one in stored.items():
        if name.startswith("optimizer."):
            _, row, key = name.split(".", 2)
            state.setdefault(int(row), {})[key] = one
    steps.load_state_dict({**steps.state_dict(), "state": state})
    history.losses[:] = stored["losses"].tolist()
