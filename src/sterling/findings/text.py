"""Evidence of `sterling text evaluate`: metrics and tables of a detector's assessment."""

from collections.abc import Mapping, Sequence

from sterling.measure import Estimate, Rate
from sterling.study import Findings, Metric, Table, TableRow, lines, metric_of_rate
from sterling.text.evaluation.assessment import Assessment
from sterling.text.evaluation.attack_effect import AttackEffect
from sterling.text.evaluation.effectiveness import Effectiveness, Efficiency, PartErrors, risks
from sterling.text.evaluation.robustness import AttackSuccess, mean_success

UNITS = {"F1": "score", "AUPR": "area", "ECE": "rate", "Brier score": "score"}
COVERAGES = [step / 20 for step in range(1, 21)]


def assessment_findings(found: Assessment) -> Findings:
    """Turn the assessment of a detector into findings."""
    metrics = [*_effectiveness(found.effectiveness), *_efficiency(found.efficiency)]
    tables = [_parts(by, parts) for by, parts in found.parts.items()]
    if found.attacks:
        metrics += [
            metric_of_rate(f"ASR {attack}", one.rate) for attack, one in found.attacks.items()
        ]
        metrics += [
            Metric(
                name=f"ASR, {how} mean over attacks", value=value, n=len(found.attacks), unit="rate"
            )
            for how, value in zip(("weighed", "plain"), mean_success(found.attacks), strict=True)
        ]
        tables.append(_robustness(found.name, found.attacks))
    if found.effects:
        metrics += [metric for one in found.effects.values() for metric in _changes(one)]
        tables.append(_effects(found.effects))
    curve = risks(found.scores, found.threshold)
    surest = [float(curve[max(1, round(part * len(curve))) - 1]) for part in COVERAGES]
    return Findings(
        scope=f"Detector {found.name} on {found.effectiveness.texts} texts of the user's. A "
        "verdict on a text is not sole evidence against a person.",
        not_scored=sum(int((~judged.scored).sum()) for judged in found.judged),
        metrics=metrics,
        claims=[],
        tables=tables,
        figures=[
            lines(
                "risk_coverage",
                "Error rate among the surest texts",
                "Share of texts answered, the surest first, and the share of wrong answers among "
                "them.",
                COVERAGES,
                {found.name: surest},
                labels=("coverage", "risk"),
            )
        ],
    )


def _effectiveness(found: Effectiveness) -> list[Metric]:
    n = found.texts

    def drawn(name: str) -> Metric:
        return _metric(name, found.drawn[name], n, UNITS.get(name, "risk"))

    metrics = [
        metric_of_rate("accuracy", found.accuracy),
        drawn("F1"),
        _metric("AUROC", found.auroc, n, "area"),
        *map(drawn, ("AUPR", "ECE", "Brier score")),
    ]
    for rate, point in found.tpr.items():
        unresolved = "" if point.resolved else " (fewer human texts than that resolves)"
        metrics.append(metric_of_rate(f"TPR at {rate:.0%} FPR{unresolved}", point.rate))
    metrics.append(drawn("area under risk-coverage"))
    if found.scored_only is not None:
        metrics.append(_metric("AUROC, scored texts only", *found.scored_only, "area"))
    return [*metrics, Metric(name="not scored", value=found.not_scored, n=n, unit="texts")]


def _efficiency(spent: Efficiency) -> list[Metric]:
    n = spent.texts
    return [
        Metric(name="time", value=spent.seconds, n=n, unit="seconds"),
        Metric(name="speed", value=n / spent.seconds, n=n, unit="texts/s"),
        Metric(name="peak memory", value=spent.peak_mib, n=n, unit="MiB, process"),
    ]


def _metric(name: str, found: Estimate, n: int, unit: str) -> Metric:
    low, high = found.interval.low, found.interval.high
    return Metric(name=name, value=found.value, low=low, high=high, n=n, unit=unit)


def _cells(found: Rate | Estimate | None) -> TableRow:
    if found is None:
        return [None, None, None]
    interval = found.interval() if isinstance(found, Rate) else found.interval
    return [found.value, interval.low, interval.high]


def _parts(by: str, parts: Sequence[PartErrors]) -> Table:
    columns = [by, "texts", "AUROC", "low", "high", "TPR", "low", "high", "FPR", "low", "high"]
    rows = [
        [one.part, one.texts, *_cells(one.auroc), *_cells(one.tpr), *_cells(one.fpr)]
        for one in parts
    ]
    return Table(name=f"by_{by}", title=f"By {by}", columns=columns, rows=rows)


def _robustness(detector: str, found: Mapping[str, AttackSuccess]) -> Table:
    return Table(
        name="robustness",
        title="Attack success rate: detected texts of which an attacked copy passes as human",
        columns=["detector", "attack", "detected", "ASR", "low", "high", "not scored"],
        rows=[
            [detector, one.attack, one.rate.trials, *_cells(one.rate), one.not_scored]
            for one in found.values()
        ],
        caption="Paired with the parent; exact 95 % interval over parents.",
    )


def _changes(effect: AttackEffect) -> list[Metric]:
    texts, attacked = effect.human + effect.machine, effect.machine
    at = f"TPR at {effect.point.target:.4g} FPR"
    return [
        _metric(f"AUROC under {effect.attack} less before", effect.auroc.difference, texts, "area"),
        _metric(f"{at} under {effect.attack} less before", effect.tpr.difference, attacked, "rate"),
    ]


def _effects(found: Mapping[str, AttackEffect]) -> Table:
    first = next(iter(found.values())).point
    reached = first.realised
    return Table(
        name="attacked",
        title="Before and after the attack, on the same texts",
        columns=[
            *("attack", "figure", "human", "machine"),
            *("before", "low", "high", "after", "low", "high", "difference", "low", "high"),
        ],
        rows=[
            [
                *(one.attack, figure, one.human, one.machine),
                *_cells(change.before),
                *_cells(change.after),
                *_cells(change.difference),
            ]
            for one in found.values()
            for figure, change in (
                ("AUROC", one.auroc),
                (f"TPR at {one.point.target:.4g} FPR", one.tpr),
            )
        ],
        caption=f"The threshold of the TPR is chosen on these human texts and stays: "
        f"{reached.errors} of {reached.trials} lie at or above it"
        f"{'' if first.resolved else ', as more would be more than asked'}. Areas: DeLong, their "
        "difference by a bootstrap over groups. Rates: exact, given the threshold.",
    )
