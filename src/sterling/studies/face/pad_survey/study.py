"""The families of face presentation attack detection in one table, and what carries to the new.

Yu et al., "Deep Learning for Face Anti-Spoofing: A Survey", IEEE TPAMI 2023: hand-crafted texture,
binary labels, pixel-wise labels, pseudo-depth and other auxiliary maps, domain generalisation and
adaptation, and anomaly detection. The survey's types of protocol are parts of one test: a family is
trained once, and its test captures are told apart by what training has not seen, camera, light,
both or neither. For the last type it is trained again without some instruments, and tested on
those.
"""

from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import BASELINE
from sterling.studies.face.pad_survey._families import (
    ADAPTED,
    BINARY,
    CAMERAS,
    CHANCE,
    COLOUR,
    DEPTH,
    INSTRUMENTS,
    LEFT_OUT,
    LIGHTS,
    MULTI,
    NEW,
    ONE_CLASS,
    PEOPLE,
    REVERSED,
    SIDED,
    SYSTEMS,
    TEXTURE,
    PadSurveyConfig,
    by_novelty,
    settings,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Views


def claims(results: Results, _config: PadSurveyConfig) -> list[Claim]:
    """All by AUC, each in the type of protocol that it speaks of."""
    auc = {new: results.select(setting=None, new=new).series("auc") for new in NEW}

    def higher(name: str, sentence: str, new: str, better: str, worse: str) -> Claim:
        return auc[new].higher(name, f"{sentence}, new {new}.", better, than=worse)

    def key(system: str) -> str:
        return system.lower().replace(" ", "_").replace("-", "_")

    binary = "has a higher AUC than a binary label"
    return [
        *(
            higher(
                f"{key(system)}_beats_trivial_baseline",
                f"The AUC is above that of 8×8 thumbnails: {system}",
                PEOPLE,
                system,
                BASELINE,
            )
            for system in SYSTEMS[:-1]
        ),
        higher(
            "colour_beats_grey_texture",
            "Texture of colour channels has a higher AUC than of luminance",
            PEOPLE,
            COLOUR,
            TEXTURE,
        ),
        higher(
            "depth_beats_texture",
            "Pseudo-depth has a higher AUC than colour texture",
            PEOPLE,
            DEPTH,
            COLOUR,
        ),
        *(
            higher(f"depth_beats_binary_new_{new}", f"Pseudo-depth {binary}", new, DEPTH, BINARY)
            for new in (PEOPLE, CAMERAS)
        ),
        *(
            higher(
                f"{key(system)}_beats_binary_new_cameras",
                f"{system} {binary}",
                CAMERAS,
                system,
                BINARY,
            )
            for system in (SIDED, REVERSED, MULTI, ADAPTED)
        ),
        higher(
            "one_class_beats_texture_new_instruments",
            "Anomaly detection has a higher AUC than two classes of the same texture",
            INSTRUMENTS,
            ONE_CLASS,
            COLOUR,
        ),
        *(
            results.select(setting=None, system=system)
            .series("auc", by="new")
            .higher(
                f"new_{new}_cost_{key(system)}",
                f"New {new} lower the AUC: {system}.",
                PEOPLE,
                than=new,
            )
            for system in (DEPTH, BINARY, COLOUR)
            for new in (CAMERAS, LIGHTS)
        ),
    ]


def views(results: Results, _config: PadSurveyConfig) -> Views:
    """Families by type of protocol."""
    by_new = results.select(setting=None)
    table = by_new.table(
        "families",
        "Families by what is new in test",
        ("system", "new"),
        [Column("AUC", "auc", show="interval"), Column("ACER", "acer", show="interval")],
        headings=("family", "new"),
        caption="Means over repetitions with 95 % Student-t intervals; people are always new. ACER "
        "of the worst species at the threshold of equal error on development captures. "
        f"instruments: {', '.join(LEFT_OUT)} are not trained on, and alone count as attacks.",
    )
    figure = by_new.matrix(
        "families",
        "AUC of each family by what is new in test",
        "Means over repetitions; 0.5 is chance. People are always new.",
        rows="system",
        columns=[Column(new, "auc", {"new": new}) for new in NEW],
        value_label="AUC",
        centre=CHANCE,
    )
    return Views([], [table], [figure])


STUDY = face_study(
    ENTRIES["pad_survey"],
    settings=settings,
    claims=claims,
    extra=by_novelty,
    views=views,
    shown=SYSTEMS,
    caption="All test captures, all instruments trained on. pseudo-depth: CDCN, depth of the face. "
    "mask: the same with a constant label, no difference term. pixel-wise: DeepPixBiS. depth and "
    "reflection: two maps, one against the other. Fourier: a residual network that also predicts "
    "the spectrum. binary: residual network, cross-entropy. SSDG: bona fides of all cameras alike. "
    "gradient reversal: SSDG without its triplets. MADDG: one discriminator a camera, triplets and "
    "depth. adaptation: features of a third of the test captures, whose labels stay unknown, made "
    "alike. colour texture, texture: local binary patterns and a linear machine. one class: "
    "distance of colour texture from bona fides alone. thumbnails: logistic regression on 8×8 "
    "colours.",
    presets={
        "smoke": PadSurveyConfig(
            subjects=(3, 2, 3),
            captures=(16, 8, 32),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            residual_width=4,
            residual_epochs=1,
        ),
        "quick": PadSurveyConfig(),
        "paper": PadSurveyConfig(
            captures=(4000, 1000, 2000),
            size=256,
            width=64,
            epochs=100,
            step_epochs=40,
            batch_size=16,
            augment=True,
            residual_width=64,
            residual_depth=18,
            residual_epochs=100,
        ),
    },
)
