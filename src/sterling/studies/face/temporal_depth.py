"""Temporal depth: does depth from several frames beat depth from each of them?

Wang et al., "Exploiting temporal and depth information for multi-frame face anti-spoofing", 2018,
on simulated clips of living faces, prints and replays. Every seed draws its own captures and its
own initial weights; the arms of one seed share both, so that their differences are paired. The
single-frame opponent sees the same frames, and its score is the mean over them.
"""

from collections.abc import Sequence
from functools import partial

from sterling.face.data import Faces
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import DepthNet, TemporalDepth
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_gallery import gallery_figure
from sterling.studies.face._old_harness import BASELINE, Seed, auc_gains, compare
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.studies.face._two_stage import (
    PARALLAX,
    PLANAR_KINDS,
    PRESETS,
    TwoStageConfig,
    parallax,
    refining_arm,
    single_frame_arm,
    temporal_claims,
)
from sterling.study import Claim, Findings, Study, positive

SYSTEMS = (
    "temporal_depth",
    "depth_net",
    "temporal_depth_still",
    "temporal_depth_no_memory",
    "temporal_depth_multi_only",
    PARALLAX,
    BASELINE,
)


def measure(config: TwoStageConfig, run: Run) -> Findings:
    """Train and test every arm on every seed, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    seeds = in_processes(_one_seed, calls, "seeds")
    write_scores(score_tables(seeds), run.folder)
    return comparison_findings(
        seeds,
        SYSTEMS,
        _claims(seeds),
        caption="depth_net: the single-frame network alone, the mean over the same frames. "
        "temporal_depth_still: the same network, trained and tested on clips that repeat their "
        "first frame. _no_memory: its recurrent state is not carried on. _multi_only: the refined "
        "map is the multi-frame map alone (w_multi = 1). parallax: how much moves by the relief "
        "of a half ellipsoid. thumbnails: logistic regression on 8×8 colours of all frames.",
        trained=["temporal_depth", "temporal_depth_still", "depth_net"],
        kinds=PLANAR_KINDS,
        figures=[gallery_figure(seeds[0].results["temporal_depth"]["gallery"])],
    )


def _one_seed(config: TwoStageConfig, run: Run, index: int) -> Seed:
    width, frames = config.width, config.frames
    kept = run.folder / "single-frame" / str(index)
    network = partial(TemporalDepth, width, frames)
    arms = {
        "depth_net": single_frame_arm(
            config, lambda seed: DepthNet(width, frames=frames, seed=seed), kept
        ),
        "temporal_depth": refining_arm(
            config,
            lambda seed: network(seed=seed),
            kept,
            home=run.folder if index == 0 else None,
        ),
        "temporal_depth_still": refining_arm(
            config, lambda seed: network(seed=seed), kept, sees=Faces.still
        ),
        "temporal_depth_no_memory": refining_arm(
            config, lambda seed: network(memory=False, seed=seed), kept
        ),
        "temporal_depth_multi_only": refining_arm(
            config, lambda seed: network(w_multi=1.0, seed=seed), kept
        ),
    }
    return compare(
        "temporal_depth",
        config,
        run,
        index,
        arms,
        frames=frames,
        rate=config.rate,
        scorers={PARALLAX: parallax},
    )


def _claims(seeds: Sequence[Seed]) -> list[Claim]:
    paper = "OULU-NPU protocol 1: ACER 5.8 % (single frame), 1.3 % (several)"
    return [
        *temporal_claims(seeds, "Temporal depth", "temporal_depth", "depth_net", paper=paper),
        positive(
            "fusion_matters",
            "Fused with the single-frame map, the multi-frame map has a higher AUC than alone.",
            auc_gains(seeds, "temporal_depth", "temporal_depth_multi_only"),
        ),
    ]


TEMPORAL_DEPTH_STUDY = Study(
    name="temporal_depth",
    summary="Depth from optical-flow guided features of several frames.",
    domain="face",
    cite="wang2018exploiting",
    presets=PRESETS,
    measure=measure,
)
