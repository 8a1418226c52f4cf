"""Membership audits of several targets as tables and figures of the evidence."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.guarantee import ResolutionWarning
from sterling.measure import Scores, auc, error_curve, tpr_at_fpr
from sterling.privacy.membership.fdr import MembershipFDR
from sterling.privacy.membership.lifelong import STAGE_RULES
from sterling.privacy.membership.registry import ATTACKS, TEXT_ATTACKS
from sterling.runs import Run
from sterling.studies.privacy.mia_fdr._resplits import Outcome, split_records
from sterling.studies.privacy.mia_fdr._target_audit import ALPHA, ALPHAS, BASE, THINNED, at_level
from sterling.study import (
    Figure,
    Metric,
    Row,
    Table,
    bars_over_seeds,
    lines,
    metric_over_seeds,
    row_over_seeds,
)

SHOWN = ("LiRA online", "RMIA", "LiRA offline", "shadow classifier", "loss")
SHOWN_RECORDS = 25


@dataclass(frozen=True, eq=False)
class AuditedTarget:
    """One target: a data set and a seed.

    Attributes:
        data: Name of the data set.
        simulated: Whether it is drawn from a formula.
        seed: Index of the seed.
        accuracy: Of the target on members and on non-members.
        ids: Records that may calibrate and test, (candidates,).
        member: The truth about them.
        scores: By attack, higher = more member.
        outcomes: Over the resplits, by ``at_level``, by "rule ..." and by setting.
        flagged: By setting, share of the resplits in which the shift diagnostic refutes it.
        stages: By rule, what :func:`realised_over_stages` gives.
        memory: Share of first-stage members declared after each stage.
    """

    data: str
    simulated: bool
    seed: int
    accuracy: tuple[float, float]
    ids: NDArray[np.str_]
    member: NDArray[np.bool_]
    scores: dict[str, NDArray[np.float64]]
    outcomes: dict[str, Outcome]
    flagged: dict[str, float]
    stages: dict[str, dict[str, float]]
    memory: list[float]

    def scored(self, attack: str) -> Scores:
        """An attack's scores with the truth."""
        return Scores(self.scores[attack], self.member)


def write_scores(units: Sequence[AuditedTarget], run: Run) -> None:
    """Every score of every candidate record, ``scores.parquet``; label: whether it is a member."""
    frames = [
        pl.DataFrame(
            {
                "system": [f"{attack}, {unit.data}"] * len(unit.ids),
                "seed": [unit.seed] * len(unit.ids),
                "set": ["test"] * len(unit.ids),
                "item": unit.ids,
                "subject": unit.ids,
                "group": unit.scored(attack).group,
                "label": unit.member,
                "value": values,
            }
        )
        for unit in units
        for attack, values in unit.scores.items()
    ]
    pl.concat(frames).write_parquet(run.folder / "scores.parquet")


def _by_data(units: Sequence[AuditedTarget]) -> dict[str, list[AuditedTarget]]:
    found: dict[str, list[AuditedTarget]] = {}
    for unit in units:
        found.setdefault(unit.data, []).append(unit)
    return found


def audit_metrics(units: Sequence[AuditedTarget]) -> list[Metric]:
    """Accuracies, and of the attacks shown AUC, TPR, FDR and power, per data set over seeds."""
    metrics = []
    for data, own in _by_data(units).items():
        figures: dict[tuple[str, str], list[float]] = {
            ("accuracy on members", "rate"): [unit.accuracy[0] for unit in own],
            ("accuracy on non-members", "rate"): [unit.accuracy[1] for unit in own],
        }
        for attack in SHOWN:
            outcomes = [unit.outcomes[at_level(attack)] for unit in own]
            scored = [unit.scored(attack) for unit in own]
            figures |= {
                (f"AUC of {attack}", "area"): [auc(each).value for each in scored],
                (f"TPR at 1 % FPR of {attack}", "rate"): [
                    tpr_at_fpr(each, 0.01).rate.value for each in scored
                ],
                (f"FDR of {attack} at alpha {ALPHA:g}", "rate"): [o.fdr for o in outcomes],
                (f"power of {attack} at alpha {ALPHA:g}", "rate"): [o.power for o in outcomes],
            }
        for setting in own[0].flagged:
            figures[f"share of resplits flagged: {setting}", "rate"] = [
                unit.flagged[setting] for unit in own
            ]
        metrics += [
            metric_over_seeds(f"{name}, {data}", unit, values)
            for (name, unit), values in figures.items()
        ]
    return metrics


