"""Rules of waiting tried on a virtual clock and on Ray: one repetition of each."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from sterling.measure import Rate
from sterling.runs import Cell, Row, derive_seed
from sterling.scale.delays import Exponential, HeavyTail, Spikes, Straggler
from sterling.scale.least_squares import (
    Data,
    Floats,
    Shards,
    draw_shards,
    gradient,
    least_loss,
    shard_losses,
)
from sterling.scale.partial_sgd import PartialRun, Waiting, partial_sgd
from sterling.scale.ray_workers import RayWorkers
from sterling.scale.simulated_workers import SimulatedWorkers
from sterling.scale.workers import Delay, WatchedWorkers, Workers
from sterling.study import Config, row

RATE = 0.05  # of the descent; times the machines where each sees one unknown
GOAL = 0.05  # share of the first excess loss that is left when a run has arrived
ALL, QUARTER, FAIR = "wait for all", "drop 1/4", "drop 1/8, fairness 5"
EIGHTH, HALF, TWENTIETH = "drop 1/8", "drop 1/2", "drop 1/20"
RULES = {
    ALL: Waiting(),
    EIGHTH: Waiting(0.125),
    QUARTER: Waiting(0.25),
    HALF: Waiting(0.5),
    "drop 1/4, grace 3": Waiting(0.25, grace=3.0),
    FAIR: Waiting(0.125, fairness=5),
    "drop 1/8, late ones count 0.5": Waiting(0.125, staleness=0.5),
}
LAWS: dict[str, Callable[[int], Delay]] = {
    "spikes": Spikes,
    "heavy tail": HeavyTail,
    "straggler": Straggler,
}
KINDS: tuple[Data, ...] = ("alike", "unlike")
DRAWN = (ALL, EIGHTH, QUARTER, HALF)
REAL = (ALL, QUARTER)
RAY, VIRTUAL = "Ray", "virtual clock"
RATIO = "seconds on Ray over virtual seconds"
AXES = {"time": "virtual seconds", "gradients": "gradients used"}


class PartialSgdConfig(Config):
    """Configuration of the study.

    Attributes:
        seeds: Number of repetitions on a virtual clock.
        workers: Number of machines.
        steps: Steps of each run.
        many: Machines of the large virtual cluster.
        many_steps: Steps of its runs.
        draws: Runs of one step that each formula is compared with.
        real_seeds: Number of repetitions on Ray.
        real_steps: Steps of each run on Ray.
    """

    seeds: int = Field(default=10, ge=1)
    workers: int = Field(default=8, ge=4)
    steps: int = Field(default=120, ge=1)
    many: int = Field(default=1000, ge=8)
    many_steps: int = Field(default=60, ge=1)
    draws: int = Field(default=2000, ge=10)
    real_seeds: int = Field(default=5, ge=1)
    real_steps: int = Field(default=40, ge=2)


@dataclass(frozen=True)
class Trained:
    """A run of training as excess loss over time.

    Attributes:
        run: Training run.
        excess: Loss above the least one, as a share of the first, before and after every step.
        times: Seconds on the workers' clock at these points.
        first: Loss of every shard before training.
        last: Loss of every shard after training.
    """

    run: PartialRun
    excess: list[float]
    times: list[float]
    first: list[float]
    last: list[float]

    @property
    def goal(self) -> int | None:
        """First step after which `GOAL` is reached; None when it never is."""
        return next((step for step, one in enumerate(self.excess) if one <= GOAL), None)

    @property
    def time(self) -> float:
        """Seconds to the goal; a run that did not arrive counts with the time it took."""
        return self.times[-1 if self.goal is None else self.goal]

    def saved(self, slow: "Trained") -> float:
        """Share of another run's time to the goal that is saved; 0 at most without arriving."""
        share = 1 - self.time / slow.time
        return min(0.0, share) if self.goal is None else share


