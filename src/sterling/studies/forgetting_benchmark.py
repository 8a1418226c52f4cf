"""Forgetting: which unlearning method leaks to which attack, on which data?

"Towards Benchmarking Privacy Vulnerabilities in Selective Forgetting with Large Language Models"
(arXiv 2512.18035): one harness in which victim data, unlearning methods, attacks and architectures
are crossed. Which methods, data and models the paper ran could not be established; the grid, sizes
and schedules here are ours. Every figure stands beside the model that was truly retrained, and
beside the model that forgot nothing.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy import stats

from sterling.claims import bounded_above, bounded_below, positive, within
from sterling.errors import InputError, unknown_name
from sterling.measure import Rate
from sterling.privacy.forgetting_attacks import privleak, reconstruct_record, two_sided
from sterling.privacy.forgetting_attacks.battery import CLASSIFIER_ATTACKS
from sterling.privacy.forgetting_classifiers import (
    OWN_TRAINING,
    REWOUND,
    ClassifierBench,
    attack_after_forgetting,
    attack_along_requests,
    attack_with_each_feature_map,
    name_forgotten_classes,
    time_forgetting,
)
from sterling.privacy.forgetting_language import (
    LANGUAGE_METHODS,
    NEW_FACTS,
    LanguageBench,
    attack_forgotten_authors,
)
from sterling.privacy.models import ARCHITECTURES
from sterling.privacy.records import embedded_records, read_records
from sterling.privacy.training import Recipe
from sterling.privacy.unlearning import Descent, Examples, catalogue, train_by_recipe
from sterling.privacy.victims import VICTIMS
from sterling.runs import Run, derive_seed, in_processes
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Paper,
    Row,
    Study,
    Table,
    metric_over_seeds,
    row_over_seeds,
)

__all__ = ["FORGETTING_BENCHMARK_STUDY", "ForgettingBenchmarkConfig"]

Cell = dict[str, dict[str, float]]
"""Of one seed: for every method its figures by name."""
Cells = dict[tuple[str, str], list[Cell]]
"""By architecture and victim, the cells of all seeds."""

RETRAINED, UNTOUCHED = "retrain", "no unlearning"
CLASSIFIER_METHODS = (*catalogue(train_by_recipe(Recipe()), Descent()), REWOUND, *OWN_TRAINING)
HALF_TOLERANCE = 0.03  # of the area under exact retraining; the card's bound
RELEARNING_MARGIN = 0.05  # our margin for "no faster", in words said
QUIET = 0.1  # share of forgotten words below which a model is silent; ours
TITLES = {"class": "whole classes", "author": "authors", "random": "random records"}


class ForgettingBenchmarkConfig(Config):
    """Configuration of the study.

    Attributes:
        grid: Pairs of architecture and victim data; "class" forgets a whole class. SISA and
            amnesiac unlearning, which train models of their own, run on "random" and its first
            architecture only.
        methods: Names of unlearning methods; empty takes all.
        seeds: How many times everything is repeated with other records and other weights.
        models: Shadow models of each cell, even.
        pool: Records of which each model learns, and forgets, its own half.
        base: Records that every model retains.
        epochs: Of training the classifiers.
        steps: Of the unlearning methods that descend.
        learning_rate: Of unlearning, by Adam.
        requests: Deletions asked for one after another; 0 leaves the sequence out.
        sequence: Methods that run along the sequence, beside retraining.
        authors: Invented authors for the language model: retained, forgotten, never seen, read
            only; 0 retained leaves the language model out.
        language_steps: Of training, of unlearning and of attacks that descend.
        research_use: Adds the reconstruction of deleted records and prompts that make the language
            model tell, on models trained here.
    """

    grid: tuple[tuple[str, str], ...] = (
        ("mlp", "random"),
        ("mlp", "outliers"),
        ("mlp", "mislabelled"),
        ("mlp", "duplicates"),
        ("mlp", "canaries"),
        ("mlp", "groups"),
        ("mlp", "sub-population"),
        ("mlp", "class"),
        ("cnn", "random"),
    )
    methods: tuple[str, ...] = ()
    seeds: int = Field(default=5, ge=1)
    models: int = Field(default=8, ge=6, multiple_of=2)
    pool: int = Field(default=60, ge=8, multiple_of=2)
    base: int = Field(default=300, ge=20)
    epochs: int = Field(default=40, ge=1)
    steps: int = Field(default=50, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    requests: int = Field(default=4, ge=0)
    sequence: tuple[str, ...] = ("GradDiff", "random label", "NPO", "SCRUB")
    authors: tuple[int, int, int, int] = (30, 8, 8, 200)
    language_steps: tuple[int, int, int] = (400, 40, 20)
    research_use: bool = False


def measure(config: ForgettingBenchmarkConfig, run: Run) -> Findings:
    """Run every cell of the grid on every seed, and test the claims."""
    _check(config)
    jobs: list[tuple[str, str, str]] = [("grid", *pair) for pair in config.grid]
    if config.authors[0]:
        jobs.append(("language", "transformer", "author"))
    reference = _reference(config)
    if reference is not None:
        jobs.append(("maps", reference, "random"))
        if config.requests:
            jobs.append(("requests", reference, "random"))
    calls = [(config, run, *job, seed) for seed in range(config.seeds) for job in jobs]
    results: dict[tuple[str, str, str], list[Any]] = {job: [] for job in jobs}
    for call, result in zip(calls, in_processes(_cell, calls, "cells"), strict=True):
        results[call[2], call[3], call[4]].append(result)
    cells: Cells = {job[1:]: results[job] for job in jobs if job[0] in ("grid", "language")}
    maps, along = (results.get((kind, str(reference), "random")) for kind in ("maps", "requests"))
    claims, metrics = _claims(config, cells), _metrics(cells)
    if along:
        claims += _request_claims(along)
    if config.research_use:
        errors = run.stage("ridge", lambda: _ridge_errors(run.seed))
        metrics.append(metric_over_seeds("ridge reconstruction error", "largest", errors))
    return Findings(
        scope=_scope(config),
        not_scored=0,
        metrics=metrics,
        claims=claims,
        tables=[
            *(_table(place, rows) for place, rows in cells.items()),
            *([_rewinding_table(rewound)] if (rewound := _rewound(cells)) else []),
            *([_maps_table(maps)] if maps else []),
            *([_cost_table(config, run, reference)] if reference else []),
        ],
        figures=[*_figures(cells), *([_requests_figure(along)] if along else [])],
    )


def _check(config: ForgettingBenchmarkConfig) -> None:
    for architecture, victim in config.grid:
        if architecture not in ARCHITECTURES:
            raise unknown_name("architecture", architecture, ARCHITECTURES)
        if victim not in (*VICTIMS, "class"):
            raise unknown_name("victim", victim, (*VICTIMS, "class"))
    known = dict.fromkeys((*CLASSIFIER_METHODS, *LANGUAGE_METHODS))
    for name in (*config.methods, *config.sequence):
        if name not in known:
            raise unknown_name("unlearning method", name, known)
    if not config.grid and not config.authors[0]:
        raise InputError("grid, authors: both are empty; there is nothing to run")


def _reference(config: ForgettingBenchmarkConfig) -> str | None:
    """The architecture of what runs once: the grid's first that forgets random records."""
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
    kind: Literal["grid", "language", "maps", "requests"],
    architecture: str,
    victim: str,
    index: int,
) -> Any:
    """One architecture and victim on one seed."""
    seed = derive_seed(run.seed, "forgetting", architecture, victim, index) % 2**31

    def compute() -> Any:
        if kind == "language":
            return attack_forgotten_authors(_language(config, seed))
        bench = _bench(config, architecture, victim, seed, only=kind == "requests")
        if kind == "maps":
            return attack_with_each_feature_map(bench)
        if kind == "requests":
            return attack_along_requests(bench, requests=config.requests)
        if victim == "class":
            return name_forgotten_classes(bench)
        return attack_after_forgetting(bench, victim)

    return run.stage(f"{kind}-{architecture}-{victim}-{index}", compute)


