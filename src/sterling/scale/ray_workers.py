"""One Ray actor for each shard."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sterling.errors import InputError
from sterling.extras import needs
from sterling.scale.workers import Arrival, Delay, Gradient, Result, Weights


class _Holder:
    """Keeps a shard where it is, and answers for it."""

    def __init__(self, gradient: Gradient, shard: Any, worker: int, delay: Delay | None) -> None:
        self.gradient, self.shard, self.worker, self.delay = gradient, shard, worker, delay

    def answer(self, step: int, weights: Weights) -> Result:
        if self.delay is not None:
            time.sleep(self.delay(self.worker, step))
        return self.gradient(weights, self.shard)


def _ray() -> Any:
    with needs("scale", "Ray"):
        import ray
    return ray


def connect(address: str | None = None) -> Any:
    """Return the module ``ray``, connected to a cluster.

    Args:
        address: Address of an existing cluster; None takes the one connected already, or else
            starts one on this machine.

    Raises:
        InputError: Ray is not installed, or no cluster can be reached at the address.
    """
    ray = _ray()
    if ray.is_initialized():
        return ray
    # A dashboard and the workers' own output serve nobody here.
    options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address is None:
        options["include_dashboard"] = False
    try:
        # Without an address Ray would join whatever cluster last ran here, also one that is gone.
        ray.init(address or "local", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--address {address}: cannot join the Ray cluster ({reason})") from error
    return ray


@contextmanager
def local_cluster() -> Iterator[None]:
    """Run Ray on this machine for a while; a running one is used and left running.

    Raises:
        InputError: Ray is not installed.
    """
    if _ray().is_initialized():
        yield
        return
    ray = connect()
    try:
        yield
    finally:
        ray.shutdown()


class RayWorkers:
    """Workers on a Ray cluster, or on this machine where none was started.

    Args:
        gradient: Function that every worker computes.
        shards: Data of each worker; sent once.
        delay: Seconds that workers sleep before they compute, to try out stragglers.
        cores: Cores of each worker; parts of one let several workers share it.
        restarts: Number of times that a worker that died is started anew, with its shard and the
            weights that it had; after that it has crashed.

    Attributes:
        actors: Actors at work.
        restarted: Workers that were started anew, in order.

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
        restarts: int = 0,
    ) -> None:
        self._ray = ray = connect()
        actor = ray.remote(num_cpus=cores)(_Holder)
        self._start: Callable[[int], Any] = lambda worker: actor.remote(
            gradient, shards[worker], worker, delay
        )
        self.actors: list[Any] = [self._start(worker) for worker in range(len(shards))]
        self.restarts, self.restarted = restarts, list[int]()
        self._under_way: dict[Any, tuple[int, int, Weights]] = {}

    @property
    def count(self) -> int:
        """Number of workers, one for each shard."""
        return len(self.actors)

    def now(self) -> float:
        """Return seconds of this machine's clock."""
        return time.monotonic()

    def submit(self, worker: int, step: int, weights: Weights) -> None:
        """Give an idle worker weights."""
        reference = self.actors[worker].answer.remote(step, weights)
        self._under_way[reference] = (worker, step, weights)

    def forget(self) -> None:
        """Drop work that is under way; actors still finish it before they begin anew."""
        self._under_way.clear()

    def wait(self, timeout: float) -> list[Arrival]:
        """Return answers; a worker that died for good answers without a result."""
        end = self.now() + timeout
        arrivals: list[Arrival] = []
        while self._under_way and not arrivals:
            under_way = list(self._under_way)
            left = max(0.0, end - self.now())
            if not self._ray.wait(under_way, num_returns=1, timeout=left)[0]:
                break
            ready, _ = self._ray.wait(under_way, num_returns=len(under_way), timeout=0)
            arrivals = [one for each in ready if (one := self._arrival(each)) is not None]
        return arrivals

    def _arrival(self, reference: Any) -> Arrival | None:
        """Return an answer; None where its worker is started anew and will answer again."""
        worker, step, weights = self._under_way.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            if self.restarted.count(worker) < self.restarts:
                self.restarted.append(worker)
                self.actors[worker] = self._start(worker)
                self.submit(worker, step, weights)
                return None
            result = None
        return Arrival(worker, step, result)

    def kill(self, worker: int) -> None:
        """End one worker as a crash would."""
        self._ray.kill(self.actors[worker])

    def close(self) -> None:
        """End the workers."""
        for actor in self.actors:
            self._ray.kill(actor)
