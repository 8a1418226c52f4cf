"""CCL: does contrasting captures that share their context make masks easier to tell?

Liu et al., "Contrastive Context-Aware Learning for 3D High-Fidelity Mask Face Presentation Attack
Detection", IEEE TIFS 2022. Every seed draws its own simulated captures of bona fides and masks and
its own initial weights; the arms of one seed share both and take the same steps. The settings
follow HiFiMask's protocols: masks seen in training, one kind of mask left out, the open set; and
one of ours, in which light agrees with the class in training and disagrees in test.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.face.data import Faces, Manifest
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad.networks.ccl import CCL, ContextContrast
from sterling.face.pad.training.pair_sampling import contexts_of
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import BASELINE, Arm, ComparisonConfig, Seed, auc_gains
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.studies.face._settings import Setting, compare_settings, leave_out, settings_table
from sterling.study import Claim, Findings, Study, positive

CONTEXT, CROSS_ENTROPY, RANDOM = "ccl", "cross-entropy", "random pairs"
SYSTEMS = (CONTEXT, CROSS_ENTROPY, RANDOM, "no similarity", BASELINE)
LEFT_OUT = ("mask_plaster", "mask_resin", "mask_silicone")
CONFOUNDED = "confounded"
BRIGHT = ("office", "window")


class CclConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        depth: Depth of the residual encoder: 10, 18 or 34; the paper's is 50.
        contrast_weight: Of the contrastive loss.
        similar_weight: Of the similarity loss.
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


def settings(config: CclConfig) -> list[Setting]:
    """HiFiMask's protocols 1, 2 (once for each mask left out) and 3, and one of ours."""
    return [
        Setting("seen masks"),
        *(
            Setting(f"without {name.removeprefix('mask_')}", changed=partial(leave_out, name))
            for name in LEFT_OUT
        ),
        Setting("open set", captures="masks_open"),
        Setting(CONFOUNDED, changed=partial(confound, config.agreement)),
    ]


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


def measure(config: CclConfig, run: Run) -> Findings:
    """Train and test every arm on every seed and setting, and test the claims."""
    config.refuse_data()
    known = settings(config)
    calls = [(config, run, index) for index in range(config.seeds)]
    found = in_processes(_one_seed, calls, "seeds")
    seeds = {one.name: [seed[one.name] for seed in found] for one in known}
    first = seeds[known[0].name]
    write_scores(score_tables(first), run.folder)
    return comparison_findings(
        first,
        SYSTEMS,
        _claims(known, seeds),
        caption="Masks seen in training. ccl: pairs by context. cross-entropy: the same network "
        "and captures without contrast. random pairs: contrast with any capture of the other "
        "class. no similarity: without the third loss. thumbnails: logistic regression on 8×8 "
        "colours.",
        trained=[CONTEXT, CROSS_ENTROPY],
        tables=[
            settings_table(
                known,
                seeds,
                CONTEXT,
                CROSS_ENTROPY,
                title="Pairs by context against cross-entropy, by what is new in test",
                caption=f"confounded: in training the light agrees with the class for "
                f"{config.agreement:.0%} of the captures, in test it does not.",
            )
        ],
    )


def _one_seed(config: CclConfig, run: Run, index: int) -> dict[str, Seed]:
    return compare_settings(
        "ccl", config, run, index, {one: _arms(config, one) for one in settings(config)}
    )


def _arms(config: CclConfig, setting: Setting) -> dict[str, Arm]:
    weights = {
        "contrast_weight": config.contrast_weight,
        "similar_weight": config.similar_weight,
    }

    def arm(**changes: Any) -> Arm:
        def objective(training: Faces) -> ContextContrast:
            return ContextContrast(
                training.images,
                torch.from_numpy(contexts_of(training.manifest)),
                torch.from_numpy(training.manifest.bona_fide),
                **{**weights, **changes},
            )

        return Arm(lambda seed: CCL(config.depth, config.width, seed=seed), objective=objective)

    arms = {
        CONTEXT: arm(),
        CROSS_ENTROPY: arm(contrast_weight=0.0, similar_weight=0.0),
    }
    if setting.name in ("seen masks", CONFOUNDED):
        arms[RANDOM] = arm(pairs="random")
    if setting.name == "seen masks":
        arms["no similarity"] = arm(similar_weight=0.0)
    return arms


def _claims(known: Sequence[Setting], seeds: Mapping[str, list[Seed]]) -> list[Claim]:
    def gain(name: str, sentence: str, worse: str, setting: str) -> Claim:
        return positive(name, sentence, auc_gains(seeds[setting], CONTEXT, worse))

    seen = known[0].name
    return [
        *(
            gain(
                f"context_beats_cross_entropy_{one.key}",
                f"Pairs by context give a higher AUC than cross-entropy alone: {one.name}.",
                CROSS_ENTROPY,
                one.name,
            )
            for one in known
        ),
        gain(
            "context_beats_random_pairs",
            "Pairs by context give a higher AUC than random pairs.",
            RANDOM,
            seen,
        ),
        gain(
            "context_beats_random_pairs_confounded",
            "Where light agrees with the class in training and not in test, they do, too.",
            RANDOM,
            CONFOUNDED,
        ),
        gain("similarity_helps", "The similarity loss raises the AUC.", SYSTEMS[3], seen),
        gain(
            "beats_trivial_baseline", "The AUC is above 8×8 thumbnails'.", BASELINE, known[0].name
        ),
    ]


CCL_STUDY = Study(
    name="ccl",
    summary="High-fidelity masks: contrast pairs of captures that share their context.",
    domain="face",
    cite="liu2022contrastive",
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
    measure=measure,
)
