"""FM-ViT: does training on three cameras help a transformer that is tested with one?

Liu et al., "FM-ViT: Flexible Modal Vision Transformers for Face Anti-Spoofing", IEEE TIFS 2023, on
simulated captures in colour, depth and infrared. Fixed-modal: the cameras of the training are there
at test. Flexible-modal: one of them is.
"""

from functools import partial
from typing import Any

import torch
from pydantic import Field

from sterling.face.data import Modality
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad.detector.describe import multiply_adds
from sterling.face.pad.networks.fm_vit import FMViT
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.networks.network import Network
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Seed,
    acer_gains,
    acers,
    aucs,
    compare,
)
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.study import Claim, Findings, Study, Table, metric_over_seeds, positive

MODALITIES: tuple[Modality, ...] = ("rgb", "depth", "ir")
SCENARIOS: dict[str, tuple[Modality, ...]] = {name: (name,) for name in MODALITIES}
ALONE = {name: f"only {name}" for name in MODALITIES}
SYSTEMS = (
    "fm_vit",
    *(f"fm_vit, {name}" for name in MODALITIES),
    *ALONE.values(),
    "no fusion",
    "no selection",
    "resnet",
    BASELINE,
)


class FmVitConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        patch: Side of a patch.
        dim: Width of a token.
        depth: Transformer blocks of a branch.
        heads: Heads of every attention.
        every: Transformer blocks before each cross-modal block.
        keep: Share of the patches that are informative.
        residual_depth: Of the residual network that it is compared with.
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


def measure(config: FmVitConfig, run: Run) -> Findings:
    """Train and test every arm on every seed, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    seeds = in_processes(_one_seed, calls, "seeds")
    write_scores(score_tables(seeds), run.folder)
    costs = _costs(config)
    return comparison_findings(
        seeds,
        SYSTEMS,
        _claims(seeds),
        caption="fm_vit: all modalities there; after the comma one of them. only …: a transformer "
        "trained and tested on that modality alone. no fusion, no selection: without fusion "
        "attention, without selection of patches. resnet: three streams fused at three scales. "
        "thumbnails: logistic regression on 8×8 colours.",
        trained=["fm_vit", *ALONE.values(), "no fusion", "no selection", "resnet"],
        tables=[_costs_table(seeds, costs)],
    )


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


def _one_seed(config: FmVitConfig, run: Run, index: int) -> Seed:
    training = {"optimizer": "adamw", "weight_decay": 0.05, "warmup_steps": 20}

    def arm(**changes: Any) -> Arm:
        flexible = "modalities" not in changes
        return Arm(
            partial(_transformer, config, **changes),
            changes=training,
            scenarios=SCENARIOS if flexible else {},
        )

    arms = {
        "fm_vit": arm(),
        **{ALONE[name]: arm(modalities=(name,)) for name in MODALITIES},
        "no fusion": arm(fusion=False),
        "no selection": arm(keep=1.0),
        "resnet": Arm(
            partial(_residual, config),
            changes={"learning_rate": config.residual_rate},
            scenarios=SCENARIOS,
        ),
    }
    return compare("fm_vit", config, run, index, arms)


def _claims(seeds: list[Seed]) -> list[Claim]:
    return [
        *(
            positive(
                f"flexible_beats_single_{name}",
                f"Trained on three modalities and tested with {name} alone, the transformer has a "
                f"lower ACER than trained on {name} alone.",
                acer_gains(seeds, f"fm_vit, {name}", ALONE[name]),
            )
            for name in MODALITIES
        ),
        positive(
            "transformer_beats_residual",
            "With all modalities there, the transformer has a lower ACER than the residual network "
            "with fusion at three scales.",
            acer_gains(seeds, "fm_vit", "resnet"),
        ),
        positive(
            "fusion_attention_helps",
            "Fusion attention lowers the ACER, all modalities there.",
            acer_gains(seeds, "fm_vit", "no fusion"),
        ),
        positive(
            "selection_helps_single_modality",
            "Selecting informative patches lowers the ACER with colour alone.",
            acer_gains(seeds, "fm_vit, rgb", "no selection, rgb"),
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


def _costs_table(seeds: list[Seed], costs: dict[str, tuple[int, int]]) -> Table:
    rows: list[list[str | int | float | None]] = []
    for system, (parameters, operations) in costs.items():
        error = metric_over_seeds("", "rate", acers(seeds, system))
        area = metric_over_seeds("", "area", aucs(seeds, system))
        rows.append(
            [system, parameters, operations / 1e6, error.value, error.low, error.high, area.value]
        )
    return Table(
        name="cost",
        title="What each network costs and how well it does",
        columns=["network", "parameters", "million multiply-adds", "ACER", "low", "high", "AUC"],
        rows=rows,
        caption="One presentation, folded for inference. Branches of absent modalities are not "
        "computed.",
    )


FM_VIT_STUDY = Study(
    name="fm_vit",
    summary="A vision transformer trained on three cameras and tested with any of them.",
    domain="face",
    cite="liu2023fmvit",
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
    measure=measure,
)
