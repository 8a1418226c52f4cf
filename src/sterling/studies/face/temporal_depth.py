"""Temporal depth: does depth from several frames beat depth from each of them?

Wang et al., "Exploiting temporal and depth information for multi-frame face anti-spoofing", 2018,
on clips of living faces, prints and replays. The single-frame system sees the same frames, and its
score is the mean over them.
"""

from functools import partial

from sterling.face.data import Faces
from sterling.face.pad import DepthNet, TemporalDepth
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
from sterling.study import Claim, Results

SINGLE, TEMPORAL = "depth_net", "temporal_depth"


def systems(config: TwoStageConfig) -> Systems:
    """The single-frame network, what refines it, and its ablations."""
    width, frames = config.width, config.frames
    network = partial(TemporalDepth, width, frames)
    return {
        SINGLE: single_frame(config, lambda seed: DepthNet(width, frames=frames, seed=seed)),
        TEMPORAL: refining(config, lambda seed: network(seed=seed), SINGLE, gallery=True),
        "temporal_depth_still": refining(
            config, lambda seed: network(seed=seed), SINGLE, sees=Faces.still
        ),
        "temporal_depth_no_memory": refining(
            config, lambda seed: network(memory=False, seed=seed), SINGLE
        ),
        "temporal_depth_multi_only": refining(
            config, lambda seed: network(w_multi=1.0, seed=seed), SINGLE
        ),
        PARALLAX: parallax,
        BASELINE: THUMBNAILS,
    }


def claims(results: Results, _config: TwoStageConfig) -> list[Claim]:
    """The claims of every multi-frame network, and fusion."""
    paper = "OULU-NPU protocol 1: ACER 5.8 % (single frame), 1.3 % (several)"
    return [
        *temporal_claims(results, "Temporal depth", TEMPORAL, SINGLE, paper=paper),
        results.series("auc").higher(
            "fusion_matters",
            "Fused with the single-frame map, the multi-frame map has a higher AUC than alone.",
            TEMPORAL,
            than="temporal_depth_multi_only",
        ),
    ]


STUDY = face_study(
    ENTRIES["temporal_depth"],
    systems=systems,
    claims=claims,
    kinds=PLANAR_KINDS,
    presets=PRESETS,
    shown=(
        TEMPORAL,
        SINGLE,
        "temporal_depth_still",
        "temporal_depth_no_memory",
        "temporal_depth_multi_only",
        PARALLAX,
        BASELINE,
    ),
    caption="depth_net: the single-frame network alone, the mean over the same frames. "
    "temporal_depth_still: the same network, trained and tested on clips that repeat their first "
    "frame. _no_memory: its recurrent state is not carried over. _multi_only: the refined map is "
    "the multi-frame map alone (w_multi = 1). parallax: motion by the relief of a half ellipsoid. "
    "thumbnails: logistic regression on 8×8 colours of all frames.",
)
