"""Searches for prompts, in simulation and with a language model, as cells."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from pydantic import Field
from scipy import special

from sterling.agent.prompts import EdgePosterior, LanguageTask, SearchSettings, SimulatedTask, upa
from sterling.agent.prompts.baselines import BASELINES, spo
from sterling.agent.prompts.comparison import PromptTask
from sterling.agent.prompts.labelled import LabelledTask, is_right
from sterling.lm import Budget, CallLedger, LocalModel, load_local, train_small
from sterling.measure import Rate, fit_bradley_terry
from sterling.runs import Cell, Row, derive_seed
from sterling.study import Config, row

UPA, START = "UPA", "start"
ONE_ORDER, UNFILTERED = "UPA, one order", "UPA, finalists at random"
STRONGEST = "UPA, strongest first"  # ours
SPO, SPO_APART = "SPO", "SPO, a call per question"
ABLATIONS: dict[str, Callable[[SearchSettings], SearchSettings]] = {
    UPA: lambda settings: settings,
    ONE_ORDER: lambda settings: replace(settings, swap=False),
    UNFILTERED: lambda settings: replace(settings, filtered=False),
    STRONGEST: lambda settings: replace(settings, selection="strongest"),
    "UPA, filter at 0.9": lambda settings: replace(settings, confidence=0.9),
}
RIVALS: dict[str, Callable[..., str]] = {**BASELINES, SPO_APART: partial(spo, together=False)}
BITS = 8
SHARPNESS = (0.25, 0.5, 1.0, 2.0)
BIASES = (0.0, 1.0)
CHAT = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


class UpaConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of tasks as JSON (see `read_task`), or one such file; replaces the made ones.
        seeds: Number of simulated searches, each with another truth.
        calls: Calls that every method spends in simulation, of judge and optimiser together.
        sharpness: Sharpness of the judge, logits per step of quality.
        position_bias: Logits that the judge gives to whatever is shown first.
        recoveries: Tournaments of eight prompts, for what comparing in both orders does.
        paths: Simulated paths of refinements, for the coverage of their intervals.
        model: "smollm2", a folder of a local model, or "small": a tiny one trained here.
        tasks: Most tasks to run; 0 leaves the language model out.
        model_calls: Calls that every method spends on a task.
        pool: Questions without labels that a search sees.
        held_out: Labelled questions of the report.
        answer_tokens: Most tokens of an answer.
    """

    seeds: int = Field(default=100, ge=2)
    calls: int = Field(default=300, ge=20)
    sharpness: float = Field(default=1.0, gt=0)
    position_bias: float = 1.4
    recoveries: int = Field(default=1000, ge=2)
    paths: int = Field(default=2000, ge=10)
    model: str = "smollm2"
    tasks: int = Field(default=2, ge=0)
    model_calls: int = Field(default=100, ge=20)
    pool: int = Field(default=10, ge=3)
    held_out: int = Field(default=40, ge=2)
    answer_tokens: int = Field(default=12, ge=1)


def _simulated(config: UpaConfig, seed: int, sharpness: float) -> SimulatedTask:
    ledger = CallLedger(Budget(calls=config.calls))
    return SimulatedTask(
        BITS, seed, sharpness=sharpness, position_bias=config.position_bias, ledger=ledger
    )


def _best(name: str, task: PromptTask, start: str, settings: SearchSettings, seed: int) -> str:
    """Prompt that UPA, an ablation of it or a baseline ends with."""
    if name in ABLATIONS:
        return upa(task, start, ABLATIONS[name](settings), seed=seed).best
    return RIVALS[name](task, start, seed=seed)


def search_simulated(config: UpaConfig, cell: Cell) -> list[Row]:
    """Quality that every method ends with, and the calls that it spent."""
    start = _simulated(config, cell.seed, config.sharpness)
    rows = [row("quality", start.quality(start.start()), system=START)]
    for name in (*ABLATIONS, *RIVALS):
        task = _simulated(config, cell.seed, config.sharpness)
        best = _best(name, task, task.start(), SearchSettings(), cell.seed)
        rows += [
            row("quality", task.quality(best), system=name),
            row("calls", len(task.ledger.calls), system=name),
        ]
    return rows


def noisy_judge(config: UpaConfig, cell: Cell) -> list[Row]:
    """Quality that UPA and the baselines end with, by the judge's sharpness."""
    rows = []
    for sharpness in SHARPNESS:
        for name in (UPA, STRONGEST, *BASELINES):
            task = _simulated(config, cell.seed, sharpness)
            best = _best(name, task, task.start(), SearchSettings(), cell.seed)
            rows.append(row("quality", task.quality(best), system=name, sharpness=sharpness))
    return rows


