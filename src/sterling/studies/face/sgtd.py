"""SGTD: do spatial gradients and what moves between frames tell flat attacks from faces?

Wang et al., "Deep Spatial Gradient and Temporal Depth Learning for Face Anti-spoofing", CVPR 2020,
on clips of living faces, prints and replays. The single-frame systems see the same frames, and
their score is the mean over them.
"""

from functools import partial

from sterling.face.data import Faces
from sterling.face.pad import SGTD, DepthNet
from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import BASELINE, THUMBNAILS, Systems
from sterling.studies.face._two_stage import (
    PARALLAX,
    PLANAR_KINDS,
    PRESETS,
    TwoStageConfig,
    parallax,
    refining,
    single_frame,
    temporal_claims,
)
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Results, Views, lines

GRADIENT, MULTI = "spatial_gradient", "sgtd_multi_alone"
SHARES = {0.0: GRADIENT, 0.6: "sgtd", 1.0: MULTI}


def systems(config: TwoStageConfig) -> Systems:
    """Single-frame networks, what refines the first of them, and its ablations."""
    width, frames = config.width, config.frames
    gradient = partial(DepthNet, width, "sobel_then_conv", frames=frames)
    sgtd = partial(SGTD, width, frames)
    return {
        GRADIENT: single_frame(config, lambda seed: gradient(seed=seed)),
        "spatial_gradient_mse": single_frame(
            config, lambda seed: gradient(seed=seed), cdl_weight=0.0
        ),
        "vanilla": single_frame(config, lambda seed: DepthNet(width, frames=frames, seed=seed)),
        "sgtd": refining(config, lambda seed: sgtd(seed=seed), GRADIENT, gallery=True),
        "sgtd_still": refining(config, lambda seed: sgtd(seed=seed), GRADIENT, sees=Faces.still),
        "sgtd_no_memory": refining(config, lambda seed: sgtd(memory=False, seed=seed), GRADIENT),
        MULTI: refining(config, lambda seed: sgtd(w_multi=1.0, seed=seed), GRADIENT),
        PARALLAX: parallax,
        BASELINE: THUMBNAILS,
    }


def claims(results: Results, _config: TwoStageConfig) -> list[Claim]:
    """The claims of every multi-frame network, and SGTD's own."""
    auc = results.series("auc")
    return [
        *temporal_claims(results, "SGTD", "sgtd", GRADIENT),
        auc.higher(
            "spatial_gradient_beats_vanilla",
            "On single frames, residual spatial gradient blocks have a higher AUC than ordinary "
            "convolutions.",
            GRADIENT,
            than="vanilla",
        ),
        auc.higher(
            "contrastive_depth_loss_helps",
            "On single frames, contrastive depth loss with the squared error has a higher AUC than "
            "the squared error alone.",
            GRADIENT,
            than="spatial_gradient_mse",
        ),
        auc.higher(
            "both_maps_beat_multi_alone",
            "Single-frame and multi-frame map together give a higher AUC than the latter alone.",
            "sgtd",
            than=MULTI,
            paper="the best shares lie between 0.4 and 0.6",
        ),
    ]


def views(results: Results, _config: TwoStageConfig) -> Views:
    """AUC over the share of the multi-frame map."""
    figure = lines(
        "shares",
        "AUC over the share of the multi-frame map",
        "Means over repetitions; 0 is the single-frame network alone.",
        list(SHARES),
        {"sgtd": [results.metric("", "auc", "", system=name).value for name in SHARES.values()]},
        labels=("share of the multi-frame map", "AUC"),
    )
    return Views([], [], [figure])


STUDY = face_study(
    ENTRIES["sgtd"],
    systems=systems,
    claims=claims,
    views=views,
    kinds=PLANAR_KINDS,
    presets=PRESETS,
    shown=(
        "sgtd",
        GRADIENT,
        "sgtd_still",
        "sgtd_no_memory",
        MULTI,
        "spatial_gradient_mse",
        "vanilla",
        PARALLAX,
        BASELINE,
    ),
    caption="spatial_gradient: the single-frame network alone, the mean over the same frames; "
    "_mse: without contrastive depth loss. sgtd_still: the same network, trained and tested on "
    "clips that repeat their first frame. sgtd_no_memory: its recurrent state is not carried over. "
    "sgtd_multi_alone: its refined map is the multi-frame map. vanilla: ordinary convolutions, "
    "single frames. parallax: motion by the relief of a half ellipsoid. thumbnails: logistic "
    "regression on 8×8 colours of all frames.",
)
