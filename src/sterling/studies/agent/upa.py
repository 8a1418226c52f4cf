"""UPA: prompts found without labels, where the truth is known and with a real model.

"UPA: Unsupervised Prompt Agent via Tree-Based Search and Selection" (arXiv 2601.23273). The paper's
selection rule, priors, budgets and prompts could not be established: ours are in
`sterling.agent.prompts`. In a simulated world quality and the judge's lean are known, and every
method spends the same number of calls. With a language model, labels serve the report alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from scipy import special

from sterling.agent.prompts import (
    EdgePosterior,
    LanguageTask,
    Search,
    SearchSettings,
    SimulatedTask,
    upa,
)
from sterling.agent.prompts.baselines import BASELINES
from sterling.agent.prompts.labelled import (
    MADE_TASKS,
    LabelledTask,
    is_right,
    made_task,
    read_task,
)
from sterling.errors import InputError
from sterling.lm import Budget, CallLedger, LocalModel, load_local, train_small
from sterling.measure import Rate, fit_bradley_terry
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Row,
    Study,
    Table,
    lines,
    metric_over_seeds,
    positive,
    row_over_seeds,
    within,
)

UPA, START = "UPA", "start"
ABLATIONS: dict[str, Callable[[SearchSettings], SearchSettings]] = {
    UPA: lambda settings: settings,
    "UPA, one order": lambda settings: replace(settings, swap=False),
    "UPA, finalists at random": lambda settings: replace(settings, filtered=False),
    "UPA, filter at 0.9": lambda settings: replace(settings, confidence=0.9),
}
BITS = 8
RECOVERED_MARGIN = 0.05  # of the card: position bias changes top-1 recovery by at most five points
CHAT = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


class UpaConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of tasks as JSON (see `read_task`), or one such file; replaces the made ones.
        worlds: Simulated worlds.
        calls: That every method spends in a world, of judge and optimiser together.
        sharpness: Of the judge, logits a step of quality.
        lean: Logits that the judge gives to whatever stands first.
        recoveries: Tournaments of eight prompts, for what the swap does.
        paths: Simulated paths of refinements, for the coverage of their intervals.
        model: "smollm2", a folder of a local model, or "small": a tiny one trained here.
        tasks: Of those at hand at most; 0 leaves the language model out.
        model_calls: That every method spends on a task.
        pool: Questions without labels that a search sees.
        held_out: Labelled questions of the report.
        answer_tokens: Of an answer at most.
    """

    worlds: int = Field(default=100, ge=2)
    calls: int = Field(default=300, ge=20)
    sharpness: float = Field(default=1.0, gt=0)
    lean: float = 1.4
    recoveries: int = Field(default=1000, ge=2)
    paths: int = Field(default=2000, ge=10)
    model: str = "smollm2"
    tasks: int = Field(default=2, ge=0)
    model_calls: int = Field(default=100, ge=20)
    pool: int = Field(default=10, ge=3)
    held_out: int = Field(default=40, ge=2)
    answer_tokens: int = Field(default=12, ge=1)


World = dict[str, Any]


def measure(config: UpaConfig, run: Run) -> Findings:
    """Search simulated worlds, then tasks with a language model, and test the claims."""
    tasks = _tasks(config, run.seed)
    calls = [(config, run, number) for number in range(config.worlds)]
    worlds = run.stage("worlds", lambda: [_world(*call) for call in calls])
    recovered = run.stage("recoveries", lambda: _recoveries(config, run.seed))
    covered = run.stage("paths", lambda: _paths(config, run.seed))
    noise = run.stage("noise", lambda: _noise(config, run.seed))
    results = in_processes(_one_task, [(config, run, task) for task in tasks], "tasks")
    return Findings(
        scope="SIMULATED prompts, judge and optimiser with known truth"
        + (f"; and {config.model} as executor, judge and optimiser." if tasks else "."),
        not_scored=0,
        metrics=_metrics(worlds, recovered, results),
        claims=_claims(worlds, recovered, covered, results),
        tables=[_world_table(worlds), *([_task_table(results)] if results else [])],
        figures=[_noise_figure(noise)],
    )


