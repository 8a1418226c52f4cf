"""EPCR: does unlabelled data help when few captures are labelled, and is it the consistency?

Wang et al., "Consistency Regularization for Deep Face Anti-Spoofing", IEEE TIFS 2023. A system
without unlabelled captures takes as many steps as one with them. The protocols follow what the
release's lists imply; their official names are unknown, these are ours. Instruments are flat, as in
the paper's data, but for the protocol that asks for masks.
"""

from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import BASELINE
from sterling.studies.face._harness.views import in_setting, settings_table
from sterling.studies.face.epcr._protocols import (
    CONSISTENT,
    FEW,
    LABELS,
    NO_EMBEDDING,
    NO_PREDICTION,
    SAME,
    SPREAD_BAR,
    EpcrConfig,
    protocols,
    settings,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Views


def claims(results: Results, config: EpcrConfig) -> list[Claim]:
    """Unlabelled captures in every protocol, and the ablations."""
    few = in_setting(results, FEW)
    spread = results.select(setting=FEW).series("spread")
    return [
        *(
            in_setting(results, protocol.setting.name).higher(
                f"unlabelled_captures_help_{protocol.setting.key}",
                "Unlabelled captures and consistency give a higher AUC than the labels alone, "
                f"{protocol.question}.",
                CONSISTENT,
                than=LABELS,
                paper="abstract: gains in the supervised and semi-supervised tasks",
            )
            for protocol in protocols(config)
        ),
        few.higher(
            "embedding_helps",
            "The consistency of embeddings raises the AUC.",
            CONSISTENT,
            than=NO_EMBEDDING,
        ),
        few.higher(
            "prediction_helps",
            "The consistency of predictions raises the AUC.",
            CONSISTENT,
            than=NO_PREDICTION,
        ),
        few.higher(
            "every_position_beats_same_position",
            "Comparing every position with every other gives a higher AUC than equal positions.",
            CONSISTENT,
            than=SAME,
        ),
        few.higher(
            "beats_trivial_baseline",
            "The AUC is above that of 8×8 thumbnails.",
            CONSISTENT,
            than=BASELINE,
        ),
        spread.at_least(
            "no_collapse",
            "Embeddings do not collapse: their spread over captures is at least "
            f"{SPREAD_BAR:g} (ours).",
            CONSISTENT,
            SPREAD_BAR,
        ),
    ]


def views(results: Results, _config: EpcrConfig) -> Views:
    """Every protocol, and the spread of embeddings."""
    protocols_table = settings_table(
        results,
        CONSISTENT,
        LABELS,
        title="Labelled captures, and what the rest adds",
        caption="flat: AUC against masks. target: half of the tested subjects train without labels "
        "and are not tested.",
    )
    spread = results.select(setting=FEW).table(
        "spread",
        "Do embeddings collapse?",
        "system",
        [Column("spread", "spread", show="interval")],
        caption="Deviation of the mean unit embedding over test captures times the root of its "
        "channels: 0 is collapse.",
    )
    return Views([], [protocols_table, spread])


def caption(config: EpcrConfig) -> str:
    """Describe each system."""
    return (
        f"{config.labelled:.0%} of the subjects are labelled. epcr: the others train without "
        "labels. labels: without the others, for as many steps. no embedding, no prediction: one "
        "of the two consistencies. same positions: position by position instead of every one with "
        "every other. all labels: all are labelled, without consistency. thumbnails: logistic "
        "regression on 8×8 colours, all labelled."
    )


STUDY = face_study(
    ENTRIES["epcr"],
    settings=settings,
    claims=claims,
    views=views,
    caption=caption,
    presets={
        "smoke": EpcrConfig(
            subjects=(4, 2, 4),
            captures=(16, 8, 16),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            augment=True,
        ),
        "quick": EpcrConfig(),
        "paper": EpcrConfig(
            captures=(4000, 1000, 2000),
            size=256,
            width=64,
            epochs=800,
            learning_rate=0.0075,
            step_epochs=200,
            batch_size=64,
            theta=0.7,
            augment=True,
        ),
    },
)
