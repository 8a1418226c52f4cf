"""Cells of the benchmark: one architecture, forget set and repetition, as rows.

A figure counts by its distance to the model that was truly retrained.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from sterling.privacy.data.forget_sets import FORGET_SETS
from sterling.privacy.data.records import embedded_records, read_records
from sterling.privacy.unlearning import Descent, Examples
from sterling.privacy.unlearning_attacks import privleak, two_sided
from sterling.runs import Cell, Row
from sterling.studies.privacy.forgetting_benchmark._class_names import (
    attack_with_each_feature_map,
    name_forgotten_classes,
)
from sterling.studies.privacy.forgetting_benchmark._classifiers import (
    ClassifierBench,
    attack_after_forgetting,
    attack_along_requests,
)
from sterling.studies.privacy.forgetting_benchmark._config import ForgettingBenchmarkConfig
from sterling.studies.privacy.forgetting_benchmark._language import (
    LANGUAGE_METHODS,
    LanguageBench,
    attack_forgotten_authors,
)
from sterling.studies.privacy.forgetting_benchmark._names import (
    CLASSIFIER_METHODS,
    OWN_TRAINING,
    RETRAINED,
    REWOUND,
    UNTOUCHED,
    Figures,
)
from sterling.study import row

EXACT = (RETRAINED, "SISA")
QUIET = 0.1  # share of forgotten words below which a model is silent; ours
QUIET_MIN_K = "Min-K, quiet methods"
RESTORING = {
    "int4": "greedy words",
    "in other words": "greedy words",
    "benign adapter": "greedy words",
    "soft prompt": "plainly asked",
}
"""Attacks that bring back what was forgotten, and what each is compared with."""


def forget(config: ForgettingBenchmarkConfig, cell: Cell) -> list[Row]:
    """Rows of one cell."""
    kind, forget_set = cell.point["kind"], str(cell.point["forget_set"])
    if kind == "language":
        return language_rows(attack_forgotten_authors(language_bench(config, cell.seed)))
    methods = config.sequence if kind == "requests" else config.methods or CLASSIFIER_METHODS
    architecture = str(cell.point["architecture"])
    bench = classifier_bench(config, architecture, forget_set, methods, cell.seed)
    if kind == "maps":
        return [
            row(metric, value, features=features)
            for features, figures in attack_with_each_feature_map(bench).items()
            for metric, value in figures.items()
        ]
    if kind == "requests":
        return request_rows(attack_along_requests(bench, requests=config.requests))
    if forget_set == "class":
        return method_rows(name_forgotten_classes(bench))
    return classifier_rows(attack_after_forgetting(bench, forget_set))


def language_bench(config: ForgettingBenchmarkConfig, seed: int) -> LanguageBench:
    """The language model of the configuration."""
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


def classifier_bench(
    config: ForgettingBenchmarkConfig,
    architecture: str,
    forget_set: str,
    methods: Sequence[str],
    seed: int,
) -> ClassifierBench:
    """Classifiers of one architecture on the configured records."""
    records = read_records(config.data) if config.data else embedded_records("digits")
    size = config.pool + config.pool // 2 + config.base + 400
    records = records.draw(size, np.random.default_rng(seed))
    x = torch.from_numpy(records.x)
    if architecture == "cnn" and config.data is None:
        x = x.reshape(-1, 1, 8, 8)
    own = forget_set == "random" and architecture == reference_architecture(config)
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


def reference_architecture(config: ForgettingBenchmarkConfig) -> str | None:
    """The architecture of what runs once: the grid's first that forgets random records."""
    return next((a for a, forget_set in config.grid if forget_set == "random"), None)


def jobs(config: ForgettingBenchmarkConfig) -> list[tuple[str, str, str]]:
    """Cells of a repetition: kind of cell, architecture and forget set."""
    found = [("grid", *place) for place in config.grid]
    if config.authors[0]:
        found.append(("language", "transformer", "author"))
    reference = reference_architecture(config)
    if reference is not None:
        found.append(("maps", reference, "random"))
        if config.requests:
            found.append(("requests", reference, "random"))
    return found


def method_rows(figures: Figures) -> list[Row]:
    """The figures of every method, and PrivLeak where the loss attack ran."""
    rows = [
        row(metric, value, method=method)
        for method, by_metric in figures.items()
        for metric, value in by_metric.items()
    ]
    reference = figures[RETRAINED].get("loss", 1.0)
    if reference < 1:
        rows += [
            row("PrivLeak of loss, %", privleak(each["loss"], reference), method=method)
            for method, each in figures.items()
        ]
    return rows


def classifier_rows(figures: Figures) -> list[Row]:
    """Figures, and what claims ask of them in one repetition."""
    rows = method_rows(figures)
    attacks = [name for name in ("U-LiRA", "U-LiRA, group", "loss") if name in figures[RETRAINED]]
    rows += [row("excess", excess(figures, attack), attack=attack) for attack in attacks]
    if "random label" in figures:
        retrained, pushed = figures[RETRAINED], figures["random label"]
        below, above = retrained["loss"] - pushed["loss"], pushed["U-LiRA"] - retrained["U-LiRA"]
        rows.append(row("too much forgotten", min(below, above)))
    if {"SCRUB", REWOUND} <= figures.keys():
        areas = (two_sided(figures[method]["U-LiRA"]) for method in ("SCRUB", REWOUND))
        rows.append(row("fall of U-LiRA", next(areas) - next(areas)))
    return rows


def request_rows(areas: Mapping[str, Sequence[float]]) -> list[Row]:
    """U-LiRA's area after each of several deletion requests, and what the last one added."""
    added = [
        two_sided(curve[-1]) - two_sided(curve[0])
        for method, curve in areas.items()
        if method != RETRAINED
    ]
    return [
        *(
            row("U-LiRA", area, method=method, requests=number)
            for method, curve in areas.items()
            for number, area in enumerate(curve, start=1)
        ),
        row("added by requests", float(np.mean(added)) if added else None),
    ]


def language_rows(figures: Figures) -> list[Row]:
    """Figures, and what claims ask of them in one repetition."""
    rows = method_rows(figures)
    quiet = [name for name in approximate(figures) if figures[name]["greedy words"] < QUIET]
    if quiet:
        rows.append(row("excess", excess(figures, "Min-K", quiet), attack=QUIET_MIN_K))
    tuned = [name for name in approximate(figures) if name != "FT"]
    for attack, asked in RESTORING.items():
        if tuned and attack in figures[RETRAINED]:
            gains = {name: figures[name][attack] - figures[name][asked] for name in figures}
            restored = float(np.mean([gains[name] for name in tuned])) - gains[RETRAINED]
            rows.append(row("restored", restored, attack=attack))
    return rows


def approximate(figures: Figures) -> list[str]:
    """Methods that forget, and not exactly."""
    return [name for name in figures if name not in (*EXACT, UNTOUCHED)]


def excess(figures: Figures, attack: str, methods: Sequence[str] | None = None) -> float | None:
    """Mean over methods of the area, on either side of 1/2, beyond that of retraining.

    Args:
        figures: Figures of one repetition.
        attack: Attack whose area is meant.
        methods: Methods; None for all approximate ones.
    """
    reference = two_sided(figures[RETRAINED][attack])
    names = approximate(figures) if methods is None else methods
    found = [two_sided(figures[name][attack]) - reference for name in names]
    return float(np.mean(found)) if found else None


def is_attacked(forget_set: str) -> bool:
    """Whether single records of the forget set are attacked."""
    return forget_set in FORGET_SETS