def _tasks(config: UpaConfig, seed: int) -> list[LabelledTask]:
    count = config.pool + config.held_out
    if config.data is None:
        every = [made_task(name, count, derive_seed(seed, name)) for name in MADE_TASKS]
    else:
        files = [config.data] if config.data.is_file() else sorted(config.data.rglob("*.json"))
        every = [read_task(Path(file)) for file in files]
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


# The simulated world


def _simulated(config: UpaConfig, seed: int, sharpness: float) -> SimulatedTask:
    ledger = CallLedger(Budget(calls=config.calls))
    return SimulatedTask(BITS, seed, sharpness=sharpness, position_bias=config.lean, ledger=ledger)


def _world(config: UpaConfig, run: Run, number: int) -> World:
    """Quality that every method ends with, and what UPA spent."""
    seed = derive_seed(run.seed, "world", number) % 2**31
    found: World = {}
    for name, changed in ABLATIONS.items():
        task = _simulated(config, seed, config.sharpness)
        search = upa(task, task.start(), changed(SearchSettings()), seed=seed)
        found[name] = task.quality(search.best)
        found[f"calls of {name}"] = len(task.ledger.calls)
    for name, baseline in BASELINES.items():
        task = _simulated(config, seed, config.sharpness)
        found[name] = task.quality(baseline(task, task.start(), seed=seed))
    task = _simulated(config, seed, config.sharpness)
    found[START] = task.quality(task.start())
    return found


