"""Mano: do three stages of training and a verifier make a GUI agent, and by how much each?

"Mano Report" (arXiv 2509.17336). Its model (7 billion weights), environment, reward terms and data
are not public. Here a policy of 0.13 million weights acts on real MiniWoB++ pages in Chromium:
demonstrations of scripts, GRPO on single logged steps, GRPO on whole episodes; then faults are
injected, and a verifier with recovery is switched on and off. Nothing here is measured on Mind2Web
or OSWorld.
"""

from sterling.agent.browser.chromium import require_gui
from sterling.runs import Run
from sterling.studies.agent.mano._config import (
    DEMONSTRATIONS,
    OFF,
    OFFLINE,
    ON,
    ONLINE,
    RANDOM,
    ManoConfig,
)
from sterling.studies.agent.mano._views import figures, metrics, pooled, tables
from sterling.studies.registry import ENTRIES
from sterling.study import (
    Claim,
    Results,
    Series,
    Study,
    Views,
    at_least,
    at_most,
    positive,
)

LOSS = 0.01  # success that a verifier may cost where nothing goes wrong
FALSE_ALARMS = 0.02
FLAKY = 0.01
PAPER = "OSWorld-Verified: 32.7 → 33.7 → 41.6 (secondary source)"


def measure(config: ManoConfig, run: Run) -> Results:
    """Train and test in every repetition; repeat one seed."""
    require_gui()
    # Gymnasium is an extra: the study's name, claims and settings are known without it.
    from sterling.agent.browser.miniwob import miniwob_folder
    from sterling.studies.agent.mano._cells import repeat_one_seed, train_and_test

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
    differ = pooled(results, "repeats that differ", "task")
    return [
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
        at_most(
            "few_false_alarms",
            f"The verifier raises a false alarm on at most {FALSE_ALARMS:.0%} of actions "
            "without faults.",
            false_alarm or [],
            FALSE_ALARMS,
            over="actions",
        ),
        at_most(
            "seeds_repeat",
            f"At most {FLAKY:.0%} of repeats of a seed differ in any page.",
            differ or [],
            FLAKY,
            over="repeats",
        ),
    ]


def views(results: Results, config: ManoConfig) -> Views:
    """Stages, conditions, tasks, faults, the confusion matrix, flakiness."""
    return Views(metrics(results), tables(results, config), figures(results))


def _success(results: Results) -> Series:
    return results.series("success", subset="trained")


def _left_out(results: Results) -> Series:
    return results.series("success", subset="left out")


def scope(config: ManoConfig) -> str:
    """Describe the pages, the faults and the policy."""
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
