"""CCL: does contrasting captures that share their context make masks easier to tell?

Liu et al., "Contrastive Context-Aware Learning for 3D High-Fidelity Mask Face Presentation Attack
Detection", IEEE TIFS 2022. The systems of a setting take the same steps. The settings follow
HiFiMask's protocols: masks seen in training, one kind of mask left out, the open set; and one of
ours, in which light agrees with the class in training and disagrees in test.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.face.data import Faces, Manifest
from sterling.face.pad.networks.ccl import CCL, ContextContrast, contexts_of
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import (
    BASELINE,
    THUMBNAILS,
    Setting,
    Settings,
    System,
    Systems,
    leave_out,
)
from sterling.studies.face._harness.views import in_setting, settings_table
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Results, Views

CONTEXT, CROSS_ENTROPY, RANDOM = "ccl", "cross-entropy", "random pairs"
NO_SIMILARITY = "no similarity"
SEEN, CONFOUNDED = "seen masks", "confounded"
LEFT_OUT = ("mask_plaster", "mask_resin", "mask_silicone")
BRIGHT = ("office", "window")


class CclConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        depth: Depth of the residual encoder: 10, 18 or 34; the paper's is 50.
        contrast_weight: Weight of the contrastive loss.
        similar_weight: Weight of the similarity loss.
        agreement: Share of the training captures whose light agrees with the class, where it does.
    """

    protocol: str = "masks"
    captures: tuple[int, int, int] = (400, 100, 280)
    width: int = Field(default=16, ge=1)
    epochs: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    step_epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=16, ge=1)
    depth: int = 10
    contrast_weight: float = Field(default=1.0, ge=0)
    similar_weight: float = Field(default=1.0, ge=0)
    agreement: float = Field(default=0.9, gt=0.5, lt=1)


def settings(config: CclConfig) -> Settings:
    """HiFiMask's protocols 1, 2 (once for each mask left out) and 3, and one of ours."""
    changed = [
        Setting(SEEN),
        *(
            Setting(f"without {name.removeprefix('mask_')}", changed=partial(leave_out, name))
            for name in LEFT_OUT
        ),
        Setting("open set", captures="masks_open"),
        Setting(CONFOUNDED, changed=partial(confound, config.agreement)),
    ]
    return {setting: _systems(config, setting.name) for setting in changed}


def _systems(config: CclConfig, setting: str) -> Systems:
    weights = {
        "contrast_weight": config.contrast_weight,
        "similar_weight": config.similar_weight,
    }

    def system(**changes: Any) -> System:
        def objective(training: Faces) -> ContextContrast:
            return ContextContrast(
                training.images,
                torch.from_numpy(contexts_of(training.manifest)),
                torch.from_numpy(training.manifest.bona_fide),
                **{**weights, **changes},
            )

        return System(lambda seed: CCL(config.depth, config.width, seed=seed), objective=objective)

    found: dict[str, System] = {
        CONTEXT: system(),
        CROSS_ENTROPY: system(contrast_weight=0.0, similar_weight=0.0),
    }
    if setting in (SEEN, CONFOUNDED):
        found[RANDOM] = system(pairs="random")
    if setting == SEEN:
        found[NO_SIMILARITY] = system(similar_weight=0.0)
    return {**found, BASELINE: THUMBNAILS}


def confound(agreement: float, faces: Faces) -> Faces:
    """Captures in which the light tells the class in training, and the other one in test.

    In training and development bona fides stand in bright light and attacks in other light, for a
    share of `agreement` of them; in test the other way round.
    """
    manifest = faces.manifest
    agrees = manifest.matches(illumination=BRIGHT) == manifest.bona_fide
    test = manifest.matches(split="test")
    wanted = np.where(test, ~agrees, agrees)
    return faces.select(wanted | _few(manifest, ~wanted, wanted, 1 / agreement - 1))


def _few(
    manifest: Manifest, rows: NDArray[np.bool_], beside: NDArray[np.bool_], share: float
) -> NDArray[np.bool_]:
    """The first of `rows` in every split and class, so many that they are `share` of `beside`."""
    chosen = np.zeros(len(manifest), dtype=np.bool_)
    for split in ("train", "dev", "test"):
        for live in (True, False):
            cell = manifest.matches(split=split) & (manifest.bona_fide == live)
            count = round(share * int((cell & beside).sum()))
            chosen[np.flatnonzero(cell & rows)[:count]] = True
    return chosen


def claims(results: Results, config: CclConfig) -> list[Claim]:
    """Pairs by context against cross-entropy in every setting, and the ablations."""
    seen = in_setting(results, SEEN)
    return [
        *(
            in_setting(results, name).higher(
                f"context_beats_cross_entropy_{name.replace(' ', '_')}",
                f"Pairs by context give a higher AUC than cross-entropy alone: {name}.",
                CONTEXT,
                than=CROSS_ENTROPY,
            )
            for name in (setting.name for setting in settings(config))
        ),
        seen.higher(
            "context_beats_random_pairs",
            "Pairs by context give a higher AUC than random pairs.",
            CONTEXT,
            than=RANDOM,
        ),
        in_setting(results, CONFOUNDED).higher(
            "context_beats_random_pairs_confounded",
            "Where light agrees with the class in training and not in test, they do, too.",
            CONTEXT,
            than=RANDOM,
        ),
        seen.higher(
            "similarity_helps",
            "The similarity loss raises the AUC.",
            CONTEXT,
            than=NO_SIMILARITY,
        ),
        seen.higher(
            "beats_trivial_baseline", "The AUC is above 8×8 thumbnails'.", CONTEXT, than=BASELINE
        ),
    ]


def views(results: Results, config: CclConfig) -> Views:
    """Every setting."""
    table = settings_table(
        results,
        CONTEXT,
        CROSS_ENTROPY,
        title="Pairs by context against cross-entropy, by what is new in test",
        caption="confounded: in training the light agrees with the class for "
        f"{config.agreement:.0%} of the captures, in test it does not.",
    )
    return Views([], [table])


STUDY = face_study(
    ENTRIES["ccl"],
    settings=settings,
    claims=claims,
    views=views,
    shown=(CONTEXT, CROSS_ENTROPY, RANDOM, NO_SIMILARITY, BASELINE),
    caption="Masks seen in training. ccl: pairs by context. cross-entropy: the same network and "
    "captures without contrast. random pairs: contrast with any capture of the other class. no "
    "similarity: without the third loss. thumbnails: logistic regression on 8×8 colours.",
    presets={
        "smoke": CclConfig(
            subjects=(3, 2, 3), captures=(32, 16, 32), size=32, seeds=2, width=4, epochs=1
        ),
        "quick": CclConfig(),
        "paper": CclConfig(
            captures=(4000, 1000, 2000),
            size=224,
            width=64,
            depth=34,
            epochs=60,
            step_epochs=20,
            batch_size=64,
        ),
    },
)