def _noise(config: UpaConfig, seed: int) -> dict[str, list[float]]:
    """Mean quality by the judge's sharpness, in a fifth of the worlds."""
    curve: dict[str, list[float]] = {"sharpness": [0.25, 0.5, 1.0, 2.0], UPA: []}
    curve |= {name: [] for name in BASELINES}
    seeds = [derive_seed(seed, "noise", row) % 2**31 for row in range(max(2, config.worlds // 5))]
    for sharpness in curve["sharpness"]:
        for name in (UPA, *BASELINES):
            ends = []
            for one in seeds:
                task = _simulated(config, one, sharpness)
                start = task.start()
                best = (
                    upa(task, start, seed=one).best
                    if name == UPA
                    else BASELINES[name](task, start, seed=one)
                )
                ends.append(task.quality(best))
            curve[name].append(float(np.mean(ends)))
    return curve


def _recoveries(config: UpaConfig, seed: int) -> dict[str, list[bool]]:
    """Whether the best of eight prompts wins its tournament of ten judgements a pair."""
    found: dict[str, list[bool]] = {}
    for swap in (True, False):
        for lean in (0.0, 1.0):
            name = f"{'both orders' if swap else 'one order'}, lean {lean:g}"
            found[name] = [
                _recovered(derive_seed(seed, "recovery", trial) % 2**31, lean, swap)
                for trial in range(config.recoveries)
            ]
    return found


def _recovered(seed: int, lean: float, swap: bool, prompts: int = 8, judged: int = 10) -> bool:
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=prompts)
    ahead = special.expit(truth[:, None] - truth[None, :] + lean)  # row shown first
    uniform = draw.random((2, prompts, prompts, judged))
    first = uniform[0] < ahead[..., None]
    second = uniform[1] < ahead.T[..., None]  # column shown first
    half = judged // 2
    won = (
        first[..., :half].sum(-1) + half - second[..., :half].sum(-1) if swap else first.sum(-1)
    ).astype(float)
    wins = np.tril(won, -1)
    wins += np.triu((judged - won).T, 1)
    return fit_bradley_terry(wins).order()[0] == int(truth.argmax())


def _paths(config: UpaConfig, seed: int) -> list[int]:
    """How many 95 % intervals of paths of one to four refinements hold the truth, and of how many.

    Edges have ten comparisons each; their logits are logistic with scale 0.6.
    """
    draw = np.random.default_rng(derive_seed(seed, "paths"))
    covered = 0
    for _ in range(config.paths):
        truth = mean = variance = 0.0
        for _ in range(int(draw.integers(1, 5))):
            logit = 0.6 * draw.logistic()
            edge = EdgePosterior().after(draw.random(10) < special.expit(logit))
            truth, mean, variance = truth + logit, mean + edge.mean, variance + edge.variance
        covered += abs(truth - mean) <= 1.96 * np.sqrt(variance)
    return [int(covered), config.paths]


# With a language model


def _one_task(config: UpaConfig, run: Run, task: LabelledTask) -> World:
    seed = derive_seed(run.seed, "task", task.name) % 2**31
    result: World = run.stage(f"task-{task.name}", lambda: _searched(config, task, seed))
    return result


def _searched(config: UpaConfig, task: LabelledTask, seed: int) -> World:
    """Prompts found by UPA and by every baseline, and how often their answers are right."""
    model = _model(config, task)
    pool = task.questions[: config.pool]
    settings = SearchSettings(expansions=3, judged=16)
    found: World = {"task": task.name, START: {"prompt": task.start}}
    for name in (UPA, *BASELINES):
        ledger = CallLedger(Budget(calls=config.model_calls))
        spent = replace(model, ledger=ledger)
        asked = LanguageTask(pool, spent, spent, spent, ledger, config.answer_tokens)
        if name == UPA:
            search = upa(asked, task.start, settings, seed=seed)
            found[name] = {"prompt": search.best, **_told(search)}
        else:
            found[name] = {"prompt": BASELINES[name](asked, task.start, seed=seed)}
        found[name]["calls"] = len(ledger.calls)
        found[name]["tokens"] = ledger.tokens
    held = range(config.pool, min(len(task.questions), config.pool + config.held_out))
    free = replace(model, ledger=CallLedger())
    report = LanguageTask(task.questions, free, free, free, free.ledger, config.answer_tokens)
    for name in (START, UPA, *BASELINES):
        answers = report.answers(found[name]["prompt"], list(held))
        found[name]["right"] = [
            is_right(answer, task.accepted[row]) for answer, row in zip(answers, held, strict=True)
        ]
    return found


def _told(search: Search) -> World:
    return {"ended": search.ended, "sure": search.sure, "lean": search.position_bias}


def _model(config: UpaConfig, task: LabelledTask) -> LocalModel:
    if config.model != "small":
        return load_local(config.model)
    pairs = zip(task.questions, task.accepted, strict=True)
    texts = [f"user: {task.start}\n\n{question}\nassistant: {one[0]}" for question, one in pairs]
    model = train_small(texts, steps=30)
    model.tokenizer.chat_template = CHAT
    return model


# Evidence


def _claims(
    worlds: Sequence[World],
    recovered: dict[str, list[bool]],
    covered: Sequence[int],
    results: Sequence[World],
) -> list[Claim]:
    def gain(first: str, second: str) -> list[float]:
        return [float(world[first] - world[second]) for world in worlds]

    def between(first: str, second: str) -> list[float]:
        pairs = zip(recovered[first], recovered[second], strict=True)
        return [float(one) - float(other) for one, other in pairs]

    claims = [
        within(
            "swap_removes_lean",
            "Judged in both orders, the best of eight prompts wins as often with a judge that "
            "leans by one logit as with one that does not, to within five points.",
            between("both orders, lean 1", "both orders, lean 0"),
            -RECOVERED_MARGIN,
            RECOVERED_MARGIN,
            over="tournaments",
        ),
        positive(
            "lean_harms_one_order",
            "Judged in one order, a lean of one logit makes the best prompt win less often.",
            between("one order, lean 0", "one order, lean 1"),
            over="tournaments",
        ),
        within(
            "paths_cover",
            "The 95 % intervals of paths hold the truth in 90 to 97 % of cases.",
            Rate(covered[0], covered[1]),
            0.90,
            0.97,
        ),
        *(
            positive(
                f"better_than_{name.replace(' ', '_')}",
                f"For as many calls UPA ends with better prompts than {name}.",
                gain(UPA, name),
                paper="better than the prompt optimisers it is compared with",
                over="worlds",
            )
            for name in BASELINES
        ),
        *(
            positive(
                claim_id,
                sentence,
                gain(UPA, name),
                over="worlds",
            )
            for claim_id, sentence, name in (
                ("swap_helps", "UPA ends better with both orders than with one.", "UPA, one order"),
                (
                    "paths_choose",
                    "Finalists chosen by their paths end better than finalists drawn at random.",
                    "UPA, finalists at random",
                ),
            )
        ),
    ]
    if results:
        claims += [
            positive(
                f"right_more_often_than_{name.replace(' ', '_')}",
                f"With the language model, UPA's prompts are right more often than {what}.",
                _accuracy_gains(results, name),
                over="questions",
            )
            for name, what in ((START, "the start"), ("greedy chain", "the greedy chain's"))
        ]
    return claims


def _accuracy_gains(results: Sequence[World], name: str) -> list[float]:
    return [
        float(one) - float(other)
        for result in results
        for one, other in zip(result[UPA]["right"], result[name]["right"], strict=True)
    ]


def _metrics(
    worlds: Sequence[World], recovered: dict[str, list[bool]], results: Sequence[World]
) -> list[Metric]:
    methods = [*ABLATIONS, *BASELINES, START]
    metrics = [
        metric_over_seeds(
            f"quality, {name}", "places right of 8", [world[name] for world in worlds], "worlds"
        )
        for name in methods
    ]
    metrics += [
        metric_over_seeds(
            f"best prompt wins, {name}", "rate", [float(one) for one in hits], "tournaments"
        )
        for name, hits in recovered.items()
    ]
    for name in (START, UPA, *BASELINES) if results else ():
        right = [float(one) for result in results for one in result[name]["right"]]
        metrics.append(metric_over_seeds(f"answers right, {name}", "rate", right, "questions"))
    return metrics


def _world_table(worlds: Sequence[World]) -> Table:
    rows: list[Row] = []
    for name in (*ABLATIONS, *BASELINES, START):
        key = f"calls of {name}"
        spent = float(np.mean([world[key] for world in worlds])) if key in worlds[0] else None
        rows.append([name, *row_over_seeds([world[name] for world in worlds]), spent])
    return Table(
        name="worlds",
        title="Where searches end in simulated worlds",
        columns=["method", "quality of 8", "low", "high", "calls spent"],
        rows=rows,
        caption="Baselines spend the whole budget; UPA stops once its tournament is settled.",
    )


def _task_table(results: Sequence[World]) -> Table:
    rows: list[Row] = []
    for result in results:
        for name in (START, UPA, *BASELINES):
            one = result[name]
            rate = Rate(sum(one["right"]), len(one["right"]))
            interval = rate.interval()
            rows.append(
                [
                    result["task"],
                    name,
                    rate.value,
                    interval.low,
                    interval.high,
                    one.get("calls"),
                    one.get("tokens"),
                    one["prompt"],
                ]
            )
    return Table(
        name="tasks",
        title="Prompts found with the language model",
        columns=["task", "method", "right", "low", "high", "calls", "tokens", "prompt"],
        rows=rows,
        caption="Labels of held-out questions, seen by no search; an answer is right where it "
        "holds an accepted one as whole words.",
    )


def _noise_figure(curve: dict[str, list[float]]) -> Figure:
    return lines(
        "noise",
        "What the judge's noise costs",
        "Mean quality of the prompt that each method ends with, of 8, by the sharpness of the "
        "judge: logits a step of quality.",
        curve["sharpness"],
        {name: values for name, values in curve.items() if name != "sharpness"},
        labels=("sharpness", "quality"),
    )


UPA_STUDY = Study(
    name="upa",
    summary="Prompts found without labels: order-free comparisons, a tree, a tournament.",
    domain="agent",
    cite="upa2026",
    presets={
        "smoke": UpaConfig(
            worlds=3,
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
            worlds=500, tasks=30, model_calls=1000, pool=40, held_out=200, answer_tokens=256
        ),
    },
    measure=measure,
)
