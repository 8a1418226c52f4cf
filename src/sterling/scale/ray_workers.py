"""One Ray actor for each shard."""

import time
from collections.abc import Sequence
from typing import Any

from sterling.errors import InputError
from sterling.scale.workers import Arrival, Delay, Gradient, Result, Weights

__all__ = ["RayWorkers"]


class _Holder:
    """Keeps a shard where it is, and answers for it."""

    def __init__(self, gradient: Gradient, shard: Any, worker: int, delay: Delay | None) -> None:
        self.gradient, self.shard, self.worker, self.delay = gradient, shard, worker, delay

    def answer(self, step: int, weights: Weights) -> Result:
        if self.delay is not None:
            time.sleep(self.delay(self.worker, step))
        return self.gradient(weights, self.shard)


class RayWorkers:
    """Workers on a Ray cluster, or on this machine where none was started.

    Args:
        gradient: What every worker computes.
        shards: The data of each; sent once.
        delay: Seconds that workers sleep before they compute, to try out stragglers.
        cores: Of each worker; parts of one let several workers share it.

    Raises:
        InputError: Ray is not installed.
    """

    def __init__(
        self,
        gradient: Gradient,
        shards: Sequence[Any],
        *,
        delay: Delay | None = None,
        cores: float = 0.1,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise InputError("partial_sgd on Ray: pip install 'sterling[scale]'") from error
        self._ray = ray
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
        actor = ray.remote(num_cpus=cores)(_Holder)
        self.actors: list[Any] = [
            actor.remote(gradient, shard, worker, delay) for worker, shard in enumerate(shards)
        ]
        self._under_way: dict[Any, tuple[int, int]] = {}

    @property
    def count(self) -> int:
        """One for each shard."""
        return len(self.actors)

    def now(self) -> float:
        """Seconds of this machine's clock."""
        return time.monotonic()

    def submit(self, worker: int, step: int, weights: Weights) -> None:
        """Give an idle worker weights."""
        reference = self.actors[worker].answer.remote(step, weights)
        self._under_way[reference] = (worker, step)

    def wait(self, timeout: float) -> list[Arrival]:
        """What has come back; a worker that died has, without a result."""
        if not self._under_way:
            return []
        first, _ = self._ray.wait(list(self._under_way), num_returns=1, timeout=timeout)
        if not first:
            return []
        ready, _ = self._ray.wait(
            list(self._under_way), num_returns=len(self._under_way), timeout=0
        )
        arrivals = []
        for reference in ready:
            worker, step = self._under_way.pop(reference)
            try:
                result = self._ray.get(reference)
            except self._ray.exceptions.RayActorError:
                result = None
            arrivals.append(Arrival(worker, step, result))
        return arrivals

    def close(self) -> None:
        """End the workers."""
        for actor in self.actors:
            self._ray.kill(actor)
