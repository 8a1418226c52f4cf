"""The 3D High-Fidelity Mask challenge: the winning ideas, and what the rule of scoring lets pass.

Liu et al., "3D High-Fidelity Mask Face Presentation Attack Detection Challenge", ICCV Workshops
2021. The challenge's own data are protocol 3 of HiFiMask; without them bona fides and masks are
simulated, of which one material, plaster, is never trained on. The entries of the first repetition
are in a leaderboard in the run's folder, which can be verified.
"""

from sterling.studies.face._harness.study import scope_of
from sterling.studies.face._harness.systems import BASELINE
from sterling.studies.face._harness.views import face_views
from sterling.studies.face.hifimask_challenge._entries import BLIND, HONEST, PROBED, RULES, measure
from sterling.studies.face.hifimask_challenge._systems import (
    CORRUPTION,
    FACE,
    FIRST,
    KINDS,
    NAME,
    PARTS,
    PIXEL,
    SYSTEMS,
    WHOLE,
    HifimaskChallengeConfig,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views


def claims(results: Results, _config: HifimaskChallengeConfig) -> list[Claim]:
    """The winning ideas by AUC, and what clamped scores gain by ACER."""
    auc = results.series("auc")
    first = results.select(system=FIRST)
    by_rule = first.series("acer", by="rule")
    ideas = (
        ("parts_beat_face", "Part crops have a higher AUC than the face alone.", PARTS, FACE),
        (
            "parts_beat_all_pixels",
            "Part crops have a higher AUC than the face alone at their resolution.",
            PARTS,
            WHOLE,
        ),
        ("trash_helps", "Corrupted bona fides as attacks raise the AUC.", CORRUPTION, PARTS),
        ("flip_helps", "Averaging with the mirror image raises the AUC.", FIRST, CORRUPTION),
        (
            "pixel_beats_binary",
            "Pixel-wise supervision has a higher AUC than a binary label.",
            PIXEL,
            FACE,
        ),
        (
            "first_place_beats_face",
            "Crops, corruption and flipping together have a higher AUC than the face alone.",
            FIRST,
            FACE,
        ),
        ("beats_trivial_baseline", "The AUC is above 8×8 thumbnails'.", FIRST, BASELINE),
    )
    return [
        *(auc.higher(name, sentence, one, than=other) for name, sentence, one, other in ideas),
        first.series("auc of materials", by="seen").higher(
            "unseen_material_is_harder",
            "The AUC against plaster, never trained on, is below that against trained materials.",
            "seen",
            than="unseen",
        ),
        by_rule.lower(
            "clamping_blind_wins",
            "Clamped dev scores lower the ACER when only the share of bona fides in test is known.",
            BLIND,
            than=HONEST,
        ),
        by_rule.lower(
            "clamping_with_feedback_wins",
            "The best of eleven clamped submissions has a lower ACER than the honest one.",
            PROBED,
            than=HONEST,
        ),
    ]


def views(results: Results, _config: HifimaskChallengeConfig) -> Views:
    """All entries by rule and by material."""
    common = face_views(
        results,
        SYSTEMS,
        caption="full face: one residual trunk on the face at half its resolution. full face, all "
        "pixels: the same trunk at full resolution. part crops: face and five windows at full "
        "resolution, a head each. corruption: that with tiny parts of pictures as attacks. "
        "corruption, flip: that averaged with the mirror image, which is the first place's recipe. "
        "pixel-wise: central differences, a map of the class. SSDG: bona fides of all cameras "
        "alike. spectrum, colour texture: hand-crafted features and a linear machine. thumbnails: "
        "logistic regression on 8×8 colours.",
        trained=[CORRUPTION, FACE],
        kinds=KINDS,
    )
    rules = results.select(rule=RULES)
    by_rule = rules.table(
        "rules",
        "Errors by the rule of the threshold",
        ("system", "rule"),
        [
            Column("ACER", "acer", show="interval"),
            Column("worst APCER", "worst apcer"),
            Column("BPCER", "bpcer"),
        ],
        order=SYSTEMS,
        headings=("system", "threshold"),
        caption="Means over repetitions with 95 % Student-t intervals; all rules score the same "
        "captures of test. dev: equal error on dev. clamped blind: dev scores within 0.005 of the "
        "score that the published share of bona fides in test reaches. best of eleven clamped: "
        "eleven such submissions, from 0.6 to 1.4 times that share, the lowest ACER. held out: "
        "equal error on captures of test held out. bounded: the BPCER of those is bounded with "
        "confidence.",
    )
    bars = rules.select(system=FIRST).bars(
        "rules",
        "One detector, five thresholds",
        f"ACER of {FIRST}, means over repetitions with 95 % intervals.",
        "acer",
        by="rule",
        order=RULES,
        value_label="ACER",
    )
    materials = results.table(
        "materials",
        "AUC by material",
        ("system", "material", "seen"),
        [Column("AUC", "auc", show="interval")],
        order=SYSTEMS,
        headings=("system", "material", "in training"),
        caption="Means over repetitions with 95 % Student-t intervals; 0.5 is chance.",
    )
    return Views(common.metrics, [*common.tables, by_rule, materials], [bars, *common.figures])


STUDY = Study(
    ENTRIES[NAME],
    presets={
        "smoke": HifimaskChallengeConfig(
            subjects=(3, 2, 4),
            captures=(12, 8, 40),
            size=64,
            seeds=2,
            width=2,
            epochs=1,
            map_width=4,
            share=0.5,
            bpcer=0.3,
        ),
        "quick": HifimaskChallengeConfig(),
        "paper": HifimaskChallengeConfig(
            captures=(3715, 536, 2000),
            size=224,
            width=64,
            depth=18,
            map_width=64,
            epochs=60,
            learning_rate=6e-4,
            step_factor=0.9,
            batch_size=48,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope_of,
    repetitions="seeds",
)
