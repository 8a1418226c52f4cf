"""CQIL: is a detector that learned from pairs of qualities more robust to surveillance cameras?

Fang et al., "Surveillance Face Anti-Spoofing", IEEE TIFS 2024. Captures are of bona fides, flat
instruments and masks. The settings follow SuHiFiMask's protocols: by identity, one mask left out,
and by quality, where only the test is of low quality.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import Field
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict

from sterling.face.data import Degradation, Faces, degrade
from sterling.face.pad import Detector, normalise
from sterling.face.pad.networks.cqil import CQIL, QualityInvariance, lower_quality
from sterling.measure import Scores, auc
from sterling.runs import Row
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
from sterling.study import Claim, Column, Results, Views, positive, row

INVARIANT, CROSS_ENTROPY, COPIES = "cqil", "cross-entropy", "corrupted copies"
NO_CONTRAST, NO_RESTORING, NO_SEPARATION = "no contrast", "no restoring", "no separation"
LOW_QUALITY = "low quality"
CURVES: dict[Degradation, tuple[float, ...]] = {
    "low_resolution": (0, 1, 2, 3, 5),
    "noise": (0, 5, 10, 20, 40),
    "jpeg": (0, 30, 60, 80, 95),
}
HALVED: tuple[Degradation, float] = ("low_resolution", 1.0)
"""Corruption of pictures that shows how far scores move."""


class CqilConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        depth: Depth of the residual encoder: 10, 18 or 34.
        restoring: Residual blocks of the restoring network.
        contrast_weight: Weight of the contrast of qualities.
        restore_weight: Weight of the restoring network's error.
        separate_weight: Weight of the branch of quality.
    """

    protocol: str = "low_quality"
    captures: tuple[int, int, int] = (400, 100, 280)
    width: int = Field(default=16, ge=1)
    epochs: int = Field(default=6, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    step_epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=16, ge=1)
    depth: int = 10
    restoring: int = Field(default=2, ge=1)
    contrast_weight: float = Field(default=1.0, ge=0)
    restore_weight: float = Field(default=1.0, ge=0)
    separate_weight: float = Field(default=0.1, ge=0)


def settings(config: CqilConfig) -> Settings:
    """SuHiFiMask's protocols 3, 1 and 2; the one by quality first, which the paper is about."""
    chosen = (
        Setting(LOW_QUALITY),
        Setting("surveillance", captures="surveillance"),
        Setting(
            "surveillance, without resin",
            captures="surveillance",
            changed=partial(leave_out, "mask_resin"),
        ),
    )
    return {setting: _systems(config, setting.name) for setting in chosen}


def _systems(config: CqilConfig, setting: str) -> Systems:
    weights = {
        "contrast_weight": config.contrast_weight,
        "restore_weight": config.restore_weight,
        "separate_weight": config.separate_weight,
    }

    def system(restoring: int, separate: bool, **changes: float) -> System:
        objective = QualityInvariance(**{**weights, **changes})
        return System(
            lambda seed: CQIL(config.depth, config.width, restoring, separate, seed=seed),
            objective=lambda _training: objective,
            finish=_quality if setting == LOW_QUALITY else None,
        )

    bare = system(0, False, contrast_weight=0.0)
    # The training loop's own objective, with the same augmentation of tones.
    plain = System(bare.network, changes={"augment": True}, finish=bare.finish)
    found = {INVARIANT: system(config.restoring, True), CROSS_ENTROPY: plain}
    if setting == LOW_QUALITY:
        found |= {
            COPIES: bare,
            NO_CONTRAST: system(config.restoring, True, contrast_weight=0.0),
            NO_RESTORING: system(0, True),
            NO_SEPARATION: system(config.restoring, False),
        }
    return {**found, BASELINE: THUMBNAILS}


def _quality(detector: Detector, faces: Faces, _result: Mapping[str, Any]) -> Iterable[Row]:
    """Measure a trained network's response to quality on development captures, which are sharp."""
    network, development = detector.model, faces.split("dev")
    assert isinstance(network, CQIL)
    images, label = development.images, development.manifest.bona_fide
    moved = np.abs(detector.score(degrade(images, *HALVED)) - detector.score(images)).mean()
    corrupted, amounts = lower_quality(images, torch.Generator().manual_seed(0))
    sharp, blurred = normalise(images), normalise(corrupted)
    with torch.inference_mode():
        features = network.liveness_features(blurred).double().numpy()
        restored = float((network.restore(blurred) - sharp).square().mean())
        left = float((blurred - sharp).square().mean())
    yield row("score moved", float(moved))
    yield row("quality explained", _explained(features, amounts.double().numpy()))
    yield row("restored, dB", float(10 * np.log10(left / restored)))
    for kind, strengths in CURVES.items():
        for strength in strengths:
            scores = Scores(detector.score(degrade(images, kind, strength)), label)
            yield row("auc", auc(scores).value, corruption=kind, strength=strength)


