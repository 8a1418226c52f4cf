"""Abandoning slow machines: what does it save, and what does it cost?

"A Hybrid Solution to improve Iteration Efficiency in the Distributed Learning" (arXiv 1411.6358,
2014), of which the abstract alone could be read: problems, laws of delay, sizes and bars are ours.
Loss is shown against time and against gradients used, never at equal numbers of steps alone. Most
runs are on a virtual clock; those on Ray have workers that sleep for their delays, so that few
cores do.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import get_args

import numpy as np
from pydantic import Field

from sterling.measure import Rate
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.scale.least_squares import Data
from sterling.scale.ray_workers import local_cluster
from sterling.studies.scale._trial import (
    ALL,
    EIGHTH,
    FAIR,
    GOAL,
    LAWS,
    MANY,
    QUARTER,
    REAL,
    RULES,
    AbandonPlan,
    Result,
    ray_overhead,
    ray_trial,
    simulated_trial,
)
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Row,
    Study,
    Table,
    bars_over_seeds,
    bounded_above,
    bounded_below,
    lines,
    metric_over_seeds,
    positive,
    row_over_seeds,
    within,
)

FORMULA = 0.02  # ours: how far means may be from what theory says
LOST = 0.1  # ours: share by which a killed worker may raise the loss


class PartialSgdConfig(Config):
    """Configuration of the study.

    Attributes:
        seeds: How many times everything is repeated.
        workers: Machines.
        steps: Of each run.
        many: Machines of the large virtual cluster.
        many_steps: Of its runs.
        draws: Repetitions for the formulas.
        real_seeds: Repetitions on Ray.
        real_steps: Of each of its runs.
    """

    seeds: int = Field(default=10, ge=1)
    workers: int = Field(default=8, ge=4)
    steps: int = Field(default=120, ge=1)
    many: int = Field(default=1000, ge=8)
    many_steps: int = Field(default=60, ge=1)
    draws: int = Field(default=2000, ge=10)
    real_seeds: int = Field(default=5, ge=1)
    real_steps: int = Field(default=40, ge=2)


def measure(config: PartialSgdConfig, run: Run) -> Findings:
    """Run every rule under every law on every seed, some of it on Ray, and test the claims."""
    calls = [(config, run, index) for index in range(config.seeds)]
    units: list[Result] = in_processes(_one_seed, calls, "seeds")
    real, overhead = _on_ray(config, run)
    return Findings(
        scope="SIMULATED: linear regression on drawn data, delays drawn by law; on a virtual "
        "clock, and on Ray with workers that sleep for their delays on one machine.",
        not_scored=0,
        metrics=_metrics(units, overhead),
        claims=_claims(config, units, real),
        tables=[_rule_table(units), _real_table(real)],
        figures=_figures(units),
    )


def _seed(run: Run, index: int) -> int:
    return derive_seed(run.seed, "partial_sgd", index) % 2**31


# One seed


def _one_seed(config: PartialSgdConfig, run: Run, index: int) -> Result:
    unit: Result = run.stage(f"seed-{index}", partial(_trial, config, _seed(run, index)))
    return unit


def _trial(config: PartialSgdConfig, seed: int) -> Result:
    plan = AbandonPlan(config.workers, config.steps, config.many, config.many_steps, config.draws)
    return simulated_trial(plan, seed)


def _on_ray(config: PartialSgdConfig, run: Run) -> tuple[list[Result], list[float]]:
    """Trials with workers that sleep, and seconds of a step in which nobody does."""
    with local_cluster():
        trials = [
            run.stage(
                f"ray-{index}",
                partial(ray_trial, config.workers, config.real_steps, _seed(run, index)),
            )
            for index in range(config.real_seeds)
        ]
        overhead = partial(
            ray_overhead, config.workers, config.real_steps, config.real_seeds, _seed(run, 0)
        )
        return trials, run.stage("ray-overhead", overhead)


# Results


def _time(run: Result) -> float:
    """Seconds to the goal; a run that did not arrive counts with the time it took."""
    return float(run["seconds"] if run["goal"] is None else run["goal"])


def _saved(slow: Sequence[Result], fast: Sequence[Result]) -> list[float]:
    """Share of the time to the goal that is saved; who does not arrive saves nothing."""
    shares = [1 - _time(b) / _time(a) for a, b in zip(slow, fast, strict=True)]
    return [
        min(0.0, share) if run["goal"] is None else share
        for share, run in zip(shares, fast, strict=True)
    ]


def _runs(units: Sequence[Result], data: Data, law: str, rule: str) -> list[Result]:
    return [unit["runs"][data][law][rule] for unit in units]


def _metrics(units: Sequence[Result], overhead: Sequence[float]) -> list[Metric]:
    return [
        *(
            metric_over_seeds(
                f"seconds to the goal, {law}, {rule}",
                "virtual seconds",
                [_time(run) for run in _runs(units, "alike", law, rule)],
            )
            for law in LAWS
            for rule in (ALL, QUARTER)
        ),
        metric_over_seeds(
            "a step on Ray without any delay", "seconds", overhead, over="repetitions"
        ),
    ]


def _claims(
    config: PartialSgdConfig, units: Sequence[Result], real: Sequence[Result]
) -> list[Claim]:
    def straggler(rule: str) -> list[Result]:
        return _runs(units, "unlike", "straggler", rule)

    def own(rule: str) -> list[float]:
        """Share that is left of the first loss of what the straggler alone holds."""
        return [run["shards"][0] / run["first"][0] for run in straggler(rule)]

    def ends(rule: str) -> list[float]:
        return [math.log(run["excess"][-1]) for run in _runs(units, "alike", "spikes", rule)]

    named = sum(
        any("worker 0" in one for one in less["warned"]) and not whole["warned"]
        for less, whole in zip(straggler(EIGHTH), straggler(ALL), strict=True)
    )
    kept = sum(
        (one[kind]["restarted"], one[kind]["crashed"]) == ([1], dead)
        for one in real
        for kind, dead in (("restarted", []), ("lost", [1]))
    )
    return [
        *(
            positive(
                f"shorter_{law.replace(' ', '_')}",
                f"Under {law}, abandoning a quarter of the results shortens the time to the same "
                "loss, where shards are alike (share of the time that is saved).",
                _saved(*(_runs(units, "alike", law, rule) for rule in (ALL, QUARTER))),
                paper="reported in the abstract, without figures here",
            )
            for law in LAWS
        ),
        positive(
            "shorter_thousand",
            f"So does abandoning one in twenty of {config.many} machines, of which one in a "
            "hundred is late in each step.",
            _saved(*([unit["many"][name] for unit in units] for name in MANY)),
        ),
        positive(
            "shorter_on_ray",
            "So does abandoning a quarter on Ray, with workers that sleep for their spikes.",
            _saved(*([one["real"][name] for one in real] for name in REAL)),
        ),
        positive(
            "equal_steps_cost",
            "At equal steps abandoning a quarter ends at a higher loss than waiting for all "
            "(difference of the logarithms of what is above the least loss).",
            np.subtract(ends(QUARTER), ends(ALL)).tolist(),
        ),
        within(
            "variance_formula",
            "Means over three in four of alike shards vary as (S²/γ)(1 - γ/M) says, to within 5 %.",
            [unit["variance"] for unit in units],
            0.95,
            1.05,
        ),
        within(
            "order_statistic",
            f"Steps take what the order statistic of exponential delays says, to within "
            f"{FORMULA:.0%}.",
            [unit["order statistic"] for unit in units],
            1 - FORMULA,
            1 + FORMULA,
        ),
        within(
            "simulator_foretells_ray",
            "Runs on Ray take what the virtual clock says, to within a fifth.",
            {
                name: [
                    one["real"][name]["seconds"] / one["simulated"][name]["seconds"] for one in real
                ]
                for name in REAL
            },
            0.8,
            1.25,
        ),
        positive(
            "straggler_data_lost",
            "What a machine that is slow for good alone holds is learned worse where one in eight "
            "is abandoned (difference in the share of its first loss that is left).",
            np.subtract(own(EIGHTH), own(ALL)).tolist(),
        ),
        bounded_below(
            "straggler_named",
            "A warning names that machine, and none is given where all are waited for.",
            Rate(named, len(units)),
            0.5,
        ),
        positive(
            "fairness_mends",
            "Waiting for a shard that was not used for five steps lowers that share.",
            np.subtract(own(EIGHTH), own(FAIR)).tolist(),
        ),
        positive(
            "fairness_is_shorter",
            "And equal steps still take less time than waiting for all (share that is saved).",
            [
                1 - fair["seconds"] / whole["seconds"]
                for fair, whole in zip(straggler(FAIR), straggler(ALL), strict=True)
            ],
        ),
        bounded_below(
            "killed_is_reported",
            "On Ray a worker that is killed is started anew and named; killed again it is named "
            "as crashed, and training goes on without it.",
            Rate(kept, 2 * len(real)),
            0.5,
        ),
        bounded_above(
            "killed_costs_little",
            "Where shards are alike, the loss without a killed worker is at most a tenth higher.",
            [one["lost"]["loss"] for one in real],
            1 + LOST,
        ),
    ]


def _rule_table(units: Sequence[Result]) -> Table:
    rows: list[Row] = []
    for data, law, rule in product(get_args(Data), LAWS, RULES):
        runs = _runs(units, data, law, rule)
        rows.append(
            [
                *(data, law, rule, sum(run["goal"] is not None for run in runs)),
                *row_over_seeds([_time(run) for run in runs], [run["seconds"] for run in runs]),
                *(float(np.mean([run[name] for run in runs])) for name in ("gradients", "late")),
                float(np.mean([run["excess"][-1] for run in runs])),
                float(np.mean([max(run["shards"]) for run in runs])),
                sum(bool(run["warned"]) for run in runs),
            ]
        )
    return Table(
        name="rules",
        title="Rules under laws of delay",
        columns=[
            *("shards", "law", "rule", "runs that arrived", "s to the goal", "low", "high"),
            *("s in all", "s low", "s high", "gradients used", "late", "excess at the end"),
            *("worst shard's loss", "runs with a warning"),
        ],
        rows=rows,
        caption=f"Virtual seconds, means over {len(units)} seeds with 95 % intervals. The goal: "
        f"{GOAL:.0%} of the first loss above the least is left; who does not arrive counts with "
        "the whole time. Excess: that share at the end of as many steps.",
    )


def _real_table(real: Sequence[Result]) -> Table:
    return Table(
        name="ray",
        title="On Ray, and on the virtual clock",
        columns=[
            *("rule", "s on Ray", "low", "high", "s virtual", "v low", "v high"),
            *("s to the goal on Ray", "g low", "g high"),
        ],
        rows=[
            [
                name,
                *row_over_seeds(
                    [one["real"][name]["seconds"] for one in real],
                    [one["simulated"][name]["seconds"] for one in real],
                    [_time(one["real"][name]) for one in real],
                ),
            ]
            for name in REAL
        ],
        caption="Workers sleep for their spikes; all of them share this machine's cores. A step "
        "without any delay: see the metrics.",
    )


def _figures(units: Sequence[Result]) -> list[Figure]:
    first = units[0]["runs"]["alike"]["spikes"]
    shown = (ALL, EIGHTH, QUARTER, "abandon 1/2")
    figures = []
    for name, what, label in (
        ("time", "times", "virtual seconds"),
        ("gradients", None, "gradients used"),
    ):
        ways = {
            rule: first[rule][what]
            if what
            else np.linspace(0, first[rule]["gradients"], len(first[rule]["excess"])).tolist()
            for rule in shown
        }
        end = min(way[-1] for way in ways.values())
        grid = np.geomspace(end / 50, end, 40)
        figures.append(
            lines(
                f"loss_over_{name}",
                f"Loss over {label}",
                "Share of the first loss above the least that is left; alike shards, spikes, the "
                "first seed. Lower is better.",
                grid.tolist(),
                {
                    rule: np.interp(grid, way, first[rule]["excess"]).tolist()
                    for rule, way in ways.items()
                },
                labels=(label, "excess loss left"),
                log=True,
            )
        )
    return [
        *figures,
        bars_over_seeds(
            "straggler_shard",
            "What the straggler alone holds",
            "Its loss at the end, unlike shards, worker 0 slow for good; means over seeds.",
            {
                rule: [run["shards"][0] for run in _runs(units, "unlike", "straggler", rule)]
                for rule in RULES
            },
            value_label="loss of shard 0",
        ),
    ]


PARTIAL_SGD_STUDY = Study(
    name="partial_sgd",
    summary="Training that abandons the results of slow machines in each iteration.",
    domain="scale",
    cite="hybrid2014",
    presets={
        "smoke": PartialSgdConfig(
            seeds=2,
            workers=4,
            steps=45,
            many=40,
            many_steps=45,
            draws=20,
            real_seeds=1,
            real_steps=3,
        ),
        "quick": PartialSgdConfig(),
        "paper": PartialSgdConfig(seeds=20, workers=32, steps=400, real_seeds=20, real_steps=100),
    },
    measure=measure,
)
