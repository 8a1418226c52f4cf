"""UPA: prompts found without labels, where the truth is known and with a real model.

"UPA: Unsupervised Prompt Agent via Tree-Based Search and Selection" (arXiv 2601.23273). The paper's
selection rule, priors, budgets and prompts could not be established: ours are in
`sterling.agent.prompts`. In simulation quality and the judge's position bias are known, and every
method spends the same number of calls. With a language model, labels serve the report alone.
"""

from sterling.agent.prompts.baselines import BASELINES
from sterling.agent.prompts.labelled import MADE_TASKS, LabelledTask, made_task, read_task
from sterling.errors import InputError
from sterling.runs import Coordinate, Run, derive_seed
from sterling.studies.agent.upa._cells import (
    ABLATIONS,
    BITS,
    ONE_ORDER,
    RIVALS,
    SPO,
    START,
    STRONGEST,
    UNFILTERED,
    UPA,
    UpaConfig,
    judged,
    language_task,
    noisy_judge,
    paths,
    search_simulated,
    tournaments,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views, positive, within

RECOVERED_MARGIN = 0.05  # of the card: position bias changes top-1 recovery by at most five points


def measure(config: UpaConfig, run: Run) -> Results:
    """Search in simulation, then tasks with a language model."""
    tasks = _tasks(config, run.seed)

    def repetitions(count: int) -> list[dict[str, Coordinate]]:
        return [{"repetition": index} for index in range(count)]

    noisy = max(2, config.seeds // 5)
    rows = run.map(search_simulated, repetitions(config.seeds), config, seed="world/{repetition}")
    rows += run.map(noisy_judge, repetitions(noisy), config, seed="noise/{repetition}")
    rows += run.map(tournaments, repetitions(1), config, seed="recovery")
    rows += run.map(paths, repetitions(1), config, seed="paths")
    grid = [{"repetition": index, "task": task.name} for index, task in enumerate(tasks)]
    rows += run.map(language_task, grid, config, tasks, seed="task/{task}")
    return Results.of(rows)


def _tasks(config: UpaConfig, seed: int) -> list[LabelledTask]:
    count = config.pool + config.held_out
    if config.data is None:
        every = [made_task(name, count, derive_seed(seed, name)) for name in MADE_TASKS]
    else:
        files = [config.data] if config.data.is_file() else sorted(config.data.rglob("*.json"))
        every = [read_task(file) for file in files]
    if config.tasks and not every:
        raise InputError(f"{config.data}: holds no .json file of a task")
    chosen = every[: config.tasks]
    for task in chosen:
        if len(task.questions) < config.pool + 2:
            raise InputError(
                f"task {task.name}: {len(task.questions)} questions; {config.pool} are for the "
                "search and two or more for the report: lower pool"
            )
    return chosen


def claims(results: Results, config: UpaConfig) -> list[Claim]:
    """Test the effects of comparing in both orders, and the prompts that searches end at."""
    wins = results.series("best prompt wins", by="judged")
    quality, right = results.series("quality"), results.series("right")
    found = [
        within(
            "swap_removes_lean",
            "Compared in both orders, the best of eight prompts wins as often with a judge whose "
            "position bias is one logit as with one without, to within five points.",
            wins.gain(judged("both orders", 1), than=judged("both orders", 0)),
            -RECOVERED_MARGIN,
            RECOVERED_MARGIN,
            over="tournaments",
        ),
        positive(
            "lean_harms_one_order",
            "Compared in one order, a position bias of one logit makes the best prompt win less "
            "often.",
            wins.gain(judged("one order", 0), than=judged("one order", 1)),
            over="tournaments",
        ),
        within(
            "paths_cover",
            "The 95 % intervals of paths hold the truth in 90 to 97 % of cases.",
            results.rate("path covered") or [],
            0.90,
            0.97,
        ),
        *(
            quality.higher(
                f"better_than_{name.lower().replace(',', '').replace(' ', '_')}",
                f"For as many calls UPA ends with better prompts than {name}.",
                UPA,
                than=name,
                paper="better than the prompt optimisers it is compared with",
            )
            for name in RIVALS
        ),
        quality.higher(
            "strongest_first_better_than_spo",
            "For as many calls UPA with our rule, which refines the strongest node of the whole "
            "tree, ends with better prompts than SPO.",
            STRONGEST,
            than=SPO,
        ),
        quality.higher(
            "swap_helps", "UPA ends better with both orders than with one.", UPA, than=ONE_ORDER
        ),
        quality.higher(
            "paths_choose",
            "Finalists chosen by their paths end better than finalists drawn at random.",
            UPA,
            than=UNFILTERED,
        ),
    ]
    if config.tasks:
        found += [
            positive(
                f"right_more_often_than_{name.lower()}",
                f"With the language model, UPA's prompts are right more often than {what}.",
                right.gain(UPA, than=name),
                over="questions",
            )
            for name, what in ((START, "the start"), (SPO, "SPO's"))
        ]
    return found


def views(results: Results, _: UpaConfig) -> Views:
    """Show the prompts that searches end at, in simulation and with the language model."""
    methods = [*ABLATIONS, *RIVALS, START]
    asked = results.select("right").names("system")
    metrics = [
        *(
            results.metric(f"quality, {name}", "quality", f"places right of {BITS}", system=name)
            for name in methods
        ),
        *(
            results.metric(
                f"best prompt wins, {name}",
                "best prompt wins",
                "rate",
                over="tournaments",
                judged=name,
            )
            for name in results.names("judged")
        ),
        *(
            results.metric(f"answers right, {name}", "right", "rate", over="questions", system=name)
            for name in asked
        ),
    ]
    simulated = results.table(
        "worlds",
        "Final prompts of the searches, in simulation",
        "system",
        [Column(f"quality of {BITS}", "quality", show="interval"), Column("calls spent", "calls")],
        order=methods,
        headings=["method"],
        caption="Baselines spend the whole budget; UPA stops once its tournament is settled. SPO "
        "judges three questions in one call, as released, or each in a call of its own.",
    )
    tasks = results.table(
        "tasks",
        "Prompts found with the language model",
        ("task", "system", "prompt"),
        [
            Column("right", "answers", show="rate"),
            Column("calls", "calls"),
            Column("tokens", "tokens"),
        ],
        headings=("task", "method", "prompt"),
        caption="Labels of held-out questions, seen by no search; an answer is right where it "
        "holds an accepted one as whole words.",
    )
    noise = results.lines(
        "noise",
        "Cost of the judge's noise",
        "Mean quality of the prompt that each method ends with, of 8, by the sharpness of the "
        "judge: logits per step of quality.",
        "quality",
        x="sharpness",
        labels=("sharpness", "quality"),
        system=(UPA, STRONGEST, *BASELINES),
    )
    return Views(metrics, [simulated, tasks] if asked else [simulated], [noise])


def scope(config: UpaConfig) -> str:
    """Return the scope of the figures."""
    model = f"; and {config.model} as executor, judge and optimiser" if config.tasks else ""
    return f"SIMULATED prompts, judge and optimiser with known truth{model}."


STUDY = Study(
    ENTRIES["upa"],
    presets={
        "smoke": UpaConfig(
            seeds=3,
            recoveries=20,
            paths=50,
            model="small",
            tasks=1,
            model_calls=60,
            pool=6,
            held_out=4,
            answer_tokens=4,
        ),
        "quick": UpaConfig(),
        "paper": UpaConfig(
            seeds=500, tasks=30, model_calls=1000, pool=40, held_out=200, answer_tokens=256
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
