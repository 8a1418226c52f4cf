"""Multi-modal CDCN: do three cameras tell more than one, and where should they be fused?

Yu et al., "Multi-Modal Face Anti-Spoofing Based on Central Difference Networks", CVPR workshops
2020. The paper's two tracks are the systems "rgb" (single-modal) and "feature" (multi-modal); the
others are the ablations that it reports.
"""

from sterling.face.data import Modality
from sterling.face.pad import CDCN
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import (
    ALL_MODALITIES,
    BASELINE,
    THUMBNAILS,
    Fusion,
    System,
    Systems,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Results


class CdcnMultimodalConfig(FaceConfig):
    """Configuration of the study: what all comparisons have."""

    protocol: str = "flat_and_masks"
    captures: tuple[int, int, int] = (600, 120, 360)


def systems(config: CdcnMultimodalConfig) -> Systems:
    """Three fusions, each modality alone, and the baseline."""

    def single(*modalities: Modality) -> System:
        return System(lambda seed: CDCN(config.width, modalities=modalities, seed=seed))

    return {
        "feature": System(lambda seed: CDCNMultimodal(config.width, seed=seed)),
        "input": single(*ALL_MODALITIES),
        "score": Fusion(ALL_MODALITIES),
        **{name: single(name) for name in ALL_MODALITIES},
        BASELINE: THUMBNAILS,
    }


QUESTIONS = {
    "rgb": "Three modalities tell more than colour alone",
    "depth": "Three modalities tell more than depth alone",
    "ir": "Three modalities tell more than infrared alone",
    "input": "Fusion of features tells more than fusion at the input",
    "score": "Fusion of features tells more than fusion of scores",
    BASELINE: "Three modalities tell more than 8×8 colour thumbnails",
}
PAPER = {"rgb": "CeFA protocol 4: ACER 1.02 ± 0.59 % (multi-modal), 4.84 ± 1.79 % (colour)"}


def claims(results: Results, _config: CdcnMultimodalConfig) -> list[Claim]:
    """Each question twice: by ACER, where one species can decide, and by AUC over all attacks.

    Masks are among the attacks, besides the paper's prints and replays: on flat instruments alone
    depth is perfect, and no fusion can be better than another.
    """
    acer, auc = results.series("acer"), results.series("auc")
    return [
        claim
        for worse, sentence in QUESTIONS.items()
        for claim in (
            acer.lower(
                f"feature_beats_{worse}",
                f"{sentence} (ACER, worst of all species).",
                "feature",
                than=worse,
                paper=PAPER.get(worse),
            ),
            auc.higher(
                f"feature_beats_{worse}_auc",
                f"{sentence} (AUC, all attacks).",
                "feature",
                than=worse,
            ),
        )
    ]


STUDY = face_study(
    ENTRIES["cdcn_multimodal"],
    systems=systems,
    claims=claims,
    modalities=ALL_MODALITIES,
    caption="feature: three trunks, fused at their features. input: one CDCN on the stacked "
    "channels. score: mean of the three single detectors' standardised scores. rgb, depth, ir: one "
    "CDCN each. thumbnails: logistic regression on 8×8 colours.",
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
)
