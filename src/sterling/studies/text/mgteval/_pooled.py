"""Figures over the scores of all repetitions together."""

from collections.abc import Sequence

import polars as pl

from sterling.measure import Scores, auc, compare_paired, tpr_at_fpr
from sterling.runs import Row
from sterling.studies.text.mgteval._cells import BASE, PREFIXES, scores_of
from sterling.study import Results, row

SHORT = PREFIXES[1]  # machine texts of public sets begin with some words of the human text
DECLARING_SHARE = 0.05  # ours: with fewer lists that name a text, their rate says nothing


def without_empty_lists(rows: Sequence[Row]) -> list[Row]:
    """Leave out false discovery rates where too few lists name a text."""
    lists = Results.of(rows)

    def rare(at: Row) -> bool:
        where = {name: at[name] for name in ("detector", "calibration")}
        naming = lists.values("lists that name a text", **where)
        return sum(naming) / len(naming) < DECLARING_SHARE

    return [
        {**each, "value": None} if each["metric"] == "FDR of the list" and rare(each) else each
        for each in rows
    ]


def _pooled(scores: pl.DataFrame) -> Scores:
    return scores_of(scores["label"], scores["score"].to_numpy(), scores["group"])


def pooled_rows(table: pl.DataFrame) -> list[Row]:
    """Figures of every training-free detector on the originals of all repetitions."""
    scores = {
        key: _pooled(part)
        for key, part in table.group_by("detector", "tokens", maintain_order=True)
    }
    rows = []
    for (detector, tokens), one in scores.items():
        at = {"detector": detector, "tokens": tokens, "repetition": None}
        rows += [
            row("texts", len(one), **at),
            row("AUROC", auc(one), **at),
            row("TPR at 5 % FPR", tpr_at_fpr(one, 0.05).rate, **at),
        ]
    base, entropy = scores[BASE, None], scores["entropy", None]
    low = Scores(-entropy.values, entropy.label, subject=entropy.subject)
    others = {
        "AUROC above likelihood": scores["likelihood", None],
        "AUROC above the beginning": scores[BASE, SHORT],
    }
    rows.append(row("AUROC of low entropy", auc(low), repetition=None))
    for metric, other in others.items():
        gain = compare_paired(base, other, lambda one: auc(one).value, seed=0, repetitions=500)
        rows.append(row(metric, gain, repetition=None))
    return rows


def writer_rows(base: pl.DataFrame) -> list[Row]:
    """Figures of the base detector by the model that wrote, against all human texts."""
    rows = []
    for writer in base.filter(pl.col("label") == 1)["writer"].unique().sort():
        own = base.filter((pl.col("label") == 0) | (pl.col("writer") == writer))
        at = {"writer": writer, "repetition": None}
        rows.append(row("machine texts", int(own["label"].sum()), **at))
        rows.append(row("AUROC by writer", auc(_pooled(own)), **at))
    return rows
