"""CASIA-SURF: three cameras, and what re-weighing their channels before fusing them brings.

Zhang et al., "A Dataset and Benchmark for Large-scale Multi-modal Face Anti-spoofing", CVPR 2019,
and its journal version (IEEE T-BIOM 2020). ``--data`` takes the data set itself.
"""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field

from sterling.face.data import Modality
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.measure import tpr_at_fpr
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

STEPS = ("halfway", "se", "se_add", "multi_scale")
SYSTEMS = (*reversed(STEPS), *ALL_MODALITIES, BASELINE)
RATES = (1e-2, 1e-3, 1e-4)
PAPER_TPR = {"halfway": 17.8, "se": 56.8, "se_add": 73.5, "multi_scale": 92.4}  # at FPR 1e-4, %
SENTENCES = {
    "se": "Re-weighing channels before concatenation lowers the ACER (SE against halfway).",
    "se_add": "Addition instead of concatenation lowers the ACER further.",
    "multi_scale": "Fusion at three scales lowers the ACER further.",
}


class CasiaSurfConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        depth: Depth of the residual networks: 18 or 34 as published, or 10.
        reduction: Ratio of the excitation's bottleneck; unknown in the paper.
    """

    cropped: bool = True  # as the data set is published
    protocol: str = "flat_and_masks"
    captures: tuple[int, int, int] = (800, 160, 480)
    width: int = Field(default=16, ge=1)
    epochs: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    step_epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=16, ge=1)
    depth: Literal[10, 18, 34] = 10
    reduction: int = Field(default=4, ge=1)


def systems(config: CasiaSurfConfig) -> Systems:
    """Fusions step by step, and one network for each modality."""

    def network(modalities: tuple[Modality, ...], fusion: Any, combine: Any) -> System:
        return System(
            partial(
                _network, config.depth, config.width, modalities, fusion, combine, config.reduction
            )
        )

    three = partial(network, ALL_MODALITIES)
    return {
        "halfway": three("halfway", "concat"),
        "se": three("se", "concat"),
        "se_add": three("se", "add"),
        "multi_scale": three("multi_scale_se", "add"),
        **{name: network((name,), "halfway", "concat") for name in ALL_MODALITIES},
        BASELINE: THUMBNAILS,
    }


def _network(*arguments: Any) -> FusionResNet:
    *rest, seed = arguments
    return FusionResNet(*rest, seed=seed)


def rates(compared: Compared) -> Iterable[Row]:
    """TPR at small FPR; null where one attack is more than the rate."""
    (repetition,) = compared.by_setting.values()
    for system in SYSTEMS:
        for rate in RATES:
            point = tpr_at_fpr(repetition.test[system], rate)
            yield row("tpr", point.rate.value if point.resolved else None, system=system, fpr=rate)


def claims(results: Results, _config: CasiaSurfConfig) -> list[Claim]:
    """Every step, and three modalities against one."""
    acer = results.series("acer")
    return [
        *(
            acer.lower(
                f"{after}_beats_{before}",
                SENTENCES[after],
                after,
                than=before,
                paper=f"TPR at FPR 1e-4: {PAPER_TPR[before]} % → {PAPER_TPR[after]} %",
            )
            for before, after in pairwise(STEPS)
        ),
        acer.lower(
            "multi_scale_beats_rgb",
            "Three modalities have a lower ACER than colour alone.",
            "multi_scale",
            than="rgb",
            paper="ACER 1.0 % (three modalities), 21.0 % (colour)",
        ),
        acer.lower(
            "multi_scale_beats_depth",
            "Three modalities have a lower ACER than depth alone.",
            "multi_scale",
            than="depth",
            paper="ACER 1.0 % (three modalities), 3.6 % (depth)",
        ),
        results.series("auc").higher(
            "depth_beats_rgb",
            "Depth alone has a higher AUC than colour alone.",
            "depth",
            than="rgb",
            paper="TPR at FPR 1e-2: depth 96.8 %, colour 51.7 %",
        ),
    ]


def views(results: Results, _config: CasiaSurfConfig) -> Views:
    """Rates at small FPR."""
    table = results.table(
        "tpr",
        "Bona fide accepted at a small rate of attacks accepted",
        "system",
        [Column(f"TPR at FPR {rate:g}", "tpr", {"fpr": rate}, "interval") for rate in RATES],
        order=SYSTEMS,
        caption="Largest TPR with at most that share of attacks accepted, means over repetitions "
        "with 95 % Student-t intervals. Empty: fewer attacks were presented than the rate resolves "
        "(the data set's own test has 40,252 attack triples).",
    )
    return Views([], [table])


STUDY = face_study(
    ENTRIES["casia_surf"],
    systems=systems,
    claims=claims,
    extra=rates,
    views=views,
    modalities=ALL_MODALITIES,
    shown=SYSTEMS,
    caption="halfway: streams joined after res3. se: each stream's channels re-weighed first. "
    "se_add: joined by addition. multi_scale: joined after res3, res4 and res5. rgb, depth, ir: "
    "one ResNet each. thumbnails: logistic regression on 8×8 colours.",
    presets={
        "smoke": CasiaSurfConfig(
            subjects=(3, 2, 3), captures=(24, 16, 36), size=32, seeds=2, width=4, epochs=1
        ),
        "quick": CasiaSurfConfig(
            captures=(1600, 240, 480),
            subjects=(36, 12, 24),
            epochs=6,
            learning_rate=6e-3,
            warmup_steps=50,
            schedule="cosine",
            batch_size=32,
        ),
        "paper": CasiaSurfConfig(
            size=128,
            width=64,
            depth=18,
            reduction=16,
            epochs=40,
            learning_rate=1e-2,
            step_epochs=20,
            step_factor=0.1,
            batch_size=256,
            augment=True,
        ),
    },
)
