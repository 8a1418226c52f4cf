"""Multi-modal CDCN: do three cameras tell more than one, and where should they be fused?

Yu et al., "Multi-Modal Face Anti-Spoofing Based on Central Difference Networks", CVPR workshops
2020, on simulated captures in colour, depth and near infrared. The paper's two tracks are the arms
"rgb" (single-modal) and "feature" (multi-modal); the others are the ablations that it reports.
"""

from sterling.face.data import Modality
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import CDCN
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Seed,
    acer_gains,
    auc_gains,
    compare,
    fused,
)
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.study import Claim, Findings, Study, positive

MODALITIES: tuple[Modality, ...] = ("rgb", "depth", "ir")
SYSTEMS = ("feature", "input", "score", *MODALITIES, BASELINE)


class CdcnMultimodalConfig(ComparisonConfig):
    """Configuration of the study: what all comparisons have."""

    protocol: str = "flat_and_masks"
    captures: tuple[int, int, int] = (600, 120, 360)


def measure(config: CdcnMultimodalConfig, run: Run) -> Findings:
    """Train and test every arm on every seed, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    seeds = in_processes(_one_seed, calls, "seeds")
    write_scores(score_tables(seeds), run.folder)
    return comparison_findings(
        seeds,
        SYSTEMS,
        _claims(seeds),
        caption="feature: three trunks, fused at their features. input: one CDCN on the stacked "
        "channels. score: mean of the three single detectors' standardised scores. rgb, depth, ir: "
        "one CDCN each. thumbnails: logistic regression on 8×8 colours.",
        trained=["feature", "input", *MODALITIES],
    )


def _one_seed(config: CdcnMultimodalConfig, run: Run, index: int) -> Seed:
    def single(*modalities: Modality) -> Arm:
        return Arm(lambda seed: CDCN(config.width, modalities=modalities, seed=seed))

    arms: dict[str, Arm] = {
        "feature": Arm(lambda seed: CDCNMultimodal(config.width, seed=seed)),
        "input": single(*MODALITIES),
        **{name: single(name) for name in MODALITIES},
    }
    found = compare("cdcn_multimodal", config, run, index, arms)
    return fused(found, "score", MODALITIES)


def _claims(seeds: list[Seed]) -> list[Claim]:
    """Each question twice: by ACER, where one species can decide, and by AUC over all attacks.

    Masks stand beside the paper's prints and replays: on flat instruments alone depth is perfect,
    and no fusion can be better than another.
    """

    def question(worse: str, sentence: str, paper: str | None = None) -> list[Claim]:
        return [
            positive(
                f"feature_beats_{worse}",
                f"{sentence} (ACER, worst of all species).",
                acer_gains(seeds, "feature", worse),
                paper=paper,
            ),
            positive(
                f"feature_beats_{worse}_auc",
                f"{sentence} (AUC, all attacks).",
                auc_gains(seeds, "feature", worse),
            ),
        ]

    return [
        *question(
            "rgb",
            "Three modalities tell more than colour alone",
            "CeFA protocol 4: ACER 1.02 ± 0.59 % (multi-modal), 4.84 ± 1.79 % (colour)",
        ),
        *question("depth", "Three modalities tell more than depth alone"),
        *question("ir", "Three modalities tell more than infrared alone"),
        *question("input", "Fusion of features tells more than fusion at the input"),
        *question("score", "Fusion of features tells more than fusion of scores"),
        *question(BASELINE, "Three modalities tell more than 8×8 colour thumbnails"),
    ]


CDCN_MULTIMODAL_STUDY = Study(
    name="cdcn_multimodal",
    summary="Colour, depth and infrared: three central difference networks fused.",
    domain="face",
    cite="yu2020multimodal",
    presets={
        "smoke": CdcnMultimodalConfig(
            subjects=(3, 2, 3), captures=(24, 16, 36), size=32, seeds=2, width=4, epochs=1
        ),
        "quick": CdcnMultimodalConfig(),
        "paper": CdcnMultimodalConfig(
            captures=(1200, 900, 600),
            size=256,
            width=64,
            epochs=50,
            learning_rate=1e-4,
            step_epochs=20,
            step_factor=0.5,
            batch_size=9,
            augment=True,
        ),
    },
    measure=measure,
)
