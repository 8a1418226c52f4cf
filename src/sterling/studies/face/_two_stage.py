"""Multi-frame networks in a comparison: the single-frame network first, then what refines it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sterling.face.capture import KINDS
from sterling.face.data import Faces, label_maps
from sterling.face.pad import DepthNet
from sterling.face.pad.baselines.parallax import score_parallax
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.training.config import Optimizer
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.systems import BASELINE, System
from sterling.study import Claim, Preset, Results

RELIEF_SIDE = 32  # of the ellipsoid's map; it is enlarged to the clip's size

PLANAR_KINDS = {
    "replays": ("replay",),
    "prints": tuple(name for name in KINDS["flat"] if name != "replay"),
}
"""Flat instruments by whether their picture moves."""


class TwoStageConfig(FaceConfig):
    """Clips, and how the two stages of training differ.

    The inherited training is that of the first stage, in which every frame of a clip is an item.

    Attributes:
        frames: Frames of a clip.
        rate: Frames per second; every third one of a video of 25.
        cdl_weight: Weight of the contrastive depth loss in the first stage; in the second it is 1.
        weight_decay: Weight decay in both stages.
        refine_epochs: Passes over the training clips in the second stage.
        refine_optimizer: Optimiser of the second stage.
        refine_learning_rate: Learning rate of its first epoch.
        refine_step_epochs: Epochs between two changes of that rate.
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
    results: Results, title: str, system: str, single: str, *, paper: str | None = None
) -> list[Claim]:
    """Claims about every multi-frame network.

    Args:
        results: Results of `system`, its single-frame network `single`, ``<system>_still``,
            ``<system>_no_memory`` and both trivial baselines.
        title: The network for people.
        system: Name of the system.
        single: Name of its single-frame network.
        paper: The paper's own figures for the first claim.
    """
    acer, area = results.series("acer"), results.series("auc")
    prints, replays = (results.series("auc", kind=kind) for kind in ("prints", "replays"))
    return [
        acer.lower(
            "temporal_beats_single_frame",
            f"{title} has a lower ACER than its single-frame network, whose score is the mean over "
            "the same frames.",
            system,
            than=single,
            paper=paper,
        ),
        prints.higher(
            "temporal_beats_single_frame_on_prints",
            f"{title} has a higher AUC than its single-frame network against prints, which do not "
            "turn in depth.",
            system,
            than=single,
        ),
        replays.higher(
            "temporal_beats_single_frame_on_replays",
            f"{title} has a higher AUC than its single-frame network against replays, which move "
            "as the face they show.",
            system,
            than=single,
        ),
        area.higher(
            "motion_matters",
            f"{title} has a higher AUC than the same network on clips that repeat their first "
            "frame: what it gains is not the second stage of training alone.",
            system,
            than=f"{system}_still",
        ),
        area.higher(
            "memory_matters",
            f"{title} has a higher AUC with the recurrent state carried from frame to frame than "
            "without.",
            system,
            than=f"{system}_no_memory",
        ),
        prints.higher(
            "beats_parallax_on_prints",
            f"{title} has a higher AUC against prints than ten numbers fitted to the motion of a "
            "clip.",
            system,
            than=PARALLAX,
        ),
        acer.lower(
            "beats_trivial_baseline",
            f"{title} has a lower ACER than logistic regression on 8×8 colour thumbnails of all "
            "frames.",
            system,
            than=BASELINE,
        ),
    ]


def single_frame(
    config: TwoStageConfig, network: Callable[[int], DepthNet], **changes: Any
) -> System:
    """The first stage: a network that scores every frame of a clip by itself.

    Args:
        config: Training.
        network: Makes the network from the seed of its weights.
        changes: Fields of `TrainConfig` that differ from the first stage's.
    """
    first = {"cdl_weight": config.cdl_weight, "weight_decay": config.weight_decay}
    return System(network, changes={**first, **changes})


def refining(
    config: TwoStageConfig, network: Callable[[int], ClipDepth], single: str, **options: Any
) -> System:
    """The second stage: a network that refines a trained single-frame network.

    Args:
        config: Training.
        network: Makes the network from the seed of its weights.
        single: System of the single-frame network.
        options: Further fields of `System`.
    """
    changes = {
        "epochs": config.refine_epochs,
        "optimizer": config.refine_optimizer,
        "learning_rate": config.refine_learning_rate,
        "step_epochs": config.refine_step_epochs,
        "batch_size": config.refine_batch_size,
        "weight_decay": config.weight_decay,
    }
    return System(network, changes=changes, refines=single, **options)
