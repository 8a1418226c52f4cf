"""Training that drops stragglers: the results of slow machines in each iteration.

"A Hybrid Solution to improve Iteration Efficiency in the Distributed Learning" (arXiv 1411.6358,
2014): of M workers the master continues when γ have answered, and drops the rest. Its text could
not be read beyond the abstract. Ours are: work goes to idle workers alone, so no backlog grows; a
grace in which late results still count; and a watch over shards, because dropping a machine that is
slow for good drops its data, silently.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from sterling.checks import Count, Positive, Range, Share, Weight, check_fields, check_numbers
from sterling.scale.workers import Arrival, Weights, Workers

RECENT = 200  # arrivals that the adaptive grace looks back on


@dataclass(frozen=True)
class Waiting:
    """Rule by which a step waits for workers. Constants are ours.

    Attributes:
        dropped: Share of the living workers whose results a step drops, in [0, 1).
        grace: Deviations (median and median absolute deviation of recent answers) that a step
            still waits after enough have answered; None continues at once.
        fairness: Number of steps without a shard after which it is waited for; None for never.
        staleness: Weight of a result that is one step late, its square of two, and so on; 0 drops
            late results.
        patience: Seconds without any answer after which missing workers are taken for dead.
    """

    dropped: Annotated[float, Range(0, 1, open_high=True)] = 0.0
    grace: Weight | None = None
    fairness: Count | None = None
    staleness: Share = 0.0
    patience: Positive = 60.0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass
class PartialRun:
    """Record of a training.

    Attributes:
        weights: Weights at the end.
        seconds: Seconds on the workers' clock after each step.
        losses: Mean loss of the results that each step used, before it was taken.
        used: Number of steps that used each worker's results.
        late: Number of results that came too late for their step, used or not.
        crashed: Workers that died or never answered, in order.
        warnings: Warnings to the reader, in words.
    """

    weights: Weights
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    late: int = 0
    crashed: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def partial_sgd(
    workers: Workers,
    start: Weights,
    *,
    steps: int,
    rate: float | Callable[[int], float],
    waiting: Waiting | None = None,
    least_workers: int = 1,
) -> PartialRun:
    """Descend along the mean of the results that came in time.

    Each result counts by its number of examples. With nothing dropped this is synchronous training,
    to the bit.

    Args:
        workers: Workers with a shard each: `RayWorkers`, or `SimulatedWorkers` for a virtual
            cluster.
        start: Weights to begin with, (D,).
        steps: Number of steps, 1 or more.
        rate: Rate of the descent, or a map from the step to it.
        waiting: Rule of waiting; None waits for all.
        least_workers: Number of living workers below which training ends with an error.

    Raises:
        InputError: `steps` is below 1 or there is no worker.
        RuntimeError: Too few workers are left; the message says which died.
    """
    check_numbers(at_least=1, steps=steps, workers=workers.count)
    rule = waiting or Waiting()
    loop = _Loop(workers, rule, least_workers, PartialRun(np.array(start, dtype=float)))
    loop.run.used = [0] * workers.count
    workers.forget()
    began = workers.now()
    for step in range(steps):
        fresh = loop.gather(step)
        size = rate(step) if callable(rate) else rate
        loop.descend(fresh, step, size)
        loop.run.seconds.append(workers.now() - began)
    loop.run.warnings += _warnings(loop.run, steps, rule)
    return loop.run


class _Loop:
    def __init__(self, workers: Workers, rule: Waiting, least: int, run: PartialRun) -> None:
        self.workers, self.rule, self.least, self.run = workers, rule, least, run
        self.alive = set(range(workers.count))
        self.busy: dict[int, tuple[int, float]] = {}
        self.last_used = dict.fromkeys(self.alive, -1)
        self.lags: list[float] = []

    def gather(self, step: int) -> list[Arrival]:
        """Gather results for a step: enough fresh ones, those that fairness asks for, late ones."""
        self._give(step)
        fresh: dict[int, Arrival] = {}
        stale: list[Arrival] = []
        while not self._enough(fresh, step):
            self._take(self.workers.wait(self.rule.patience), step, fresh, stale)
        began = self.workers.now()
        while (left := self._grace_left(step, began, fresh)) > 0:
            arrivals = self.workers.wait(left)
            if not arrivals:
                break
            self._take(arrivals, step, fresh, stale)
        return [*fresh.values(), *stale]

    def _give(self, step: int) -> None:
        for worker in sorted(self.alive - set(self.busy)):
            self.workers.submit(worker, step, self.run.weights)
            self.busy[worker] = (step, self.workers.now())

    def _enough(self, fresh: dict[int, Arrival], step: int) -> bool:
        wanted = math.ceil((1 - self.rule.dropped) * len(self.alive) - 1e-9)
        owed = set()
        if self.rule.fairness is not None:
            owed = {one for one in self.alive if step - self.last_used[one] > self.rule.fairness}
        return len(fresh) >= max(1, wanted) and owed <= set(fresh)

    def _take(
        self, arrivals: list[Arrival], step: int, fresh: dict[int, Arrival], stale: list[Arrival]
    ) -> None:
        if not arrivals:
            self._bury(set(self.busy), "did not answer")
        for arrival in arrivals:
            given, since = self.busy.pop(arrival.worker)
            if arrival.result is None:
                self._bury({arrival.worker}, "crashed")
                continue
            self.lags = [*self.lags[-RECENT:], self.workers.now() - since]
            if given == step:
                fresh[arrival.worker] = arrival
                continue
            self.run.late += 1
            if self.rule.staleness > 0:
                stale.append(arrival)
            self._give(step)  # the late worker is idle now, and may be needed for this step

    def _bury(self, workers: set[int], how: str) -> None:
        for worker in sorted(workers):
            self.alive.discard(worker)
            self.busy.pop(worker, None)
            self.run.crashed.append(worker)
            self.run.warnings.append(f"worker {worker} {how}; its shard is not used any more")
        if len(self.alive) < max(1, self.least):
            raise RuntimeError(
                f"{len(self.alive)} workers are left and {max(1, self.least)} are needed; dead: "
                f"{', '.join(map(str, self.run.crashed))}"
            )

    def _grace_left(self, step: int, began: float, fresh: dict[int, Arrival]) -> float:
        """Return the seconds that this step still waits for its workers."""
        waited_for = [since for given, since in self.busy.values() if given == step]
        if self.rule.grace is None or not waited_for or len(fresh) == len(self.alive):
            return 0.0
        middle = float(np.median(self.lags))
        deviation = float(np.median(np.abs(np.array(self.lags) - middle)))
        deadline = min(waited_for) + middle + self.rule.grace * deviation
        return max(0.0, deadline - max(began, self.workers.now()))

    def descend(self, arrivals: list[Arrival], step: int, rate: float) -> None:
        """Step along the mean of the results, weighted by examples and by lateness."""
        total = np.zeros_like(self.run.weights)
        loss = examples = 0.0
        for arrival in sorted(arrivals, key=lambda one: (one.worker, one.step)):
            assert arrival.result is not None
            gradient, value, count = arrival.result
            weight = (
                count * self.rule.staleness ** (step - arrival.step)
                if arrival.step < step
                else count
            )
            total = total + weight * np.asarray(gradient)
            loss, examples = loss + weight * value, examples + weight
            self.run.used[arrival.worker] += 1
            self.last_used[arrival.worker] = step
        self.run.weights = self.run.weights - rate * total / examples
        self.run.losses.append(loss / examples)


def _warnings(run: PartialRun, steps: int, rule: Waiting) -> list[str]:
    """Warn of shards that were used less than a tenth as often as by chance."""
    expected = steps * (1 - rule.dropped)
    return [
        f"worker {worker}: its shard was used in {count} of {steps} steps; what it holds is hardly "
        "learned. Set fairness, or give its data to others"
        for worker, count in enumerate(run.used)
        if count < expected / 10 and worker not in run.crashed
    ]


def results_needed(
    examples: int, workers: int, deviation: float, tolerance: float, confidence: float = 0.95
) -> int:
    """Return the number of workers that a step should wait for.

    A coordinate of the mean gradient then lies within the tolerance of the full one: sampling
    without replacement from N examples, n ≥ N z²s² / (N D² + z²s²), γ = ⌈n M / N⌉. It
    holds where shards are random and lateness does not depend on what they hold. (Ours; the
    paper's inequalities could not be read.)

    Args:
        examples: Number N of examples of all shards.
        workers: Number M of workers.
        deviation: Deviation s of a coordinate of one example's gradient.
        tolerance: Tolerance D.
        confidence: Confidence of one coordinate.

    Raises:
        InputError: A value is out of range.
    """
    check_numbers(at_least=1, examples=examples, workers=workers)
    check_numbers(at_least=0, deviation=deviation)
    check_numbers(above=0, tolerance=tolerance)
    check_numbers(above=0, below=1, confidence=confidence)
    from scipy import stats  # workers of a cluster import this module and need no SciPy

    spread = float(stats.norm.ppf((1 + confidence) / 2)) ** 2 * deviation**2
    needed = examples * spread / (examples * tolerance**2 + spread)
    return max(1, math.ceil(needed * workers / examples - 1e-9))
