"""Robustness: a detector's error rates on degraded pictures, at the threshold that it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Degradation, Faces, degrade
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.pad import Detector, DetectorBase
from sterling.face.pad.baselines.adversarial_patch import adversarial_patch, paste
from sterling.measure import Estimate, PadErrors, Scores, auc, evaluate

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
"""`Point.kind` of crops that show more or less around the face."""


@dataclass(frozen=True)
class Point:
    """Error rates on presentations that were changed in one way.

    Attributes:
        kind: Kind of the change.
        strength: Strength of the change.
        scores: Scores of the changed presentations.
        errors: Error rates at the detector's own threshold.
    """

    kind: str
    strength: float
    scores: Scores
    errors: PadErrors

    @property
    def area(self) -> Estimate:
        """AUC."""
        return auc(self.scores)


def sweep(
    detector: DetectorBase,
    test: Faces,
    *,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> list[Point]:
    """Score copies of the same presentations, degraded step by step.

    Args:
        detector: A detector of single colour pictures, with a threshold chosen on other items.
        test: Crops of both classes.
        seed: Seed of the noise.
        progress: Called after each copy.

    Raises:
        InputError: The detector takes other cameras or clips, has no threshold, or chose it on
            items of `test`.
    """
    _require_single_colour_pictures(detector)
    points = []
    for kind, strengths in STRENGTHS.items():
        for strength in strengths:
            worse = degrade(colour_pictures(test), kind, strength, seed=seed)
            points.append(_point(detector, kind, strength, with_pictures(test, worse)))
            if progress is not None:
                progress()
    return points


def patch_points(
    detector: DetectorBase,
    development: Faces,
    test: Faces,
    *,
    share: float,
    research_use: bool,
    seed: int = 0,
) -> list[Point]:
    """Score attack presentations without a patch, with one of noise and with an adversarial one.

    Args:
        detector: A detector of single colour pictures, with a threshold.
        development: Crops of other subjects; the patch is found on their attack presentations.
        test: Crops of both classes; the bona fides wear no patch.
        share: Side of the patch over the crop's, in (0, 1].
        research_use: Must be true; see `adversarial_patch`.
        seed: Seed of the patch and of its places.

    Returns:
        Points of the kinds "none", "noise" and "adversarial", whose strength is the side in pixels.

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
    points = []
    for name, patch in (("none", None), ("noise", noise), ("adversarial", found)):
        images = test.images.clone()
        if patch is not None:
            images[attacks] = paste(images[attacks], patch, seed=seed)
        points.append(_point(detector, name, side, Faces(test.manifest, images)))
    return points


def colour_pictures(faces: Faces) -> Tensor:
    """Return every crop of single colour pictures as a picture, uint8 (N · crops, 3, S, S)."""
    return faces.images.reshape(-1, 3, *faces.images.shape[-2:])


def with_pictures(faces: Faces, pictures: Tensor) -> Faces:
    """Return the faces with the pictures of `colour_pictures` changed."""
    return replace(faces, images=pictures.reshape(faces.images.shape), depth=None, mask=None)


def _require_single_colour_pictures(detector: DetectorBase) -> None:
    if detector.model.modalities != ("rgb",) or detector.model.frames > 1:
        raise InputError(
            f"only single colour pictures can be degraded; {detector.model.name} takes "
            f"{', '.join(detector.model.modalities)} of {detector.model.frames} frames"
        )


def recropped(detector: DetectorBase, by_factor: Mapping[float, Faces]) -> list[Point]:
    """Score crops of the same presentations that show more or less around the face.

    Args:
        detector: Detector with a threshold chosen on other items.
        by_factor: The crop's side over that of training, and the crops.
    """
    return [_point(detector, CROP, factor, faces) for factor, faces in by_factor.items()]


def _point(detector: DetectorBase, kind: str, strength: float, faces: Faces) -> Point:
    if detector.threshold is None:
        raise InputError("this detector has no threshold; train it with development data first")
    scores = scores_of(detector.score(faces.images), faces.manifest)
    return Point(kind, strength, scores, evaluate(scores, detector.threshold))
