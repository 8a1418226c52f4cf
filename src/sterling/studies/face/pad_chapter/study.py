"""Types of protocol, from known cameras and instruments to neither, and a pulse against masks.

Yu, Zhao, Lei, "Face Presentation Attack Detection", a chapter of 2022: attacks as ISO/IEC 30107
defines them, from prints and replays to three-dimensional and partial masks, and four types of
protocol. Each detector is trained on all kinds of instruments, and again without each kind; all are
tested on the same captures, so that what a kind costs when it is new is not confounded with how
hard it is. A set is its cameras and lights; people are always new.
"""

from sterling.face.capture import KINDS
from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import BASELINE
from sterling.studies.face.pad_chapter._protocols import (
    BOTH,
    CHANCE,
    COLOUR,
    HYBRID,
    INTRA,
    LIMITED_SETS,
    PIXEL,
    POS,
    PROTOCOLS,
    SETS,
    SYSTEMS,
    TYPES,
    PadChapterConfig,
    by_protocol,
    settings,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Views, positive


def claims(results: Results, _config: PadChapterConfig) -> list[Claim]:
    """Test the cost of new kinds and sets, and the gain from the hybrid and the pulse."""
    found = []
    ours = results.select(setting=None)
    for system in (COLOUR, PIXEL, HYBRID):
        key = system.replace(" ", "_").replace("-", "_")
        by_type = ours.select(system=system).series("auc", by="protocol")
        found += [
            by_type.higher(
                f"new_kinds_cost_{key}",
                f"A kind of instruments that is new lowers its AUC: {system}.",
                INTRA,
                than=TYPES,
            ),
            by_type.higher(
                f"new_sets_cost_{key}",
                f"New cameras and lights lower the AUC: {system}.",
                INTRA,
                than=SETS,
            ),
            positive(
                f"both_new_is_hardest_{key}",
                f"Both new lower the AUC below either alone: {system}.",
                ours.values("cost of both beyond either", system=system),
            ),
        ]
    for protocol, key in ((INTRA, "nothing_new"), (BOTH, "both_new")):
        found += [
            ours.series("auc", protocol=protocol).higher(
                f"{name}_beats_trivial_baseline_{key}",
                f"{system} has a higher AUC than 8×8 thumbnails, protocol {protocol}.",
                system,
                than=BASELINE,
            )
            for name, system in (("texture", COLOUR), ("hybrid", HYBRID))
        ]
    pulse = ours.series("pulse auc", by="against", method=POS)
    return [
        *found,
        positive(
            "hybrid_beats_its_parts_both_new",
            "The hybrid has a higher AUC than either of its parts when set and kind are new.",
            ours.values("gain over both parts"),
        ),
        ours.select(system=HYBRID)
        .series("auc", by="protocol")
        .higher(
            "one_camera_costs_new_sets",
            "Trained on one camera instead of three, the hybrid's AUC on new sets is lower.",
            SETS,
            than=LIMITED_SETS,
        ),
        positive(
            "pulse_tells_masks",
            "The shared pulse (POS) tells masks from faces: AUC above 0.5.",
            [area - CHANCE for area in pulse["masks"]],
        ),
        pulse.higher(
            "pulse_tells_replays_less",
            "It tells replays, which hold a filmed pulse, less well than masks.",
            "masks",
            than="replays",
        ),
    ]


def views(results: Results, _config: PadChapterConfig) -> Views:
    """Families by type of protocol and kind, and the pulse."""
    ours = results.select(setting=None)
    means = [Column("AUC", "auc", show="interval")]
    protocols = ours.table(
        "protocols",
        "Families by type of protocol",
        ("system", "protocol"),
        means,
        headings=("family", "protocol"),
        caption="Mean over kinds of instruments, then over repetitions, with 95 % Student-t "
        "intervals. a and b are trained on all kinds; c and d never saw the kind that they are "
        "tested on. b and d: the camera or the light of the capture is new.",
    )
    kinds = ours.table(
        "kinds_by_protocol",
        "Each kind of instruments, known and new",
        ("kind", "system"),
        [Column(name, "auc", {"protocol": name}) for name in PROTOCOLS[:4]],
        order=tuple(KINDS),
        headings=("kind", "family"),
        caption="AUC, means over repetitions.",
    )
    pulse = ours.table(
        "pulse",
        "A shared pulse in clips of seated people",
        ("method", "against"),
        [Column("AUC", "pulse auc", show="interval")],
        caption="Forehead and cheeks; nothing is learned. Means over repetitions with 95 % "
        "Student-t intervals.",
    )
    figure = ours.matrix(
        "protocols",
        "AUC by type of protocol",
        "Means over repetitions and kinds of instruments; 0.5 is chance.",
        rows="system",
        columns=[Column(name, "auc", {"protocol": name}) for name in PROTOCOLS],
        value_label="AUC",
        centre=CHANCE,
    )
    return Views([], [protocols, kinds, pulse], [figure])


STUDY = face_study(
    ENTRIES["pad_chapter"],
    settings=settings,
    claims=claims,
    extra=by_protocol,
    views=views,
    shown=SYSTEMS,
    caption="Trained on all kinds of instruments. pixel-wise: DeepPixBiS. Fourier: a residual "
    "network that also predicts the spectrum. colour texture: local binary patterns and a linear "
    "machine. hybrid: the mean of the standardised scores of pixel-wise and colour texture. "
    "thumbnails: logistic regression on 8×8 colours.",
    presets={
        "smoke": PadChapterConfig(
            subjects=(2, 1, 2),
            captures=(24, 16, 36),
            size=64,
            seeds=2,
            width=4,
            epochs=1,
            dense_layers=(1, 1),
            clips=6,
            clip_people=2,
            clip_size=32,
            clip_frames=16,
            clip_rate=8.0,
        ),
        "quick": PadChapterConfig(),
        "paper": PadChapterConfig(
            captures=(4000, 1000, 2000),
            size=224,
            width=96,
            epochs=100,
            step_epochs=40,
            batch_size=32,
            learning_rate=1e-4,
            residual_depth=18,
            dense_layers=(6, 12),
            clips=200,
            clip_people=40,
            clip_frames=250,
            clip_rate=25.0,
        ),
    },
)
