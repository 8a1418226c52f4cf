"""Trials of rules of waiting, on a virtual clock and on Ray."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sterling.runs import derive_seed
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

Result = dict[str, Any]

RATE = 0.05  # of the descent; times the machines where each sees one unknown
GOAL = 0.05  # share of the first excess loss that is left when a run has arrived
ALL, QUARTER, FAIR = "wait for all", "abandon 1/4", "abandon 1/8, fairness 5"
EIGHTH = "abandon 1/8"
RULES = {
    ALL: Waiting(),
    EIGHTH: Waiting(0.125),
    QUARTER: Waiting(0.25),
    "abandon 1/2": Waiting(0.5),
    "abandon 1/4, grace 3": Waiting(0.25, grace=3.0),
    FAIR: Waiting(0.125, fairness=5),
    "abandon 1/8, late ones count 0.5": Waiting(0.125, staleness=0.5),
}
LAWS: dict[str, Callable[[int], Delay]] = {
    "spikes": Spikes,
    "heavy tail": HeavyTail,
    "straggler": Straggler,
}
REAL = (ALL, QUARTER)
MANY = {ALL: 0.0, "abandon 1/20": 0.05}


@dataclass(frozen=True)
class AbandonPlan:
    """Sizes of a trial.

    Attributes:
        workers: Machines.
        steps: Of each run.
        many: Machines of the large virtual cluster.
        many_steps: Of its runs.
        draws: Repetitions for the formulas.
    """

    workers: int
    steps: int
    many: int
    many_steps: int
    draws: int


def simulated_trial(plan: AbandonPlan, seed: int) -> Result:
    """Every rule under every law, for shards alike and unlike; a large cluster; both formulas."""
    kinds: tuple[Data, ...] = ("alike", "unlike")
    shards = {data: draw_shards(plan.workers, data, seed) for data in kinds}
    runs = {
        data: {
            law: {
                name: trained(
                    SimulatedWorkers(gradient, shards[data], delay(seed)),
                    shards[data],
                    data,
                    rule,
                    plan.steps,
                )
                for name, rule in RULES.items()
            }
            for law, delay in LAWS.items()
        }
        for data in kinds
    }
    return {
        "runs": runs,
        "many": {name: _many(plan, Waiting(share), seed) for name, share in MANY.items()},
        "order statistic": _order_statistic(plan, seed),
        "variance": _variance(plan, shards["alike"], seed),
    }


def _many(plan: AbandonPlan, rule: Waiting, seed: int) -> Result:
    """A thousand machines with two unknowns, a hundredth of them late in each step."""
    draw = np.random.default_rng(seed)
    shards = [
        (x := draw.normal(size=(4, 2)), x @ np.array([1.0, -2.0]) + 0.1 * draw.normal(size=4))
        for _ in range(plan.many)
    ]
    workers = SimulatedWorkers(gradient, shards, Spikes(seed, chance=0.01))
    found = trained(workers, shards, "alike", rule, plan.many_steps)
    return {name: found[name] for name in ("goal", "seconds", "gradients")}


def _order_statistic(plan: AbandonPlan, seed: int) -> float:
    """Mean time of a step that waits for three in four, over what the formula says."""
    count, kept = 40, 30
    times = []
    for draw in range(plan.draws):
        workers = SimulatedWorkers(
            _nothing, range(count), Exponential(derive_seed(seed, "step", draw))
        )
        rule = Waiting(1 - kept / count)
        run = partial_sgd(workers, np.zeros(1), steps=1, rate=0.0, waiting=rule)
        times.append(run.seconds[0])
    return float(np.mean(times)) / sum(1 / k for k in range(count - kept + 1, count + 1))


def _nothing(weights: Floats, _shard: object) -> tuple[Floats, float, int]:
    return weights, 0.0, 1


def _variance(plan: AbandonPlan, shards: Shards, seed: int) -> float:
    """Variance of the mean over six of eight shards, over (S²/γ)(1 - γ/M)."""
    start = np.zeros(plan.workers)
    each = np.array([gradient(start, shard)[0] for shard in shards])
    kept = plan.workers - plan.workers // 4
    found = []
    for draw in range(plan.draws):
        workers = SimulatedWorkers(gradient, shards, Spikes(derive_seed(seed, "mean", draw)))
        rule = Waiting(1 - kept / plan.workers)
        run = partial_sgd(workers, start, steps=1, rate=1.0, waiting=rule)
        found.append(-run.weights)
    spread = each.var(axis=0, ddof=1) / kept * (1 - kept / plan.workers)
    return float(np.var(found, axis=0).sum() / spread.sum())


def trained(workers: Workers, shards: Shards, data: Data, rule: Waiting, steps: int) -> Result:
    """A run as excess loss over time and over gradients used."""
    watched = WatchedWorkers(workers)
    size = RATE * (len(shards) if data == "unlike" else 1)
    start = np.zeros(shards[0][0].shape[1])
    run = partial_sgd(watched, start, steps=steps, rate=size, waiting=rule)
    least = least_loss(shards)
    path = [*(watched.weights[step] for step in range(steps)), run.weights]
    excess = [float(np.mean(shard_losses(shards, weights))) - least for weights in path]
    times = [0.0, *run.seconds]
    arrived = next((at for at, one in enumerate(excess) if one <= GOAL * excess[0]), None)
    return {
        "excess": [one / excess[0] for one in excess],
        "times": times,
        "gradients": sum(run.used),
        "seconds": times[-1],
        "goal": None if arrived is None else times[arrived],
        "goal steps": arrived,
        "first": shard_losses(shards, start),
        "shards": shard_losses(shards, run.weights),
        **_told(run),
    }


def _told(run: PartialRun) -> Result:
    return {
        "used": run.used,
        "late": run.late,
        "crashed": run.crashed,
        "warned": [one for one in run.warnings if "hardly" in one],
    }


def ray_trial(machines: int, steps: int, seed: int) -> Result:
    """Spikes that workers sleep through; then one of them is killed, twice."""
    shards = draw_shards(machines, "alike", seed)
    found: Result = {"real": {}, "simulated": {}}
    workers = RayWorkers(gradient, shards, delay=Spikes(seed), restarts=1)
    for name in REAL:
        virtual = SimulatedWorkers(gradient, shards, Spikes(seed))
        for where, own in (("real", workers), ("simulated", virtual)):
            run = _once_started(own, shards, steps, RULES[name])
            found[where][name] = {"seconds": run["seconds"], "goal": run["goal"]}
    # The virtual run is the undisturbed one: with nothing abandoned both are equal to the bit.
    whole = _once_started(
        SimulatedWorkers(gradient, shards, Spikes(seed)), shards, steps, RULES[ALL]
    )
    for kind in ("restarted", "lost"):
        workers.kill(1)
        after = trained(workers, shards, "alike", RULES[ALL], steps)
        found[kind] = {
            "crashed": after["crashed"],
            "restarted": list(workers.restarted),
            "loss": float(np.mean(after["shards"]) / np.mean(whole["shards"])),
        }
    workers.close()
    return found


def ray_overhead(machines: int, steps: int, repetitions: int, seed: int) -> list[float]:
    """Seconds of a step on Ray in which nobody sleeps, of each repetition."""
    shards = draw_shards(machines, "alike", seed)
    workers = RayWorkers(gradient, shards)
    runs = [_once_started(workers, shards, steps, RULES[ALL]) for _ in range(repetitions)]
    workers.close()
    return [float(run["seconds"]) / steps for run in runs]


def _once_started(workers: Workers, shards: Shards, steps: int, rule: Waiting) -> Result:
    """After a step that does nothing, so that starting processes is not timed."""
    partial_sgd(workers, np.zeros(shards[0][0].shape[1]), steps=1, rate=0.0)
    return trained(workers, shards, "alike", rule, steps)
