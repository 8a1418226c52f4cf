"""The grammar that every paper is written in: studies, results, claims and evidence.

A study measures rows in cells (`sterling.runs.Run.map`), collects them in one `Results` frame, and
derives claims, metrics, tables and figures from it; `run_study` writes them as evidence.
"""

from sterling.study.claims import Measured, at_least, at_most, more_often, positive, verdict, within
from sterling.study.evidence import (
    Claim,
    Evidence,
    Figure,
    Findings,
    Metric,
    Table,
    TableRow,
    load_evidence,
    mean_cells,
    metric_of_mean,
    metric_of_rate,
)
from sterling.study.grammar import (
    PRESETS,
    Config,
    Paper,
    Preset,
    Study,
    Views,
    find_study,
    finish_run,
    override,
    papers,
    run_study,
)
from sterling.study.results import Results, row
from sterling.study.series import Series
from sterling.study.views import Column, bars_of_table, bars_over_seeds, det, lines, matrix

bounded_above, bounded_below = at_most, at_least
metric_over_seeds, row_over_seeds = metric_of_mean, mean_cells
Row = TableRow

__all__ = [
    "PRESETS",
    "Claim",
    "Column",
    "Config",
    "Evidence",
    "Figure",
    "Findings",
    "Measured",
    "Metric",
    "Paper",
    "Preset",
    "Results",
    "Row",
    "Series",
    "Study",
    "Table",
    "TableRow",
    "Views",
    "at_least",
    "at_most",
    "bars_of_table",
    "bars_over_seeds",
    "bounded_above",
    "bounded_below",
    "det",
    "find_study",
    "finish_run",
    "lines",
    "load_evidence",
    "matrix",
    "mean_cells",
    "metric_of_mean",
    "metric_of_rate",
    "metric_over_seeds",
    "more_often",
    "override",
    "papers",
    "positive",
    "row",
    "row_over_seeds",
    "run_study",
    "verdict",
    "within",
]