def attack_table(units: Sequence[AuditedTarget]) -> Table:
    """Every attack as a ranking of the records."""
    rows: list[Row] = []
    for data, own in _by_data(units).items():
        for attack in ATTACKS:
            scored = [unit.scored(attack) for unit in own]
            row: Row = [data, attack, *row_over_seeds([auc(each).value for each in scored])]
            for fpr in (0.01, 0.001):
                points = [tpr_at_fpr(each, fpr) for each in scored]
                row += row_over_seeds([point.rate.value for point in points])
                row.append("yes" if all(point.resolved for point in points) else "no")
            rows.append(row)
    return Table(
        name="attacks",
        title="Every attack, before any declaration",
        columns=[
            *("data", "attack", "AUC", "low", "high"),
            *("TPR at 1 % FPR", "low", "high", "resolved"),
            *("TPR at 0.1 % FPR", "low", "high", "resolved"),
        ],
        rows=rows,
        caption="Means over seeds with 95 % Student-t intervals. Not resolved: fewer than 1/FPR "
        "non-members, so that the point is read at no false positive at all.",
    )


OUTCOME_COLUMNS = ["FDR", "low", "high", "power", "marginal error", "declaring"]


def _outcome_row(outcomes: Sequence[Outcome]) -> Row:
    """Cells for ``OUTCOME_COLUMNS``."""
    rest = [(one.power, one.marginal_error, one.declaring) for one in outcomes]
    return [*row_over_seeds([one.fdr for one in outcomes]), *np.mean(rest, axis=0).tolist()]


OUTCOME_CAPTION = (
    "Means over resplits and seeds, the FDR with its 95 % Student-t interval over seeds; "
    "declaring: share of resplits in which anybody is declared."
)


def level_table(units: Sequence[AuditedTarget]) -> Table:
    """Every attack as a declared list, at every level."""
    return Table(
        name="levels",
        title="Realised false discovery rate and power",
        columns=["data", "attack", "alpha", "bound", *OUTCOME_COLUMNS],
        rows=[
            [
                *(data, attack, alpha, alpha / 2),
                *_outcome_row([unit.outcomes[at_level(attack, alpha)] for unit in own]),
            ]
            for data, own in _by_data(units).items()
            for attack in ATTACKS
            for alpha in ALPHAS
        ],
        caption="Half of the records in question are non-members, so the bound is alpha / 2. "
        + OUTCOME_CAPTION,
    )


def setting_table(units: Sequence[AuditedTarget], texts: Sequence[dict[str, Outcome]]) -> Table:
    """The base attack by every procedure and in every setting, and attacks on texts."""
    levels = {at_level(attack, alpha) for attack in ATTACKS for alpha in ALPHAS}
    settings = [setting for setting in units[0].outcomes if setting not in levels]
    rows: list[Row] = [
        [data, setting, *_outcome_row([unit.outcomes[setting] for unit in own])]
        for data, own in _by_data(units).items()
        for setting in settings
    ]
    rows += [
        ["invented facts", attack, *_outcome_row([found[attack] for found in texts])]
        for attack in TEXT_ATTACKS
    ]
    return Table(
        name="settings",
        title=f"Procedures and settings at alpha {ALPHA:g}",
        columns=["data", "setting", *OUTCOME_COLUMNS],
        rows=rows,
        caption=f"{BASE} where no attack is named. A shifted class mix: calibration keeps one "
        f"record in {THINNED} of the classes whose non-members look most like members, the records "
        f"in question keep one in {THINNED} of the others. {OUTCOME_CAPTION}",
    )


def stage_table(units: Sequence[AuditedTarget]) -> Table:
    """What every rule declares as a model goes on learning."""
    figures = ("all claims", "worst stage", "power", "declaring")
    return Table(
        name="stages",
        title=f"Lifelong setting, {BASE} at alpha {ALPHA:g}",
        columns=["data", "rule", "FDR of all claims", "FDR of the worst stage", *figures[2:]],
        rows=[
            [
                data,
                rule,
                *(float(np.mean([unit.stages[rule][name] for unit in own])) for name in figures),
            ]
            for data, own in _by_data(units).items()
            for rule in STAGE_RULES
        ],
        caption="stage: each stage at alpha, which promises nothing for all claims together. "
        "spending: stage s at alpha / 2^s. LORD++ and SAFFRON assume independent p-values. Without "
        "discoveries the levels of the last three soon fall below 1 / (n + 1), the least p-value "
        "there is: then nobody more is declared.",
    )