def _language(config: ForgettingBenchmarkConfig, seed: int) -> LanguageBench:
    train_steps, steps, attack_steps = config.language_steps
    return LanguageBench(
        authors=config.authors,
        methods=config.methods or LANGUAGE_METHODS,
        train_steps=train_steps,
        steps=steps,
        attack_steps=attack_steps,
        research_use=config.research_use,
        seed=seed,
    )


def _bench(
    config: ForgettingBenchmarkConfig, architecture: str, victim: str, seed: int, *, only: bool
) -> ClassifierBench:
    records = read_records(config.data) if config.data else embedded_records("digits")
    size = config.pool + config.pool // 2 + config.base + 400
    records = records.draw(size, np.random.default_rng(seed))
    x = torch.from_numpy(records.x)
    if architecture == "cnn" and config.data is None:
        x = x.reshape(-1, 1, 8, 8)
    methods = config.sequence if only else config.methods or CLASSIFIER_METHODS
    own = victim == "random" and architecture == _reference(config)
    return ClassifierBench(
        architecture=architecture,
        data=Examples(x, torch.from_numpy(records.y), torch.arange(len(x))),
        methods=tuple(m for m in methods if own or m not in OWN_TRAINING),
        pool=config.pool,
        base=config.base,
        models=config.models,
        epochs=config.epochs,
        descent=Descent(config.steps, config.learning_rate),
        seed=seed,
    )


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


