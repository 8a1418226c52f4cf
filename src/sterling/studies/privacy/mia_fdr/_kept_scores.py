"""Scores that cells keep; ROC curves and one declared list derived from them."""

import warnings
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.guarantee import ResolutionWarning
from sterling.measure import Rate, Scores, error_curve
from sterling.privacy.membership.fdr import MembershipFDR
from sterling.runs import Cell, Row
from sterling.studies.privacy.mia_fdr._config import ALPHA, BASE, SHOWN
from sterling.studies.privacy.mia_fdr._resplits import split_records
from sterling.study import row

SHOWN_RECORDS = 25
TPR = "true positive rate"


def score_table(
    scores: Mapping[str, NDArray[np.float64]],
    member: NDArray[np.bool_],
    ids: NDArray[np.str_],
    data: str,
    cell: Cell,
) -> pl.DataFrame:
    """Return every score of every candidate record; label: whether it is a member."""
    items = pl.DataFrame({"item": ids, "subject": ids, "label": member})
    return pl.concat(
        items.with_columns(
            value=pl.Series(values),
            group=pl.Series(Scores(values, member).group),
            set=pl.lit("test"),
            system=pl.lit(f"{attack}, {data}"),
            seed=pl.lit(cell.repetition),
        )
        for attack, values in scores.items()
    )


def roc_rows(scores: pl.DataFrame, data: str) -> list[Row]:
    """True positive rates of the attacks shown, on a grid of false positive rates.

    Args:
        scores: Content of ``scores.parquet``.
        data: Name of the data set.
    """
    first = scores.filter(pl.col("system") == f"{BASE}, {data}", pl.col("seed") == 0)
    grid = np.geomspace(1 / int((~first["label"]).sum()), 1, 80)
    rows = []
    for attack in SHOWN:
        own = scores.filter(pl.col("system") == f"{attack}, {data}")
        for (repetition,), each in own.group_by("seed", maintain_order=True):
            curve = error_curve(Scores(each["value"].to_numpy(), each["label"].to_numpy()))
            # The least strict point with at most the wanted FPR, which falls along a curve.
            points = np.searchsorted(-curve.fpr, -grid, side="left")
            rows += [
                row(TPR, rate, repetition=repetition, data=data, system=attack, fpr=fpr)
                for fpr, rate in zip(grid.tolist(), 1 - curve.fnr[points], strict=True)
            ]
    return rows


def declared_rows(scores: pl.DataFrame, data: str) -> list[Row]:
    """The list that the base attack declares on the first target, with the truth."""
    first = scores.filter(pl.col("system") == f"{BASE}, {data}", pl.col("seed") == 0)
    ids, member = first["item"].to_numpy().astype(np.str_), first["label"].to_numpy()
    values = first["value"].to_numpy()
    split = split_records(member, np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        wrapper = MembershipFDR().calibrate(
            values[split.calibration], ids=ids[split.calibration], members=ids[member]
        )
        tested = values[split.test]
        mask = wrapper.select(tested, ALPHA, ids=ids[split.test])
    adjusted = wrapper.adjusted_p_values(tested)
    order = np.argsort(-tested)[: min(SHOWN_RECORDS, max(int(mask.sum()), 5))]
    rows = [row("records declared", Rate(int(mask.sum()), len(mask)))]
    for index in order:
        at = {
            "record": str(ids[split.test][index]),
            "declared": "member" if mask[index] else "-",
            "truth": "member" if member[split.test][index] else "NON-MEMBER",
        }
        rows += [
            row("score", tested[index], **at),
            row("adjusted p", adjusted[index], **at),
        ]
    return [{**each, "data": data} for each in rows]
