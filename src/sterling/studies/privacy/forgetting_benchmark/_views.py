"""The cells of a benchmark of forgetting as metrics, tables and figures of the evidence."""

from collections.abc import Mapping, Sequence

import numpy as np

from sterling.privacy.data.forget_sets import FORGET_SETS
from sterling.privacy.unlearning_attacks import privleak, two_sided
from sterling.privacy.unlearning_attacks.registry import CLASSIFIER_ATTACKS
from sterling.studies.privacy.forgetting_benchmark._cells import (
    RETRAINED,
    UNTOUCHED,
    Cell,
    Cells,
    difference,
    mean,
    over_seeds,
)
from sterling.studies.privacy.forgetting_benchmark._classifiers import REWOUND
from sterling.study import (
    Figure,
    Metric,
    Row,
    Table,
    lines,
    matrix,
    metric_over_seeds,
    row_over_seeds,
)

TITLES = {"class": "whole classes", "author": "authors", "random": "random records"}
DIFFERENCE = "difference from the retrained model"


def reference_metrics(cells: Cells) -> list[Metric]:
    """The leading figure of every place after retraining, and without unlearning."""
    metrics = []
    for (architecture, victim), rows in cells.items():
        place = f"{architecture}, {victim}"
        figure = {"class": "class from confidence", "author": "greedy words"}.get(victim, "U-LiRA")
        unit = "area" if figure == "U-LiRA" else "rate"
        for method in (RETRAINED, UNTOUCHED):
            values = over_seeds(rows, method, figure)
            metrics.append(metric_over_seeds(f"{figure}, {method} ({place})", unit, values))
    return metrics


def cell_table(place: tuple[str, str], cells: list[Cell]) -> Table:
    """Every method's figures at one place, an architecture and a victim."""
    architecture, victim = place
    figures, loss = list(cells[0][UNTOUCHED]), "loss" in cells[0][UNTOUCHED]
    body: list[Row] = []
    for method in cells[0]:
        line: Row = [method]
        line += [mean(over_seeds(cells, method, figure)) for figure in figures]
        body.append([*line, _mean_privleak(cells, method)] if loss else line)
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


def _mean_privleak(rows: list[Cell], method: str) -> float | None:
    pairs = [(cell[method]["loss"], cell[RETRAINED]["loss"]) for cell in rows if method in cell]
    return mean([privleak(a, b) for a, b in pairs if b < 1])


def rewinding_table(cells: Cells) -> Table:
    """Where SCRUB+R rewinds to, and whether that lowers the leak; every place must have it."""
    body: list[Row] = []
    for place, rows in cells.items():
        step, stayed = (mean(over_seeds(rows, REWOUND, figure)) for figure in ("step", "stayed"))
        gain = mean(rewinding_gain(rows)) if "SCRUB" in rows[0] else None
        areas = (mean(over_seeds(rows, method, "loss")) for method in (RETRAINED, "SCRUB", REWOUND))
        body.append([", ".join(place), step, stayed, *areas, gain])
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
        caption="Means over seeds. step: whose forget error is nearest to the validation error. "
        "Rewinding is meant against too much forgetting; where the loss attack's area under SCRUB "
        "lies above that under retraining, too little was forgotten.",
    )


def rewinding_gain(cells: Sequence[Cell]) -> list[float]:
    """By how much rewinding lowers U-LiRA's area under SCRUB, on either side of 1/2, per seed."""
    return [
        two_sided(cell["SCRUB"]["U-LiRA"]) - two_sided(cell[REWOUND]["U-LiRA"]) for cell in cells
    ]


def feature_map_table(maps: list[Cell]) -> Table:
    """The two-model attack on exact retraining, by feature map."""
    return Table(
        name="feature-maps",
        title="The two-model attack on exact retraining, by feature map",
        columns=["features", "area", "low", "high", "DegCount", "DegRate"],
        rows=[
            [
                name,
                *row_over_seeds(over_seeds(maps, name, "area")),
                mean(over_seeds(maps, name, "DegCount")),
                mean(over_seeds(maps, name, "DegRate")),
            ]
            for name in maps[0]
        ],
        caption="Random records; means over seeds, 95 % Student-t intervals. DegCount above 0.5 "
        "and DegRate above 0: both models tell more than the one before.",
    )


def cost_table(
    architecture: str, seconds: Mapping[str, float], forgotten: int, retained: int
) -> Table:
    """Seconds that each method takes for one request, and beside retraining."""
    return Table(
        name="cost",
        title=f"What forgetting costs ({architecture})",
        columns=["method", "seconds", "% of retraining"],
        rows=[[name, s, 100 * s / seconds[RETRAINED]] for name, s in seconds.items()],
        caption=f"{forgotten} of {retained + forgotten} records, the least of three runs on this "
        "machine. SISA: five shards of five slices, whose training the request goes back into.",
    )


def requests_figure(along: Sequence[Mapping[str, Sequence[float]]]) -> Figure:
    """U-LiRA's area along several requests, by method; of every seed one curve."""
    methods = list(along[0])
    return lines(
        "requests",
        "What leaks after each of several requests",
        "U-LiRA's area on all records asked for so far, mean over seeds; 0.5 is no leak.",
        range(1, len(along[0][RETRAINED]) + 1),
        {name: np.mean([curves[name] for curves in along], axis=0).tolist() for name in methods},
        labels=("request", "area"),
    )


def forgetting_figures(cells: Cells) -> list[Figure]:
    """Which method leaks to which attack, which data leak, what a language model still says."""
    figures = []
    attacked = {key: rows for key, rows in cells.items() if key[1] in FORGET_SETS}
    if attacked:
        methods = list(next(iter(attacked.values()))[0])
        figures.append(
            matrix(
                "attacks",
                "Which method leaks to which attack",
                "Area minus that of the retrained model, for the data where it is furthest from "
                "0, means over seeds. Both colours are leaks: positive, forgotten records look "
                "like members; negative, they stand out by too much forgetting. Two models show "
                "nothing where nothing was unlearned.",
                methods,
                list(CLASSIFIER_ATTACKS),
                lambda method, attack: max(
                    (difference(rows, method, attack) for rows in attacked.values()),
                    key=lambda value: abs(value) if value is not None else -1.0,
                ),
                value_label=DIFFERENCE,
            )
        )
        places = {f"{a}, {v}": rows for (a, v), rows in attacked.items()}
        figures.append(
            matrix(
                "victims",
                "Which data leak under which method",
                "U-LiRA's area minus that of the retrained model, means over seeds.",
                methods,
                list(places),
                lambda method, place: difference(places[place], method, "U-LiRA"),
                value_label=DIFFERENCE,
            )
        )
    if language := cells.get(("transformer", "author")):
        figures.append(
            matrix(
                "language",
                "What a language model still says of forgotten facts",
                "Difference from the retrained model, means over seeds; positive is what was not "
                "forgotten. retain words: utility, negative is what was lost beside it.",
                list(language[0]),
                [*_language_columns(language[0]), "retain words"],
                lambda method, attack: difference(language, method, attack),
                value_label=DIFFERENCE,
            )
        )
    return figures


def _language_columns(cell: Cell) -> list[str]:
    return [name for name in cell[UNTOUCHED] if name not in ("plainly asked", "retain words")]
