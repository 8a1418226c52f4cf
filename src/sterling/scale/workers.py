"""Machines that each hold a part of the data and answer with gradients, sooner or later."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
Result = tuple[Weights, float, int]
"""Mean gradient over a shard, mean loss, and the number of examples."""

Gradient = Callable[[Weights, Any], Result]
"""From weights and a shard to its result."""

Delay = Callable[[int, int], float]
"""Seconds that a worker's step takes longer than its computation, from worker and step."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """Answer of a worker.

    Attributes:
        worker: Number of the worker.
        step: Step whose weights it was given.
        result: Its result; None where the worker crashed.
    """

    worker: int
    step: int
    result: Result | None


class Workers(Protocol):
    """One worker for each shard."""

    @property
    def count(self) -> int:
        """Number of workers, crashed ones included."""
        ...

    def now(self) -> float:
        """Return seconds on their clock."""
        ...

    def submit(self, worker: int, step: int, weights: Weights) -> None:
        """Give an idle worker weights."""
        ...

    def forget(self) -> None:
        """Drop work of an earlier training that is under way; its answers never come back."""
        ...

    def wait(self, timeout: float) -> list[Arrival]:
        """Return answers as soon as there are any, none after `timeout` seconds."""
        ...


@dataclass(eq=False)
class WatchedWorkers:
    """Workers that pass everything on to others and record the first weights of each step.

    Attributes:
        workers: Workers that do the work.
        weights: Weights that the workers were given first, by step.
    """

    workers: Workers
    weights: dict[int, Weights] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of workers."""
        return self.workers.count

    def now(self) -> float:
        """Return seconds on their clock."""
        return self.workers.now()

    def submit(self, worker: int, step: int, weights: Weights) -> None:
        """Give an idle worker weights, and keep the first of each step."""
        self.weights.setdefault(step, weights)
        self.workers.submit(worker, step, weights)

    def forget(self) -> None:
        """Drop work that is under way."""
        self.workers.forget()

    def wait(self, timeout: float) -> list[Arrival]:
        """Return the answers that have come back."""
        return self.workers.wait(timeout)