def judged(orders: str, bias: float) -> str:
    """Name of a way to judge in the results."""
    return f"{orders}, position bias {bias:g}"


def tournaments(config: UpaConfig, cell: Cell) -> list[Row]:
    """Whether the best of eight prompts wins its tournament of ten comparisons a pair."""
    seeds = [
        derive_seed(cell.run.seed, "recovery", index) % 2**31 for index in range(config.recoveries)
    ]
    return [
        {
            "repetition": index,
            **row("best prompt wins", recovered(seed, bias, swap), judged=judged(orders, bias)),
        }
        for orders, swap in (("both orders", True), ("one order", False))
        for bias in BIASES
        for index, seed in enumerate(seeds)
    ]


def recovered(seed: int, bias: float, swap: bool, prompts: int = 8, compared: int = 10) -> bool:
    """Whether the best prompt wins a tournament with a judge of some position bias.

    Args:
        seed: Seed of the truth and the judge.
        bias: Logits for the prompt that is shown first.
        swap: Whether half of the comparisons are in the other order.
        prompts: Number of prompts.
        compared: Comparisons of each pair.
    """
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=prompts)
    ahead = special.expit(truth[:, None] - truth[None, :] + bias)  # row shown first
    uniform = draw.random((2, prompts, prompts, compared))
    first = uniform[0] < ahead[..., None]
    second = uniform[1] < ahead.T[..., None]  # column shown first
    half = compared // 2
    won = (
        first[..., :half].sum(-1) + half - second[..., :half].sum(-1) if swap else first.sum(-1)
    ).astype(float)
    wins = np.tril(won, -1)
    wins += np.triu((compared - won).T, 1)
    return fit_bradley_terry(wins).order()[0] == int(truth.argmax())


def paths(config: UpaConfig, cell: Cell) -> list[Row]:
    """Measure the coverage of 95 % intervals of paths of one to four refinements.

    Edges have ten comparisons each; their logits are logistic with scale 0.6.
    """
    draw = np.random.default_rng(derive_seed(cell.run.seed, "paths"))
    covered = 0
    for _ in range(config.paths):
        truth = mean = variance = 0.0
        for _ in range(int(draw.integers(1, 5))):
            logit = 0.6 * draw.logistic()
            edge = EdgePosterior().after(draw.random(10) < special.expit(logit))
            truth, mean, variance = truth + logit, mean + edge.mean, variance + edge.variance
        covered += int(abs(truth - mean) <= 1.96 * np.sqrt(variance))
    return [row("path covered", Rate(covered, config.paths))]


def language_task(config: UpaConfig, tasks: Sequence[LabelledTask], cell: Cell) -> list[Row]:
    """Prompts that UPA and every baseline find, and how often their answers are right.

    Rows of the task hold the prompt; "right" has one row for each question of the report, numbered
    over all tasks.
    """
    task = tasks[cell.repetition]
    model = _model(config, task)
    settings = SearchSettings(expansions=3, judged=16)
    questions = range(config.pool, min(len(task.questions), config.pool + config.held_out))
    free = replace(model, ledger=CallLedger())
    report = LanguageTask(task.questions, free, free, free, free.ledger, config.answer_tokens)
    rows = []
    for name in (START, UPA, *BASELINES):
        prompt = task.start
        if name != START:
            ledger = CallLedger(Budget(calls=config.model_calls))
            spent = replace(model, ledger=ledger)
            asked = LanguageTask(
                task.questions[: config.pool], spent, spent, spent, ledger, config.answer_tokens
            )
            prompt = _best(name, asked, task.start, settings, cell.seed)
            rows += [
                row("calls", len(ledger.calls), system=name, prompt=prompt),
                row("tokens", ledger.tokens, system=name, prompt=prompt),
            ]
        right = [
            is_right(answer, task.accepted[question])
            for answer, question in zip(
                report.answers(prompt, list(questions)), questions, strict=True
            )
        ]
        rows.append(row("answers", Rate(sum(right), len(right)), system=name, prompt=prompt))
        rows += [
            {"repetition": number, **row("right", each, system=name, task=None)}
            for number, each in enumerate(right, start=cell.repetition * config.held_out)
        ]
    return rows


def _model(config: UpaConfig, task: LabelledTask) -> LocalModel:
    if config.model != "small":
        return load_local(config.model)
    pairs = zip(task.questions, task.accepted, strict=True)
    texts = [f"user: {task.start}\n\n{question}\nassistant: {one[0]}" for question, one in pairs]
    model = train_small(texts, steps=30)
    model.tokenizer.chat_template = CHAT
    return model
