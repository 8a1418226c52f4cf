"""Multi-frame networks in a comparison: the single-frame network first, then what refines it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from sterling.errors import InputError
from sterling.face.capture import KINDS
from sterling.face.comparison import Arm, ComparisonConfig
from sterling.face.data import Faces
from sterling.face.gallery import keep_with_gallery
from sterling.face.pad import DepthNet, Detector
from sterling.face.pad.clip_depth import ClipDepth
from sterling.face.pad.train import Optimizer

__all__ = ["PLANAR_KINDS", "TwoStageConfig", "refining_arm", "single_frame_arm"]

PLANAR_KINDS = {
    "replays": ("replay",),
    "prints": tuple(name for name in KINDS["flat"] if name != "replay"),
}
"""Flat instruments by whether their picture moves."""


class TwoStageConfig(ComparisonConfig):
    """Clips, and how the two stages of training differ.

    The inherited training is that of the first stage, in which every frame of a clip is an item.

    Attributes:
        frames: Frames of a clip.
        rate: Frames per second; every third one of a video of 25.
        cdl_weight: Weight of the contrastive depth loss in the first stage; in the second it is 1.
        weight_decay: In both stages.
        refine_epochs: Passes over the training clips in the second stage.
        refine_optimizer: Of the second stage.
        refine_learning_rate: In its first epoch.
        refine_step_epochs: Epochs between two changes of its rate.
        refine_batch_size: Clips per step.
    """

    protocol: str = "planar"
    captures: tuple[int, int, int] = (180, 60, 120)
    size: int = Field(default=32, ge=32, multiple_of=8)
    epochs: int = Field(default=6, ge=1)
    learning_rate: float = Field(default=6e-3, gt=0)
    step_epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=4, ge=1)
    frames: int = Field(default=5, ge=2)
    rate: float = Field(default=25 / 3, gt=0)
    cdl_weight: float = Field(default=0.5, ge=0)
    weight_decay: float = Field(default=5e-5, ge=0)
    refine_epochs: int = Field(default=5, ge=1)
    refine_optimizer: Optimizer = "adam"
    refine_learning_rate: float = Field(default=5e-3, gt=0)
    refine_step_epochs: int = Field(default=3, ge=1)
    refine_batch_size: int = Field(default=4, ge=1)


def single_frame_arm(
    config: TwoStageConfig,
    network: Callable[[int], DepthNet],
    keep: Path | None = None,
    **changes: Any,
) -> Arm:
    """The first stage: a network that judges every frame of a clip by itself.

    Args:
        config: How to train.
        network: Makes the network from the seed of its weights.
        keep: Folder that receives the trained network, for the second stage.
        changes: Fields of `TrainConfig` that differ from the first stage's.
    """

    def save(detector: Detector, _faces: Faces, _result: Mapping[str, Any]) -> dict[str, Any]:
        if keep is not None:
            detector.save_pretrained(keep)
        return {}

    first = {"cdl_weight": config.cdl_weight, "weight_decay": config.weight_decay}
    return Arm(network, changes={**first, **changes}, finish=save)


def refining_arm(
    config: TwoStageConfig,
    network: Callable[[int], ClipDepth],
    kept: Path,
    *,
    home: Path | None = None,
    sees: Callable[[Faces], Faces] | None = None,
) -> Arm:
    """The second stage: what refines the single-frame network that an earlier arm kept.

    Args:
        config: How to train.
        network: Makes the network from the seed of its weights.
        kept: Folder of the trained single-frame network.
        home: Run folder, when the detector and a gallery of its hardest clips are to be kept.
        sees: What the arm is given of the captures, where that differs.
    """
    changes = {
        "epochs": config.refine_epochs,
        "optimizer": config.refine_optimizer,
        "learning_rate": config.refine_learning_rate,
        "step_epochs": config.refine_step_epochs,
        "batch_size": config.refine_batch_size,
        "weight_decay": config.weight_decay,
    }
    finish = None if home is None else partial(keep_with_gallery, home=home)
    return Arm(partial(_adopting, network, kept), changes=changes, finish=finish, sees=sees)


def _adopting(network: Callable[[int], ClipDepth], kept: Path, seed: int) -> ClipDepth:
    made, single = network(seed), Detector.from_pretrained(kept).model
    if not isinstance(single, DepthNet):
        raise InputError(f"{kept}: holds {single.name}, not a single-frame depth network")
    made.adopt(single)
    return made
