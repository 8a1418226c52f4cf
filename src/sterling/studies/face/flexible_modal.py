"""Flexible-modal: one network, trained once, tested with whatever cameras are present.

Yu et al., "Flexible-Modal Face Anti-Spoofing: A Benchmark", CVPR workshops 2023: its four
sub-protocols (colour; with depth; with infrared; all three), its backbones and fusions, and one
network per sub-protocol as the reference.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from pydantic import Field

from sterling.face.data import Modality
from sterling.face.pad.networks.flexible_modal import FlexibleModal
from sterling.runs import Row
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.measuring import Compared
from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import (
    ALL_MODALITIES,
    BASELINE,
    THUMBNAILS,
    System,
    Systems,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Views, row

SCENARIOS: dict[str, tuple[Modality, ...]] = {
    "rgb": ("rgb",),
    "rgb + depth": ("rgb", "depth"),
    "rgb + ir": ("rgb", "ir"),
    "all": ALL_MODALITIES,
}
FLEXIBLE = ("cdcn", "resnet", "vit", "resnet concat", "resnet se", "no dropout", "zeros")
SEPARATE = "one network each"


class FlexibleModalStudyConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        drop_modality: Probability with which depth and infrared each drop out of a training
            capture; 0.5 in the release.
        transformer_depth: Blocks of the transformer.
        patch: Side of the transformer's patches.
        transformer_rate: Learning rate of the transformer.
        residual_epochs: Epochs of the residual network and the transformer.
    """

    protocol: str = "planar"
    captures: tuple[int, int, int] = (400, 100, 240)
    drop_modality: float = Field(default=0.5, ge=0, le=1)
    transformer_depth: int = Field(default=2, ge=1)
    patch: int = Field(default=8, ge=2)
    transformer_rate: float = Field(default=1e-3, gt=0)
    residual_epochs: int = Field(default=5, ge=1)


def systems(config: FlexibleModalStudyConfig) -> Systems:
    """Flexible networks, and one network for each set of cameras."""

    def network(backbone: Any, fusion: Any, seed: int, **changes: Any) -> FlexibleModal:
        return FlexibleModal(
            backbone,
            fusion,
            width=config.width,
            depth=config.transformer_depth,
            patch=config.patch,
            size=config.size,
            seed=seed,
            **changes,
        )

    def flexible(
        backbone: str, fusion: str, drop: float = config.drop_modality, **changes: Any
    ) -> System:
        training: dict[str, Any] = {"drop_modality": drop}
        if backbone != "cdcn":
            training["epochs"] = config.residual_epochs
        if backbone == "vit":
            training |= {
                "optimizer": "adamw",
                "learning_rate": config.transformer_rate,
                "weight_decay": 0.05,
                "warmup_steps": 20,
            }
        return System(
            partial(network, backbone, fusion, **changes), changes=training, scenarios=SCENARIOS
        )

    def separate(modalities: tuple[Modality, ...]) -> System:
        return System(
            partial(network, "resnet", "cross_attention", modalities=modalities),
            changes={"epochs": config.residual_epochs},
        )

    return {
        "cdcn": flexible("cdcn", "cross_attention"),
        "resnet": flexible("resnet", "cross_attention"),
        "vit": flexible("vit", "cross_attention"),
        "resnet concat": flexible("resnet", "concat"),
        "resnet se": flexible("resnet", "se"),
        "no dropout": flexible("resnet", "cross_attention", drop=0.0),
        "zeros": flexible("resnet", "cross_attention", missing="black"),
        **{f"only {name}": separate(modalities) for name, modalities in SCENARIOS.items()},
        BASELINE: THUMBNAILS,
    }


def by_scenario(compared: Compared) -> Iterable[Row]:
    """Errors of every network by the cameras that are present."""
    (repetition,) = compared.by_setting.values()
    for network in (*FLEXIBLE, SEPARATE):
        for present in SCENARIOS:
            system = f"only {present}" if network == SEPARATE else f"{network}, {present}"
            yield row("acer", repetition.acer(system), network=network, present=present)
            yield row("auc", repetition.auc(system), network=network, present=present)


