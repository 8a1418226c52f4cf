"""The frame of results against plain arithmetic on the same numbers."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate
from sterling.study import Column, Results, row

VALUES = {"a": [0.1, 0.2, 0.6], "b": [0.3, 0.5, 0.4]}
ROWS = [
    {"repetition": index, **each}
    for index in range(3)
    for system, values in VALUES.items()
    for each in (
        row("error", values[index], system=system),
        row("error", values[index] / 2, system=system, subset="easy"),
        row("missed", Rate(index, 10), system=system, species="print"),
        row("missed", Rate(5 * (system == "a"), 20), system=system, species="mask"),
        row("loss", 1 / (1 + index), system=system, epoch=1),
        row("loss", 0.5, system=system, epoch=2),
    )
]
RESULTS = Results.of(ROWS, not_scored=2)


def mean_and_interval(values: list[float]) -> list[float]:
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return [float(np.mean(values)), float(low), float(high)]


def test_a_coordinate_that_is_not_named_does_not_apply() -> None:
    assert RESULTS.values("error", system="a") == VALUES["a"]
    assert RESULTS.values("error", system="a", subset="easy") == [0.05, 0.1, 0.3]
    assert RESULTS.select(system="a").values("error") == VALUES["a"]
    assert RESULTS.values("error", system="c") == []
    assert RESULTS.values("error", room="attic") == []
    assert RESULTS.select(subset=None, species=None, epoch=None).names("system") == ["a", "b"]


def test_several_values_in_one_repetition_are_refused() -> None:
    twice = Results.of([*ROWS, {"repetition": 0, **row("error", 0.9, system="a")}])
    with pytest.raises(InputError, match=r"error at .*several values in one repetition"):
        twice.values("error", system="a")
    with pytest.raises(InputError, match="error of a: several values in repetition 0"):
        twice.series("error")


def test_what_could_not_be_measured_is_kept_and_left_out_of_means() -> None:
    results = Results.of(
        {"repetition": index, **row("error", value)} for index, value in enumerate((None, 0.5, 0.7))
    )
    assert results.frame["value"].null_count() == 1
    assert results.values("error") == [0.5, 0.7]
    assert results.metric("x", "error", "rate").n == 2


def test_counts_are_pooled_with_an_exact_interval() -> None:
    assert RESULTS.rate("missed", system="b", species="print") == Rate(3, 30)
    assert RESULTS.rate("missed", system="c", species="print") is None
    metric = RESULTS.counted("missed", "missed", system="b", species="mask")
    assert (metric.value, metric.n) == (0.0, 60)
    assert metric.high == pytest.approx(1 - 0.025 ** (1 / 60))
    assert RESULTS.counted("x", "missed", system="c").value is None


def test_an_estimate_keeps_its_interval() -> None:
    results = Results.of(
        [{"repetition": 0, **row("auc", Estimate(0.8, Interval(0.7, 0.9), 0.95, ""))}]
    )
    found = results.estimate("auc", "DeLong")
    assert found == Estimate(0.8, Interval(0.7, 0.9), 0.95, "DeLong")
    assert results.line([Column("AUC", "auc", show="interval")]) == [0.8, 0.7, 0.9]
    assert results.estimate("auc", "DeLong", system="a") is None
    assert results.estimate("auc", "DeLong", method="b") is None
    with pytest.raises(InputError, match="several estimates"):
        Results(pl.concat([results.frame] * 2)).estimate("auc", "DeLong")


def test_a_sum_of_counts_is_a_count() -> None:
    results = Results.of([{"repetition": index, **row("texts", 8)} for index in range(2)])
    (cell,) = results.line([Column("texts", "texts", show="sum")])
    assert isinstance(cell, int)
    assert cell == 16


def test_series_pair_by_repetition() -> None:
    series = RESULTS.series("error")
    differences = [b - a for a, b in zip(VALUES["a"], VALUES["b"], strict=True)]
    assert series.gain("b", than="a") == pytest.approx(differences)
    claim = series.lower("id", "A errs less.", "a", than="b", paper="yes")
    assert [claim.measured, claim.low, claim.high] == pytest.approx(mean_and_interval(differences))
    assert (claim.id, claim.paper, claim.verdict) == ("id", "yes", "undecided")
    higher = series.higher("id", "A errs more.", "a", than="b")
    assert higher.measured == pytest.approx(-np.mean(differences))
    lost = Results.of([each for each in ROWS if (each["repetition"], each["system"]) != (1, "b")])
    assert lost.series("error").gain("b", than="a") == pytest.approx(
        [differences[0], differences[2]]
    )
    assert series.at_most("id", "", "a", 2.0).verdict == "holds"
    assert series.at_least("id", "", "a", 2.0).verdict == "does not hold"


def test_differences_from_a_reference_are_paired_too() -> None:
    relative = RESULTS.relative_to(system="a")
    assert relative.values("error", system="a") == [0.0, 0.0, 0.0]
    assert relative.values("error", system="b", subset="easy") == pytest.approx(
        [(b - a) / 2 for a, b in zip(VALUES["a"], VALUES["b"], strict=True)]
    )


def test_a_table_shows_what_its_columns_ask_for() -> None:
    table = RESULTS.table(
        "t",
        "Title",
        "system",
        [
            Column("error", "error", show="interval"),
            Column("easy", "error", {"subset": "easy"}),
            Column("missed", "missed", {"species": "print"}, show="counts"),
            Column("sum", "error", show="sum"),
        ],
        order=["b", "a", "c"],
        headings=["name"],
    )
    assert table.columns == [
        "name", "error", "low", "high", "easy", "errors", "trials", "missed", "low", "high", "sum",
    ]  # fmt: skip
    assert [each[0] for each in table.rows] == ["b", "a"]
    interval = Rate(3, 30).interval()
    assert table.rows[0][1:] == pytest.approx(
        [*mean_and_interval(VALUES["b"]), 0.2, 3, 30, 0.1, interval.low, interval.high, 1.2]
    )


def test_figures_hold_the_numbers_of_the_table() -> None:
    bars = RESULTS.bars("b", "", "", "error", value_label="error")
    assert bars.data["names"] == ["a", "b"]
    assert bars.data["low"] == pytest.approx([mean_and_interval(VALUES[s])[1] for s in "ab"])
    lines = RESULTS.lines("l", "", "", "loss", x="epoch", labels=("epoch", "loss"))
    assert lines.data["x"] == [1, 2]
    assert lines.data["series"]["a"] == pytest.approx([(1 + 1 / 2 + 1 / 3) / 3, 0.5])
    matrix = RESULTS.matrix(
        "m",
        "",
        "",
        rows="system",
        columns=[Column("error", "error"), Column("none", "none")],
        value_label="",
    )
    assert matrix.data["columns"] == ["error", "none"]
    assert [each[1] for each in matrix.data["values"]] == [None, None]


def test_the_file_holds_the_frame(tmp_path: Path) -> None:
    RESULTS.frame.write_parquet(tmp_path / "results.parquet")
    again = Results(pl.read_parquet(tmp_path / "results.parquet"))
    assert again.frame.equals(RESULTS.frame)
    assert set(again.coordinates) == {"system", "subset", "species", "epoch"}
    assert math.isclose(again.metric("x", "error", "rate", system="a").value or 0, 0.3)
