"""Mano: do three stages of training and a verifier make a GUI agent, and by how much each?

"Mano Report" (arXiv 2509.17336). Its model (7 billion weights), environment, reward terms and data
are not public. Here a policy of 0.13 million weights acts on real MiniWoB++ pages in Chromium:
demonstrations of scripts, GRPO on single logged steps, GRPO on whole episodes; then faults are
injected, and a verifier with recovery is switched on and off. Nothing here is measured on Mind2Web
or OSWorld.
"""

from sterling.agent.browser.chromium import require_gui
from sterling.agent.browser.faults import FAULTS
from sterling.agent.browser.miniwob import miniwob_folder
from sterling.agent.browser.verifier import VERDICTS
from sterling.measure import Rate
from sterling.runs import Run
from sterling.studies.agent.mano._cells import (
    DEMONSTRATIONS,
    OFFLINE,
    ONLINE,
    RANDOM,
    SYSTEMS,
    ManoConfig,
    repeat_one_seed,
    train_and_test,
)
from sterling.studies.agent.mano._tests import OFF, ON
from sterling.studies.registry import ENTRIES
from sterling.study import (
    Claim,
    Column,
    Figure,
    Metric,
    Results,
    Series,
    Study,
    Table,
    Views,
    at_least,
    at_most,
    metric_of_rate,
    positive,
)

LOSS = 0.01  # success that a verifier may cost where nothing goes wrong
FALSE_ALARMS = 0.02
FLAKY = 0.01
PAPER = "OSWorld-Verified: 32.7 → 33.7 → 41.6 (secondary source)"


def measure(config: ManoConfig, run: Run) -> Results:
    """Train and test in every repetition; repeat one seed."""
    require_gui()
    miniwob_folder()
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(train_and_test, grid, config, seed="mano/{repetition}")
    rows += run.map(repeat_one_seed, grid[:1], config, seed="mano/repeat/{repetition}")
    return Results.of(rows)


def claims(results: Results, _config: ManoConfig) -> list[Claim]:
    """Each stage over the one before; the verifier with and without faults; repeats."""
    success = _success(results)
    offline = success.gain(OFFLINE, DEMONSTRATIONS)
    online = success.gain(ONLINE, OFFLINE)
    faulty = results.series("success", by="verifier", system=ONLINE, subset="trained", faults=ON)
    calm = results.values("success", system=ONLINE, subset="trained", faults=OFF, verifier=ON)
    false_alarm = results.rate("false alarm", run="no faults")
    differ = _pooled(results, "repeats that differ", "task")
    found = [
        success.higher(
            "demonstrations_help",
            "Training on demonstrations raises success over random actions.",
            DEMONSTRATIONS,
            than=RANDOM,
        ),
        success.higher(
            "offline_helps",
            "Single-step GRPO on logged pages raises success over demonstrations alone.",
            OFFLINE,
            than=DEMONSTRATIONS,
            paper=PAPER,
        ),
        success.higher(
            "online_helps",
            "GRPO on whole episodes raises success further.",
            ONLINE,
            than=OFFLINE,
            paper=PAPER,
        ),
        positive(
            "gain_is_online",
            "The online stage gains more than the offline stage.",
            [after - before for after, before in zip(online, offline, strict=True)],
            paper="7.9 of 8.9 points (secondary source)",
        ),
        faulty.higher(
            "verifier_helps_under_faults",
            "Verifier and recovery raise success when faults strike.",
            ON,
            than=OFF,
        ),
        at_least(
            "verifier_is_free_without_faults",
            f"Without faults they cost at most {LOSS:g} of success.",
            [with_it - without for with_it, without in zip(calm, success[ONLINE], strict=True)],
            -LOSS,
        ),
        _left_out(results).higher(
            "tasks_left_out",
            "The trained policy beats random actions on tasks that it was not trained on.",
            ONLINE,
            than=RANDOM,
        ),
    ]
    if false_alarm is not None:
        found.append(
            at_most(
                "few_false_alarms",
                f"The verifier raises a false alarm on at most {FALSE_ALARMS:.0%} of actions "
                "without faults.",
                false_alarm,
                FALSE_ALARMS,
                over="actions",
            )
        )
    if differ is not None:
        found.append(
            at_most(
                "seeds_repeat",
                f"At most {FLAKY:.0%} of repeats of a seed differ in any page.",
                differ,
                FLAKY,
                over="repeats",
            )
        )
    return found


def views(results: Results, config: ManoConfig) -> Views:
    """Stages, conditions, tasks, faults, the confusion matrix, flakiness."""
    return Views(_metrics(results), _tables(results, config), _figures(results))


def _success(results: Results) -> Series:
    return results.series("success", subset="trained")


def _left_out(results: Results) -> Series:
    return results.series("success", subset="left out")


def _pooled(results: Results, metric: str, over: str) -> Rate | None:
    """A rate pooled over repetitions and one coordinate."""
    return results.rate(metric, **{over: results.select(metric).names(over)})


def _metrics(results: Results) -> list[Metric]:
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
        rate = _pooled(results, metric, over)
        if rate is not None:
            found.append(metric_of_rate(name, rate))
    found.append(results.metric("episodes played online", "episodes played online", "episodes"))
    return found


def _tables(results: Results, config: ManoConfig) -> list[Table]:
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


def _figures(results: Results) -> list[Figure]:
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


def scope(config: ManoConfig) -> str:
    """What the figures hold for."""
    return (
        f"{config.tasks} MiniWoB++ tasks in Chromium (and {config.left_out} left out), pages of "
        "seeds not trained on; faults are SIMULATED; a policy of 0.13 million weights that reads "
        "elements, not pixels. No figure of Mind2Web or OSWorld."
    )


STUDY = Study(
    ENTRIES["mano"],
    presets={
        "smoke": ManoConfig(
            seeds=2,
            tasks=2,
            left_out=1,
            demonstrations=2,
            tuning=15,
            offline=2,
            rounds=1,
            iterations=1,
            batch=1,
            group=3,
            tests=1,
            learned=1,
            repeats=2,
        ),
        "quick": ManoConfig(),
        "paper": ManoConfig(seeds=10, rounds=4, iterations=12, tests=25),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    no_data="tasks come with the package miniwob; own pages: sterling agent gui evaluate",
    repetitions="seeds",
)
