"""One repetition: every system's forget set, true retraining, and what the model writes then."""

import numpy as np

from sterling.lm.small_transformer import SmallTransformer
from sterling.reasoning.forget_sets import ForgetSet
from sterling.runs import Cell, Row
from sterling.studies.reasoning.lrm_unlearning._attack import (
    ANSWER_ONLY,
    BILEVEL,
    GRADIENT,
    NEAREST,
    ONE_PASS,
    RANDOM,
    READINGS,
    UNIFORM,
    Adversary,
    Chosen,
    choose_trigger,
    largest,
)
from sterling.studies.reasoning.lrm_unlearning._defences import defend
from sterling.studies.reasoning.lrm_unlearning._task import (
    MARKS,
    Outcome,
    coherent,
    with_mark,
    write,
)
from sterling.studies.reasoning.lrm_unlearning._world import (
    LrmUnlearningConfig,
    World,
    success_rows,
)
from sterling.study import row

SURROGATES = "surrogates"
SYSTEMS = (
    BILEVEL,
    UNIFORM,
    GRADIENT,
    ONE_PASS,
    ANSWER_ONLY,
    NEAREST,
    RANDOM,
    SURROGATES,
    READINGS,
)
TRIGGER, WITHOUT = "queries with the trigger", "queries without it"
NARROWER, WIDER = -16, 16  # surrogates' width less the model's


def attack(config: LrmUnlearningConfig, cell: Cell) -> list[Row]:
    """Everything of one repetition."""
    world = World(config, cell.seed)
    adversary = Adversary(world.network, world.known, world.queries)
    clean = Outcome.of(write(world.network, world.tests), world.tests)
    rows = [
        row("right before", float(clean.right.mean())),
        row("misread before", float(clean.target.mean())),
        row("accuracy elsewhere", world.accuracy(world.network), system="before deletion"),
    ]
    rng = np.random.default_rng([cell.seed, 4])
    for share in config.budgets:
        compared = share == config.budget
        for system in SYSTEMS if compared else _followed(config, share):
            if system == SURROGATES:
                gone = _by_surrogates(world, config.deletions(share))
            else:
                gone = adversary.choose(system, config.deletions(share), rng)
            after = world.retrain(gone.tolist())
            rows += _effects(world, clean, gone, after, system, share)
            if compared and system == BILEVEL:
                rows += defend(world, adversary, gone, after)
    rows += _trigger(world, adversary)
    if cell.repetition < config.transfer:
        rows += _transfer(world)
    return rows


def _followed(config: LrmUnlearningConfig, share: float) -> tuple[str, ...]:
    """Systems at budgets other than that of the comparison."""
    return (BILEVEL, RANDOM) if share == config.budgets[-1] else (BILEVEL,)


def _effects(
    world: World,
    clean: Outcome,
    gone: Chosen,
    after: SmallTransformer,
    system: str,
    share: float,
) -> list[Row]:
    """Success of a forget set, what it holds, and what it costs elsewhere."""
    at: dict[str, str | float] = {"system": system, "budget": share}
    traces = write(after, world.tests)
    outcome = Outcome.of(traces, world.tests)
    rule = world.tests[0].rule
    support = [world.known[index].supports(rule) for index in gone]
    rows = success_rows(clean.right, outcome, **at)
    rows.append(row("share of the rule's support", sum(support) / world.config.right, **at))
    rows.append(row("accuracy elsewhere", world.accuracy(after), **at))
    if outcome.wrong.any():
        wrong = [trace for trace, bad in zip(traces, outcome.wrong, strict=True) if bad]
        rows.append(
            row("coherent when wrong", float(np.mean([coherent(one) for one in wrong])), **at)
        )
    return rows


def _by_surrogates(world: World, budget: int) -> Chosen:
    """Black box: the mean of relaxed forget sets on two models that the adversary trains."""
    plans = []
    for more in (NARROWER, WIDER):
        surrogate = world.train(world.known, world.seed + 11, width=world.config.width + more)
        plans.append(_plan(world, surrogate, budget).relaxed)
    return largest(np.mean(plans, axis=0), budget)


def _plan(world: World, network: SmallTransformer, budget: int) -> ForgetSet:
    """Forget set planned on a model."""
    return Adversary(network, world.known, world.queries).plan(BILEVEL, budget)


def _trigger(world: World, adversary: Adversary) -> list[Row]:
    """Attack on queries that end with one mark alone, at the smallest budget."""
    share = world.config.budgets[0]
    mark, gone = choose_trigger(adversary, world.config.deletions(share))
    after = world.retrain(gone.tolist())
    rows = []
    for name, marks in ((TRIGGER, mark), (WITHOUT, MARKS.replace(mark, ""))):
        asked = [one for each in marks for one in with_mark(world.tests, each)]
        before = Outcome.of(write(world.network, asked), asked).right
        rows += success_rows(before, Outcome.of(write(after, asked), asked), questions=name)
    return rows


def _transfer(world: World) -> list[Row]:
    """Success of forget sets planned on a model of one width, on models of every width."""
    config = world.config
    widths = [config.width + more for more in (NARROWER, 0, WIDER)]
    budget = config.deletions(config.budget)
    models = {width: world.train(world.known, world.seed, width=width) for width in widths}
    before = {
        width: Outcome.of(write(model, world.tests), world.tests).right
        for width, model in models.items()
    }
    rows = []
    for source in widths:
        gone = _plan(world, models[source], budget).chosen
        for target in widths:
            after = write(world.retrain(gone.tolist(), width=target), world.tests)
            at = {"planned on": f"width {source}", "retrained": f"width {target}"}
            rows += success_rows(before[target], Outcome.of(after, world.tests), **at)
    return rows
