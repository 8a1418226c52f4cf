"""FM-ViT: does training on three cameras help a transformer that is tested with one?

Liu et al., "FM-ViT: Flexible Modal Vision Transformers for Face Anti-Spoofing", IEEE TIFS 2023.
Fixed-modal: the cameras of the training are present at test. Flexible-modal: one of them is.
"""

from functools import partial
from typing import Any

import torch
from pydantic import Field

from sterling.face.data import Modality
from sterling.face.pad import Network
from sterling.face.pad.detector.describe import multiply_adds
from sterling.face.pad.networks.fm_vit import FMViT
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import (
    ALL_MODALITIES,
    BASELINE,
    THUMBNAILS,
    System,
    Systems,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Table, Views

SCENARIOS: dict[str, tuple[Modality, ...]] = {name: (name,) for name in ALL_MODALITIES}


class FmVitConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        patch: Side of a patch.
        dim: Width of a token.
        depth: Transformer blocks of a branch.
        heads: Heads of every attention.
        every: Transformer blocks before each cross-modal block.
        keep: Share of the patches that are informative.
        residual_depth: Depth of the residual network that it is compared with.
        residual_rate: Learning rate of that network.
    """

    protocol: str = "planar"
    captures: tuple[int, int, int] = (400, 100, 240)
    width: int = Field(default=32, ge=1)
    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    step_epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=16, ge=1)
    patch: int = Field(default=8, ge=2)
    dim: int = Field(default=48, ge=1)
    depth: int = Field(default=4, ge=1)
    heads: int = Field(default=3, ge=1)
    every: int = Field(default=2, ge=1)
    keep: float = Field(default=0.5, gt=0, le=1)
    residual_depth: int = 18
    residual_rate: float = Field(default=1e-3, gt=0)


def _transformer(config: FmVitConfig, seed: int, **changes: Any) -> FMViT:
    arguments: dict[str, Any] = {
        "size": config.size,
        "patch": config.patch,
        "dim": config.dim,
        "depth": config.depth,
        "heads": config.heads,
        "every": config.every,
        "keep": config.keep,
    }
    return FMViT(**{**arguments, **changes}, seed=seed)


def _residual(config: FmVitConfig, seed: int) -> FusionResNet:
    return FusionResNet(config.residual_depth, config.width, seed=seed)


def systems(config: FmVitConfig) -> Systems:
    """The transformer, its ablations, one for each camera, and a residual network."""
    training = {"optimizer": "adamw", "weight_decay": 0.05, "warmup_steps": 20}

    def transformer(**changes: Any) -> System:
        return System(
            partial(_transformer, config, **changes),
            changes=training,
            scenarios={} if "modalities" in changes else SCENARIOS,
        )

    return {
        "fm_vit": transformer(),
        **{f"only {name}": transformer(modalities=(name,)) for name in ALL_MODALITIES},
        "no fusion": transformer(fusion=False),
        "no selection": transformer(keep=1.0),
        "resnet": System(
            partial(_residual, config),
            changes={"learning_rate": config.residual_rate},
            scenarios=SCENARIOS,
        ),
        BASELINE: THUMBNAILS,
    }


def claims(results: Results, _config: FmVitConfig) -> list[Claim]:
    """All by ACER."""
    acer = results.series("acer")
    return [
        *(
            acer.lower(
                f"flexible_beats_single_{name}",
                f"Trained on three modalities and tested with {name} alone, the transformer has a "
                f"lower ACER than trained on {name} alone.",
                f"fm_vit, {name}",
                than=f"only {name}",
            )
            for name in ALL_MODALITIES
        ),
        acer.lower(
            "transformer_beats_residual",
            "With all modalities present, the transformer has a lower ACER than the residual "
            "network with fusion at three scales.",
            "fm_vit",
            than="resnet",
        ),
        acer.lower(
            "fusion_attention_helps",
            "Fusion attention lowers the ACER, all modalities present.",
            "fm_vit",
            than="no fusion",
        ),
        acer.lower(
            "selection_helps_single_modality",
            "Selecting informative patches lowers the ACER with colour alone.",
            "fm_vit, rgb",
            than="no selection, rgb",
        ),
    ]


def _costs(config: FmVitConfig) -> dict[str, tuple[int, int]]:
    """Parameters and multiply-adds of each network, and of the flexible one with one modality."""

    def count(network: Network, present: torch.Tensor | None = None) -> tuple[int, int]:
        parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
        return parameters, multiply_adds(network, config.size, present)

    flexible = _transformer(config, 0)
    one = torch.tensor([[True, False, False]])
    return {
        "fm_vit": count(flexible),
        "fm_vit, rgb": count(flexible, one),
        "only rgb": count(_transformer(config, 0, modalities=("rgb",))),
        "no fusion": count(_transformer(config, 0, fusion=False)),
        "resnet": count(_residual(config, 0)),
    }


def views(results: Results, config: FmVitConfig) -> Views:
    """Show each network's cost and error rates."""
    errors = [Column("ACER", "acer", show="interval"), Column("AUC", "auc")]
    table = Table(
        name="cost",
        title="Cost and errors of each network",
        columns=["network", "parameters", "million multiply-adds", "ACER", "low", "high", "AUC"],
        rows=[
            [system, parameters, operations / 1e6, *results.select(system=system).line(errors)]
            for system, (parameters, operations) in _costs(config).items()
        ],
        caption="One presentation, folded for inference. Branches of absent modalities are not "
        "computed.",
    )
    return Views([], [table])


STUDY = face_study(
    ENTRIES["fm_vit"],
    systems=systems,
    claims=claims,
    views=views,
    modalities=ALL_MODALITIES,
    shown=(
        "fm_vit",
        *(f"fm_vit, {name}" for name in ALL_MODALITIES),
        *(f"only {name}" for name in ALL_MODALITIES),
        "no fusion",
        "no selection",
        "resnet",
        BASELINE,
    ),
    caption="fm_vit: all modalities present; after the comma one of them. only …: a transformer "
    "trained and tested on that modality alone. no fusion, no selection: without fusion attention, "
    "without selection of patches. resnet: three streams fused at three scales. thumbnails: "
    "logistic regression on 8×8 colours.",
    presets={
        "smoke": FmVitConfig(
            subjects=(3, 2, 3),
            captures=(24, 16, 24),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            dim=24,
            depth=2,
            every=1,
            residual_depth=10,
        ),
        "quick": FmVitConfig(),
        "paper": FmVitConfig(
            captures=(1200, 900, 600),
            size=224,
            patch=16,
            dim=384,
            depth=12,
            heads=6,
            every=4,
            width=64,
            epochs=30,
            learning_rate=1e-4,
            step_epochs=10,
            step_factor=0.5,
            batch_size=64,
            augment=True,
        ),
    },
)
