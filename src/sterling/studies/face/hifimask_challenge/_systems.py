"""Systems that enter the challenge, and the sizes of the study."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.face.data import Faces
from sterling.face.pad import CDCN, Detector
from sterling.face.pad.baselines.hand_crafted import score_spectrum, score_texture
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.networks.part_crops import PartCrops, PartSupervision, halved
from sterling.face.pad.networks.ssdg import SSDG, SingleSide
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.systems import BASELINE, THUMBNAILS, System, Systems, on_images

NAME = "hifimask_challenge"

FACE, WHOLE, PARTS = "full face", "full face, all pixels", "part crops"

CORRUPTION = "corruption"

FIRST = f"{CORRUPTION}, flip"  # the first place: part crops, corruption and flipping together

PIXEL, SIDED, SPECTRUM, COLOUR = "pixel-wise", "SSDG", "spectrum", "colour texture"

SYSTEMS = (FIRST, CORRUPTION, PARTS, WHOLE, FACE, PIXEL, SIDED, SPECTRUM, COLOUR, BASELINE)

UNBOUNDED = (PIXEL, SPECTRUM, COLOUR, BASELINE)  # scores that are not probabilities

SEEN, UNSEEN = ("mask_silicone", "mask_resin"), "mask_plaster"

KINDS = {"trained materials": (*SEEN, "mask_transparent"), "unseen material": (UNSEEN,)}


class HifimaskChallengeConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        depth: Depth of the residual trunks: 10, 18 or 34; the first place's is EfficientNet-B0.
        map_width: Channels of the pixel-wise network's stem.
        corruption: Probability that a picture becomes a tiny part of it, taught as an attack.
        share: Share of the test subjects that are held out for the threshold.
        bpcer: Bound of the bounded threshold.
    """

    protocol: str = "masks_challenge"
    subjects: tuple[int, int, int] = (24, 6, 20)
    captures: tuple[int, int, int] = (480, 100, 240)
    size: int = Field(default=128, ge=64, multiple_of=32)
    width: int = Field(default=16, ge=1)
    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    step_epochs: int = Field(default=2, ge=1)
    step_factor: float = Field(default=0.5, gt=0, le=1)
    batch_size: int = Field(default=16, ge=1)
    augment: bool = True
    depth: int = 10
    map_width: int = Field(default=8, ge=1)
    corruption: float = Field(default=0.1, gt=0, lt=1)
    share: float = Field(default=0.25, gt=0, lt=1)
    bpcer: float = Field(default=0.1, gt=0, lt=1)


def systems(config: HifimaskChallengeConfig) -> Systems:
    """Every entry but the first place, which is a way to score `CORRUPTION`."""

    def crops(parts: bool, corruption: float, **more: Any) -> System:
        def objective(_training: Faces) -> PartSupervision:
            return PartSupervision(corruption, augmented=config.augment)

        return System(
            lambda seed: PartCrops(config.depth, config.width, parts, seed=seed),
            objective=objective,
            **more,
        )

    def whole(seed: int) -> FusionResNet:
        return FusionResNet(config.depth, config.width, ("rgb",), "halfway", "concat", seed=seed)

    return {
        CORRUPTION: crops(True, config.corruption, scorings={"flip": _flipped}),
        PARTS: crops(True, 0.0),
        FACE: crops(False, 0.0),
        WHOLE: System(
            whole, objective=lambda _training: PartSupervision(0.0, augmented=config.augment)
        ),
        PIXEL: System(
            lambda seed: CDCN(config.map_width, seed=seed),
            label="constant",
            changes={"cdl_weight": 0.0},
            sees=_half_size,
        ),
        SIDED: System(
            lambda seed: SSDG(config.depth, config.width, seed=seed),
            objective=_cameras,
            sees=_half_size,
        ),
        SPECTRUM: on_images(score_spectrum),
        COLOUR: on_images(score_texture),
        BASELINE: THUMBNAILS,
    }


def _flipped(detector: Detector, faces: Faces) -> NDArray[np.float64]:
    return detector.score(faces.images, flip=True)


def _half_size(faces: Faces) -> Faces:
    """The face as the part crops' trunk sees it."""
    return replace(faces, images=halved(faces.images.float()).round().to(torch.uint8))


def _cameras(training: Faces) -> SingleSide:
    """The cameras of the training captures as SSDG's domains."""
    codes = np.unique(training.manifest.column("sensor"), return_inverse=True)[1]
    return SingleSide(torch.from_numpy(codes.astype(np.int64)))
