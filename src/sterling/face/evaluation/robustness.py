"""A detector's error rates on degraded pictures, and on pictures from which one cue is taken.

`sweep` shows how much degradation a detector withstands, `interventions` which cues it needs; both
keep its threshold::

    for point in interventions(detector, test):
        print(point.kind, point.area.value, point.errors.bpcer.value)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import (
    INTERVENTIONS,
    Degradation,
    Faces,
    Intervention,
    Manifest,
    degrade,
    intervene,
)
from sterling.face.data.intervention import NEED_A_FACE
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.evaluation.intervals import Figure, area_figure
from sterling.face.pad import Detector, DetectorBase
from sterling.face.pad.baselines.adversarial_patch import adversarial_patch, paste
from sterling.measure import (
    Estimate,
    PadErrors,
    Scores,
    auc,
    evaluate,
)

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

UNCHANGED = "none"
"""`Point.kind` of crops that are not changed."""


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

    def area_by_subject(self, *, seed: int = 0) -> Figure:
        """AUC with its interval over draws of subjects, where they are known."""
        return area_figure(self.scores, seed=seed)


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


def interventions(
    detector: DetectorBase,
    test: Faces,
    *,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> list[Point]:
    """Score the same presentations with one cue made equal, or with one cue left.

    Args:
        detector: A detector of single colour pictures, with a threshold chosen on other items.
        test: Crops of both classes. Interventions that need the place of the face are left out
            where the crops were not cut from a face box, or show nothing around it.
        seed: Seed of what is drawn.
        progress: Called after each copy.

    Returns:
        A point for the crops as they are (`UNCHANGED`), then one for each of `possible`.

    Raises:
        InputError: As `sweep`.
    """
    _require_single_colour_pictures(detector)
    points = [_point(detector, UNCHANGED, 0, test)]
    for kind in possible(detector):
        changed = _changed_crops(detector, test, kind, seed)
        points.append(_point(detector, kind, 0, with_pictures(test, changed)))
        if progress is not None:
            progress()
    return points


def possible(detector: DetectorBase) -> tuple[Intervention, ...]:
    """Interventions that suit a detector's crops."""
    size = detector.preprocessing.size
    frame = all(round(share * size) <= size - 2 for share in _face_shares(detector))
    return tuple(kind for kind in INTERVENTIONS if frame or kind not in NEED_A_FACE)


def some_of(manifest: Manifest, most: int) -> Manifest:
    """Return at most `most` rows of a manifest, evenly spread over it."""
    count = min(len(manifest), most)
    return manifest.select(np.linspace(0, len(manifest) - 1, count).astype(np.int64))


def _face_shares(detector: DetectorBase) -> list[float]:
    """Side of the face box over that of each crop; 1 where it is not known."""
    own = detector.preprocessing
    if own.crop_scale is None:
        return [1.0]
    return [min(1.0, 1 / spec.scale) for spec in own.crop_specs()]


def _changed_crops(detector: DetectorBase, test: Faces, kind: Intervention, seed: int) -> Tensor:
    """The crops of each scale changed as a set of their own, (N, 3 · crops, S, S)."""
    crops = torch.split(test.images, 3, dim=1)
    shares = _face_shares(detector)
    return torch.cat(
        [
            intervene(crop, kind, face_share=share, seed=seed)
            for crop, share in zip(crops, shares, strict=True)
        ],
        dim=1,
    )


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
            f"only single colour pictures can be degraded or changed; {detector.model.name} takes "
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
