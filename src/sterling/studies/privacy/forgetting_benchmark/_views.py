"""Metrics, tables and figures of the benchmark."""

from sterling.privacy.unlearning_attacks.registry import CLASSIFIER_ATTACKS
from sterling.studies.privacy.forgetting_benchmark._cells import is_attacked, jobs
from sterling.studies.privacy.forgetting_benchmark._config import ForgettingBenchmarkConfig
from sterling.studies.privacy.forgetting_benchmark._names import RETRAINED, REWOUND, UNTOUCHED
from sterling.study import Column, Figure, Metric, Results, Table, matrix

TITLES = {"class": "whole classes", "author": "authors", "random": "random records"}
DIFFERENCE = "difference from the retrained model"
LANGUAGE_CAPTION = (
    "Means over repetitions. Min-K, Min-K++, output difference, linear probe: areas; all others: "
    "shares of words or texts said. The row to compare with is retrain. retain words: utility."
)
CLASSIFIER_CAPTION = (
    "Means over repetitions. Attacks: areas, 0.5 is no leak, and the row to compare with is "
    "retrain. lingering: Kolmogorov–Smirnov distance of the forget set's losses to the retrained "
    "model's. PrivLeak: below 0 too little was forgotten, above 0 too much. SISA and amnesiac "
    "unlearning: models trained in their own ways, which alone moves lingering and PrivLeak."
)

Place = tuple[str, str]
"""An architecture and a forget set."""


def places(results: Results, config: ForgettingBenchmarkConfig) -> dict[Place, Results]:
    """Results by architecture and forget set, of classifiers and of the language model."""
    return {
        (architecture, forget_set): results.select(
            kind=kind, architecture=architecture, forget_set=forget_set
        )
        for kind, architecture, forget_set in jobs(config)
        if kind in ("grid", "language")
    }


def reference_metrics(by_place: dict[Place, Results]) -> list[Metric]:
    """The leading figure of every place after retraining, and without unlearning."""
    metrics = []
    for (architecture, forget_set), results in by_place.items():
        figure = {"class": "class from confidence", "author": "greedy words"}.get(
            forget_set, "U-LiRA"
        )
        unit = "area" if figure == "U-LiRA" else "rate"
        metrics += [
            results.metric(
                f"{figure}, {method} ({architecture}, {forget_set})", figure, unit, method=method
            )
            for method in (RETRAINED, UNTOUCHED)
        ]
    return metrics


def method_table(place: Place, results: Results) -> Table:
    """Every method's figures at one place."""
    architecture, forget_set = place
    return results.table(
        f"{architecture}-{forget_set}",
        f"{architecture}, forgetting {TITLES.get(forget_set, forget_set)}",
        "method",
        [Column(metric, metric) for metric in figures_of(results)],
        caption=LANGUAGE_CAPTION if forget_set == "author" else CLASSIFIER_CAPTION,
    )


def figures_of(results: Results) -> list[str]:
    """Names of the figures that every method has."""
    return results.select(method=UNTOUCHED).names("metric")


def rewinding_table(by_place: dict[Place, Results]) -> Table | None:
    """Show the step that SCRUB+R rewinds to, and whether that lowers the leak."""
    rows = []
    columns = [
        Column("step", "step", {"method": REWOUND}),
        Column("stayed at the last", "stayed", {"method": REWOUND}),
        *(Column(f"loss, {m}", "loss", {"method": m}) for m in (RETRAINED, "SCRUB", REWOUND)),
        Column("fall of U-LiRA", "fall of U-LiRA"),
    ]
    for place, results in by_place.items():
        if REWOUND in results.names("method"):
            rows.append([", ".join(place), *results.line(columns)])
    if not rows:
        return None
    return Table(
        name="rewinding",
        title="Steps that SCRUB+R rewinds to",
        columns=["data", *(column.title for column in columns)],
        rows=rows,
        caption="Means over repetitions. step: whose forget error is nearest to the validation "
        "error. Rewinding is meant against too much forgetting; where the loss attack's area under "
        "SCRUB lies above that under retraining, too little was forgotten.",
    )


def feature_map_table(results: Results) -> Table:
    """The two-model attack on exact retraining, by feature map."""
    return results.table(
        "feature-maps",
        "The two-model attack on exact retraining, by feature map",
        "features",
        [
            Column("area", "area", show="interval"),
            Column("DegCount", "DegCount"),
            Column("DegRate", "DegRate"),
        ],
        caption="Random records; means over repetitions, 95 % Student-t intervals. DegCount above "
        "0.5 and DegRate above 0: both models tell more than the one before.",
    )


def cost_table(results: Results, architecture: str, forgotten: int, retained: int) -> Table:
    """Seconds that each method takes for one deletion request, and compared with retraining."""
    return results.table(
        "cost",
        f"Cost of forgetting ({architecture})",
        "method",
        [Column("seconds", "seconds"), Column("% of retraining", "% of retraining")],
        caption=f"{forgotten} of {retained + forgotten} records, the least of three runs on this "
        "machine. SISA: five shards of five slices, whose training the request goes back into.",
    )


def requests_figure(results: Results) -> Figure:
    """U-LiRA's area along several deletion requests, by method."""
    return results.lines(
        "requests",
        "Leak after each of several deletion requests",
        "U-LiRA's area on all records asked for so far, mean over repetitions; 0.5 is no leak.",
        "U-LiRA",
        x="requests",
        by="method",
        labels=("deletion requests", "area"),
    )


def forgetting_figures(by_place: dict[Place, Results]) -> list[Figure]:
    """Draw leaks by method and attack, leaks by data, and a language model's recall."""
    figures = []
    attacked = {place: each for place, each in by_place.items() if is_attacked(place[1])}
    if attacked:
        relative = {place: each.relative_to(method=RETRAINED) for place, each in attacked.items()}
        named = {", ".join(place): each for place, each in relative.items()}
        methods = next(iter(attacked.values())).names("method")
        figures.append(
            matrix(
                "attacks",
                "Leaks by method and attack",
                "Area minus that of the retrained model, for the data where it is furthest from "
                "0, means over repetitions. Both colours are leaks: positive, forgotten records "
                "look like members; negative, they stand out by too much forgetting. Two models "
                "show nothing where nothing was unlearned.",
                methods,
                list(CLASSIFIER_ATTACKS),
                lambda method, attack: max(
                    (_mean(each, attack, method) for each in relative.values()),
                    key=lambda value: -1.0 if value is None else abs(value),
                ),
                value_label=DIFFERENCE,
            )
        )
        figures.append(
            matrix(
                "victims",
                "Leaks by method and data",
                "U-LiRA's area minus that of the retrained model, means over repetitions.",
                methods,
                list(named),
                lambda method, place: _mean(named[place], "U-LiRA", method),
                value_label=DIFFERENCE,
            )
        )
    if language := by_place.get(("transformer", "author")):
        asked = [
            name for name in figures_of(language) if name not in ("plainly asked", "retain words")
        ]
        figures.append(
            language.relative_to(method=RETRAINED).matrix(
                "language",
                "Recall of forgotten facts by a language model",
                "Difference from the retrained model, means over repetitions; positive is what was "
                "not forgotten. retain words: utility, negative is what was lost besides.",
                rows="method",
                columns=[Column(name, name) for name in (*asked, "retain words")],
                value_label=DIFFERENCE,
            )
        )
    return figures


def _mean(results: Results, metric: str, method: str) -> float | None:
    cell = results.line([Column(metric, metric, {"method": method})])[0]
    return cell if isinstance(cell, float) else None