def train(workers: Workers, shards: Shards, data: Data, rule: Waiting, steps: int) -> Trained:
    """Train under a rule of waiting, from weights of 0."""
    watched = WatchedWorkers(workers)
    size = RATE * (len(shards) if data == "unlike" else 1)
    start = np.zeros(shards[0][0].shape[1])
    run = partial_sgd(watched, start, steps=steps, rate=size, waiting=rule)
    least = least_loss(shards)
    path = [*(watched.weights[step] for step in range(steps)), run.weights]
    excess = [float(np.mean(shard_losses(shards, weights))) - least for weights in path]
    return Trained(
        run=run,
        excess=[one / excess[0] for one in excess],
        times=[0.0, *run.seconds],
        first=shard_losses(shards, start),
        last=shard_losses(shards, run.weights),
    )


def virtual_clock(config: PartialSgdConfig, cell: Cell) -> list[Row]:
    """Every rule under every law, for shards alike and unlike; a large cluster; two formulas."""
    seed, rows = cell.seed, []
    for kind in KINDS:
        shards = draw_shards(config.workers, kind, seed)
        for law, delay in LAWS.items():
            runs = {
                name: train(
                    SimulatedWorkers(gradient, shards, delay(seed)),
                    shards,
                    kind,
                    rule,
                    config.steps,
                )
                for name, rule in RULES.items()
            }
            for name, trained in runs.items():
                for metric, value in _measures(trained, runs[ALL]).items():
                    rows.append(row(metric, value, shards=kind, law=law, system=name))
            if (kind, law) == ("unlike", "straggler"):
                named = any("worker 0" in one for one in _warned(runs[EIGHTH]))
                rows.append(row("straggler named", Rate(int(named and not _warned(runs[ALL])), 1)))
            if (kind, law, cell.repetition) == ("alike", "spikes", 0):
                rows += _curves({name: runs[name] for name in DRAWN})
    whole, fewer = (_many(config, Waiting(share), seed) for share in (0.0, 0.05))
    return [
        *rows,
        row("time saved", fewer.saved(whole), shards="many", system=TWENTIETH),
        row("step over order statistic", _order_statistic(config, seed)),
        row("variance over formula", _variance(config, seed)),
    ]


def _measures(trained: Trained, whole: Trained) -> dict[str, float]:
    """Figures of a run, next to one that waits for all."""
    return {
        "arrived": trained.goal is not None,
        "seconds to the goal": trained.time,
        "time saved": trained.saved(whole),
        "seconds": trained.times[-1],
        "seconds saved": 1 - trained.times[-1] / whole.times[-1],
        "gradients": sum(trained.run.used),
        "late": trained.run.late,
        "excess": trained.excess[-1],
        "log excess": math.log(trained.excess[-1]),
        "worst shard's loss": max(trained.last),
        "loss of shard 0": trained.last[0],
        "loss left on shard 0": trained.last[0] / trained.first[0],
        "warned": bool(_warned(trained)),
    }


def _warned(trained: Trained) -> list[str]:
    """Warnings of shards that are hardly used."""
    return [one for one in trained.run.warnings if "hardly" in one]


def _curves(runs: dict[str, Trained]) -> Iterator[Row]:
    """Excess loss over time and over gradients used, as far as every run went."""
    for axis in AXES:
        ways = {
            name: trained.times
            if axis == "time"
            else np.linspace(0, sum(trained.run.used), len(trained.excess))
            for name, trained in runs.items()
        }
        end = min(way[-1] for way in ways.values())
        grid = np.geomspace(end / 50, end, 40)
        for name, trained in runs.items():
            heights = np.interp(grid, ways[name], trained.excess)
            for place, height in zip(grid.tolist(), heights.tolist(), strict=True):
                yield row(f"excess over {axis}", height, system=name, at=place)


def _many(config: PartialSgdConfig, rule: Waiting, seed: int) -> Trained:
    """A thousand machines with two unknowns, a hundredth of them late in each step."""
    draw = np.random.default_rng(seed)
    shards = [
        (x := draw.normal(size=(4, 2)), x @ np.array([1.0, -2.0]) + 0.1 * draw.normal(size=4))
        for _ in range(config.many)
    ]
    workers = SimulatedWorkers(gradient, shards, Spikes(seed, chance=0.01))
    return train(workers, shards, "alike", rule, config.many_steps)


