"""Tables and figures of `sterling face evaluate --robustness`, `--interventions` and `--patch`."""

from collections.abc import Mapping, Sequence

from sterling.face.evaluation.robustness import CROP, UNCHANGED, Point
from sterling.study import Figure, Table, TableRow, lines

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