def claims(results: Results, _config: FlexibleModalStudyConfig) -> list[Claim]:
    """All by ACER."""
    acer = results.series("acer")
    return [
        acer.lower(
            "more_modalities_help",
            "The same network has a lower ACER with all modalities present than with colour alone.",
            "resnet, all",
            than="resnet, rgb",
        ),
        acer.lower(
            "modality_dropout_narrows_the_gap",
            "With modality dropout in training, the ACER with colour alone is lower than without.",
            "resnet, rgb",
            than="no dropout, rgb",
        ),
        *(
            acer.lower(
                f"flexible_beats_separate_{scenario.replace(' + ', '_')}",
                "One network trained for every set of modalities has a lower ACER than one trained "
                f"for this set alone: {scenario}.",
                f"resnet, {scenario}",
                than=f"only {scenario}",
            )
            for scenario in SCENARIOS
        ),
        acer.lower(
            "transformer_beats_residual",
            "With all modalities present, the transformer has a lower ACER than the residual one.",
            "vit, all",
            than="resnet, all",
        ),
        acer.lower(
            "transformer_beats_cdcn",
            "With all modalities present, the transformer has a lower ACER than CDCN.",
            "vit, all",
            than="cdcn, all",
        ),
        acer.lower(
            "se_beats_concatenation",
            "Squeeze and excitation has a lower ACER than concatenation, all modalities present.",
            "resnet se, all",
            than="resnet concat, all",
        ),
        acer.lower(
            "saying_absent_beats_zeros",
            "With colour alone, a network that is told what is absent has a lower ACER than one "
            "that sees black pictures (ours, not the paper's).",
            "resnet, rgb",
            than="zeros, rgb",
        ),
    ]


def views(results: Results, _config: FlexibleModalStudyConfig) -> Views:
    """Networks by the cameras that are present."""
    table = results.table(
        "scenarios",
        "Cameras present at test",
        ("network", "present"),
        [Column("ACER", "acer", show="interval"), Column("AUC", "auc")],
        caption="Means over repetitions with 95 % Student-t intervals; threshold at equal error on "
        "development captures with the same cameras. resnet concat, resnet se: other fusions. no "
        "dropout: trained with all modalities only. zeros: an absent modality is a black picture, "
        "as released. one network each: a resnet trained and tested on those cameras.",
    )
    figure = results.matrix(
        "scenarios",
        "ACER by the cameras that are present",
        "Mean over repetitions. Every row but the last is one trained network.",
        rows="network",
        columns=[Column(name, "acer", {"present": name}) for name in SCENARIOS],
        value_label="ACER",
    )
    return Views([], [table], [figure])


STUDY = face_study(
    ENTRIES["flexible_modal"],
    systems=systems,
    claims=claims,
    extra=by_scenario,
    views=views,
    modalities=ALL_MODALITIES,
    shown=(
        *(f"{network}, {name}" for network in ("resnet", "vit", "cdcn") for name in SCENARIOS),
        BASELINE,
    ),
    caption="cdcn, resnet, vit: cross-attention and modality dropout; after the comma the cameras "
    "present at test. thumbnails: logistic regression on 8×8 colours.",
    presets={
        "smoke": FlexibleModalStudyConfig(
            subjects=(3, 2, 3),
            captures=(24, 16, 24),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            residual_epochs=1,
            transformer_depth=1,
        ),
        "quick": FlexibleModalStudyConfig(),
        "paper": FlexibleModalStudyConfig(
            captures=(11097, 4501, 19303),
            size=224,
            width=64,
            epochs=30,
            residual_epochs=30,
            transformer_depth=12,
            patch=16,
            transformer_rate=1e-5,
            learning_rate=1e-4,
            step_epochs=20,
            step_factor=0.5,
            batch_size=64,
            augment=True,
        ),
    },
)
