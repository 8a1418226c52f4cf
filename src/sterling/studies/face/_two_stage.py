"""Multi-frame networks in a comparison: the single-frame network first, then what refines it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sterling.errors import InputError
from sterling.face.capture import KINDS
from sterling.face.data import Faces, label_maps
from sterling.face.pad import DepthNet, Detector
from sterling.face.pad.baselines.parallax import score_parallax
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.training.train import Optimizer
from sterling.studies.face._old_gallery import keep_with_gallery
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Seed,
    acer_gains,
    auc_gains,
)
from sterling.study import Claim, Preset, positive

RELIEF_SIDE = 32  # of the ellipsoid's map; it is enlarged to the clip's size

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

    protocol: str = "planar_turning"
    captures: tuple[int, int, int] = (140, 50, 100)
    size: int = Field(default=48, ge=32, multiple_of=8)
    epochs: int = Field(default=5, ge=1)
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
    refine_step_epochs: int = Field(default=2, ge=1)
    refine_batch_size: int = Field(default=4, ge=1)


PRESETS: Mapping[Preset, TwoStageConfig] = {
    "smoke": TwoStageConfig(
        subjects=(3, 2, 3),
        captures=(12, 10, 14),
        size=32,
        seeds=1,
        width=2,
        epochs=1,
        frames=3,
        refine_epochs=1,
    ),
    "quick": TwoStageConfig(),
    "paper": TwoStageConfig(
        captures=(1200, 900, 600),
        size=256,
        width=64,
        epochs=1400,
        learning_rate=1e-4,
        step_epochs=500,
        step_factor=0.5,
        batch_size=9,
        augment=True,
        weight_decay=5e-4,
        refine_epochs=1400,
        refine_optimizer="adadelta",
        refine_learning_rate=1e-2,
        refine_step_epochs=500,
        refine_batch_size=2,
    ),
}
"""Presets of the studies of multi-frame networks, whose releases share their training."""

PARALLAX = "parallax"


def parallax(_training: Faces, tested: Faces) -> NDArray[np.float64]:
    """The trivial baseline for clips: how much moves by the relief of a half ellipsoid."""
    bona_fide = tested.select(np.flatnonzero(tested.manifest.bona_fide)[:1])
    return score_parallax(tested.images, label_maps(bona_fide, "ellipsoid", RELIEF_SIDE)[0, 0])


def temporal_claims(
    seeds: Sequence[Seed], title: str, system: str, single: str, *, paper: str | None = None
) -> list[Claim]:
    """What is asked of every multi-frame network.

    Args:
        seeds: The results, of `system`, its single-frame network `single`, ``<system>_still``,
            ``<system>_no_memory`` and both trivial baselines.
        title: The network for people.
        system: Name of the system.
        single: Name of its single-frame network.
        paper: The paper's own figures for the first claim.
    """

    def gain(name: str, sentence: str, worse: str, kind: str | None = None) -> Claim:
        species = None if kind is None else PLANAR_KINDS[kind]
        return positive(name, f"{title} {sentence}", auc_gains(seeds, system, worse, species))

    return [
        positive(
            "temporal_beats_single_frame",
            f"{title} has a lower ACER than its single-frame network, whose score is the mean over "
            "the same frames.",
            acer_gains(seeds, system, single),
            paper=paper,
        ),
        gain(
            "temporal_beats_single_frame_on_prints",
            "has a higher AUC than its single-frame network against prints, which do not turn in "
            "depth.",
            single,
            "prints",
        ),
        gain(
            "temporal_beats_single_frame_on_replays",
            "has a higher AUC than its single-frame network against replays, which move as the "
            "face they show.",
            single,
            "replays",
        ),
        gain(
            "motion_matters",
            "has a higher AUC than the same network on clips that repeat their first frame: what "
            "it gains is not the second stage of training alone.",
            f"{system}_still",
        ),
        gain(
            "memory_matters",
            "has a higher AUC with the recurrent state carried from frame to frame than without.",
            f"{system}_no_memory",
        ),
        gain(
            "beats_parallax_on_prints",
            "has a higher AUC against prints than ten numbers fitted to the motion of a clip.",
            PARALLAX,
            "prints",
        ),
        positive(
            "beats_trivial_baseline",
            f"{title} has a lower ACER than logistic regression on 8×8 colour thumbnails of all "
            "frames.",
            acer_gains(seeds, system, BASELINE),
        ),
    ]


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
