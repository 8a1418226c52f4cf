"""Metrics, tables and figures of the study."""

from sterling.agent.browser.faults import FAULTS
from sterling.agent.browser.verifier import VERDICTS
from sterling.measure import Rate
from sterling.studies.agent.mano._config import OFF, ON, ONLINE, SYSTEMS, ManoConfig
from sterling.study import Column, Figure, Metric, Results, Table, metric_of_rate


def pooled(results: Results, metric: str, over: str) -> Rate | None:
    """A rate pooled over repetitions and one coordinate."""
    return results.rate(metric, **{over: results.select(metric).names(over)})


def metrics(results: Results) -> list[Metric]:
    """Success by stage and condition, alarms, repairs, flakiness."""
    found = [
        results.counted(f"success, {system}", "success", system=system, subset="trained")
        for system in SYSTEMS
    ]
    for faults, verifier in ((OFF, ON), (ON, OFF), (ON, ON)):
        at = {"system": ONLINE, "subset": "trained", "faults": faults, "verifier": verifier}
        name = f"success, {ONLINE}, faults {faults}, verifier {verifier}"
        found.append(results.counted(name, "success", **at))
    found += [
        results.counted("false alarms without faults", "false alarm", run="no faults"),
        results.counted("false alarms between faults", "false alarm", run="faults"),
    ]
    for name, metric, over in (
        ("faults with an alarm", "alarm on a fault", "fault"),
        ("faults repaired", "repaired", "fault"),
        ("injected faults that landed", "fault landed", "fault"),
        ("repeats of a seed that differ", "repeats that differ", "task"),
    ):
        rate = pooled(results, metric, over)
        if rate is not None:
            found.append(metric_of_rate(name, rate))
    found.append(results.metric("episodes played online", "episodes played online", "episodes"))
    return found


def tables(results: Results, config: ManoConfig) -> list[Table]:
    """Stages, conditions, tasks, faults, the confusion matrix."""
    trained, left = {"subset": "trained"}, {"subset": "left out"}
    stages = results.table(
        "stages",
        "Success after each stage",
        "system",
        [
            Column("success", "success", trained, "rate"),
            Column("steps", "steps", trained),
            Column("refused actions", "refused", trained),
            Column("success, tasks left out", "success", left, "rate"),
        ],
        order=SYSTEMS,
        caption=f"Held-out seeds, {config.tests} of each task and repetition; exact 95 % intervals "
        "of pooled episodes. Oracle: scripts; random: random clicks and words of the goal.",
    )
    conditions = results.table(
        "conditions",
        f"{ONLINE}: faults and verifier",
        ("faults", "verifier"),
        [
            Column("success", "success", {"system": ONLINE, **trained}, "rate"),
            Column("steps", "steps", {"system": ONLINE, **trained}),
            Column("refused actions", "refused", {"system": ONLINE, **trained}),
        ],
        caption=f"A fault strikes an action with probability {config.fault_rate:g}.",
    )
    tasks = results.table(
        "tasks",
        "Success by task",
        "task",
        [Column(system, "task success", {"system": system}, "rate") for system in SYSTEMS],
        caption="Shares of episodes with exact 95 % intervals. The last tasks were left out of "
        "training.",
    )
    faults = results.table(
        "faults",
        "Faults",
        "fault",
        [
            Column("landed", "fault landed", {}, "counts"),
            Column("alarm", "alarm on a fault", {}, "rate"),
            Column("repaired", "repaired", {}, "rate"),
            Column("success when struck", "success when struck", {"verifier": OFF}, "rate"),
            Column("with verifier", "success when struck", {"verifier": ON}, "rate"),
        ],
        order=FAULTS,
        caption="Landed: faults whose proof shows that they happened, of those injected (the first "
        "column counts them as errors of trials). Repaired: struck actions whose effect was there "
        "after the recovery, by the rules.",
    )
    verdicts = results.table(
        "verdicts",
        "The verifier's verdicts by what happened",
        "truth",
        [Column(said, "verdicts", {"said": said}, "sum") for said in VERDICTS],
        order=VERDICTS,
        headings=["truth"],
        caption="Actions of the policy under faults, summed over repetitions. Truth comes from the "
        "faults' own proofs; a slow page's action that runs before the next one is left out.",
    )
    return [stages, conditions, tasks, faults, verdicts]


def figures(results: Results) -> list[Figure]:
    """Success by stage, and under faults."""
    return [
        results.bars(
            "success",
            "Success after each stage",
            "Trained tasks, held-out seeds; means over repetitions with 95 % intervals.",
            "success",
            order=SYSTEMS,
            value_label="success",
            subset="trained",
        ),
        results.bars(
            "under_faults",
            "Success with faults and verifier",
            "Pooled episodes with exact 95 % intervals.",
            "success",
            by=("faults", "verifier"),
            value_label="success",
            show="rate",
            system=ONLINE,
            subset="trained",
        ),
    ]
