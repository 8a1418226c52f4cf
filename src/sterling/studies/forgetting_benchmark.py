"""Forgetting: which unlearning method leaks to which attack, on which data?

"Towards Benchmarking Privacy Vulnerabilities in Selective Forgetting with Large Language Models"
(arXiv 2512.18035): one harness in which victim data, unlearning methods, attacks and architectures
are crossed. Which methods, data and models the paper ran could not be established; the grid, sizes
and schedules here are ours. Every figure stands beside the model that was truly retrained, and
beside the model that forgot nothing.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import stats
from torch import nn

from sterling.errors import InputError, unknown_name
from sterling.lm.small_transformer import SmallTransformer
from sterling.measure import Interval, Rate, mean_interval
from sterling.privacy.author_facts import author_facts
from sterling.privacy.forgetting_attacks import (
    attack_area,
    attack_two_models,
    degradation,
    forgotten_class_from_bias,
    forgotten_class_from_probes,
    lingering,
    posteriors,
    privleak,
    reconstruct_record,
    two_sided,
)
from sterling.privacy.forgetting_attacks.battery import (
    CLASSIFIER_ATTACKS,
    LANGUAGE_ATTACKS,
    attack_classifiers,
    attack_language_model,
)
from sterling.privacy.forgetting_attacks.extraction import exact_memorisation
from sterling.privacy.forgetting_attacks.relearning import relearning_curve
from sterling.privacy.forgetting_attacks.two_model import FEATURES
from sterling.privacy.membership.phi import phi
from sterling.privacy.models import ARCHITECTURES, initialise
from sterling.privacy.records import embedded_records, read_records
from sterling.privacy.shadow_unlearning import forget_own_half, retrain_shadows, train_shadows
from sterling.privacy.training import Recipe
from sterling.privacy.unlearning import (
    Descent,
    Examples,
    Method,
    SisaConfig,
    catalogue,
    fit_sisa,
    sisa,
    split_request,
    train_by_recipe,
    train_by_steps,
)
from sterling.privacy.unlearning.idk import IdkConfig, idk
from sterling.privacy.unlearning.rmu import RMUConfig, rmu
from sterling.privacy.victims import VICTIMS, choose_victim
from sterling.runs import Run, derive_seed, in_processes
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Paper,
    Study,
    Table,
    claim_that_positive,
    metric_over_seeds,
)

__all__ = ["FORGETTING_BENCHMARK_STUDY", "ForgettingBenchmarkConfig"]

Row = dict[str, float]
Cell = dict[str, Row]

RETRAINED, UNTOUCHED = "retrain", "no unlearning"
HALF_TOLERANCE = 0.03  # of the area under exact retraining; the card's bound
TITLES = {"class": "whole classes", "author": "authors", "random": "random records"}
RELEARNING_MARGIN = 0.05  # our margin for "no faster", in words said
NOT_FOR_CONVOLUTIONS = ("Newton",)
LANGUAGE_METHODS = (
    "FT",
    "GA",
    "GradDiff",
    "KL-min",
    "random label",
    "NPO",
    "SimNPO",
    "WGA",
    "SatImp",
    "UNDIAL",
    "CE-U",
    "WHP",
    "PDU",
    "task vector",
)


class ForgettingBenchmarkConfig(Config):
    """Configuration of the study.

    Attributes:
        grid: Pairs of architecture and victim data; "class" forgets a whole class.
        methods: Names of the catalogue's methods; empty takes all.
        seeds: How many times everything is repeated with other records and other weights.
        models: Shadow models of each cell, even.
        pool: Records of which each model learns, and forgets, its own half.
        base: Records that every model retains.
        epochs: Of training the classifiers.
        steps: Of the unlearning methods that descend.
        learning_rate: Of unlearning, by Adam.
        authors: Invented authors for the language model: retained, forgotten, never seen; 0
            retained leaves the language model out.
        language_steps: Of training, of unlearning and of relearning.
        research_use: Adds the reconstruction of deleted records, on models trained here.
    """

    grid: tuple[tuple[str, str], ...] = (
        ("mlp", "random"),
        ("mlp", "outliers"),
        ("mlp", "mislabelled"),
        ("mlp", "duplicates"),
        ("mlp", "class"),
        ("cnn", "random"),
    )
    methods: tuple[str, ...] = ()
    seeds: int = Field(default=5, ge=1)
    models: int = Field(default=12, ge=6, multiple_of=2)
    pool: int = Field(default=60, ge=8, multiple_of=2)
    base: int = Field(default=300, ge=20)
    epochs: int = Field(default=40, ge=1)
    steps: int = Field(default=60, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    authors: tuple[int, int, int] = (45, 10, 10)
    language_steps: tuple[int, int, int] = (250, 60, 20)
    research_use: bool = False


def measure(config: ForgettingBenchmarkConfig, run: Run) -> Findings:
    """Run every cell of the grid on every seed, and test the claims."""
    _check(config)
    calls: list[tuple[Any, ...]] = [
        (config, run, "classifier", architecture, victim, seed)
        for seed in range(config.seeds)
        for architecture, victim in config.grid
    ]
    if config.authors[0]:
        calls += [
            (config, run, "language", "transformer", "author", s) for s in range(config.seeds)
        ]
    if (architecture := _reference(config)) is not None:
        calls += [(config, run, "maps", architecture, "random", s) for s in range(config.seeds)]
    results = in_processes(_cell, calls, "cells")
    cells: dict[tuple[str, str], list[Cell]] = {}
    maps: list[Cell] = []
    for call, result in zip(calls, results, strict=True):
        if call[2] == "maps":
            maps.append(result)
        else:
            cells.setdefault((call[3], call[4]), []).append(result)
    claims, metrics = _claims(config, cells), _metrics(cells)
    if config.research_use:
        errors = run.stage("ridge", lambda: _ridge_errors(run.seed))
        metrics.append(metric_over_seeds("ridge reconstruction error", "largest", errors))
    return Findings(
        scope=_scope(config),
        not_scored=0,
        metrics=metrics,
        claims=claims,
        tables=[
            *_tables(cells),
            *([_maps_table(maps)] if maps else []),
            *([_cost_table(config, run, architecture)] if architecture else []),
        ],
        figures=_figures(cells),
    )


def _check(config: ForgettingBenchmarkConfig) -> None:
    for architecture, victim in config.grid:
        if architecture not in ARCHITECTURES:
            raise unknown_name("architecture", architecture, ARCHITECTURES)
        if victim not in (*VICTIMS, "class"):
            raise unknown_name("victim", victim, (*VICTIMS, "class"))
    known = catalogue(train_by_recipe(Recipe()), Descent())
    for name in config.methods:
        if name not in known:
            raise unknown_name("unlearning method", name, known)
    if not config.grid and not config.authors[0]:
        raise InputError("grid, authors: both are empty; there is nothing to run")


def _reference(config: ForgettingBenchmarkConfig) -> str | None:
    """The first architecture that forgets random records: feature maps and cost are taken there."""
    return next((a for a, victim in config.grid if victim == "random"), None)


def _scope(config: ForgettingBenchmarkConfig) -> str:
    data = f"records of {config.data}" if config.data else "8×8 handwritten digits (scikit-learn)"
    return (
        f"Small models trained here on {data}, and a small transformer on INVENTED facts: the "
        "figures compare methods and attacks, they do not carry over to other models."
    )


# Cells


def _cell(
    config: ForgettingBenchmarkConfig,
    run: Run,
    kind: Literal["classifier", "language", "maps"],
    architecture: str,
    victim: str,
    index: int,
) -> Cell:
    """One architecture and victim on one seed: for every method a row of figures."""
    seed = derive_seed(run.seed, "forgetting", architecture, victim, index) % 2**31
    if kind == "maps":
        compute = partial(_maps_cell, config, architecture, victim, seed)
        maps: Cell = run.stage(f"maps-{architecture}-{index}", compute)
        return maps
    if kind == "language":
        compute = partial(_language_cell, config, seed)
    elif victim == "class":
        compute = partial(_class_cell, config, architecture, seed)
    else:
        compute = partial(_classifier_cell, config, architecture, victim, seed)
    result: Cell = run.stage(f"{architecture}-{victim}-{index}", compute)
    return result


def _data(config: ForgettingBenchmarkConfig, architecture: str, seed: int) -> Examples:
    records = read_records(config.data) if config.data else embedded_records("digits")
    records = records.draw(config.pool + config.base + 400, np.random.default_rng(seed))
    x = torch.from_numpy(records.x)
    if architecture == "cnn" and config.data is None:
        x = x.reshape(-1, 1, 8, 8)
    return Examples(x, torch.from_numpy(records.y), torch.arange(len(x)))


def _methods(config: ForgettingBenchmarkConfig, architecture: str) -> dict[str, Method]:
    descent = Descent(config.steps, config.learning_rate)
    methods = catalogue(train_by_recipe(Recipe(epochs=config.epochs)), descent)
    wanted = config.methods or tuple(methods)
    unfit = NOT_FOR_CONVOLUTIONS if architecture == "cnn" else ()
    return {
        name: method
        for name, method in methods.items()
        if name == RETRAINED or (name in wanted and name not in unfit)
    }


def _builder(architecture: str, data: Examples) -> Callable[[], nn.Module]:
    classes = int(data.labels.max()) + 1
    shape = tuple(data.inputs.shape[1:])
    width = {"mlp": {"width": 32}, "cnn": {"width": 4}}.get(architecture, {})
    return lambda: ARCHITECTURES[architecture](shape, classes, **width)


def _classifier_cell(
    config: ForgettingBenchmarkConfig, architecture: str, victim: str, seed: int
) -> Cell:
    data = _data(config, architecture, seed)
    build, recipe = _builder(architecture, data), Recipe(epochs=config.epochs)
    cut = choose_victim(victim, data, build, recipe, pool=config.pool, base=config.base, seed=seed)
    shadows = train_shadows(
        build, cut.base, cut.pool, recipe, models=config.models, seed=seed, copies=cut.copies
    )
    records = torch.cat([cut.pool.inputs, cut.test.inputs])
    before = shadows.models.logits(records).numpy()
    again = retrain_shadows(shadows, build, recipe, seed=seed + 1).logits(records).numpy()
    labels, inside = cut.pool.labels.numpy(), shadows.membership
    answers = {RETRAINED: again, UNTOUCHED: before}
    pool = len(labels)

    def row(after: NDArray[np.floating]) -> Row:
        areas = attack_classifiers(before[:, :pool], after[:, :pool], labels, inside)
        losses = [-phi(z[:, :pool], labels)[inside] for z in (after, again)]
        right = after[:, :pool].argmax(-1) == labels
        return {
            **areas,
            "lingering": lingering(*losses)[0],
            "forget accuracy": float(right[inside].mean()),
            "never-seen accuracy": float(right[~inside].mean()),
            "test accuracy": float((after[:, pool:].argmax(-1) == cut.test.labels.numpy()).mean()),
        }

    cell = {name: row(after) for name, after in answers.items()}
    for name, method in _methods(config, architecture).items():
        if name != RETRAINED:
            cell[name] = row(forget_own_half(shadows, method, records, seed=seed))
    return cell


def _maps_cell(
    config: ForgettingBenchmarkConfig, architecture: str, victim: str, seed: int
) -> Cell:
    """The two-model attack on exactly retrained models with each of its feature maps."""
    data = _data(config, architecture, seed)
    build, recipe = _builder(architecture, data), Recipe(epochs=config.epochs)
    cut = choose_victim(victim, data, build, recipe, pool=config.pool, base=config.base, seed=seed)
    shadows = train_shadows(build, cut.base, cut.pool, recipe, models=config.models, seed=seed)
    before = posteriors(shadows.models.logits(cut.pool.inputs).numpy())
    again = retrain_shadows(shadows, build, recipe, seed=seed + 1)
    after = posteriors(again.logits(cut.pool.inputs).numpy())
    inside = shadows.membership
    alone = attack_two_models(before, before, inside, features="direct concatenation")
    cell = {}
    for name in FEATURES:
        pair = attack_two_models(before, after, inside, features=name)
        count, rate = degradation(pair, alone, inside)
        area = attack_area(pair[inside], pair[~inside]).value
        cell[name] = {"area": area, "DegCount": count, "DegRate": rate}
    return cell


def _cost(config: ForgettingBenchmarkConfig, architecture: str, seed: int) -> dict[str, float]:
    """Seconds that each method takes to forget one request, the least of three."""
    data = _data(config, architecture, seed)
    build, recipe = _builder(architecture, data), Recipe(epochs=config.epochs)
    train = train_by_recipe(recipe)
    training = data.select(torch.arange(config.base + config.pool // 2))
    forget, retain = split_request(training, training.ids[: config.pool // 2])
    network = initialise(build, [seed]).module(0)
    model = train(network, training, seed)
    ensemble = SisaConfig(train, seed=seed)
    sharded = fit_sisa(network, training, ensemble)
    jobs: dict[str, tuple[Method, nn.Module, Examples, Examples]] = {
        name: (method, model, forget, retain)
        for name, method in _methods(config, architecture).items()
    }
    one, rest = split_request(training, training.ids[:1])
    slices = Method("SISA", sisa, ensemble, "Bourtoule et al., IEEE S&P 2021")
    jobs["SISA, one record"] = (slices, sharded, one, rest)
    jobs["retrain, one record"] = (jobs[RETRAINED][0], model, one, rest)
    seconds = {}
    for name, (method, start, gone, kept) in jobs.items():
        spent = []
        for _ in range(3):
            begin = time.perf_counter()
            method(start, gone, kept, torch.Generator().manual_seed(seed))
            spent.append(time.perf_counter() - begin)
        seconds[name] = min(spent)
    return seconds


def _class_cell(config: ForgettingBenchmarkConfig, architecture: str, seed: int) -> Cell:
    """Each model forgets one whole class; the attacker asks which."""
    data = _data(config, architecture, seed)
    build, train = _builder(architecture, data), train_by_recipe(Recipe(epochs=config.epochs))
    size = config.pool + config.base
    training, probes = data.select(torch.arange(size)), data.select(torch.arange(size, len(data)))
    classes = int(data.labels.max()) + 1
    rows: dict[str, list[Row]] = {}
    for model_index in range(min(config.models, classes)):
        model = train(
            initialise(build, [seed + model_index]).module(0), training, seed + model_index
        )
        wanted = training.ids[training.labels == model_index]
        forget, retain = split_request(training, wanted)
        unlearned: dict[str, nn.Module] = {UNTOUCHED: model}
        for name, method in _methods(config, architecture).items():
            rng = torch.Generator().manual_seed(seed + model_index)
            unlearned[name] = method(model, forget, retain, rng)
        for name, after in unlearned.items():
            figures = _class_row(model, after, unlearned[RETRAINED], forget, probes, model_index)
            rows.setdefault(name, []).append(figures)
    return {
        name: {key: float(np.mean([row[key] for row in figures])) for key in figures[0]}
        for name, figures in rows.items()
    }


@torch.no_grad()
def _class_row(
    before: nn.Module,
    after: nn.Module,
    retrained: nn.Module,
    forget: Examples,
    probes: Examples,
    forgotten: int,
) -> Row:
    old, new = posteriors(before(probes.inputs)), posteriors(after(probes.inputs))
    fall = forgotten_class_from_probes(old, new, probes.labels)
    rise = forgotten_class_from_probes(old, new, probes.labels, signal="entropy")
    last = [dict(model.named_parameters()) for model in (before, after)]
    name = list(last[0])[-1]
    bias = forgotten_class_from_bias(last[0][name].numpy(), last[1][name].numpy())
    of_class = probes.select(probes.labels == forgotten)
    others = probes.select(probes.labels != forgotten)
    losses = [-phi(model(forget.inputs), forget.labels) for model in (after, retrained)]
    never_seen = phi(after(of_class.inputs), of_class.labels)
    right = after(others.inputs).argmax(1) == others.labels
    gone = after(forget.inputs).argmax(1) == forget.labels

    def named(statistic: NDArray[np.float64]) -> float:
        # Constant statistics, as without unlearning, name the class by chance only.
        best = np.flatnonzero(statistic == statistic.max())
        return float(forgotten in best) / len(best)

    return {
        "class from confidence": named(fall),
        "class from entropy": named(rise),
        "class from bias": named(bias),
        "loss": attack_area(-losses[0], never_seen).value,
        "lingering": lingering(*losses)[0],
        "forget accuracy": float(gone.float().mean()),
        "test accuracy": float(right.float().mean()),
    }


def _language_cell(config: ForgettingBenchmarkConfig, seed: int) -> Cell:
    retained, forgotten, unseen = config.authors
    facts = author_facts(retained + forgotten + 2 * unseen, seed=seed)
    retain = facts.of(torch.arange(retained))
    forget = facts.of(torch.arange(retained, retained + forgotten))
    start = retained + forgotten
    never_seen = facts.of(torch.arange(start, start + unseen))
    training = facts.of(torch.arange(start))
    train_steps, steps, relearn_steps = config.language_steps
    train = train_by_steps(Descent(train_steps, 3e-3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmallTransformer(len(facts.vocabulary), context=facts.prompt + 3)
    model = train(network, training, seed)
    descent = Descent(steps, 1e-3)
    methods = catalogue(train, descent)
    chosen = {
        name: methods[name]
        for name in (RETRAINED, *LANGUAGE_METHODS)
        if name == RETRAINED or not config.methods or name in config.methods
    }
    if not config.methods or "IdK" in config.methods or "RMU" in config.methods:
        preference = IdkConfig(facts.refusals, descent=descent)
        steer = RMUConfig(layer="blocks.0", descent=descent)
        chosen["IdK"] = Method("IdK", idk, preference, "Maini et al., COLM 2024")
        chosen["RMU"] = Method("RMU", rmu, steer, "Li et al., ICML 2024")
    relearn = Descent(relearn_steps, 1e-3)
    unlearned: dict[str, nn.Module] = {UNTOUCHED: model}
    for name, method in chosen.items():
        unlearned[name] = method(model, forget, retain, torch.Generator().manual_seed(seed))
    cell: Cell = {}
    for name, after in unlearned.items():
        cell[name] = attack_language_model(
            after, forget, never_seen, prompt=facts.prompt, relearn=relearn, seed=seed
        )
        with torch.no_grad():
            logits = after(retain.inputs)
        cell[name]["retain words"] = float(exact_memorisation(logits, retain.labels).mean())
    cell[RETRAINED]["relearning, new facts"] = _relearn_new(
        unlearned[RETRAINED],
        facts.of(torch.arange(start + unseen, start + 2 * unseen)),
        relearn,
        seed,
    )
    return cell


def _relearn_new(model: nn.Module, fresh: Examples, relearn: Descent, seed: int) -> float:
    """How fast a model learns facts that nobody ever asked it to forget."""

    def greedy(student: nn.Module) -> float:
        with torch.no_grad():
            return float(exact_memorisation(student(fresh.inputs), fresh.labels).mean())

    rng = torch.Generator().manual_seed(seed)
    lesson = fresh.select(torch.randperm(len(fresh), generator=rng)[: max(1, len(fresh) // 2)])
    return float(np.mean(relearning_curve(model, lesson, greedy, rng, relearn)))


def _ridge_errors(seed: int) -> list[float]:
    """Largest error of a feature reconstructed from exact deletion, over 50 ridge regressions."""
    errors = []
    for repeat in range(50):
        rng = np.random.default_rng(derive_seed(seed, "ridge", repeat))
        x = np.column_stack([rng.normal(size=(80, 10)), np.ones(80)])
        y = x @ rng.normal(size=11) + rng.normal(size=80)
        gram = x.T @ x + np.eye(11)
        rest = gram - np.outer(x[0], x[0])
        before = np.linalg.solve(gram, x.T @ y)
        after = np.linalg.solve(rest, x[1:].T @ y[1:])
        found = reconstruct_record(before, after, rest, research_use=True)
        errors.append(float(np.abs(found - x[0]).max()))
    return errors


# Claims

Cells = dict[tuple[str, str], list[Cell]]


def _over_seeds(cells: list[Cell], method: str, figure: str) -> list[float]:
    return [cell[method][figure] for cell in cells if figure in cell.get(method, {})]


def _approximate(cell: Cell) -> list[str]:
    return [name for name in cell if name not in (RETRAINED, UNTOUCHED)]


def _excess(cell: Cell, attack: str) -> float:
    """Mean over approximate methods of the area, on either side, beyond that of retraining."""
    reference = two_sided(cell[RETRAINED][attack])
    return float(
        np.mean([two_sided(cell[name][attack]) - reference for name in _approximate(cell)])
    )


def _interval(values: Sequence[float]) -> Interval | None:
    return mean_interval(values) if len(values) > 1 else None


def _within(claim_id: str, claim: str, values: Sequence[float], low: float, high: float) -> Claim:
    interval = _interval(values)
    return Claim(
        id=claim_id,
        claim=claim,
        measured=float(np.mean(values)),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        holds=low <= interval.low and interval.high <= high if interval else None,
        test=f"{len(values)} seeds; holds if the 95 % Student-t interval lies in "
        f"[{low:.3g}, {high:.3g}]",
    )


def _claims(config: ForgettingBenchmarkConfig, cells: Cells) -> list[Claim]:
    claims: list[Claim] = []
    attacked = {key: value for key, value in cells.items() if key[1] in VICTIMS}
    if attacked:
        claims += _classifier_claims(attacked)
    random, worst = cells.get(("mlp", "random")), cells.get(("mlp", "mislabelled"))
    if random and worst:
        claims.append(
            claim_that_positive(
                "the_victim_decides",
                "Approximate methods leak more to U-LiRA about mislabelled records than about "
                "random ones.",
                [
                    _excess(b, "U-LiRA") - _excess(a, "U-LiRA")
                    for a, b in zip(random, worst, strict=True)
                ],
                paper="leakage depends strongly on the setting",
            )
        )
    if random and "random label" in random[0]:
        claims.append(
            claim_that_positive(
                "too_much_forgetting_leaks",
                "Random labels push the loss attack's area on random records below that of "
                "retraining, and U-LiRA turns that into an area above it: the smaller of both "
                "distances.",
                [
                    min(
                        cell[RETRAINED]["loss"] - cell["random label"]["loss"],
                        cell["random label"]["U-LiRA"] - cell[RETRAINED]["U-LiRA"],
                    )
                    for cell in random
                ],
                paper="issue reports of areas near 0 after too long unlearning",
            )
        )
    if by_class := next((value for key, value in cells.items() if key[1] == "class"), None):
        claims.append(_class_claim(config, by_class))
    if language := cells.get(("transformer", "author")):
        claims += _language_claims(language)
    return claims


def _class_claim(config: ForgettingBenchmarkConfig, cells: list[Cell]) -> Claim:
    # Without unlearning all classes tie: what is named then is chance, one class in so many.
    chance = cells[0][UNTOUCHED]["class from confidence"]
    models = min(config.models, round(1 / chance))
    named = round(sum(cell[RETRAINED]["class from confidence"] for cell in cells) * models)
    rate = Rate(named, models * len(cells))
    interval = rate.interval()
    return Claim(
        id="retraining_reveals_the_class",
        claim="Which class was forgotten by exact retraining is told from probes more often than "
        "by chance.",
        measured=rate.value,
        low=interval.low,
        high=interval.high,
        holds=interval.low > chance,
        test=f"{rate.errors} of {rate.trials} named; exact 95 % interval lies above {chance:.3g}",
    )


def _classifier_claims(cells: Cells) -> list[Claim]:
    seeds = len(next(iter(cells.values())))

    def mean(figure: Callable[[Cell], float]) -> list[float]:
        """One number per seed: the mean over the grid."""
        return [float(np.mean([figure(rows[s]) for rows in cells.values()])) for s in range(seeds)]

    def area(method: str, attack: str) -> Callable[[Cell], float]:
        return lambda cell: cell[method][attack]

    return [
        _within(
            "retraining_is_the_reference",
            "U-LiRA cannot tell what an exactly retrained model forgot.",
            mean(area(RETRAINED, "U-LiRA")),
            0.5 - HALF_TOLERANCE,
            0.5 + HALF_TOLERANCE,
        ),
        claim_that_positive(
            "no_unlearning_leaks",
            "Without unlearning U-LiRA tells members: its area exceeds that under retraining.",
            mean(lambda cell: cell[UNTOUCHED]["U-LiRA"] - cell[RETRAINED]["U-LiRA"]),
        ),
        claim_that_positive(
            "two_models_leak_at_retraining",
            "Whoever sees both models tells the deleted records even after exact retraining.",
            mean(lambda cell: cell[RETRAINED]["two-model"] - 0.5),
            paper="Chen et al., CCS 2021",
        ),
        claim_that_positive(
            "approximate_methods_leak",
            "Averaged over approximate methods, U-LiRA's area on either side of 1/2 exceeds that "
            "under retraining.",
            mean(lambda cell: _excess(cell, "U-LiRA")),
        ),
        claim_that_positive(
            "the_loss_attack_understates",
            "Averaged over approximate methods, U-LiRA's excess over retraining is larger than "
            "the loss attack's, even when that is counted on both sides.",
            mean(lambda cell: _excess(cell, "U-LiRA") - _excess(cell, "loss")),
        ),
    ]


def _language_claims(cells: list[Cell]) -> list[Claim]:
    new = [cell[RETRAINED]["relearning, new facts"] for cell in cells]
    retrained = _over_seeds(cells, RETRAINED, "relearning")
    claims = [
        _within(
            "retrained_model_relearns_as_new",
            "A retrained model relearns the forgotten facts no faster, and no slower, than facts "
            "that are new to all.",
            [a - b for a, b in zip(retrained, new, strict=True)],
            -RELEARNING_MARGIN,
            RELEARNING_MARGIN,
        )
    ]
    if ascended := _over_seeds(cells, "GA", "relearning"):
        faster = sum(a > b for a, b in zip(ascended, retrained, strict=True))
        p = float(stats.binomtest(faster, len(cells), alternative="greater").pvalue)
        claims.append(
            Claim(
                id="ascent_hides_what_relearning_finds",
                claim="A model that forgot by gradient ascent relearns the facts faster than a "
                "retrained one.",
                measured=faster / len(cells),
                holds=p < 0.05 if len(cells) >= 5 else None,
                test=f"share of {len(cells)} seeds; one-sided sign test, p = {p:.2g}, below 0.05",
            )
        )
    if quiet := [_quiet_excess(cell) for cell in cells if _quiet(cell)]:
        claims.append(
            claim_that_positive(
                "silence_is_not_forgetting",
                "Methods after which the model says fewer than a tenth of the forgotten words "
                "leave Min-K's area further from 1/2, on either side, than retraining does.",
                quiet,
            )
        )
    methods = [name for name in _approximate(cells[0]) if name != "FT"]
    if methods:
        claims.append(
            claim_that_positive(
                "rounding_restores",
                "Rounding weights to four bits raises the share of forgotten words said, averaged "
                "over the methods.",
                [
                    float(np.mean([cell[m]["int4"] - cell[m]["greedy words"] for m in methods]))
                    for cell in cells
                ],
                paper="21 % to 83 % of forgotten knowledge at 4 bits (Zhang et al., ICLR 2025)",
            )
        )
    return claims


def _quiet(cell: Cell) -> list[str]:
    return [name for name in _approximate(cell) if cell[name]["greedy words"] < 0.1]


def _quiet_excess(cell: Cell) -> float:
    reference = two_sided(cell[RETRAINED]["Min-K"])
    return float(np.mean([two_sided(cell[name]["Min-K"]) - reference for name in _quiet(cell)]))


def _metrics(cells: Cells) -> list[Metric]:
    metrics = []
    for (architecture, victim), rows in cells.items():
        place = f"{architecture}, {victim}"
        figure = {"class": "class from confidence", "author": "greedy words"}.get(victim, "U-LiRA")
        unit = "area" if figure == "U-LiRA" else "rate"
        for method in (RETRAINED, UNTOUCHED):
            values = _over_seeds(rows, method, figure)
            metrics.append(metric_over_seeds(f"{figure}, {method} ({place})", unit, values))
    return metrics


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _tables(cells: Cells) -> list[Table]:
    tables = []
    for (architecture, victim), rows in cells.items():
        figures = list(rows[0][UNTOUCHED])
        title = f"{architecture}, forgetting {TITLES.get(victim, victim)}"
        body: list[list[str | int | float | None]] = []
        for method in rows[0]:
            line: list[str | int | float | None] = [method]
            line += [_mean(_over_seeds(rows, method, figure)) for figure in figures]
            if "loss" in figures:
                line.append(_leak(rows, method))
            body.append(line)
        tables.append(
            Table(
                name=f"{architecture}-{victim}",
                title=title,
                columns=[
                    "method",
                    *figures,
                    *(["PrivLeak of loss, %"] if "loss" in figures else []),
                ],
                rows=body,
                caption="Means over seeds. Attacks: areas, 0.5 is no leak, and the row to compare "
                "with is retrain. lingering: Kolmogorov–Smirnov distance of the forget set's "
                "losses to the retrained model's. PrivLeak: below 0 too little was forgotten, "
                "above 0 too much."
                if victim != "author"
                else "Means over seeds. Shares of words or texts said, and the area of Min-K; the "
                "row to compare with is retrain. retain words: utility.",
            )
        )
    return tables


def _maps_table(maps: list[Cell]) -> Table:
    body: list[list[str | int | float | None]] = []
    for name in maps[0]:
        areas = _over_seeds(maps, name, "area")
        interval = _interval(areas)
        low, high = (interval.low, interval.high) if interval else (None, None)
        rest = [_mean(_over_seeds(maps, name, figure)) for figure in ("DegCount", "DegRate")]
        body.append([name, _mean(areas), low, high, *rest])
    return Table(
        name="feature-maps",
        title="The two-model attack on exact retraining, by feature map",
        columns=["features", "area", "low", "high", "DegCount", "DegRate"],
        rows=body,
        caption="Random records; means over seeds, 95 % Student-t intervals. DegCount above 0.5 "
        "and DegRate above 0: both models tell more than the one before.",
    )


def _cost_table(config: ForgettingBenchmarkConfig, run: Run, architecture: str) -> Table:
    seed = derive_seed(run.seed, "cost") % 2**31
    seconds: dict[str, float] = run.stage("cost", partial(_cost, config, architecture, seed))
    return Table(
        name="cost",
        title=f"What forgetting costs ({architecture})",
        columns=["method", "seconds", "% of retraining"],
        rows=[[name, s, 100 * s / seconds[RETRAINED]] for name, s in seconds.items()],
        caption=f"{config.pool // 2} of {config.base + config.pool // 2} records, the least of "
        "three runs on this machine. SISA: five shards of five slices, whose training the request "
        "goes back into.",
    )


def _leak(rows: list[Cell], method: str) -> float | None:
    pairs = [(cell[method]["loss"], cell[RETRAINED]["loss"]) for cell in rows if method in cell]
    return _mean([privleak(a, b) for a, b in pairs if b < 1])


def _figures(cells: Cells) -> list[Figure]:
    figures = []
    attacked = {key: rows for key, rows in cells.items() if key[1] in VICTIMS}
    if attacked:
        methods = list(next(iter(attacked.values()))[0])
        figures.append(
            _matrix(
                "attacks",
                "Which method leaks to which attack",
                "Area minus that of the retrained model, for the data where it is furthest from "
                "0, means over seeds. Both colours are leaks: positive, forgotten records look "
                "like members; negative, they stand out by too much forgetting. Two models show "
                "nothing where nothing was unlearned.",
                methods,
                list(CLASSIFIER_ATTACKS),
                lambda method, attack: max(
                    (_difference(rows, method, attack) for rows in attacked.values()),
                    key=lambda value: abs(value) if value is not None else -1.0,
                ),
            )
        )
        places = {f"{a}, {v}": rows for (a, v), rows in attacked.items()}
        figures.append(
            _matrix(
                "victims",
                "Which data leak under which method",
                "U-LiRA's area minus that of the retrained model, means over seeds.",
                methods,
                list(places),
                lambda method, place: _difference(places[place], method, "U-LiRA"),
            )
        )
    if language := cells.get(("transformer", "author")):
        figures.append(
            _matrix(
                "language",
                "What a language model still says of forgotten facts",
                "Difference from the retrained model, means over seeds; positive is what was not "
                "forgotten. retain words: utility, negative is what was lost beside it.",
                list(language[0]),
                [*LANGUAGE_ATTACKS, "retain words"],
                lambda method, attack: _difference(language, method, attack),
            )
        )
    return figures


def _difference(rows: list[Cell], method: str, figure: str) -> float | None:
    return _mean(
        [cell[method][figure] - cell[RETRAINED][figure] for cell in rows if method in cell]
    )


def _matrix(
    name: str,
    title: str,
    caption: str,
    rows: list[str],
    columns: list[str],
    value: Callable[[str, str], float | None],
) -> Figure:
    return Figure(
        name=name,
        title=title,
        kind="matrix",
        caption=caption,
        data={
            "rows": rows,
            "columns": columns,
            "values": [[value(row, column) for column in columns] for row in rows],
            "centre": 0.0,
            "value_label": "difference from the retrained model",
        },
    )


FORGETTING_BENCHMARK_STUDY = Study(
    name="forgetting_benchmark",
    summary="Victim data × unlearning methods × attacks × architectures, against retraining.",
    domain="privacy",
    paper=Paper(
        key="qian2025benchmarking",
        title="Towards Benchmarking Privacy Vulnerabilities in Selective Forgetting with Large "
        "Language Models",
        authors=("Qian, Wei", "Zhao, Chenxu", "Li, Yangyi", "Huai, Mengdi"),
        venue="arXiv 2512.18035",
        year=2025,
    ),
    presets={
        "smoke": ForgettingBenchmarkConfig(
            grid=(("mlp", "random"), ("mlp", "mislabelled"), ("mlp", "class")),
            methods=("FT", "GA", "random label", "NPO"),
            seeds=2,
            models=6,
            pool=20,
            base=80,
            epochs=10,
            steps=10,
            authors=(4, 2, 2),
            language_steps=(20, 5, 5),
        ),
        "quick": ForgettingBenchmarkConfig(),
        "paper": ForgettingBenchmarkConfig(
            grid=tuple((a, v) for a in ("mlp", "cnn") for v in (*VICTIMS, "class")),
            seeds=10,
            models=64,
            pool=200,
            base=1000,
        ),
    },
    measure=measure,
)