def _over_seeds(cells: list[Cell], method: str, figure: str) -> list[float]:
    return [cell[method][figure] for cell in cells if figure in cell.get(method, {})]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _approximate(cell: Cell) -> list[str]:
    return [name for name in cell if name not in (RETRAINED, UNTOUCHED, "SISA")]


def _excess(cell: Cell, attack: str) -> float:
    """Mean over approximate methods of the area, on either side, beyond that of retraining."""
    reference = two_sided(cell[RETRAINED][attack])
    return float(
        np.mean([two_sided(cell[name][attack]) - reference for name in _approximate(cell)])
    )


def _claims(config: ForgettingBenchmarkConfig, cells: Cells) -> list[Claim]:
    claims: list[Claim] = []
    attacked = {key: value for key, value in cells.items() if key[1] in VICTIMS}
    if attacked:
        claims += _classifier_claims(attacked)
    if random := cells.get(("mlp", "random")):
        claims += _random_claims(random, cells.get(("mlp", "mislabelled")))
    if groups := cells.get(("mlp", "groups")):
        claims.append(
            positive(
                "groups_leak_more_than_records",
                "Asked about all records of a group at once, U-LiRA's area, averaged over "
                "approximate methods, exceeds that of single records.",
                [_excess(cell, "U-LiRA, group") - _excess(cell, "U-LiRA") for cell in groups],
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
    return bounded_below(
        "retraining_reveals_the_class",
        "Which class was forgotten by exact retraining is told from probes more often than by "
        "chance.",
        Rate(named, models * len(cells)),
        chance,
    )


def _classifier_claims(cells: Cells) -> list[Claim]:
    seeds = len(next(iter(cells.values())))

    def mean(figure: Callable[[Cell], float]) -> list[float]:
        """One number per seed: the mean over the grid."""
        return [float(np.mean([figure(rows[s]) for rows in cells.values()])) for s in range(seeds)]

    return [
        within(
            "retraining_is_the_reference",
            "U-LiRA cannot tell what an exactly retrained model forgot.",
            mean(lambda cell: cell[RETRAINED]["U-LiRA"]),
            0.5 - HALF_TOLERANCE,
            0.5 + HALF_TOLERANCE,
        ),
        positive(
            "no_unlearning_leaks",
            "Without unlearning U-LiRA tells members: its area exceeds that under retraining.",
            mean(lambda cell: cell[UNTOUCHED]["U-LiRA"] - cell[RETRAINED]["U-LiRA"]),
        ),
        positive(
            "two_models_leak_at_retraining",
            "Whoever sees both models tells the deleted records even after exact retraining.",
            mean(lambda cell: cell[RETRAINED]["two-model"] - 0.5),
            paper="Chen et al., CCS 2021",
        ),
        positive(
            "approximate_methods_leak",
            "Averaged over approximate methods, U-LiRA's area on either side of 1/2 exceeds that "
            "under retraining.",
            mean(lambda cell: _excess(cell, "U-LiRA")),
        ),
        positive(
            "the_loss_attack_understates",
            "Averaged over approximate methods, U-LiRA's excess over retraining is larger than "
            "the loss attack's, even when that is counted on both sides.",
            mean(lambda cell: _excess(cell, "U-LiRA") - _excess(cell, "loss")),
        ),
    ]


def _random_claims(random: list[Cell], mislabelled: list[Cell] | None) -> list[Claim]:
    claims = []
    if mislabelled:
        claims.append(
            positive(
                "the_victim_decides",
                "Approximate methods leak more to U-LiRA about mislabelled records than about "
                "random ones.",
                [
                    _excess(b, "U-LiRA") - _excess(a, "U-LiRA")
                    for a, b in zip(random, mislabelled, strict=True)
                ],
                paper="leakage depends strongly on the setting",
            )
        )
    if "random label" in random[0]:
        claims.append(
            positive(
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
    if sharded := _over_seeds(random, "SISA", "U-LiRA"):
        claims.append(
            within(
                "sharding_forgets_exactly",
                "U-LiRA cannot tell what a SISA ensemble forgot.",
                sharded,
                0.5 - HALF_TOLERANCE,
                0.5 + HALF_TOLERANCE,
            )
        )
    if {"SCRUB", REWOUND} <= random[0].keys():
        claims.append(
            positive(
                "rewinding_leaks_less",
                "SCRUB leaks less to U-LiRA about random records when it rewinds to the step whose "
                "forget error is nearest to the validation error.",
                _less_leak(random),
                paper="Kurmanji et al., NeurIPS 2023",
            )
        )
    return claims


def _request_claims(along: list[dict[str, list[float]]]) -> list[Claim]:
    return [
        bounded_above(
            "requests_do_not_add_up",
            "Averaged over approximate methods, U-LiRA's area after the last of several requests "
            "exceeds that after the first by no more than 0.03.",
            [
                float(
                    np.mean(
                        [
                            two_sided(areas[-1]) - two_sided(areas[0])
                            for name, areas in curves.items()
                            if name != RETRAINED
                        ]
                    )
                )
                for curves in along
            ],
            HALF_TOLERANCE,
        )
    ]


def _language_claims(cells: list[Cell]) -> list[Claim]:
    retrained = _over_seeds(cells, RETRAINED, "relearning")
    new = _over_seeds(cells, RETRAINED, NEW_FACTS)
    claims = [
        within(
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
            positive(
                "silence_is_not_forgetting",
                "Methods after which the model says fewer than a tenth of the forgotten words "
                "leave Min-K's area further from 1/2, on either side, than retraining does.",
                quiet,
            )
        )
    claims += [
        positive(claim_id, claim, differences, paper=paper)
        for claim_id, claim, attack, asked, paper in RESTORED
        if (differences := _restored(cells, attack, asked))
    ]
    return claims


RESTORED = (
    (
        "rounding_restores",
        "Rounding weights to four bits raises the share of forgotten words said, averaged over the "
        "methods, by more than it does after retraining.",
        "int4",
        "greedy words",
        "21 % to 83 % of forgotten knowledge at 4 bits (Zhang et al., ICLR 2025)",
    ),
    (
        "rewording_asks_around",
        "Asking in words that the request did not hold raises the share of forgotten words said, "
        "averaged over the methods, by more than it does after retraining.",
        "in other words",
        "greedy words",
        None,
    ),
    (
        "benign_adapters_restore",
        "A low-rank adapter fitted on retained texts and merged raises the share of forgotten "
        "words said, averaged over the methods, by more than it does after retraining.",
        "benign adapter",
        "greedy words",
        None,
    ),
    (
        "soft_prompts_restore",
        "A soft prompt fitted on half of the forgotten facts raises the share said of the other "
        "half, averaged over the methods, by more than it does after retraining.",
        "soft prompt",
        "plainly asked",
        None,
    ),
)
"""Ways to bring back what was forgotten: claim, its sentence, attack, what it is compared with."""


def _restored(cells: list[Cell], attack: str, asked: str) -> list[float]:
    """Per seed the gain of an attack, mean over methods, less that on the retrained model."""

    def gain(cell: Cell, method: str) -> float:
        return cell[method][attack] - cell[method][asked]

    return [
        float(np.mean([gain(cell, m) for m in methods])) - gain(cell, RETRAINED)
        for cell in cells
        for methods in [[name for name in _approximate(cell) if name != "FT"]]
        if methods and attack in cell[RETRAINED]
    ]


def _quiet(cell: Cell) -> list[str]:
    return [name for name in _approximate(cell) if cell[name]["greedy words"] < QUIET]


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


# Tables and figures


def _table(place: tuple[str, str], cells: list[Cell]) -> Table:
    architecture, victim = place
    figures, loss = list(cells[0][UNTOUCHED]), "loss" in cells[0][UNTOUCHED]
    body: list[Row] = []
    for method in cells[0]:
        line: Row = [method]
        line += [_mean(_over_seeds(cells, method, figure)) for figure in figures]
        body.append([*line, _leak(cells, method)] if loss else line)
    language = (
        "Means over seeds. Min-K, Min-K++, output difference, linear probe: areas; all others: "
        "shares of words or texts said. The row to compare with is retrain. retain words: utility."
    )
    classifier = (
        "Means over seeds. Attacks: areas, 0.5 is no leak, and the row to compare with is retrain. "
        "lingering: Kolmogorov–Smirnov distance of the forget set's losses to the retrained "
        "model's. PrivLeak: below 0 too little was forgotten, above 0 too much. SISA and amnesiac "
        "unlearning: models trained in their own ways, which alone moves lingering and PrivLeak."
    )
    return Table(
        name=f"{architecture}-{victim}",
        title=f"{architecture}, forgetting {TITLES.get(victim, victim)}",
        columns=["method", *figures, *(["PrivLeak of loss, %"] if loss else [])],
        rows=body,
        caption=language if victim == "author" else classifier,
    )


def _rewound(cells: Cells) -> Cells:
    return {place: rows for place, rows in cells.items() if REWOUND in rows[0]}


def _rewinding_table(cells: Cells) -> Table:
    body: list[Row] = []
    for place, rows in cells.items():
        step, stayed = (_mean(_over_seeds(rows, REWOUND, figure)) for figure in ("step", "stayed"))
        fall = _mean(_less_leak(rows)) if "SCRUB" in rows[0] else None
        areas = (
            _mean(_over_seeds(rows, method, "loss")) for method in (RETRAINED, "SCRUB", REWOUND)
        )
        body.append([", ".join(place), step, stayed, *areas, fall])
    return Table(
        name="rewinding",
        title="Where SCRUB+R rewinds to",
        columns=[
            "data",
            "step",
            "stayed at the last",
            "loss, retrain",
            "loss, SCRUB",
            "loss, SCRUB+R",
            "fall of U-LiRA",
        ],
        rows=body,
        caption="Means over seeds. Rewinding undoes too much forgetting. Where the loss attack's "
        "area under SCRUB lies above that under retraining, too little was forgotten, and going "
        "back undoes some of it.",
    )


def _less_leak(cells: list[Cell]) -> list[float]:
    """By how much rewinding lowers U-LiRA's area, on either side of 1/2."""
    return [
        two_sided(cell["SCRUB"]["U-LiRA"]) - two_sided(cell[REWOUND]["U-LiRA"]) for cell in cells
    ]


def _maps_table(maps: list[Cell]) -> Table:
    return Table(
        name="feature-maps",
        title="The two-model attack on exact retraining, by feature map",
        columns=["features", "area", "low", "high", "DegCount", "DegRate"],
        rows=[
            [
                name,
                *row_over_seeds(_over_seeds(maps, name, "area")),
                _mean(_over_seeds(maps, name, "DegCount")),
                _mean(_over_seeds(maps, name, "DegRate")),
            ]
            for name in maps[0]
        ],
        caption="Random records; means over seeds, 95 % Student-t intervals. DegCount above 0.5 "
        "and DegRate above 0: both models tell more than the one before.",
    )


def _cost_table(config: ForgettingBenchmarkConfig, run: Run, architecture: str) -> Table:
    seed = derive_seed(run.seed, "cost") % 2**31
    bench = _bench(config, architecture, "random", seed, only=False)
    seconds: dict[str, float] = run.stage("cost", partial(time_forgetting, bench))
    return Table(
        name="cost",
        title=f"What forgetting costs ({architecture})",
        columns=["method", "seconds", "% of retraining"],
        rows=[[name, s, 100 * s / seconds[RETRAINED]] for name, s in seconds.items()],
        caption=f"{config.pool // 2} of {config.base + config.pool // 2} records, the least of "
        "three runs on this machine. SISA: five shards of five slices, whose training the request "
        "goes back into.",
    )


def _requests_figure(along: list[dict[str, list[float]]]) -> Figure:
    requests = len(along[0][RETRAINED])
    return Figure(
        name="requests",
        title="What leaks after each of several requests",
        kind="lines",
        caption="U-LiRA's area on all records asked for so far, mean over seeds; 0.5 is no leak.",
        data={
            "x": list(range(1, requests + 1)),
            "series": {
                name: np.mean([curves[name] for curves in along], axis=0).tolist()
                for name in along[0]
            },
            "x_label": "request",
            "y_label": "area",
        },
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
                [*_language_columns(language[0]), "retain words"],
                lambda method, attack: _difference(language, method, attack),
            )
        )
    return figures


def _language_columns(cell: Cell) -> list[str]:
    return [name for name in cell[UNTOUCHED] if name not in ("plainly asked", "retain words")]


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
            methods=("FT", "GA", "random label", "SCRUB", "SCRUB+R", "SISA", "amnesiac"),
            seeds=2,
            models=6,
            pool=20,
            base=60,
            epochs=6,
            steps=10,
            requests=2,
            sequence=("GradDiff",),
            authors=(4, 4, 4, 4),
            language_steps=(10, 5, 5),
        ),
        "quick": ForgettingBenchmarkConfig(),
        "paper": ForgettingBenchmarkConfig(
            grid=tuple((a, v) for a in ("mlp", "cnn") for v in (*VICTIMS, "class")),
            seeds=10,
            models=64,
            pool=200,
            base=1000,
            authors=(180, 20, 20, 140),
            language_steps=(3000, 200, 60),
        ),
    },
    measure=measure,
)
