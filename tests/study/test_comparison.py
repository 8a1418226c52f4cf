"""Two runs compared: paired where the items are the same, clustered, adjusted for all rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate, compare_unpaired
from sterling.study.comparison import Difference, better_direction, compare_items, with_verdicts

SUBJECTS, EACH = 40, 10


def _run(
    folder: Path, gap: float, *, noise: int = 0, first: int = 0, subjects: int = SUBJECTS
) -> Path:
    """Scores whose classes are `gap` apart; subjects share half of what is random in an item."""
    folder.mkdir()
    shared = np.random.default_rng(1).normal(size=(subjects, 1))
    item = np.random.default_rng(2).normal(size=(subjects, EACH))
    own = np.random.default_rng(3 + noise).normal(size=(subjects, EACH))
    label = np.tile(np.arange(EACH) % 2 == 0, (subjects, 1))
    values = shared + item + 0.2 * own + gap * label
    names = [f"s{row}" for row in range(first, first + subjects)]
    pl.DataFrame(
        {
            "item": [f"{name}-{k}" for name in names for k in range(EACH)],
            "subject": np.repeat(names, EACH),
            "group": np.where(label.ravel(), "bona_fide", "print"),
            "label": label.ravel(),
            "value": values.ravel(),
        }
    ).with_columns(
        set=pl.lit("test"), system=pl.lit("cdcn"), seed=pl.lit(0), threshold=pl.lit(gap / 2)
    ).write_parquet(folder / "scores.parquet")
    return folder


def _by_name(rows: list[Difference]) -> dict[str, Difference]:
    return {row.name: row for row in rows}


def test_a_worse_system_is_worse_in_every_paired_figure(tmp_path: Path) -> None:
    a, b = _run(tmp_path / "a", 2.0), _run(tmp_path / "b", 1.2, noise=1)
    rows, only = compare_items(a, b)
    assert not only
    found = _by_name(with_verdicts(rows))
    assert set(found) == {
        "AUC of cdcn, by item",
        "error rate on positives of cdcn, by item",
        "error rate on negatives of cdcn, by item",
        "error rate on the worst group of negatives of cdcn, by item",
    }
    for row in found.values():
        assert row.paired
        assert row.verdict == "worse", row
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.difference <= row.high
    assert (
        found["AUC of cdcn, by item"].difference
        < 0
        < found["error rate on positives of cdcn, by item"].difference
    )
    turned = _by_name(with_verdicts(compare_items(b, a)[0]))
    assert all(row.verdict == "better" for row in turned.values())


def test_pairing_finds_what_unpaired_runs_cannot_and_other_items_are_named(tmp_path: Path) -> None:
    a, b = _run(tmp_path / "a", 1.5), _run(tmp_path / "b", 1.3, noise=1)
    table = pl.read_parquet(b / "scores.parquet")
    (tmp_path / "c").mkdir()
    renamed = pl.when(pl.col("item") == "s0-0").then(pl.lit("new")).otherwise("item").alias("item")
    table.with_columns(renamed).write_parquet(tmp_path / "c" / "scores.parquet")
    paired = _by_name(compare_items(a, b)[0])["AUC of cdcn, by item"]
    rows, only = compare_items(a, tmp_path / "c")
    unpaired = _by_name(rows)["AUC of cdcn, by item"]
    assert only == {"cdcn": (("s0-0",), ("new",))}
    assert (paired.paired, unpaired.paired) == (True, False)
    assert paired.difference == unpaired.difference
    widths = [one.high - one.low for one in (paired, unpaired) if one.high and one.low]
    assert widths[1] > 2 * widths[0]


def test_runs_of_the_same_quality_are_worse_no_more_often_than_the_level(tmp_path: Path) -> None:
    repeats, worse = 8, 0
    for seed in range(repeats):
        runs = [_run(tmp_path / f"{seed}{name}", 1.5, noise=2 * seed + k, subjects=20)
                for k, name in enumerate("ab")]  # fmt: skip
        worse += any(row.verdict == "worse" for row in with_verdicts(compare_items(*runs)[0]))
    assert stats.binomtest(worse, repeats, 0.05, alternative="greater").pvalue > 1e-3


def test_one_subject_decides_nothing(tmp_path: Path) -> None:
    a = _run(tmp_path / "a", 2.0, subjects=1)
    b = _run(tmp_path / "b", -2.0, subjects=1)
    assert {row.verdict for row in with_verdicts(compare_items(a, b)[0])} == {"undecided"}


def test_an_item_with_another_label_is_refused(tmp_path: Path) -> None:
    a, b = _run(tmp_path / "a", 1.5), _run(tmp_path / "b", 1.5)
    table = pl.read_parquet(b / "scores.parquet")
    flipped = table.with_columns(
        label=~pl.col("label"),
        group=pl.when(pl.col("label")).then(pl.lit("print")).otherwise(pl.lit("bona_fide")),
    )
    flipped.write_parquet(b / "scores.parquet")
    with pytest.raises(InputError, match="has a different label"):
        compare_items(a, b)


def test_texts_are_read_with_their_origin_as_the_subject(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, gap in (("a", 3.0), ("b", 0.5)):
        (tmp_path / name).mkdir()
        label = np.arange(80) % 2
        score = rng.normal(size=80) + gap * label
        pl.DataFrame(
            {
                "repetition": [0] * 80,
                "detector": ["lrr"] * 80,
                "tokens": [None] * 80,
                "item": [f"t{k}" for k in range(80)],
                "label": label,
                "group": [f"g{k // 4}" for k in range(80)],
                "writer": ["x"] * 80,
                "score": [None, *score[1:].tolist()],
            },
            schema_overrides={"tokens": pl.Int64},
        ).write_parquet(tmp_path / name / "scores.parquet")
    (row,) = with_verdicts(compare_items(tmp_path / "a", tmp_path / "b")[0])
    assert (row.name, row.paired, row.verdict) == ("AUC of lrr, by item", True, "worse")


def test_verdicts_are_adjusted_for_all_rows_and_need_a_direction() -> None:
    row = Difference("AUC", 0.8, 0.7, -0.1, -0.2, -0.01, False, "higher", 0.03)
    alone, unknown = with_verdicts([row])[0], with_verdicts([replace(row, better=None)])[0]
    assert (alone.verdict, unknown.verdict) == ("worse", "-")
    assert with_verdicts([row, replace(row, p_value=0.5)])[0].verdict == "undecided"
    assert with_verdicts([]) == []


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("TPR at 1 % FPR", "higher"),
        ("APCER print at BPCER 5 %", "lower"),
        ("F1", "higher"),
        ("Brier score", "lower"),
        ("BPCER", "lower"),
        ("area of the loss attack", None),
        ("accuracy on the forget set", None),
        ("time", None),
    ],
)
def test_the_first_word_of_a_name_tells_the_better_direction(name: str, better: str | None) -> None:
    assert better_direction(name) == better


def test_the_unpaired_interval_covers_a_difference_of_rates() -> None:
    rng = np.random.default_rng(0)
    repeats, missed = 600, 0
    for first, second in rng.binomial([60, 90], [0.1, 0.3], size=(repeats, 2)).tolist():
        rates = Rate(first, 60), Rate(second, 90)
        estimates = [Estimate(rate.value, rate.interval(), 0.95, "exact") for rate in rates]
        missed += not compare_unpaired(*estimates).interval.contains(0.1 - 0.3)
    assert stats.binomtest(missed, repeats, 0.05, alternative="greater").pvalue > 1e-3
    assert missed > 0
    with pytest.raises(InputError, match="levels"):
        compare_unpaired(estimates[0], Estimate(0.5, Interval(0.4, 0.6), 0.9, "exact"))
