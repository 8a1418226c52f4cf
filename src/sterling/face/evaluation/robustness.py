"""How a detector's error rates change as its pictures get worse, one thing at a time.

The detector keeps its threshold: what is asked is what becomes of a decision, not whether another
threshold would have been better.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from sterling.errors import InputError
from sterling.face.data import Degradation, Faces, degrade
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.pad import Detector, DetectorBase
from sterling.face.pad.baselines.adversarial_patch import adversarial_patch, paste
from sterling.measure import PadErrors, Scores, auc, evaluate
from sterling.study import Figure, Row, Table, lines

STRENGTHS: Mapping[Degradation, tuple[float, ...]] = {
    "low_resolution": (0, 0.5, 1, 2, 3),
    "noise": (0, 5, 10, 20, 40),
    "jpeg": (0, 20, 50, 80, 95),
    "blur": (0, 0.5, 1, 2, 4),
    "underexposure": (0, 0.5, 1, 2, 3),
    "overexposure": (0, 0.5, 1, 2, 3),
    "occlusion": (0, 0.05, 0.1, 0.15, 0.2),
}
"""Strengths of each degradation, of which 0 changes nothing. Our choice."""

CROP_FACTORS = (0.7, 0.85, 1.0, 1.2, 1.5)
"""The crop's side over the one that the detector was trained on. Our choice."""

CROP = "crop scale"
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


@dataclass(frozen=True)
class Point:
    """Error rates at one strength.

    Attributes:
        kind: What was changed.
        strength: How much.
        scores: Of the changed presentations.
        errors: At the detector's own threshold.
    """

    kind: str
    strength: float
    scores: Scores
    errors: PadErrors


def sweep(
    detector: DetectorBase,
    test: Faces,
    *,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> list[Point]:
    """Score copies of the same presentations, degraded step by step.

    Args:
        detector: Of single colour pictures, with a threshold chosen on other items.
        test: Crops of both classes.
        seed: Of the noise.
        progress: Called after each copy.

    Raises:
        InputError: The detector takes other cameras or clips, has no threshold, or chose it on
            items of `test`.
    """
    _require_single_colour_pictures(detector)
    points = []
    for kind, strengths in STRENGTHS.items():
        for strength in strengths:
            worse = Faces(test.manifest, degrade(test.images, kind, strength, seed=seed))
            points.append(_point(detector, kind, strength, worse))
            if progress is not None:
                progress()
    return points


def patch_table(
    detector: DetectorBase,
    development: Faces,
    test: Faces,
    *,
    share: float,
    research_use: bool,
    seed: int = 0,
) -> Table:
    """What a patch on the test's attack presentations does, beside a patch of noise and none.

    Args:
        detector: Of single colour pictures, with a threshold.
        development: Crops of other subjects; on their attack presentations the patch is found.
        test: Crops of both classes; the bona fides wear no patch.
        share: Side of the patch over the crop's, in (0, 1].
        research_use: Must be true; see `adversarial_patch`.
        seed: Of the patch and of its places.

    Raises:
        InputError: As `sweep` and `adversarial_patch`.
    """
    _require_single_colour_pictures(detector)
    if not isinstance(detector, Detector):
        raise InputError(
            "a patch is found by gradients, which an exported detector does not give: train one"
        )
    size = detector.preprocessing.size
    if not 0 < share <= 1:
        raise InputError(f"patch of {share:g} of the side: give a share above 0, at most 1")
    side = max(1, round(share * size))
    known = development.images[~development.manifest.bona_fide]
    noise = torch.randint(
        256, (3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )
    found = adversarial_patch(detector.model, known, side, research_use=research_use, seed=seed)
    attacks = torch.from_numpy(~test.manifest.bona_fide)
    rows: list[Row] = []
    for name, patch in (("none", None), ("noise", noise), ("adversarial", found)):
        images = test.images.clone()
        if patch is not None:
            images[attacks] = paste(images[attacks], patch, seed=seed)
        point = _point(detector, name, share, Faces(test.manifest, images))
        apcer = point.errors.apcer_pooled
        interval = apcer.interval()
        rows.append([name, apcer.value, interval.low, interval.high, auc(point.scores).value])
    return Table(
        name="adversarial patch",
        title="Attack presentations that wear a patch",
        columns=["patch", "APCER, all attacks", "low", "high", "AUC"],
        rows=rows,
        caption=f"One square patch of {side} of {size} pixels for all presentations, found by "
        "gradients on the development subjects' attacks, laid at random places; digital, not "
        "printed. Exact 95 % intervals.",
    )


def _require_single_colour_pictures(detector: DetectorBase) -> None:
    if detector.model.shape(1)[:-2] != (3,):
        raise InputError(
            f"worse copies are made of single colour pictures; {detector.model.name} takes "
            f"{', '.join(detector.model.modalities)} of {detector.model.frames} frames"
        )


def recropped(detector: DetectorBase, by_factor: Mapping[float, Faces]) -> list[Point]:
    """Score crops of the same presentations that show more or less around the face.

    Args:
        detector: With a threshold chosen on other items.
        by_factor: The crop's side over that of training, and the crops.
    """
    return [_point(detector, CROP, factor, faces) for factor, faces in by_factor.items()]


def _point(detector: DetectorBase, kind: str, strength: float, faces: Faces) -> Point:
    if detector.threshold is None:
        raise InputError("this detector has no threshold; train it with development data first")
    scores = scores_of(detector.score(faces.images), faces.manifest)
    return Point(kind, strength, scores, evaluate(scores, detector.threshold))


def robustness_findings(points: Sequence[Point]) -> tuple[Table, list[Figure]]:
    """One table of all points, and one figure for each thing that was changed."""
    rows: list[Row] = []
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
                auc(point.scores).value,
            ]
        )
    table = Table(
        name="robustness",
        title="Error rates on worse pictures, at the detector's own threshold",
        columns=["what", "strength", "worst APCER", "low", "high", "BPCER", "low", "high", "AUC"],
        rows=rows,
        caption="Exact 95 % intervals; that of the worst species holds for all species at once. "
        "Strengths: "
        + "; ".join(f"{kind.replace('_', ' ')}: {axis}" for kind, axis in _AXES.items())
        + ".",
    )
    kinds = list(dict.fromkeys(point.kind for point in points))
    return table, [_figure(kind, [one for one in points if one.kind == kind]) for kind in kinds]


def _figure(kind: str, points: Sequence[Point]) -> Figure:
    title = kind.replace("_", " ")
    return lines(
        f"robustness {title}",
        f"Robustness: {title}",
        "At the detector's own threshold; intervals and the AUC are in the table.",
        [point.strength for point in points],
        {
            "APCER, worst species": [point.errors.apcer_max.value for point in points],
            "APCER, all attacks": [point.errors.apcer_pooled.value for point in points],
            "BPCER": [point.errors.bpcer.value for point in points],
        },
        labels=(_AXES[kind], "error rate"),
    )
