"""CQIL: does a detector that learned from pairs of qualities stand surveillance cameras better?

Fang et al., "Surveillance Face Anti-Spoofing", IEEE TIFS 2024. Every seed draws its own simulated
captures of bona fides, flat instruments and masks, and its own initial weights; the arms of one
seed share both. The settings follow SuHiFiMask's protocols: by identity, one mask left out, and by
quality, where only the test is of low quality.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict

from sterling.face.data import Degradation, Faces, degrade
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import Detector, normalise
from sterling.face.pad.networks.cqil import CQIL, QualityInvariance
from sterling.face.pad.training.quality_corruption import lower_quality
from sterling.measure import Scores, auc
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import BASELINE, Arm, ComparisonConfig, Seed, auc_gains
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.studies.face._settings import Setting, compare_settings, leave_out, settings_table
from sterling.study import (
    Claim,
    Figure,
    Findings,
    Study,
    Table,
    lines,
    positive,
    row_over_seeds,
)

INVARIANT, CROSS_ENTROPY, COPIES = "cqil", "cross-entropy", "worse copies"
PARTS = ("no contrast", "no restoring", "no separation")
SYSTEMS = (INVARIANT, CROSS_ENTROPY, COPIES, *PARTS, BASELINE)
LOW_QUALITY = "low quality"
CURVES: dict[Degradation, tuple[float, ...]] = {
    "low_resolution": (0, 1, 2, 3, 5),
    "noise": (0, 5, 10, 20, 40),
    "jpeg": (0, 30, 60, 80, 95),
}
HALVED: tuple[Degradation, float] = ("low_resolution", 1.0)
"""How pictures are lost and brought back to see how far scores move."""


class CqilConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        depth: Depth of the residual encoder: 10, 18 or 34.
        restoring: Residual blocks of the restoring network.
        contrast_weight: Of the contrast of qualities.
        restore_weight: Of the restoring network's error.
        separate_weight: Of the branch of quality.
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


def settings() -> list[Setting]:
    """SuHiFiMask's protocols 3, 1 and 2; the one by quality first, which the paper is about."""
    return [
        Setting(LOW_QUALITY),
        Setting("surveillance", captures="surveillance"),
        Setting(
            "surveillance, without resin",
            captures="surveillance",
            changed=lambda faces: leave_out("mask_resin", faces),
        ),
    ]


