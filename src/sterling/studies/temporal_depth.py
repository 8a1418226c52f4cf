"""Temporal depth: does depth from several frames beat depth from each of them?

Wang et al., "Exploiting temporal and depth information for multi-frame face anti-spoofing", 2018,
on simulated clips of living faces, prints and replays. Every seed draws its own captures and its
own initial weights; the arms of one seed share both, so that their differences are paired. The
single-frame opponent sees the same frames, and its score is the mean over them.
"""

from collections.abc import Sequence
from functools import partial

from sterling.claims import positive
from sterling.face.comparison import BASELINE, Seed, acer_gains, auc_gains, compare
from sterling.face.comparison_report import (
    bars_figure,
    det_figure,
    kinds_table,
    score_tables,
    species_figure,
    species_table,
    system_metrics,
    systems_table,
    training_figure,
)
from sterling.face.data import Faces
from sterling.face.evaluation import write_scores
from sterling.face.gallery import gallery_figure
from sterling.face.pad import DepthNet, TemporalDepth
from sterling.face.two_stages import PLANAR_KINDS, TwoStageConfig, refining_arm, single_frame_arm
from sterling.runs import Run, in_processes
from sterling.study import Claim, Findings, Paper, Study

__all__ = ["TEMPORAL_DEPTH_STUDY", "TemporalDepthConfig"]


class TemporalDepthConfig(TwoStageConfig):
    """Configuration of the study."""


SYSTEMS = (
    "temporal_depth",
    "temporal_depth_still",
    "temporal_depth_no_memory",
    "temporal_depth_multi_only",
    "depth_net",
    BASELINE,
)


def measure(config: TemporalDepthConfig, run: Run) -> Findings:
    """Train and test every arm on every seed, and test the claims."""
    config.refuse_data()
    seeds = in_processes(
        _one_seed, [(config, run, index) for index in range(config.seeds)], "seeds"
    )
    write_scores(score_tables(seeds), run.folder)
    species = species_table(seeds, "temporal_depth")
    kinds = kinds_table(seeds, SYSTEMS, PLANAR_KINDS)
    return Findings(
        scope="SIMULATED clips: these error rates say nothing about real cameras and attacks.",
        not_scored=0,
        metrics=system_metrics(seeds, SYSTEMS),
        claims=_claims(seeds),
        tables=[
            species,
            systems_table(
                seeds,
                SYSTEMS,
                caption="temporal_depth_still: the same network, trained and tested on clips that "
                "repeat their first frame. _no_memory: its recurrent state is not carried on. "
                "_multi_only: the refined map is the multi-frame map alone (w_multi = 1). "
                "depth_net: its single-frame network alone, the mean over the same frames. "
                "thumbnails: logistic regression on 8×8 colours of all frames.",
            ),
            kinds,
        ],
        figures=[
            det_figure(("temporal_depth", "depth_net", BASELINE)),
            bars_figure(kinds),
            species_figure(species),
            gallery_figure(seeds[0].results["temporal_depth"]["gallery"]),
            training_figure(seeds, ["temporal_depth", "temporal_depth_still", "depth_net"]),
        ],
    )


def _one_seed(config: TemporalDepthConfig, run: Run, index: int) -> Seed:
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
    return compare("temporal_depth", config, run, index, arms, frames=frames, rate=config.rate)


def _claims(seeds: Sequence[Seed]) -> list[Claim]:
    return [
        positive(
            "temporal_beats_single_frame",
            "Temporal depth has a lower ACER than its single-frame network, whose score is the "
            "mean over the same frames.",
            acer_gains(seeds, "temporal_depth", "depth_net"),
            paper="OULU-NPU protocol 1: ACER 5.8 % (single frame), 1.3 % (several)",
        ),
        positive(
            "temporal_beats_single_frame_on_prints",
            "Against prints, which do not turn in depth, temporal depth has a higher AUC than its "
            "single-frame network.",
            auc_gains(seeds, "temporal_depth", "depth_net", PLANAR_KINDS["prints"]),
        ),
        positive(
            "temporal_beats_single_frame_on_replays",
            "Against replays, which move as the face they show, temporal depth has a higher AUC "
            "than its single-frame network.",
            auc_gains(seeds, "temporal_depth", "depth_net", ["replay"]),
        ),
        positive(
            "motion_matters",
            "Temporal depth has a higher AUC than the same network on clips that repeat their "
            "first frame: what it gains is not the second stage of training alone.",
            auc_gains(seeds, "temporal_depth", "temporal_depth_still"),
        ),
        positive(
            "memory_matters",
            "Temporal depth has a higher AUC with the recurrent state carried from frame to frame "
            "than without.",
            auc_gains(seeds, "temporal_depth", "temporal_depth_no_memory"),
        ),
        positive(
            "fusion_matters",
            "Fused with the single-frame map, the multi-frame map has a higher AUC than alone.",
            auc_gains(seeds, "temporal_depth", "temporal_depth_multi_only"),
        ),
        positive(
            "beats_trivial_baseline",
            "Temporal depth has a lower ACER than logistic regression on 8×8 colour thumbnails of "
            "all frames.",
            acer_gains(seeds, "temporal_depth", BASELINE),
        ),
    ]


TEMPORAL_DEPTH_STUDY = Study(
    name="temporal_depth",
    summary="Depth from optical-flow guided features of several frames.",
    domain="face",
    paper=Paper(
        key="wang2018exploiting",
        title="Exploiting temporal and depth information for multi-frame face anti-spoofing",
        authors=(
            "Wang, Zezheng",
            "Zhao, Chenxu",
            "Qin, Yunxiao",
            "Zhou, Qiusheng",
            "Qi, Guojun",
            "Wan, Jun",
            "Lei, Zhen",
        ),
        venue="arXiv:1811.05118",
        year=2018,
    ),
    presets={
        "smoke": TemporalDepthConfig(
            subjects=(3, 2, 3),
            captures=(12, 10, 14),
            seeds=1,
            width=2,
            epochs=1,
            frames=3,
            refine_epochs=1,
        ),
        "quick": TemporalDepthConfig(),
        "paper": TemporalDepthConfig(
            captures=(1200, 900, 600),
            size=256,
            width=64,
            epochs=1400,
            learning_rate=1e-4,
            step_epochs=500,
            step_factor=0.5,
            batch_size=9,
            augment=True,
            weight_decay=5e-4,
            refine_epochs=1400,
            refine_optimizer="adadelta",
            refine_learning_rate=1e-2,
            refine_step_epochs=500,
            refine_batch_size=2,
        ),
    },
    measure=measure,
)
