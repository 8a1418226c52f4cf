"""Forgetting: which unlearning method leaks to which attack, on which data?

"Towards Benchmarking Privacy Vulnerabilities in Selective Forgetting with Large Language Models"
(arXiv 2512.18035): one harness in which victim data, unlearning methods, attacks and architectures
are crossed. Which methods, data and models the paper ran could not be established; the grid, sizes
and schedules here are ours. Every figure stands beside the model that was truly retrained, and
beside the model that forgot nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from sterling.errors import InputError, unknown_name
from sterling.measure import Rate
from sterling.privacy.data.forget_sets import FORGET_SETS
from sterling.privacy.data.records import embedded_records, read_records
from sterling.privacy.targets.models import ARCHITECTURES
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import Descent, Examples, train_by_recipe, unlearning_methods
from sterling.privacy.unlearning_attacks import reconstruction_errors, two_sided
from sterling.runs import Run, derive_seed, in_processes
from sterling.studies.privacy.forgetting_benchmark._cells import (
    RETRAINED,
    UNTOUCHED,
    Cell,
    Cells,
    approximate,
    excess,
    over_seeds,
)
from sterling.studies.privacy.forgetting_benchmark._classifiers import (
    OWN_TRAINING,
    REWOUND,
    ClassifierBench,
    attack_after_forgetting,
    attack_along_requests,
    attack_with_each_feature_map,
    name_forgotten_classes,
    time_forgetting,
)
from sterling.studies.privacy.forgetting_benchmark._language import (
    LANGUAGE_METHODS,
    NEW_FACTS,
    LanguageBench,
    attack_forgotten_authors,
)
from sterling.studies.privacy.forgetting_benchmark._views import (
    cell_table,
    cost_table,
    feature_map_table,
    forgetting_figures,
    reference_metrics,
    requests_figure,
    rewinding_gain,
    rewinding_table,
)
from sterling.study import (
    Claim,
    Config,
    Findings,
    Paper,
    Study,
    bounded_above,
    bounded_below,
    metric_over_seeds,
    more_often,
    positive,
    within,
)

CLASSIFIER_METHODS = (
    *unlearning_methods(train_by_recipe(Recipe()), Descent()),
    REWOUND,
    *OWN_TRAINING,
)
HALF_TOLERANCE = 0.03  # of the area under exact retraining; the card's bound
RELEARNING_MARGIN = 0.05  # our margin for "no faster", in words said
QUIET = 0.1  # share of forgotten words below which a model is silent; ours


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
    claims, metrics = _claims(config, cells), reference_metrics(cells)
    if along:
        claims += _request_claims(along)
    if config.research_use:
        errors = run.stage("ridge", lambda: reconstruction_errors(run.seed))
        metrics.append(metric_over_seeds("ridge reconstruction error", "largest", errors))
    rewound = {place: rows for place, rows in cells.items() if REWOUND in rows[0]}
    cost = _seconds(config, run, reference) if reference else {}
    return Findings(
        scope=_scope(config),
        not_scored=0,
        metrics=metrics,
        claims=claims,
        tables=[
            *(cell_table(place, rows) for place, rows in cells.items()),
            *([rewinding_table(rewound)] if rewound else []),
            *([feature_map_table(maps)] if maps else []),
            *([cost_table(reference, cost, config.pool // 2, config.base)] if reference else []),
        ],
        figures=[*forgetting_figures(cells), *([requests_figure(along)] if along else [])],
    )


def _check(config: ForgettingBenchmarkConfig) -> None:
    for architecture, victim in config.grid:
        if architecture not in ARCHITECTURES:
            raise unknown_name("architecture", architecture, ARCHITECTURES)
        if victim not in (*FORGET_SETS, "class"):
            raise unknown_name("forget set", victim, (*FORGET_SETS, "class"))
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


def _seconds(config: ForgettingBenchmarkConfig, run: Run, architecture: str) -> dict[str, float]:
    seed = derive_seed(run.seed, "cost") % 2**31
    bench = _bench(config, architecture, "random", seed, only=False)
    seconds: dict[str, float] = run.stage("cost", partial(time_forgetting, bench))
    return seconds


# Claims


def _claims(config: ForgettingBenchmarkConfig, cells: Cells) -> list[Claim]:
    claims: list[Claim] = []
    attacked = {key: value for key, value in cells.items() if key[1] in FORGET_SETS}
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
                [excess(cell, "U-LiRA, group") - excess(cell, "U-LiRA") for cell in groups],
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
            mean(lambda cell: excess(cell, "U-LiRA")),
        ),
        positive(
            "the_loss_attack_understates",
            "Averaged over approximate methods, U-LiRA's excess over retraining is larger than "
            "the loss attack's, even when that is counted on both sides.",
            mean(lambda cell: excess(cell, "U-LiRA") - excess(cell, "loss")),
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
                    excess(b, "U-LiRA") - excess(a, "U-LiRA")
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
    if sharded := over_seeds(random, "SISA", "U-LiRA"):
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
                rewinding_gain(random),
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
    retrained = over_seeds(cells, RETRAINED, "relearning")
    new = over_seeds(cells, RETRAINED, NEW_FACTS)
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
    if ascended := over_seeds(cells, "GA", "relearning"):
        faster = sum(a > b for a, b in zip(ascended, retrained, strict=True))
        claims.append(
            more_often(
                "ascent_hides_what_relearning_finds",
                "A model that forgot by gradient ascent relearns the facts faster than a retrained "
                "one.",
                Rate(faster, len(cells)),
                level=0.05,
            )
        )
    if quiet := [excess(cell, "Min-K", names) for cell in cells if (names := _quiet(cell))]:
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
        for methods in [[name for name in approximate(cell) if name != "FT"]]
        if methods and attack in cell[RETRAINED]
    ]


def _quiet(cell: Cell) -> list[str]:
    return [name for name in approximate(cell) if cell[name]["greedy words"] < QUIET]


FORGETTING_BENCHMARK_STUDY = Study(
    name="forgetting_benchmark",
    summary="Forget sets × unlearning methods × attacks × architectures, against retraining.",
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
            grid=tuple((a, v) for a in ("mlp", "cnn") for v in (*FORGET_SETS, "class")),
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
