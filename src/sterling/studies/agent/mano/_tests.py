"""Measurements of a policy: success, steps, refusals; faults, verdicts and repairs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sterling.agent.browser.environment import BrowserEnv
from sterling.agent.browser.episode import (
    Episode,
    Guard,
    Policy,
    StepRecord,
    repaired,
    run_episodes,
)
from sterling.agent.browser.faults import FAULTS, FaultKind, FaultPlan
from sterling.agent.browser.verifier import VERDICTS, true_verdict
from sterling.measure import Rate
from sterling.runs import Coordinate, Row
from sterling.study import row


def play(
    envs: Mapping[str, BrowserEnv],
    seeds: Sequence[int],
    policy: Callable[[], Policy],
    *,
    plan: FaultPlan | None = None,
    guard: Guard | None = None,
) -> list[Episode]:
    """Play every task on every seed, with or without faults and a verifier."""
    for env in envs.values():
        env.faults = plan
    jobs = [(name, seed) for name in envs for seed in seeds]
    try:
        return run_episodes(envs, jobs, policy, guard=guard)
    finally:
        for env in envs.values():
            env.faults = None


def success_rows(
    episodes: Sequence[Episode], trained: Sequence[str], **at: Coordinate
) -> list[Row]:
    """Success of trained and left-out tasks, by task, with steps and refused actions."""
    rows = []
    for subset, inside in (("trained", True), ("left out", False)):
        own = [one for one in episodes if (one.task in trained) is inside]
        if not own:
            continue
        steps = sum(len(one.steps) for one in own)
        refused = Rate(sum(one.invalid for one in own), max(steps, 1))
        rows += [
            row("success", Rate(sum(one.success for one in own), len(own)), subset=subset, **at),
            row("steps", steps / len(own), subset=subset, **at),
            row("refused", refused, subset=subset, **at),
        ]
    for task in dict.fromkeys(one.task for one in episodes):
        own = [one for one in episodes if one.task == task]
        rows.append(
            row("task success", Rate(sum(one.success for one in own), len(own)), task=task, **at)
        )
    return rows


def judged(episodes: Sequence[Episode]) -> list[tuple[Episode, int, StepRecord]]:
    """Actions with a verdict, without those that a slow page mixed with the one before."""
    return [
        (episode, at, step)
        for episode in episodes
        for at, step in enumerate(episode.steps)
        if step.check is not None and not step.late
    ]


def verifier_rows(faulty: Sequence[Episode], sound: Sequence[Episode]) -> list[Row]:
    """Alarms by fault, false alarms with and without faults, the confusion matrix, repairs.

    Args:
        faulty: Episodes with faults, under the verifier with recovery.
        sound: Episodes without faults, under the verifier.
    """
    rows, steps = [], judged(faulty)
    for kind in FAULTS:
        struck = [(episode, at, step) for episode, at, step in steps if _struck(step, kind)]
        if not struck:
            continue
        alarms = sum(step.check is not None and step.check.alarm for *_, step in struck)
        fixed = sum(repaired(episode, at) for episode, at, _ in struck)
        rows += [
            row("alarm on a fault", Rate(alarms, len(struck)), fault=kind),
            row("repaired", Rate(fixed, len(struck)), fault=kind),
        ]
    for name, own in (("faults", steps), ("no faults", judged(sound))):
        quiet = [step for *_, step in own if step.fault is None or not step.fault.landed]
        alarms = sum(step.check is not None and step.check.alarm for step in quiet)
        if quiet:
            rows.append(row("false alarm", Rate(alarms, len(quiet)), run=name))
    counts = Counter(
        (true_verdict(step.fault, step.action, step.before, step.after), step.check.verdict)
        for *_, step in steps
        if step.check is not None
    )
    rows += [
        row("verdicts", float(counts[truth, said]), truth=truth, said=said)
        for truth in VERDICTS
        for said in VERDICTS
    ]
    tiers = Counter(step.check.tier for *_, step in steps if step.check is not None)
    rows.append(row("decided by a rule", Rate(tiers["rule"], max(sum(tiers.values()), 1))))
    return rows


def struck_rows(episodes: Sequence[Episode], verifier: str) -> list[Row]:
    """Success of the episodes that a fault of each kind struck."""
    rows = []
    for kind in FAULTS:
        own = [
            one
            for one in episodes
            if any(
                step.fault and step.fault.kind == kind and step.fault.landed for step in one.steps
            )
        ]
        if own:
            rate = Rate(sum(one.success for one in own), len(own))
            rows.append(row("success when struck", rate, fault=kind, verifier=verifier))
    return rows


def landed_rows(episodes: Sequence[Episode]) -> list[Row]:
    """Share of injected faults whose proof shows that they landed."""
    rows = []
    for kind in FAULTS:
        own = [step.fault for one in episodes for step in one.steps if step.fault is not None]
        own = [fault for fault in own if fault.kind == kind]
        if own:
            rate = Rate(sum(fault.landed for fault in own), len(own))
            rows.append(row("fault landed", rate, fault=kind))
    return rows


def _struck(step: StepRecord, kind: FaultKind) -> bool:
    return step.fault is not None and step.fault.kind == kind and step.fault.landed
