"""Machines that each hold a part of the data and answer with gradients, sooner or later."""

from collections.abc import Callable
from dataclasses import dataclass
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
    """What came back from a worker.

    Attributes:
        worker: Which.
        step: The step whose weights it was given.
        result: None where the worker crashed.
    """

    worker: int
    step: int
    result: Result | None


class Workers(Protocol):
    """One worker for each shard."""

    @property
    def count(self) -> int:
        """How many there are, crashed ones included."""
        ...

    def now(self) -> float:
        """Seconds on their clock."""
        ...

    def submit(self, worker: int, step: int, weights: Weights) -> None:
        """Give an idle worker weights."""
        ...

    def forget(self) -> None:
        """Drop what is under way, left by an earlier training: its answers never come back."""
        ...

    def wait(self, timeout: float) -> list[Arrival]:
        """What has come back: one or more as soon as there are, none after so many seconds."""
        ...
