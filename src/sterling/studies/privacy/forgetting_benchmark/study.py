"""Forgetting: which unlearning method leaks to which attack, on which data?

"Towards Benchmarking Privacy Vulnerabilities in Selective Forgetting with Large Language Models"
(arXiv 2512.18035): forget sets, unlearning methods, attacks and architectures, crossed. Which
methods, data and models the paper ran could not be established; the grid, sizes and schedules here
are ours. Every figure is compared with the model that was truly retrained, and with the model that
forgot nothing.
"""

from functools import partial

from sterling.errors import InputError, unknown_name
from sterling.privacy.data.forget_sets import FORGET_SETS
from sterling.privacy.targets.models import ARCHITECTURES
from sterling.privacy.unlearning_attacks import reconstruction_errors
from sterling.runs import Coordinate, Row, Run, derive_seed
from sterling.studies.privacy.forgetting_benchmark._cells import (
    classifier_bench,
    forget,
    jobs,
    reference_architecture,
)
from sterling.studies.privacy.forgetting_benchmark._claims import claims
from sterling.studies.privacy.forgetting_benchmark._class_names import time_forgetting
from sterling.studies.privacy.forgetting_benchmark._config import ForgettingBenchmarkConfig
from sterling.studies.privacy.forgetting_benchmark._language import LANGUAGE_METHODS
from sterling.studies.privacy.forgetting_benchmark._names import (
    CLASSIFIER_METHODS,
    RETRAINED,
)
from sterling.studies.privacy.forgetting_benchmark._views import (
    cost_table,
    feature_map_table,
    forgetting_figures,
    method_table,
    places,
    reference_metrics,
    requests_figure,
    rewinding_table,
)
from sterling.studies.registry import ENTRIES
from sterling.study import (
    Results,
    Study,
    Views,
    row,
)

RECONSTRUCTION = "ridge reconstruction error"


def measure(config: ForgettingBenchmarkConfig, run: Run) -> Results:
    """Run every cell of the grid in every repetition."""
    _check(config)
    grid: list[dict[str, Coordinate]] = [
        {"kind": kind, "architecture": name, "forget_set": forget_set, "repetition": repetition}
        for repetition in range(config.seeds)
        for kind, name, forget_set in jobs(config)
    ]
    seed = "forgetting/{architecture}/{forget_set}/{repetition}"
    rows = run.map(forget, grid, config, seed=seed)
    reference = reference_architecture(config)
    if reference is not None:
        rows += _costs(config, run, reference)
    if config.research_use:
        errors = run.stage("ridge", lambda: reconstruction_errors(run.seed))
        rows += [
            {"repetition": index, **row(RECONSTRUCTION, error)}
            for index, error in enumerate(errors)
        ]
    return Results.of(rows)


def _check(config: ForgettingBenchmarkConfig) -> None:
    for architecture, forget_set in config.grid:
        if architecture not in ARCHITECTURES:
            raise unknown_name("architecture", architecture, ARCHITECTURES)
        if forget_set not in (*FORGET_SETS, "class"):
            raise unknown_name("forget set", forget_set, (*FORGET_SETS, "class"))
    known = dict.fromkeys((*CLASSIFIER_METHODS, *LANGUAGE_METHODS))
    for name in (*config.methods, *config.sequence):
        if name not in known:
            raise unknown_name("unlearning method", name, known)
    if not config.grid and not config.authors[0]:
        raise InputError("grid, authors: both are empty; there is nothing to run")


def _costs(config: ForgettingBenchmarkConfig, run: Run, architecture: str) -> list[Row]:
    """Seconds of every method, measured while nothing else of this run computes."""
    seed = derive_seed(run.seed, "cost") % 2**31
    methods = config.methods or CLASSIFIER_METHODS
    bench = classifier_bench(config, architecture, "random", methods, seed)
    seconds: dict[str, float] = run.stage("seconds", partial(time_forgetting, bench))
    at = {"repetition": 0, "kind": "cost"}
    return [
        {**at, **row(metric, scale * spent, method=method)}
        for method, spent in seconds.items()
        for metric, scale in (("seconds", 1.0), ("% of retraining", 100 / seconds[RETRAINED]))
    ]


def views(results: Results, config: ForgettingBenchmarkConfig) -> Views:
    """Metrics, tables and figures."""
    by_place = places(results, config)
    metrics = reference_metrics(by_place)
    if config.research_use:
        metrics.append(results.metric(RECONSTRUCTION, RECONSTRUCTION, "largest"))
    tables = [method_table(place, each) for place, each in by_place.items()]
    figures = forgetting_figures(by_place)
    if rewinding := rewinding_table(by_place):
        tables.append(rewinding)
    if reference := reference_architecture(config):
        once = results.select(architecture=reference, forget_set="random")
        tables.append(feature_map_table(once.select(kind="maps")))
        if config.requests:
            figures.append(requests_figure(once.select(kind="requests")))
        costs = results.select(kind="cost")
        tables.append(cost_table(costs, reference, config.pool // 2, config.base))
    return Views(metrics, tables, figures)


def scope(config: ForgettingBenchmarkConfig) -> str:
    """Return the scope of the figures."""
    data = f"records of {config.data}" if config.data else "8×8 handwritten digits (scikit-learn)"
    return (
        f"Small models trained here on {data}, and a small transformer on INVENTED facts: the "
        "figures compare methods and attacks, they do not carry over to other models."
    )


STUDY = Study(
    ENTRIES["forgetting_benchmark"],
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
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