def measure(config: CqilConfig, run: Run) -> Findings:
    """Train and test every arm on every seed and setting, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    found = in_processes(_one_seed, calls, "seeds")
    known = settings()
    seeds = {one.name: [seed[one.name] for seed in found] for one in known}
    first = seeds[LOW_QUALITY]
    write_scores(score_tables(first), run.folder)
    return comparison_findings(
        first,
        SYSTEMS,
        _claims(known, seeds),
        caption="Only the test is of low quality. cqil: all parts. cross-entropy: the encoder "
        "alone, on pictures as they are. worse copies: the encoder alone, on pictures and their "
        "copies of lower quality. no …: without that part. thumbnails: logistic regression on 8×8 "
        "colours.",
        trained=[INVARIANT, CROSS_ENTROPY],
        tables=[
            settings_table(
                known,
                seeds,
                INVARIANT,
                CROSS_ENTROPY,
                title="Invariance of quality against cross-entropy",
                caption="surveillance: such cameras in training, too.",
            ),
            _quality_table(first),
        ],
        figures=[_curve(kind, first) for kind in CURVES],
    )


def _one_seed(config: CqilConfig, run: Run, index: int) -> dict[str, Seed]:
    return compare_settings(
        "cqil", config, run, index, {one: _arms(config, one) for one in settings()}
    )


def _arms(config: CqilConfig, setting: Setting) -> dict[str, Arm]:
    weights = {
        "contrast_weight": config.contrast_weight,
        "restore_weight": config.restore_weight,
        "separate_weight": config.separate_weight,
    }

    def arm(restoring: int, separate: bool, **changes: float) -> Arm:
        objective = QualityInvariance(**{**weights, **changes})
        return Arm(
            lambda seed: CQIL(config.depth, config.width, restoring, separate, seed=seed),
            objective=lambda _training: objective,
            finish=_quality if setting.name == LOW_QUALITY else None,
        )

    bare = arm(0, False, contrast_weight=0.0)
    plain = Arm(
        bare.network, changes={"augment": True}, finish=bare.finish
    )  # by the one loop's own objective, with the same augmentation of tones
    arms = {INVARIANT: arm(config.restoring, True), CROSS_ENTROPY: plain}
    if setting.name != LOW_QUALITY:
        return arms
    return {
        **arms,
        COPIES: bare,
        "no contrast": arm(config.restoring, True, contrast_weight=0.0),
        "no restoring": arm(0, True),
        "no separation": arm(config.restoring, False),
    }


def _quality(detector: Detector, faces: Faces, _result: Mapping[str, Any]) -> dict[str, Any]:
    """How a trained network answers to quality, on the development captures, which are sharp."""
    network, development = detector.model, faces.split("dev")
    assert isinstance(network, CQIL)
    images, label = development.images, development.manifest.bona_fide
    before = detector.score(images)
    moved = np.abs(detector.score(degrade(images, *HALVED)) - before).mean()
    worse, amounts = lower_quality(images, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network.liveness_features(normalise(worse)).double().numpy()
        errors = {
            name: float((one - normalise(images)).square().mean())
            for name, one in (
                ("restored", network.restore(normalise(worse))),
                ("as it came", normalise(worse)),
            )
        }
    return {
        "moved": float(moved),
        "probe": _explained(features, amounts.double().numpy()),
        "gain_db": float(10 * np.log10(errors["as it came"] / errors["restored"])),
        "curves": {
            kind: [
                auc(Scores(detector.score(degrade(images, kind, strength)), label)).value
                for strength in strengths
            ]
            for kind, strengths in CURVES.items()
        },
    }


def _explained(features: np.ndarray, amounts: np.ndarray) -> float:
    """Share of the variance of lost quality that ridge regression reads from held-out features."""
    folds = KFold(5, shuffle=True, random_state=0)
    said = cross_val_predict(RidgeCV(alphas=np.logspace(-2, 4, 13)), features, amounts, cv=folds)
    return float(1 - np.square(said - amounts).sum() / np.square(amounts - amounts.mean()).sum())


def _differences(seeds: Sequence[Seed], figure: str, larger: str, smaller: str) -> list[float]:
    return [seed.results[larger][figure] - seed.results[smaller][figure] for seed in seeds]


def _claims(known: Sequence[Setting], seeds: Mapping[str, list[Seed]]) -> list[Claim]:
    first = seeds[LOW_QUALITY]

    def against(name: str, sentence: str, worse: str) -> Claim:
        return positive(name, sentence, auc_gains(first, INVARIANT, worse))

    return [
        *(
            positive(
                f"invariance_beats_cross_entropy_{one.key}",
                f"Learning from pairs of qualities gives a higher AUC: {one.name}.",
                auc_gains(seeds[one.name], INVARIANT, CROSS_ENTROPY),
            )
            for one in known
        ),
        against(
            "invariance_beats_worse_copies",
            "It does so against worse copies as mere augmentation, in low quality.",
            COPIES,
        ),
        against("contrast_helps", "The contrast of qualities raises the AUC.", PARTS[0]),
        against("restoring_helps", "The restoring network raises the AUC.", PARTS[1]),
        against("separation_helps", "The branch of quality raises the AUC.", PARTS[2]),
        positive(
            "scores_keep_still",
            "Halving the resolution moves scores less than with cross-entropy.",
            _differences(first, "moved", CROSS_ENTROPY, INVARIANT),
        ),
        positive(
            "pictures_are_restored",
            "Restored copies are nearer to the sharp pictures than the copies (decibel).",
            [seed.results[INVARIANT]["gain_db"] for seed in first],
        ),
        positive(
            "quality_is_kept_apart",
            "Less of the lost quality can be read from liveness features than without separation.",
            _differences(first, "probe", PARTS[2], INVARIANT),
        ),
        against("beats_trivial_baseline", "The AUC is above that of 8×8 thumbnails.", BASELINE),
    ]


def _quality_table(seeds: list[Seed]) -> Table:
    figures = ("moved", "probe", "gain_db")

    def over(system: str, figure: str) -> list[float]:
        return [seed.results[system][figure] for seed in seeds]

    return Table(
        name="quality",
        title="What quality does to scores and features",
        columns=[
            "system",
            *("score moved", "low", "high"),
            *("quality explained", "low", "high"),
            *("restored, dB", "low", "high"),
        ],
        rows=[
            [
                name,
                *row_over_seeds(*(over(name, figure) for figure in figures)),
            ]
            for name in SYSTEMS
            if name != BASELINE
        ],
        caption="Development captures, which are sharp. Score moved: mean change when the "
        "resolution is halved. Quality explained: share of the variance of the lost quality that "
        "ridge regression reads from liveness features. Restored: how much nearer to the sharp "
        "picture; 0 without a restoring network.",
    )


def _curve(kind: Degradation, seeds: list[Seed]) -> Figure:
    title = kind.replace("_", " ")
    return lines(
        f"curve {title}",
        f"AUC over {title}",
        "Development captures, degraded step by step; means over seeds.",
        CURVES[kind],
        {
            name: np.mean([seed.results[name]["curves"][kind] for seed in seeds], axis=0).tolist()
            for name in (INVARIANT, CROSS_ENTROPY, COPIES)
        },
        labels=("strength", "AUC"),
    )


CQIL_STUDY = Study(
    name="cqil",
    summary="Surveillance cameras: liveness that does not depend on the picture's quality.",
    domain="face",
    cite="fang2024surveillance",
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
    measure=measure,
)