def _explained(features: np.ndarray, amounts: np.ndarray) -> float:
    """Share of the variance of lost quality that ridge regression reads from held-out features."""
    folds = KFold(5, shuffle=True, random_state=0)
    read = cross_val_predict(RidgeCV(alphas=np.logspace(-2, 4, 13)), features, amounts, cv=folds)
    return float(1 - np.square(read - amounts).sum() / np.square(amounts - amounts.mean()).sum())


def claims(results: Results, config: CqilConfig) -> list[Claim]:
    """Invariance in every setting, and the ablations where quality differs."""
    low = results.select(setting=LOW_QUALITY)
    auc_ = in_setting(results, LOW_QUALITY)
    return [
        *(
            in_setting(results, name).higher(
                f"invariance_beats_cross_entropy_{Setting(name).key}",
                f"Learning from pairs of qualities gives a higher AUC: {name}.",
                INVARIANT,
                than=CROSS_ENTROPY,
            )
            for name in (setting.name for setting in settings(config))
        ),
        auc_.higher(
            "invariance_beats_worse_copies",
            "It does so against corrupted copies as mere augmentation, in low quality.",
            INVARIANT,
            than=COPIES,
        ),
        auc_.higher(
            "contrast_helps",
            "The contrast of qualities raises the AUC.",
            INVARIANT,
            than=NO_CONTRAST,
        ),
        auc_.higher(
            "restoring_helps", "The restoring network raises the AUC.", INVARIANT, than=NO_RESTORING
        ),
        auc_.higher(
            "separation_helps",
            "The branch of quality raises the AUC.",
            INVARIANT,
            than=NO_SEPARATION,
        ),
        low.series("score moved").lower(
            "scores_keep_still",
            "Halving the resolution moves scores less than with cross-entropy.",
            INVARIANT,
            than=CROSS_ENTROPY,
        ),
        positive(
            "pictures_are_restored",
            "Restored copies are nearer to the sharp pictures than the copies (decibel).",
            low.values("restored, dB", system=INVARIANT),
        ),
        low.series("quality explained").lower(
            "quality_is_kept_apart",
            "Less of the lost quality can be read from liveness features than without separation.",
            INVARIANT,
            than=NO_SEPARATION,
        ),
        auc_.higher(
            "beats_trivial_baseline",
            "The AUC is above that of 8×8 thumbnails.",
            INVARIANT,
            than=BASELINE,
        ),
    ]


def views(results: Results, _config: CqilConfig) -> Views:
    """Every setting, and how scores and features answer to quality."""
    low = results.select(setting=LOW_QUALITY)
    quality = low.table(
        "quality",
        "Scores and features by quality",
        "system",
        [
            Column(name, name, show="interval")
            for name in ("score moved", "quality explained", "restored, dB")
        ],
        caption="Development captures, which are sharp. Score moved: mean change when the "
        "resolution is halved. Quality explained: share of the variance of the lost quality that "
        "ridge regression reads from liveness features. Restored: how much nearer to the sharp "
        "picture; 0 without a restoring network.",
    )
    compared = settings_table(
        results,
        INVARIANT,
        CROSS_ENTROPY,
        title="Invariance of quality against cross-entropy",
        caption="surveillance: such cameras in training, too.",
    )
    curves = [
        low.select(system=(INVARIANT, CROSS_ENTROPY, COPIES), corruption=kind).lines(
            f"curve {title}",
            f"AUC over {title}",
            "Development captures, corrupted step by step; means over repetitions.",
            "auc",
            x="strength",
            labels=("strength", "AUC"),
        )
        for kind in CURVES
        for title in [kind.replace("_", " ")]
    ]
    return Views([], [compared, quality], curves)


STUDY = face_study(
    ENTRIES["cqil"],
    settings=settings,
    claims=claims,
    views=views,
    caption="Only the test is of low quality. cqil: all parts. cross-entropy: the encoder alone, "
    "on pictures as they are. corrupted copies: the encoder alone, on pictures and their copies of "
    "lower quality. no …: without that part. thumbnails: logistic regression on 8×8 colours.",
    presets={
        "smoke": CqilConfig(
            subjects=(3, 2, 3),
            captures=(24, 16, 32),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            restoring=1,
        ),
        "quick": CqilConfig(),
        "paper": CqilConfig(
            captures=(4000, 1000, 2000),
            size=224,
            width=64,
            depth=18,
            epochs=60,
            step_epochs=20,
            batch_size=64,
            restoring=8,
        ),
    },
)
