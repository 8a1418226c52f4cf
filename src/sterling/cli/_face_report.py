"""Claims, metrics, tables and figures of `sterling face evaluate`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sterling.face.evaluation.evaluate import SCORES_FILE, Evaluation, SystemScores
from sterling.face.evaluation.robustness import CROP, UNCHANGED, Point
from sterling.face.pad import DetectorBase
from sterling.guarantee import Guarantee
from sterling.measure import BONA_FIDE, Estimate, Interval, Rate, clustered_interval
from sterling.study import (
    Claim,
    Figure,
    Findings,
    Metric,
    Table,
    TableRow,
    at_most,
    bars_of_table,
    lines,
    metric_of_rate,
)

_AXES: Mapping[str, str] = {
    "low_resolution": "side divided by 1 +",
    "noise": "standard deviation in grey levels",
    "jpeg": "100 − quality",
    "blur": "standard deviation in pixels",
    "underexposure": "stops less light",
    "overexposure": "stops more light",
    "occlusion": "share of the side covered along each border",
    CROP: "side of the crop over that of training",
}

_READINGS: Mapping[str, str] = {
    UNCHANGED: "The crops as they are; compare the others with this row.",
    "grey": "AUC stays: the detector does not need colour.",
    "equal contrast": "AUC stays: it does not need brightness or contrast of the whole crop.",
    "equal sharpness": "AUC stays: it does not take sharpness for life.",
    "equal spectra": "AUC stays: it does not need the strength of detail at any size (sharpness, "
    "noise, the raster of a print), nor contrast.",
    "only spectra": "AUC stays: the strength of detail is enough; it needs no face at all.",
    "shuffled patches": "AUC stays: local texture is enough; where things are does not matter.",
    "no edges": "AUC stays: it does not need the edges of an instrument, or the room.",
    "only edges": "AUC stays: what surrounds the face is enough; the face is not needed.",
}
"""Reading of each row of `interventions_table`, for people."""


def detector_findings(
    evaluation: Evaluation,
    detector: DetectorBase,
    *,
    data: str,
    guarantee: Guarantee | None = None,
    degraded: Sequence[Point] = (),
    changed: Sequence[Point] = (),
    patched: Sequence[Point] = (),
) -> Findings:
    """Report an evaluation.

    Args:
        evaluation: Scores of the detector and of the baseline.
        detector: The detector evaluated.
        data: Name of the test data.
        guarantee: Guarantee of the threshold; it becomes a table, and a claim about the test
            captures.
        degraded: Points of `sweep` and `recropped`.
        changed: Points of `interventions`.
        patched: Points of `patch_points`.
    """
    main, captures = evaluation.systems[0], "Recorded captures"
    if detector.provenance.simulated:
        captures = "SIMULATED captures"
    species = _species_table(main)
    return Findings(
        scope=f"Test data: {data}. Detector trained on: {detector.provenance.data} ({captures}). "
        "The figures hold for presentations like these, and for no others."
        + (f" Caution: {detector.caution}." if detector.caution else ""),
        not_scored=evaluation.not_scored,
        metrics=_metrics(evaluation),
        claims=[bpcer_claim(guarantee, main)] if guarantee else [],
        tables=[
            species,
            _systems_table(evaluation.systems),
            *([reasons_table(evaluation.reasons)] if evaluation.reasons else []),
            *([subject_table(main)] if main.errors.subjects else []),
            *([_guarantee_table(guarantee)] if guarantee else []),
            _origin_table(detector),
            *([robustness_table(degraded)] if degraded else []),
            *([interventions_table(changed)] if changed else []),
            *([patch_table(patched, detector.preprocessing.size)] if patched else []),
        ],
        figures=[
            _det(evaluation.systems),
            _species_figure(species),
            *robustness_figures(degraded),
        ],
    )


def bpcer_claim(guarantee: Guarantee, system: SystemScores) -> Claim:
    """Claim that the test captures, which did not choose the threshold, agree with its bound.

    Its interval is clustered by subject where two or more are known and one has several
    presentations, else exact per presentation.
    """
    bpcer = system.errors.bpcer
    wrong, trials = system.errors.subjects.get(BONA_FIDE, ((), ()))
    if len(trials) < 2 or max(trials) == 1:
        return at_most("bpcer_bound", guarantee.statement, bpcer, guarantee.level)
    method = f"{bpcer.errors} of {bpcer.trials}, clustered by {len(trials)} subjects"
    clustered = Estimate(bpcer.value, clustered_interval(wrong, trials), 0.95, method)
    return at_most("bpcer_bound", guarantee.statement, clustered, guarantee.level)


def _metrics(evaluation: Evaluation) -> list[Metric]:
    main = evaluation.systems[0]
    errors, area, n = main.errors, main.area, len(main.scores)

    def metric(name: str, value: float, interval: Interval, unit: str) -> Metric:
        return Metric(name=name, value=value, low=interval.low, high=interval.high, n=n, unit=unit)

    return [
        metric_of_rate(f"APCER of the worst species ({errors.worst})", errors.apcer_max),
        metric_of_rate("BPCER", errors.bpcer),
        metric("ACER (for comparison with papers)", errors.acer, errors.acer_interval(), "rate"),
        metric("AUC", area.value, area.interval, "area"),
        *(
            metric_of_rate(
                "BPNRR (no score)" if name == BONA_FIDE else f"APNRR of {name} (no score)", rate
            )
            for name, rate in evaluation.non_responses.items()
        ),
    ]


def _species_table(system: SystemScores) -> Table:
    rows: list[TableRow] = []
    for name, rate in sorted(system.errors.apcer.items(), key=lambda entry: -entry[1].value):
        interval = rate.interval()
        rows.append([name, rate.errors, rate.trials, rate.value, interval.low, interval.high])
    return Table(
        name="species",
        title="APCER per attack instrument species",
        columns=["species", "accepted", "presented", "APCER", "low", "high"],
        rows=rows,
        caption="Exact 95 % intervals for independent presentations; several presentations of one "
        "subject are not independent.",
    )


def reasons_table(reasons: Mapping[str, Mapping[str, Rate]]) -> Table:
    """Tabulate the shares of items without a score, by reason and class."""
    rows: list[TableRow] = [
        [reason, label, rate.errors, rate.trials, rate.value, *_ends(rate.interval())]
        for reason, rates in reasons.items()
        for label, rate in rates.items()
    ]
    return Table(
        name="reasons",
        title="Presentations without a score, by reason",
        columns=["reason", "class", "without", "presented", "share", "low", "high"],
        rows=rows,
        caption="Pictures, frames or clips; exact 95 % intervals. The error rates hold for those "
        "that are scored.",
    )


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def subject_table(system: SystemScores) -> Table:
    """Tabulate rates with intervals per presentation, by subject, and in the worst case."""
    errors = system.errors
    rates = {BONA_FIDE: errors.bpcer, **errors.apcer}
    rows: list[TableRow] = []
    for name, (wrong, trials) in sorted(errors.subjects.items(), key=lambda entry: entry[0]):
        single = rates[name].interval()
        clustered = clustered_interval(wrong, trials) if len(trials) > 1 else None
        worst = clustered_interval(wrong, trials, method="worst case")
        rows.append(
            [
                "BPCER" if name == BONA_FIDE else f"APCER of {name}",
                len(trials),
                rates[name].value,
                single.low,
                single.high,
                clustered.low if clustered else None,
                clustered.high if clustered else None,
                worst.low,
                worst.high,
            ]
        )
    return Table(
        name="subjects",
        title="The same rates with subjects as the independent unit",
        columns=[
            "rate",
            "subjects",
            "value",
            *("presentation low", "presentation high"),
            *("clustered low", "clustered high"),
            *("worst case low", "worst case high"),
        ],
        rows=rows,
        caption="95 % intervals. Presentation: exact if presentations are independent; metrics, "
        "other tables and figures use it. Clustered: for presentations of a subject that resemble "
        "each other, approximate; the statement of a guarantee uses it. Worst case: exact for "
        "subjects whose presentations depend on each other in any way; bounds the mean of their "
        "own rates, in which every subject weighs the same.",
    )


def _systems_table(systems: Sequence[SystemScores]) -> Table:
    rows: list[TableRow] = [
        [
            system.name,
            system.errors.apcer_max.value,
            system.errors.bpcer.value,
            system.errors.acer,
            system.area.value,
        ]
        for system in systems
    ]
    return Table(
        name="systems",
        title="Next to the trivial baseline",
        columns=["system", "worst APCER", "BPCER", "ACER", "AUC"],
        rows=rows,
        caption="Each at its own threshold, chosen on other presentations.",
    )


def _guarantee_table(guarantee: Guarantee) -> Table:
    return Table(
        name="guarantee",
        title="What the threshold promises",
        columns=["what", "value"],
        rows=guarantee.rows(),
    )


def _origin_table(detector: DetectorBase) -> Table:
    card = detector.card()
    facts: dict[str, Any] = {
        **card["model"],
        **card["preprocessing"],
        **{
            key: card["provenance"][key]
            for key in ("data", "licence", "items", "digest")
            if key in card["provenance"]
        },
    }
    if detector.reference is not None:
        alpha, known = detector.reference.alpha, len(detector.reference.distances)
        facts["refused as unfamiliar"] = f"at most {alpha:g} of what is like {known} presentations"
    facts |= {f"limit {name}": value for name, value in (card["limits"] or {}).items()}
    if "checked" in card:
        facts["checked on a bona fide photograph"] = card["checked"] or "no"
    if detector.caution:
        facts["caution"] = detector.caution
    if detector.threshold is not None:
        facts |= {
            "threshold": detector.threshold.value,
            "threshold rule": detector.threshold.rule,
            "threshold chosen on": f"{detector.threshold.source} (n = {detector.threshold.n})",
        }
    return Table(
        name="item under test",
        title="Item under test",
        columns=["what", "value"],
        rows=[[name, None if value is None else str(value)] for name, value in facts.items()],
    )


def _det(systems: Sequence[SystemScores]) -> Figure:
    return Figure(
        name="det",
        title="Detection error trade-off",
        kind="det",
        caption="Dots: at the threshold. Band: exact 95 % interval of the BPCER.",
        data={"scores": SCORES_FILE, "systems": [system.name for system in systems]},
    )


def _species_figure(table: Table) -> Figure:
    rows: list[TableRow] = [[row[0], *row[3:]] for row in table.rows]
    bars = table.model_copy(
        update={"title": "Worst species first", "columns": [""] * 4, "rows": rows}
    )
    return bars_of_table(bars, "APCER per species with exact 95 % intervals.", value_label="APCER")


def robustness_table(points: Sequence[Point]) -> Table:
    """Tabulate error rates on degraded pictures."""
    rows: list[TableRow] = []
    for point in points:
        apcer, bpcer = point.errors.apcer_max_interval(), point.errors.bpcer.interval()
        rows.append(
            [
                point.kind.replace("_", " "),
                point.strength,
                point.errors.apcer_max.value,
                apcer.low,
                apcer.high,
                point.errors.bpcer.value,
                bpcer.low,
                bpcer.high,
                point.area.value,
            ]
        )
    return Table(
        name="robustness",
        title="Error rates on degraded pictures, at the detector's own threshold",
        columns=["what", "strength", "worst APCER", "low", "high", "BPCER", "low", "high", "AUC"],
        rows=rows,
        caption="Exact 95 % intervals; that of the worst species holds for all species at once. "
        "Strengths: "
        + "; ".join(f"{kind.replace('_', ' ')}: {axis}" for kind, axis in _AXES.items())
        + ".",
    )


def interventions_table(points: Sequence[Point]) -> Table:
    """Tabulate what is left of a detector when one cue is taken, or one alone is left."""
    rows: list[TableRow] = []
    for point in points:
        area = point.area_by_subject()
        rows.append(
            [
                point.kind,
                area.value,
                area.interval.low,
                area.interval.high,
                point.errors.apcer_max.value,
                point.errors.bpcer.value,
                _READINGS[point.kind],
            ]
        )
    return Table(
        name="interventions",
        title="What the detector judges: one cue taken from all crops, or left alone",
        columns=["crops", "AUC", "low", "high", "worst APCER", "BPCER", "how to read it"],
        rows=rows,
        caption="Rates at the detector's own threshold, which a change can shift: the AUC says "
        "whether the cue is needed. 95 % intervals over draws of subjects where they are known, "
        "else over presentations. A cue that is not needed may be used all the same. The face is "
        "taken to be central in the crop. No detector was trained on such pictures: an AUC that "
        "falls may also mean that they are strange to it.",
    )


def robustness_figures(points: Sequence[Point]) -> list[Figure]:
    """Draw error rates over strength, one figure per kind of degradation."""
    by_kind: dict[str, list[Point]] = {}
    for point in points:
        by_kind.setdefault(point.kind, []).append(point)
    return [
        lines(
            f"robustness {kind.replace('_', ' ')}",
            f"Robustness: {kind.replace('_', ' ')}",
            "At the detector's own threshold; intervals and the AUC are in the table.",
            [point.strength for point in own],
            {
                "APCER, worst species": [point.errors.apcer_max.value for point in own],
                "APCER, all attacks": [point.errors.apcer_pooled.value for point in own],
                "BPCER": [point.errors.bpcer.value for point in own],
            },
            labels=(_AXES[kind], "error rate"),
        )
        for kind, own in by_kind.items()
    ]


def patch_table(points: Sequence[Point], size: int) -> Table:
    """Tabulate error rates on attack presentations that wear a patch, in crops of side `size`."""
    rows: list[TableRow] = []
    for point in points:
        apcer = point.errors.apcer_pooled
        interval = apcer.interval()
        rows.append([point.kind, apcer.value, interval.low, interval.high, point.area.value])
    return Table(
        name="adversarial patch",
        title="Attack presentations that wear a patch",
        columns=["patch", "APCER, all attacks", "low", "high", "AUC"],
        rows=rows,
        caption=f"One square patch of {points[0].strength:g} of {size} pixels for all "
        "presentations, found by gradients on the development subjects' attacks, placed at random; "
        "digital, not printed. Exact 95 % intervals.",
    )