def declared_table(unit: AuditedTarget) -> Table:
    """One declared list, with the truth and with what it rests on."""
    split = split_records(unit.member, np.random.default_rng(unit.seed))
    scores = unit.scores[BASE]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        wrapper = MembershipFDR().calibrate(
            scores[split.calibration],
            ids=unit.ids[split.calibration],
            members=unit.ids[unit.member],
        )
        tested = scores[split.test]
        mask = wrapper.select(tested, ALPHA, ids=unit.ids[split.test])
    adjusted = wrapper.adjusted_p_values(tested)
    order = np.argsort(-tested)[: min(SHOWN_RECORDS, max(int(mask.sum()), 5))]
    promise = wrapper.guarantee(ALPHA)
    return Table(
        name="declared",
        title=f"The declared list, first target: {int(mask.sum())} of {len(mask)} records",
        columns=["record", "score", "adjusted p", "declared", "truth"],
        rows=[
            [
                str(unit.ids[split.test][row]),
                float(tested[row]),
                float(adjusted[row]),
                "member" if mask[row] else "-",
                "member" if unit.member[split.test][row] else "NON-MEMBER",
            ]
            for row in order
        ],
        caption=f"{BASE}, highest scores first, at most {SHOWN_RECORDS} shown. {promise.statement} "
        + " ".join(f"{name}: {text}." for name, text in promise.rows()[1:]),
    )


def audit_figures(units: Sequence[AuditedTarget]) -> list[Figure]:
    """Curves of the first data set, and the false discovery rate of every attack on all."""
    data, own = next(iter(_by_data(units).items()))
    grid = np.geomspace(1 / (~own[0].member).sum(), 1, 80)

    def over_levels(figure: Callable[[Outcome], float]) -> dict[str, list[float]]:
        return {
            attack: [
                float(np.mean([figure(unit.outcomes[at_level(attack, alpha)]) for unit in own]))
                for alpha in ALPHAS
            ]
            for attack in SHOWN
        }

    halves = [alpha / 2 for alpha in ALPHAS]
    return [
        lines(
            "roc",
            f"ROC curves on logarithmic axes, {data}",
            "Mean over seeds of the true positive rate. The left end is one non-member.",
            grid.tolist(),
            {
                **{attack: _roc([unit.scored(attack) for unit in own], grid) for attack in SHOWN},
                "chance": grid.tolist(),
            },
            labels=("false positive rate", "true positive rate"),
            log=True,
        ),
        lines(
            "fdr",
            f"Realised false discovery rate, {data}",
            "Means over resplits and seeds. Theorem 2 keeps every line below alpha / 2.",
            ALPHAS,
            {**over_levels(lambda outcome: outcome.fdr), "alpha / 2": halves},
            labels=("alpha", "false discovery rate"),
        ),
        lines(
            "power",
            f"Power, {data}",
            "Share of the members that are declared. Means over resplits and seeds.",
            ALPHAS,
            over_levels(lambda outcome: outcome.power),
            labels=("alpha", "power"),
        ),
        bars_over_seeds(
            "fdr_by_attack",
            f"False discovery rate at alpha {ALPHA:g}, all data",
            "Means over all targets with 95 % Student-t intervals.",
            {attack: [unit.outcomes[at_level(attack)].fdr for unit in units] for attack in ATTACKS},
            value_label="false discovery rate",
        ),
        lines(
            "memory",
            f"First-stage members declared after each stage, {data}",
            "Each stage tested at alpha on its own. Means over resplits and seeds.",
            range(1, len(own[0].memory) + 1),
            {BASE: np.mean([unit.memory for unit in own], axis=0).tolist()},
            labels=("stage", "share declared"),
        ),
    ]


def _roc(scored: Sequence[Scores], grid: NDArray[np.float64]) -> list[float | None]:
    """Mean true positive rate at each false positive rate of a grid; None where it is 0."""
    rates = []
    for each in scored:
        curve = error_curve(each)
        # The least strict point whose FPR is still at most the wanted one; FPR falls along a curve.
        points = np.searchsorted(-curve.apcer, -grid, side="left")
        rates.append(1 - curve.bpcer[points])
    return [float(rate) if rate > 0 else None for rate in np.mean(rates, axis=0)]
