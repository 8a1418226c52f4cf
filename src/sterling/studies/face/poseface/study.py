"""PoseFace: is identity read without pose, and do profiles gain from a wider margin?

"PoseFace: Pose-Invariant Features and Pose-Adaptive Loss for Face Recognition" (arXiv 2107.11721).
Its loss weights, margins, backbone and numbers are not established; those here are ours. Heads are
rendered, so that yaw, pitch and landmarks are exact; nine of ten training poses are near-frontal,
and people of the test are others. Every system starts from the same weights, sees the same batches
and has the same network at test.
"""

from sterling.errors import InputError
from sterling.face.recognition import read_people
from sterling.measure.verification import SEEN
from sterling.runs import Run
from sterling.studies.face.poseface._cells import (
    ADAFACE,
    ARCFACE,
    BANDS,
    COSFACE,
    EVERY,
    FRONTAL,
    MARGIN,
    PAIRS,
    POSEFACE,
    PROFILE,
    SYSTEMS,
    PoseFaceConfig,
    measure_systems,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Study, Views, at_least

LOSS = 0.01  # AUC that counts as no loss; written before the run
READ = 0.9  # yaw R² of the pose feature


def measure(config: PoseFaceConfig, run: Run) -> Results:
    """Train and test every system in each repetition.

    Raises:
        InputError: The test people are too few for the false acceptance rate.
    """
    frontal = BANDS[0][2] * config.tested
    impostors = frontal * (frontal - BANDS[0][2]) // 2
    if config.far * impostors < SEEN:
        raise InputError(
            f"far {config.far:g}: {impostors} frontal pairs of two people are too few for rates "
            f"below {SEEN / impostors:.1g}; name that rate by --set far=..., or raise tested"
        )
    photographs, missed = (
        (None, 0)
        if config.data is None
        else read_people(config.data, size=config.size, pictures=config.pictures)
    )
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(measure_systems, grid, config, photographs, seed="poseface/{repetition}")
    return Results.of(rows, not_scored=missed)


def claims(results: Results, _config: PoseFaceConfig) -> list[Claim]:
    """Pose in the identity feature, verification over pose, and the price on frontal faces."""
    profile = results.series("AUC", pairs=PROFILE)
    frontal = results.series("AUC", pairs=FRONTAL)
    every = results.series("AUC", pairs=EVERY)
    return [
        results.series("yaw R²").lower(
            "less_yaw_in_identity",
            "A linear probe reads less yaw from PoseFace's identity feature than from ArcFace's.",
            POSEFACE,
            than=ARCFACE,
            paper="identity and pose in orthogonal subspaces; no numbers established",
        ),
        at_least(
            "accuracy_kept",
            f"Over all poses PoseFace's AUC is at most {LOSS:g} below ArcFace's.",
            every.gain(POSEFACE, ARCFACE),
            -LOSS,
        ),
        at_least(
            "pose_feature_has_yaw",
            f"A linear probe of the pose feature explains {READ:g} of yaw's variance or more.",
            results.values("yaw R², pose feature", system=POSEFACE),
            READ,
        ),
        *(
            profile.higher(
                f"profiles_better_than_{other}",
                f"Frontal to profile, PoseFace's AUC is higher than {name}'s.",
                POSEFACE,
                than=other,
                paper="better than margins without pose; no numbers established",
            )
            for other, name in ((ARCFACE, "ArcFace"), (COSFACE, "CosFace"), (ADAFACE, "AdaFace"))
        ),
        profile.higher(
            "margin_helps_profiles",
            "Frontal to profile, the pose-adaptive margin alone has a higher AUC than ArcFace.",
            MARGIN,
            than=ARCFACE,
        ),
        at_least(
            "margin_costs_nothing_frontal",
            f"On frontal faces the pose-adaptive margin's AUC is at most {LOSS:g} below ArcFace's.",
            frontal.gain(MARGIN, ARCFACE),
            -LOSS,
        ),
    ]


def views(results: Results, config: PoseFaceConfig) -> Views:
    """Systems by kind of pair, and pose in features."""
    tables = [
        results.table(
            f"verification-{number}",
            pairs.capitalize(),
            "system",
            [
                Column("AUC", "AUC", {"pairs": pairs}, "interval"),
                Column(f"TAR at FAR {config.far:g}", "TAR", {"pairs": pairs}, "interval"),
            ],
            order=SYSTEMS,
            caption="People that training did not see. Frontal: yaw within ±10°; profile: 60° or "
            "more.",
        )
        for number, pairs in enumerate(PAIRS)
    ]
    tables.append(
        results.table(
            "pose",
            "Pose in the features",
            "system",
            [
                Column("yaw R²", "yaw R²", show="interval"),
                Column("yaw R², pose feature", "yaw R², pose feature"),
                Column("overlap falls by", "subspace overlap, fall"),
                Column("correlation with pose", "correlation with pose"),
            ],
            order=SYSTEMS,
            caption="R²: share of the variance of yaw that a ridge on unit features explains, "
            "fitted on other people. Overlap: ‖W_id W_pᵀ‖ of unit rows. Correlation: root mean "
            "square between identity and pose features; orthogonal rows leave it, since the "
            "backbone's features are correlated.",
        )
    )
    if config.data is not None:
        tables.append(
            results.table(
                "photographs",
                f"Photographs in {config.data.name}",
                "system",
                [Column("AUC", "AUC, photographs", show="interval")],
                order=SYSTEMS,
                caption="All pairs of pictures, by networks trained on rendered heads in grey.",
            )
        )
    bars = results.bars(
        "profiles",
        "Frontal to profile",
        "AUC over pairs of a frontal and a profile picture of unseen people.",
        "AUC",
        order=SYSTEMS,
        value_label="AUC",
        pairs=PROFILE,
    )
    metrics = [
        *(
            results.metric(f"AUC, {pairs}, {system}", "AUC", "share", system=system, pairs=pairs)
            for system in SYSTEMS
            for pairs in PAIRS
        ),
        *(results.metric(f"yaw R², {one}", "yaw R²", "share", system=one) for one in SYSTEMS),
        results.metric("yaw R², pose feature", "yaw R², pose feature", "share", system=POSEFACE),
        results.metric(
            "fall of the subspace overlap", "subspace overlap, fall", "ratio", system=POSEFACE
        ),
        results.metric("landmark error of the auto-encoder", "landmark error", "pixels"),
    ]
    return Views(metrics, tables, [bars])


def scope(config: PoseFaceConfig) -> str:
    """Return the scope of the figures."""
    text = "SIMULATED: rendered heads with exact pose; small networks trained here."
    if config.data is not None:
        text += f" Photographs in {config.data}, in grey, are scored by the same networks."
    return text


STUDY = Study(
    ENTRIES["poseface"],
    presets={
        "smoke": PoseFaceConfig(
            seeds=2,
            people=12,
            poses=2,
            lights=1,
            tested=10,
            size=16,
            width=4,
            features=32,
            dimension=16,
            iterations=4,
            batch=8,
            far=0.1,
        ),
        "quick": PoseFaceConfig(),
        "paper": PoseFaceConfig(
            people=10_000,
            poses=10,
            size=112,
            width=64,
            features=768,
            dimension=512,
            iterations=100_000,
            batch=512,
            scale=64.0,
            margin=0.4,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
