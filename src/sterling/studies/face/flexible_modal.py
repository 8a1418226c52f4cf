"""Flexible-modal: one network, trained once, tested with whatever cameras are there.

Yu et al., "Flexible-Modal Face Anti-Spoofing: A Benchmark", CVPR workshops 2023, on simulated
captures in colour, depth and infrared: its four sub-protocols (colour; with depth; with infrared;
all three), its backbones and fusions, and one network per sub-protocol as the reference.
"""

from functools import partial
from typing import Any

from pydantic import Field

from sterling.face.data import Modality
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad.networks.flexible_modal import FlexibleModal
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
from sterling.study import Claim, Figure, Findings, Study, Table, metric_over_seeds, positive

SCENARIOS: dict[str, tuple[Modality, ...]] = {
    "rgb": ("rgb",),
    "rgb + depth": ("rgb", "depth"),
    "rgb + ir": ("rgb", "ir"),
    "all": ("rgb", "depth", "ir"),
}
FLEXIBLE = ("cdcn", "resnet", "vit", "resnet concat", "resnet se", "no dropout", "zeros")
SEPARATE = {f"only {name}": modalities for name, modalities in SCENARIOS.items()}
SHOWN = (
    *(f"{arm}, {scenario}" for arm in ("resnet", "vit", "cdcn") for scenario in SCENARIOS),
    BASELINE,
)


class FlexibleModalStudyConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        drop_modality: Probability with which depth and infrared each drop out of a training
            capture; 0.5 in the release.
        transformer_depth: Blocks of the transformer.
        patch: Side of its patches.
        transformer_rate: Its learning rate.
        residual_epochs: Epochs of the residual network and the transformer.
    """

    protocol: str = "planar"
    captures: tuple[int, int, int] = (400, 100, 240)
    drop_modality: float = Field(default=0.5, ge=0, le=1)
    transformer_depth: int = Field(default=2, ge=1)
    patch: int = Field(default=8, ge=2)
    transformer_rate: float = Field(default=1e-3, gt=0)
    residual_epochs: int = Field(default=5, ge=1)


def measure(config: FlexibleModalStudyConfig, run: Run) -> Findings:
    """Train and test every arm on every seed, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    seeds = in_processes(_one_seed, calls, "seeds")
    write_scores(score_tables(seeds), run.folder)
    return comparison_findings(
        seeds,
        SHOWN,
        _claims(seeds),
        caption="cdcn, resnet, vit: cross-attention and modality dropout; after the comma what is "
        "there at test. thumbnails: logistic regression on 8×8 colours.",
        trained=list(FLEXIBLE),
        tables=[_scenario_table(seeds)],
        figures=[_scenario_figure(seeds)],
    )


def _one_seed(config: FlexibleModalStudyConfig, run: Run, index: int) -> Seed:
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

    def arm(backbone: str, fusion: str, drop: float = config.drop_modality, **changes: Any) -> Arm:
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
        return Arm(
            partial(network, backbone, fusion, **changes), changes=training, scenarios=SCENARIOS
        )

    def separate(modalities: tuple[Modality, ...]) -> Arm:
        return Arm(
            partial(network, "resnet", "cross_attention", modalities=modalities),
            changes={"epochs": config.residual_epochs},
        )

    arms = {
        "cdcn": arm("cdcn", "cross_attention"),
        "resnet": arm("resnet", "cross_attention"),
        "vit": arm("vit", "cross_attention"),
        "resnet concat": arm("resnet", "concat"),
        "resnet se": arm("resnet", "se"),
        "no dropout": arm("resnet", "cross_attention", drop=0.0),
        "zeros": arm("resnet", "cross_attention", missing="zero"),
        **{name: separate(modalities) for name, modalities in SEPARATE.items()},
    }
    return compare("flexible_modal", config, run, index, arms)


def _claims(seeds: list[Seed]) -> list[Claim]:
    def claim(better: str, worse: str, name: str, sentence: str) -> Claim:
        return positive(name, sentence, acer_gains(seeds, better, worse))

    return [
        claim(
            "resnet, all",
            "resnet, rgb",
            "more_modalities_help",
            "The same network has a lower ACER with all modalities there than with colour alone.",
        ),
        claim(
            "resnet, rgb",
            "no dropout, rgb",
            "modality_dropout_narrows_the_gap",
            "With modality dropout in training, the ACER with colour alone is lower than without.",
        ),
        *(
            claim(
                f"resnet, {scenario}",
                f"only {scenario}",
                f"flexible_beats_separate_{scenario.replace(' + ', '_')}",
                "One network trained for every set of modalities has a lower ACER than one trained "
                f"for this set alone: {scenario}.",
            )
            for scenario in SCENARIOS
        ),
        claim(
            "vit, all",
            "resnet, all",
            "transformer_beats_residual",
            "With all modalities there, the transformer has a lower ACER than the residual one.",
        ),
        claim(
            "vit, all",
            "cdcn, all",
            "transformer_beats_cdcn",
            "With all modalities there, the transformer has a lower ACER than CDCN.",
        ),
        claim(
            "resnet se, all",
            "resnet concat, all",
            "se_beats_concatenation",
            "Squeeze and excitation has a lower ACER than concatenation, all modalities there.",
        ),
        claim(
            "resnet, rgb",
            "zeros, rgb",
            "saying_absent_beats_zeros",
            "With colour alone, a network that is told what is absent has a lower ACER than one "
            "that sees black pictures (ours, not the paper's).",
        ),
    ]


def _scenario_table(seeds: list[Seed]) -> Table:
    rows: list[list[str | int | float | None]] = []
    for arm in (*FLEXIBLE, "only"):
        for scenario in SCENARIOS:
            system = f"only {scenario}" if arm == "only" else f"{arm}, {scenario}"
            error = metric_over_seeds("", "rate", acers(seeds, system))
            area = metric_over_seeds("", "area", aucs(seeds, system))
            title = "one network each" if arm == "only" else arm
            rows.append([title, scenario, error.value, error.low, error.high, area.value])
    return Table(
        name="scenarios",
        title="Which cameras are there at test",
        columns=["network", "there", "ACER", "low", "high", "AUC"],
        rows=rows,
        caption="Means over seeds with 95 % Student-t intervals; threshold at equal error on "
        "development captures with the same cameras. resnet concat, resnet se: other fusions. no "
        "dropout: trained with all modalities only. zeros: an absent modality is a black picture, "
        "as released. one network each: a resnet trained and tested on those cameras.",
    )


def _scenario_figure(seeds: list[Seed]) -> Figure:
    return Figure(
        name="scenarios",
        title="ACER by the cameras that are there",
        kind="matrix",
        caption="Mean over seeds. Every row but the last is one trained network.",
        data={
            "rows": [*FLEXIBLE, "one network each"],
            "columns": list(SCENARIOS),
            "values": [
                [
                    metric_over_seeds(
                        "",
                        "rate",
                        acers(seeds, f"only {s}" if arm == "only" else f"{arm}, {s}"),
                    ).value
                    for s in SCENARIOS
                ]
                for arm in (*FLEXIBLE, "only")
            ],
            "value_label": "ACER",
            "centre": 0.0,
        },
    )


FLEXIBLE_MODAL_STUDY = Study(
    name="flexible_modal",
    summary="One face detector for any set of cameras: backbones, fusions, modality dropout.",
    domain="face",
    cite="yu2023flexible",
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
    measure=measure,
)
