"""The grammar that every paper is written in: studies, results, claims and evidence.

A study measures rows in cells (`sterling.runs.Run.map`), collects them in one `Results` frame, and
derives claims, metrics, tables and figures from it; `run_study` writes them as evidence.
"""

from sterling.study.claims import (
    Measured,
    at_least,
    at_most,
    more_often,
    positive,
    use_design,
    verdict,
    within,
)
from sterling.study.evidence import (
    Claim,
    Evidence,
    Figure,
    Findings,
    Metric,
    Sample,
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
from sterling.study.until_decided import UntilDecided
from sterling.study.views import Column, bars_of_table, det, lines, matrix

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
    "Sample",
    "Series",
    "Study",
    "Table",
    "TableRow",
    "UntilDecided",
    "Views",
    "at_least",
    "at_most",
    "bars_of_table",
    "det",
    "find_study",
    "finish_run",
    "lines",
    "load_evidence",
    "matrix",
    "mean_cells",
    "metric_of_mean",
    "metric_of_rate",
    "more_often",
    "override",
    "papers",
    "positive",
    "row",
    "run_study",
    "use_design",
    "verdict",
    "within",
]
