"""Metrics, tables and figures of the membership audits."""

from collections.abc import Mapping, Sequence

from sterling.privacy.membership.registry import ATTACKS
from sterling.studies.privacy._pooling import pooled
from sterling.studies.privacy.mia_fdr._config import (
    ALPHA,
    ALPHAS,
    BASE,
    FLAGGED,
    REMEMBERED,
    SHOWN,
    THINNED,
    MiaFdrConfig,
)
from sterling.studies.privacy.mia_fdr._kept_scores import SHOWN_RECORDS, TPR
from sterling.study import Column, Figure, Metric, Results, Table, Views

OUTCOME_COLUMNS = (
    Column("FDR", "FDR", show="interval"),
    *(Column(name, name) for name in ("power", "marginal error", "declaring")),
)
OUTCOME_CAPTION = (
    "Means over resplits and repetitions, the FDR with its 95 % Student-t interval over "
    "repetitions; declaring: share of resplits in which anybody is declared."
)


def views(results: Results, _config: MiaFdrConfig) -> Views:
    """Metrics, tables and figures."""
    first = results.names("data")[0]
    own = results.select(data=first)
    by_attack = pooled(results, "data").bars(
        "fdr_by_attack",
        f"False discovery rate at alpha {ALPHA:g}, all data",
        "Means over all targets with 95 % Student-t intervals.",
        "FDR",
        order=tuple(ATTACKS),
        value_label="false discovery rate",
        alpha=ALPHA,
    )
    return Views(
        _metrics(results),
        [*_tables(results), _declared_table(own)],
        [*_figures(own, first), by_attack],
    )


def _metrics(results: Results) -> list[Metric]:
    """Accuracies, AUC, TPR, FDR and power of the attacks shown, and flags, per data set."""
    metrics = []
    for data in results.select("AUC").names("data"):
        here = results.select(data=data)
        for part in ("members", "non-members"):
            name = f"accuracy on {part}"
            metrics.append(here.metric(f"{name}, {data}", name, "rate"))
        for attack in SHOWN:
            for name, unit in (("AUC", "area"), ("TPR at 1 % FPR", "rate")):
                title = f"{name} of {attack}, {data}"
                metrics.append(here.metric(title, name, unit, system=attack))
            for name in ("FDR", "power"):
                title = f"{name} of {attack} at alpha {ALPHA:g}, {data}"
                metrics.append(here.metric(title, name, "rate", system=attack, alpha=ALPHA))
        metrics += [
            here.metric(f"{FLAGGED}: {setting}, {data}", FLAGGED, "rate", setting=setting)
            for setting in here.select(FLAGGED).names("setting")
        ]
    return metrics


def _tables(results: Results) -> list[Table]:
    return [
        results.table(
            "attacks",
            "Every attack, before any declaration",
            ["data", "system"],
            [
                Column("AUC", "AUC", show="interval"),
                Column("TPR at 1 % FPR", "TPR at 1 % FPR", show="interval"),
                Column("resolved", "1 % resolved"),
                Column("TPR at 0.1 % FPR", "TPR at 0.1 % FPR", show="interval"),
                Column("resolved", "0.1 % resolved"),
            ],
            headings=["data", "attack"],
            caption="Means over repetitions with 95 % Student-t intervals. Not resolved: fewer "
            "than 1/FPR non-members, so that the point is read at no false positive at all.",
        ),
        results.table(
            "levels",
            "Realised false discovery rate and power",
            ["data", "system", "alpha"],
            [Column("bound", "bound"), *OUTCOME_COLUMNS],
            headings=["data", "attack", "alpha"],
            caption="Half of the records in question are non-members, so the bound is alpha / 2. "
            + OUTCOME_CAPTION,
        ),
        results.table(
            "settings",
            f"Procedures and settings at alpha {ALPHA:g}",
            ["data", "setting"],
            OUTCOME_COLUMNS,
            caption=f"{BASE} where no attack is named. A shifted class mix: calibration keeps one "
            f"record in {THINNED} of the classes whose non-members look most like members, the "
            f"records in question keep one in {THINNED} of the others. {OUTCOME_CAPTION}",
        ),
        results.table(
            "stages",
            f"Lifelong setting, {BASE} at alpha {ALPHA:g}",
            ["data", "rule"],
            [
                Column(name, name)
                for name in ("FDR of all claims", "FDR of the worst stage", "power", "declaring")
            ],
            caption="stage: each stage at alpha, which promises nothing for all claims together. "
            "spending: stage s at alpha / 2^s. LORD++ and SAFFRON assume independent p-values. "
            "Without discoveries the levels of the last three soon fall below 1 / (n + 1), the "
            "least p-value there is: then nobody more is declared.",
        ),
    ]


def _declared_table(results: Results) -> Table:
    """One declared list, with the truth and its guarantee."""
    declared = results.rate("records declared")
    assert declared is not None
    return results.table(
        "declared",
        f"The declared list, first target: {declared.errors} of {declared.trials} records",
        ["record", "declared", "truth"],
        [Column("score", "score"), Column("adjusted p", "adjusted p")],
        caption=f"{BASE}, highest scores first, at most {SHOWN_RECORDS} shown. Of the records "
        f"declared members, an expected share of at most {ALPHA:g} times the non-members' share "
        "are not, if the calibration records are exchangeable with the non-members in question "
        "and were not used to fit the attack (both not checked); none is in the target's training "
        "set (by record id).",
    )


def _figures(results: Results, data: str) -> list[Figure]:
    """Curves of one data set."""
    roc = results.lines(
        "roc",
        f"ROC curves on logarithmic axes, {data}",
        "Mean over repetitions of the true positive rate. The left end is one non-member.",
        TPR,
        x="fpr",
        labels=("false positive rate", TPR),
        log=True,
    )
    grid: list[float] = roc.data["x"]
    curves = {name: [rate or None for rate in each] for name, each in roc.data["series"].items()}
    fdr = results.lines(
        "fdr",
        f"Realised false discovery rate, {data}",
        "Means over resplits and repetitions. Theorem 2 keeps every line below alpha / 2.",
        "FDR",
        x="alpha",
        labels=("alpha", "false discovery rate"),
        system=SHOWN,
    )
    return [
        _with_curves(roc, {**curves, "chance": grid}),
        _with_curves(fdr, {**fdr.data["series"], "alpha / 2": [alpha / 2 for alpha in ALPHAS]}),
        results.lines(
            "power",
            f"Power, {data}",
            "Share of the members that are declared. Means over resplits and repetitions.",
            "power",
            x="alpha",
            labels=("alpha", "power"),
            system=SHOWN,
        ),
        results.lines(
            "memory",
            f"First-stage members declared after each stage, {data}",
            "Each stage tested at alpha on its own. Means over resplits and repetitions.",
            REMEMBERED,
            x="stage",
            labels=("stage", "share declared"),
        ),
    ]


def _with_curves(figure: Figure, curves: Mapping[str, Sequence[float | None]]) -> Figure:
    return figure.model_copy(update={"data": {**figure.data, "series": curves}})