def _order_statistic(config: PartialSgdConfig, seed: int) -> float:
    """Mean time of a step that waits for three in four, over what the formula says."""
    count, kept = 40, 30
    rule, times = Waiting(1 - kept / count), []
    for draw in range(config.draws):
        delay = Exponential(derive_seed(seed, "step", draw))
        workers = SimulatedWorkers(_nothing, range(count), delay)
        times += partial_sgd(workers, np.zeros(1), steps=1, rate=0.0, waiting=rule).seconds
    return float(np.mean(times)) / sum(1 / k for k in range(count - kept + 1, count + 1))


def _nothing(weights: Floats, _shard: object) -> tuple[Floats, float, int]:
    return weights, 0.0, 1


def _variance(config: PartialSgdConfig, seed: int) -> float:
    """Variance of the mean over three in four shards, over (S²/γ)(1 - γ/M)."""
    shards = draw_shards(config.workers, "alike", seed)
    start = np.zeros(config.workers)
    each = np.array([gradient(start, shard)[0] for shard in shards])
    kept = config.workers - config.workers // 4
    rule, found = Waiting(1 - kept / config.workers), []
    for draw in range(config.draws):
        workers = SimulatedWorkers(gradient, shards, Spikes(derive_seed(seed, "mean", draw)))
        found.append(-partial_sgd(workers, start, steps=1, rate=1.0, waiting=rule).weights)
    spread = each.var(axis=0, ddof=1) / kept * (1 - kept / config.workers)
    return float(np.var(found, axis=0).sum() / spread.sum())


def seconds_on_ray(config: PartialSgdConfig, cell: Cell) -> list[Row]:
    """Spikes that workers sleep through; one of them is killed, twice; steps without delay."""
    seed, steps = cell.seed, config.real_steps
    shards = draw_shards(config.workers, "alike", seed)
    workers = RayWorkers(gradient, shards, delay=Spikes(seed), restarts=1)
    runs: dict[tuple[str, str], Trained] = {}
    for name in REAL:
        clocks: dict[str, Workers] = {
            RAY: workers,
            VIRTUAL: SimulatedWorkers(gradient, shards, Spikes(seed)),
        }
        for clock, each in clocks.items():
            runs[clock, name] = _once_started(each, shards, RULES[name], steps)
    rows = [
        row(metric, value, clock=clock, system=name)
        for (clock, name), trained in runs.items()
        for metric, value in _measures(trained, runs[clock, ALL]).items()
        if metric in ("seconds", "seconds to the goal", "time saved")
    ]
    rows += [
        row(RATIO, runs[RAY, name].times[-1] / runs[VIRTUAL, name].times[-1], system=name)
        for name in REAL
    ]
    reported, after = 0, []
    for crashed in ([], [1]):  # started anew the first time, lost the second
        workers.kill(1)
        after.append(train(workers, shards, "alike", RULES[ALL], steps))
        reported += (workers.restarted, after[-1].run.crashed) == ([1], crashed)
    workers.close()
    # The virtual run is the undisturbed one: with nothing dropped both are equal to the bit.
    undisturbed = runs[VIRTUAL, ALL].last
    idle = RayWorkers(gradient, shards)
    prompt = _once_started(idle, shards, RULES[ALL], steps)
    idle.close()
    return [
        *rows,
        row("killed worker reported", Rate(reported, 2)),
        row("loss after a crash", float(np.mean(after[-1].last) / np.mean(undisturbed))),
        row("seconds of a step without delay", prompt.times[-1] / steps),
    ]


def _once_started(workers: Workers, shards: Shards, rule: Waiting, steps: int) -> Trained:
    """Train after a step that does nothing, so that starting processes is not timed."""
    partial_sgd(workers, np.zeros(shards[0][0].shape[1]), steps=1, rate=0.0)
    return train(workers, shards, "alike", rule, steps)
