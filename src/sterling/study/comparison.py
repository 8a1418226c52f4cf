"""Two runs compared: figures of the same items paired, the others by their own intervals."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee.family_wise import holm_adjusted
from sterling.measure import (
    Estimate,
    Interval,
    Scores,
    auc,
    bootstrap_by_subject,
    compare_paired,
    compare_unpaired,
)
from sterling.runs import SCORES_FILE
from sterling.study.evidence import Metric, load_evidence
from sterling.tables import read_parquet

LEVEL = 0.05  # below it a row is better or worse
Better = Literal["higher", "lower"]
Change = Literal["better", "worse", "undecided", "-"]
Only = tuple[tuple[str, ...], tuple[str, ...]]

# Words in the names of figures that say which direction is better; the first one decides.
_LOWER = "apcer bpcer acer eer fpr fnr fmr fnmr fdr ece brier error errors miscoverage perplexity"
_HIGHER = "auc auroc aupr accuracy tpr tar f1 recall precision"
_WORDS: dict[str, Better] = {
    **dict.fromkeys(_LOWER.split(), "lower"),
    **dict.fromkeys(_HIGHER.split(), "higher"),
}
_EITHER = re.compile("attack|forg[eo]t|loss", re.IGNORECASE)  # an attacker's gain, or a target


@dataclass(frozen=True)
class Difference:
    """One figure of two runs.

    Attributes:
        name: Name of the figure.
        a: Its value in the first run.
        b: Its value in the second.
        difference: b - a.
        low: Lower end of the 95 % interval of the difference; None where a run has no interval.
        high: Upper end.
        paired: Whether both runs scored the same items, and the interval uses it.
        better: Better direction; None where it is not known.
        p_value: p-value of "no difference", by a normal approximation to the interval; adjusted by
            `with_verdicts`. None without an interval.
        verdict: Whether the second run is better or worse; "-" where that cannot be said at all.
    """

    name: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    paired: bool
    better: Better | None
    p_value: float | None
    verdict: Change = "-"


NOTE = (
    "95 % intervals of B - A; p-values are adjusted for all rows by Holm, and a row is better or "
    "worse below 0.05. Paired rows resample subjects, or items without them; the others take the "
    "runs for independent."
)


def compare_runs(run_a: Path, run_b: Path) -> tuple[list[Difference], dict[str, Only]]:
    """Compare all figures of two runs, with verdicts.

    Returns:
        The differences B - A, and by system the items that one run has alone.

    Raises:
        InputError: They have no figure in common, or as for `compare_items`.
    """
    found, only = compare_items(run_a, run_b)
    rows = with_verdicts([*found, *compare_metrics(run_a, run_b)])
    if not rows:
        raise InputError(f"{run_a} and {run_b} have no figure in common; compare runs of one study")
    return rows, only


def comparison_document(rows: Sequence[Difference], only: Mapping[str, Only]) -> dict[str, Any]:
    """Return a comparison as a JSON object.

    Args:
        rows: The differences.
        only: Items that one run has alone, by system.
    """
    return {
        "differences": [asdict(row) for row in rows],
        "only_a": {name: list(items[0]) for name, items in only.items()},
        "only_b": {name: list(items[1]) for name, items in only.items()},
        "note": NOTE,
    }


def compare_items(run_a: Path, run_b: Path) -> tuple[list[Difference], dict[str, Only]]:
    """Compare the systems that both runs scored, on the test items of their first repetition.

    Figures are the AUC and, where the runs keep a threshold, the error rates on positives, on
    negatives and on the worst group of negatives. Both runs are resampled with the same
    subjects, or items where subjects are not known. Where the items differ, each run is resampled
    by itself and the difference is that of unpaired figures.

    Returns:
        The differences, and by system the items that one run has alone.

    Raises:
        InputError: An item has another label, subject or group in the other run.
    """
    tables = [_read_scores(folder) for folder in (run_a, run_b)]
    rows: list[Difference] = []
    only: dict[str, Only] = {}
    for system in sorted(set(tables[0]) & set(tables[1])):
        first, second = (table[system] for table in tables)
        items_a, items_b = (set(one.scores.item.tolist()) for one in (first, second))
        paired = items_a == items_b
        if not paired:
            only[system] = (tuple(sorted(items_a - items_b)), tuple(sorted(items_b - items_a)))
        for figure in _FIGURES:
            scores_a, scores_b = figure.of(first), figure.of(second)
            if scores_a is None or scores_b is None or _lacks_a_class(scores_a, scores_b):
                continue
            estimate = _difference(scores_a, scores_b, figure.statistic, paired=paired)
            a, b = figure.statistic(scores_a), figure.statistic(scores_b)
            name = f"{figure.name} of {system}, by item"
            clusters = min(len(set(one.subject.tolist())) for one in (scores_a, scores_b))
            rows.append(_row(name, a, b, estimate, figure.better, paired=paired, clusters=clusters))
    return rows, only


@dataclass(frozen=True, eq=False)
class _System:
    """Scores of one system, and its errors as scores of 0 and 1; None without a threshold."""

    scores: Scores
    wrong: Scores | None


@dataclass(frozen=True)
class _Figure:
    name: str
    better: Better
    of: Callable[[_System], Scores | None]
    statistic: Callable[[Scores], float]


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _wrong(one: _System) -> Scores | None:
    return one.wrong


_WORST = "error rate on the worst group of negatives"
_FIGURES = (
    _Figure("AUC", "higher", lambda one: one.scores, lambda s: auc(s).value),
    _Figure("error rate on positives", "lower", _wrong, lambda s: _mean(s.positives())),
    _Figure("error rate on negatives", "lower", _wrong, lambda s: _mean(s.negatives()["pooled"])),
    _Figure(_WORST, "lower", _wrong, lambda s: max(map(_mean, s.negatives("max").values()))),
)


def _read_scores(folder: Path) -> dict[str, _System]:
    path = folder / SCORES_FILE
    if not path.is_file():
        return {}
    table = _common_columns(read_parquet(path))
    if table is None:
        return {}
    table = table.filter(pl.col("set") == "test")
    found = {}
    for (system,), rows in table.group_by("system", maintain_order=True):
        own = rows.filter(pl.col("seed") == pl.col("seed").min())
        if own["item"].n_unique() == len(own):
            found[str(system)] = _system(own)
    return found


def _common_columns(table: pl.DataFrame) -> pl.DataFrame | None:
    """Give tables of faces, records and texts the same columns; None for any other table."""
    if "detector" in table.columns:  # of texts: a group is an origin, as a subject is
        names = {"repetition": "seed", "score": "value", "group": "subject"}
        system = pl.col("detector")
        if "tokens" in table.columns:
            tokens = pl.format(", {} tokens", pl.col("tokens")).fill_null("")
            system = pl.concat_str(system, tokens)
        table = table.rename(names, strict=False).with_columns(system=system)
    if not {"item", "label", "value", "system", "seed"} <= set(table.columns):
        return None
    missing = {"set": pl.lit("test"), "subject": pl.lit(""), "group": pl.lit("")}
    new = {name: value for name, value in missing.items() if name not in table.columns}
    return table.with_columns(**new, label=pl.col("label").cast(pl.Boolean))


def _system(rows: pl.DataFrame) -> _System:
    label = rows["label"].to_numpy()
    given = rows["value"].cast(pl.Float64).fill_null(math.nan).to_numpy()
    # An item that could not be scored is the worst of its class.
    usable = given[np.isfinite(given)]
    low, high = (usable.min() - 1, usable.max() + 1) if len(usable) else (0.0, 1.0)
    values = np.where(np.isfinite(given), given, np.where(label, low, high))
    item = rows["item"].cast(pl.String).to_list()
    subject = rows["subject"].cast(pl.String).fill_null("").to_list()
    known = all(subject)
    group = rows["group"].cast(pl.String).to_list() if any(rows["group"]) else None

    def as_scores(given: NDArray[np.float64]) -> Scores:
        return Scores(given, label, item=item, subject=subject if known else item, group=group)

    wrong = None
    if "threshold" in rows.columns and rows["threshold"].n_unique() == 1:
        errors = (values >= rows["threshold"][0]) != label
        wrong = as_scores(errors.astype(np.float64))
    return _System(as_scores(values), wrong)


def _lacks_a_class(*scores: Scores) -> bool:
    return any(one.label.all() or not one.label.any() for one in scores)


def _difference(
    a: Scores, b: Scores, statistic: Callable[[Scores], float], *, paired: bool
) -> Estimate:
    """Estimate the figure of b less that of a."""
    if paired:
        return compare_paired(b, a, statistic, seed=0)
    own = [bootstrap_by_subject(one, statistic, seed=0) for one in (b, a)]
    return compare_unpaired(*own)


def compare_metrics(run_a: Path, run_b: Path) -> list[Difference]:
    """Compare the headline metrics that both runs have, each by the interval of its own run.

    Raises:
        InputError: A folder holds no evidence.
    """
    first, second = (
        {one.name: one for one in load_evidence(folder).metrics} for folder in (run_a, run_b)
    )
    shared = [(first[name], second[name]) for name in first if name in second]
    return [
        _of_metrics(a, b, a.value, b.value)
        for a, b in shared
        if a.value is not None and b.value is not None
    ]


def better_direction(name: str) -> Better | None:
    """Return the better direction of a figure by the first word of its name that tells it.

    Examples:
        >>> better_direction("TPR at 1 % FPR"), better_direction("accuracy on the forget set")
        ('higher', None)
    """
    if _EITHER.search(name):
        return None
    words = re.findall(r"[a-z]+[0-9]?(?![a-z])", name.lower())
    return next((_WORDS[word] for word in words if word in _WORDS), None)


def _of_metrics(a: Metric, b: Metric, value_a: float, value_b: float) -> Difference:
    better = better_direction(a.name)
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return _row(a.name, value_a, value_b, None, better, paired=False)
    estimate = compare_unpaired(
        Estimate(value_b, Interval(b.low, b.high), 0.95, ""),
        Estimate(value_a, Interval(a.low, a.high), 0.95, ""),
    )
    return _row(a.name, value_a, value_b, estimate, better, paired=False)


def _row(
    name: str,
    a: float,
    b: float,
    estimate: Estimate | None,
    better: Better | None,
    *,
    paired: bool,
    clusters: int | None = None,
) -> Difference:
    if estimate is None:
        return Difference(name, a, b, b - a, None, None, paired, better, None)
    low, high = estimate.interval.low, estimate.interval.high
    p = _p_value(b - a, low, high, clusters)
    return Difference(name, a, b, b - a, low, high, paired, better, p)


def _p_value(value: float, low: float, high: float, clusters: int | None) -> float:
    """Two-sided p-value of no difference, from the side of the interval that lies towards 0.

    By the t distribution of the number of clusters, where the interval is a bootstrap's over them,
    which is too narrow for few. Draws that all agree say nothing of how clusters differ.
    """
    half = value - low if value > 0 else high - value
    if half <= 0 or (clusters is not None and clusters < 2):
        return 1.0
    deviations = abs(value) / half * float(stats.norm.ppf(0.975))
    tail = stats.norm.sf(deviations) if clusters is None else stats.t.sf(deviations, clusters - 1)
    return float(2 * tail)


def with_verdicts(rows: Sequence[Difference]) -> list[Difference]:
    """Adjust the p-values of all rows by Holm, and say which figures are better or worse.

    The chance that any figure which did not change is called better or worse is at most `LEVEL`, as
    far as the intervals hold.

    Examples:
        >>> up = Difference("AUC", 0.8, 0.9, 0.1, 0.06, 0.14, True, "higher", 1e-6)
        >>> [row.verdict for row in with_verdicts([up, replace(up, p_value=0.2)])]
        ['better', 'undecided']
    """
    tested = [row.p_value for row in rows if row.p_value is not None]
    adjusted = iter(holm_adjusted(tested).tolist())
    return [
        row if row.p_value is None else _judged(replace(row, p_value=next(adjusted)))
        for row in rows
    ]


def _judged(row: Difference) -> Difference:
    assert row.p_value is not None
    if row.better is None:
        return row
    if row.p_value >= LEVEL:
        return replace(row, verdict="undecided")
    gained = (row.difference > 0) == (row.better == "higher")
    return replace(row, verdict="better" if gained else "worse")
