"""Evidence of `sterling policy diagnose`: metrics, causes and advice, rewards over time."""

import numpy as np

from sterling.measure import Rate
from sterling.policy.findings import Diagnosis
from sterling.policy.groups import find_groups
from sterling.policy.reward_log import RewardLog
from sterling.study import Figure, Findings, Metric, Table, lines, metric_of_rate


def diagnosis_findings(found: Diagnosis, log: RewardLog) -> Findings:
    """Turn a diagnosis into findings."""
    dead = found.dead_groups
    metrics = [Metric(name="completions", value=len(log), n=len(log), unit="completions")]
    if dead.groups:
        metrics.append(metric_of_rate("dead groups", Rate(dead.dead, dead.groups)))
    if found.mean_shift.mean is not None:
        shift = Metric(
            name="mean advantage", value=found.mean_shift.mean, n=len(log), unit="advantage"
        )
        metrics.append(shift)
    causes = Table(
        name="causes",
        title="Causes of a zero loss or of stalled training",
        columns=["cause", "found", "measured", "advice"],
        rows=[
            [
                name.replace("_", " "),
                "yes" if one.found else "no",
                one.sentence,
                one.advice if one.found else "",
            ]
            for name, one in found.findings.items()
        ],
    )
    parts = Table(
        name="rewards",
        title="Reward functions",
        columns=["reward", "share of the variance within groups", "constant in", "mean"],
        rows=[[part.name, part.share, part.constant, part.mean] for part in found.components.parts],
        caption="Constant in: share of groups whose completions earn the same. Shares sum to 1; "
        "a negative one works against the others.",
    )
    return Findings(
        scope="The user's own log of rewards: no model was trained or run.",
        not_scored=int(np.isnan(log.total).sum()),
        metrics=metrics,
        claims=[],
        tables=[causes, parts],
        figures=[_dead_over_time(found), _rewards_over_time(log)],
    )


def _dead_over_time(found: Diagnosis) -> Figure:
    dead = found.dead_groups
    return lines(
        "dead_groups",
        "Dead groups over time",
        "Share of groups whose rewards are equal, which have no gradient.",
        list(dead.steps),
        {"dead groups": list(dead.by_step)},
        labels=("step", "share of groups"),
    )


def _rewards_over_time(log: RewardLog) -> Figure:
    steps = find_groups(log.step, len(log))
    places = np.unique(log.step)
    order = np.argsort(log.step[np.unique(steps.codes, return_index=True)[1]])
    series: dict[str, list[float | None]] = {}
    for name, column in zip(log.columns.rewards, log.rewards.T, strict=True):
        scored = (~np.isnan(column)).astype(np.float64)
        count, total = steps.sums(scored)[order], steps.sums(np.nan_to_num(column))[order]
        series[name] = [
            float(each / many) if many else None for each, many in zip(total, count, strict=True)
        ]
    return lines(
        "rewards",
        "Rewards over time",
        "Mean of each reward function over the completions that it scored.",
        [int(each) for each in places],
        series,
        labels=("step", "mean reward"),
    )
