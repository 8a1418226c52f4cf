"""A thousand machines in one process: results are computed, times are those of a virtual clock."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sterling.errors import InputError
from sterling.scale.workers import Arrival, Delay, Gradient, Weights


@dataclass(eq=False)
class SimulatedWorkers:
    """Workers whose delays are given by a law.

    Attributes:
        gradient: Function that every worker computes.
        shards: Data of each worker.
        delay: Seconds of a worker's step; infinite for one that never answers.
        crashes: Second at which a worker dies, by worker.
    """

    gradient: Gradient
    shards: Sequence[Any]
    delay: Delay
    crashes: Mapping[int, float] = field(default_factory=dict)
    _clock: float = 0.0
    _free: dict[int, float] = field(default_factory=dict)
    _under_way: list[tuple[float, int, int, Weights | None]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of workers, one for each shard."""
        return len(self.shards)

    def now(self) -> float:
        """Return virtual seconds since the first submission."""
        return self._clock

    def submit(self, worker: int, step: int, weights: Weights) -> None:
        """Give an idle worker weights.

        Raises:
            InputError: The law gave a negative delay.
        """
        delay = self.delay(worker, step)
        if not delay >= 0:
            raise InputError(f"delay of worker {worker} at step {step}: {delay}; 0 or more")
        end = max(self._clock, self._free.pop(worker, 0.0)) + delay
        dies = self.crashes.get(worker, math.inf)
        if dies < end or dies <= self._clock:
            heapq.heappush(self._under_way, (max(dies, self._clock), worker, step, None))
        else:
            heapq.heappush(self._under_way, (end, worker, step, weights))

    def forget(self) -> None:
        """Drop work that is under way; workers still finish it before they begin anew."""
        self._free = {worker: end for end, worker, _, _ in self._under_way}
        self._under_way.clear()

    def wait(self, timeout: float) -> list[Arrival]:
        """Return all answers of the next moment at which there is one."""
        if not self._under_way or self._under_way[0][0] > self._clock + timeout:
            self._clock += timeout
            return []
        self._clock = max(self._clock, self._under_way[0][0])
        arrivals = []
        while self._under_way and self._under_way[0][0] <= self._clock:
            _, worker, step, weights = heapq.heappop(self._under_way)
            result = None if weights is None else self.gradient(weights, self.shards[worker])
            arrivals.append(Arrival(worker, step, result))
        return arrivals
