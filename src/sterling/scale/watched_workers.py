"""Workers whose weights are written down at the beginning of each step."""

from dataclasses import dataclass, field

from sterling.scale.workers import Arrival, Weights, Workers


@dataclass(eq=False)
class WatchedWorkers:
    """Passes everything on to other workers.

    Attributes:
        workers: That do the work.
        weights: By step, those that its workers were given first.
    """

    workers: Workers
    weights: dict[int, Weights] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there are."""
        return self.workers.count

    def now(self) -> float:
        """Seconds on their clock."""
        return self.workers.now()

    def submit(self, worker: int, step: int, weights: Weights) -> None:
        """Give an idle worker weights, and keep the first of each step."""
        self.weights.setdefault(step, weights)
        self.workers.submit(worker, step, weights)

    def forget(self) -> None:
        """Drop what is under way."""
        self.workers.forget()

    def wait(self, timeout: float) -> list[Arrival]:
        """What has come back."""
        return self.workers.wait(timeout)
