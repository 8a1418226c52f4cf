"""SGTD: do spatial gradients and what moves between frames tell flat attacks from faces?

Wang et al., "Deep Spatial Gradient and Temporal Depth Learning for Face Anti-spoofing", CVPR 2020,
on simulated clips of living faces, prints and replays. Every seed draws its own captures and its
own initial weights; the arms of one seed share both, so that their differences are paired. The
single-frame opponents see the same frames, and their score is the mean over them.
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
from sterling.face.pad import SGTD, DepthNet
from sterling.face.two_stages import PLANAR_KINDS, TwoStageConfig, refining_arm, single_frame_arm
from sterling.runs import Run, in_processes
from sterling.study import Claim, Findings, Paper, Study

__all__ = ["SGTD_STUDY", "SgtdConfig"]


class SgtdConfig(TwoStageConfig):
    """Configuration of the study."""


SYSTEMS = (
    "sgtd",
    "sgtd_still",
    "sgtd_no_memory",
    "spatial_gradient",
    "spatial_gradient_mse",
    "vanilla",
    BASELINE,
)


def measure(config: SgtdConfig, run: Run) -> Findings:
    """Train and test every arm on every seed, and test the claims."""
    config.refuse_data()
    seeds = in_processes(
        _one_seed, [(config, run, index) for index in range(config.seeds)], "seeds"
    )
    write_scores(score_tables(seeds), run.folder)
    species, kinds = species_table(seeds, "sgtd"), kinds_table(seeds, SYSTEMS, PLANAR_KINDS)
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
                caption="sgtd_still: the same network, trained and tested on clips that repeat "
                "their first frame. sgtd_no_memory: its recurrent state is not carried on. "
                "spatial_gradient: its single-frame network alone, the mean over the same frames; "
                "_mse: without contrastive depth loss. vanilla: ordinary convolutions. thumbnails: "
                "logistic regression on 8×8 colours of all frames.",
            ),
            kinds,
        ],
        figures=[
            det_figure(SYSTEMS[:1] + SYSTEMS[3:]),
            bars_figure(kinds),
            species_figure(species),
            gallery_figure(seeds[0].results["sgtd"]["gallery"]),
            training_figure(seeds, ["sgtd", "sgtd_still", "spatial_gradient"]),
        ],
    )


def _one_seed(config: SgtdConfig, run: Run, index: int) -> Seed:
    width, frames = config.width, config.frames
    kept = run.folder / "single-frame" / str(index)
    gradient = partial(DepthNet, width, "sobel_then_conv", frames=frames)
    sgtd = partial(SGTD, width, frames)
    arms = {
        "spatial_gradient": single_frame_arm(config, lambda seed: gradient(seed=seed), kept),
        "spatial_gradient_mse": single_frame_arm(
            config, lambda seed: gradient(seed=seed), cdl_weight=0.0
        ),
        "vanilla": single_frame_arm(config, lambda seed: DepthNet(width, frames=frames, seed=seed)),
        "sgtd": refining_arm(
            config,
            lambda seed: sgtd(seed=seed),
            kept,
            home=run.folder if index == 0 else None,
        ),
        "sgtd_still": refining_arm(config, lambda seed: sgtd(seed=seed), kept, sees=Faces.still),
        "sgtd_no_memory": refining_arm(config, lambda seed: sgtd(memory=False, seed=seed), kept),
    }
    return compare("sgtd", config, run, index, arms, frames=frames, rate=config.rate)


def _claims(seeds: Sequence[Seed]) -> list[Claim]:
    return [
        positive(
            "temporal_beats_single_frame",
            "SGTD has a lower ACER than its single-frame network, whose score is the mean over the "
            "same frames.",
            acer_gains(seeds, "sgtd", "spatial_gradient"),
        ),
        positive(
            "temporal_beats_single_frame_on_prints",
            "Against prints, which do not turn in depth, SGTD has a higher AUC than its "
            "single-frame network.",
            auc_gains(seeds, "sgtd", "spatial_gradient", PLANAR_KINDS["prints"]),
        ),
        positive(
            "temporal_beats_single_frame_on_replays",
            "Against replays, which move as the face they show, SGTD has a higher AUC than its "
            "single-frame network.",
            auc_gains(seeds, "sgtd", "spatial_gradient", ["replay"]),
        ),
        positive(
            "motion_matters",
            "SGTD has a higher AUC than the same network on clips that repeat their first frame: "
            "what it gains is not the second stage of training alone.",
            auc_gains(seeds, "sgtd", "sgtd_still"),
        ),
        positive(
            "memory_matters",
            "SGTD has a higher AUC with the recurrent state carried from frame to frame than "
            "without.",
            auc_gains(seeds, "sgtd", "sgtd_no_memory"),
        ),
        positive(
            "spatial_gradient_beats_vanilla",
            "On single frames, residual spatial gradient blocks have a higher AUC than ordinary "
            "convolutions.",
            auc_gains(seeds, "spatial_gradient", "vanilla"),
        ),
        positive(
            "contrastive_depth_loss_helps",
            "On single frames, contrastive depth loss beside the squared error has a higher AUC "
            "than the squared error alone.",
            auc_gains(seeds, "spatial_gradient", "spatial_gradient_mse"),
        ),
        positive(
            "beats_trivial_baseline",
            "SGTD has a lower ACER than logistic regression on 8×8 colour thumbnails of all "
            "frames.",
            acer_gains(seeds, "sgtd", BASELINE),
        ),
    ]


SGTD_STUDY = Study(
    name="sgtd",
    summary="Depth from spatial gradients, refined over the frames of a clip.",
    domain="face",
    paper=Paper(
        key="wang2020deep",
        title="Deep Spatial Gradient and Temporal Depth Learning for Face Anti-spoofing",
        authors=(
            "Wang, Zezheng",
            "Yu, Zitong",
            "Zhao, Chenxu",
            "Zhu, Xiangyu",
            "Qin, Yunxiao",
            "Zhou, Qiusheng",
            "Zhou, Feng",
            "Lei, Zhen",
        ),
        venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        year=2020,
    ),
    presets={
        "smoke": SgtdConfig(
            subjects=(3, 2, 3),
            captures=(12, 10, 14),
            seeds=1,
            width=2,
            epochs=1,
            frames=3,
            refine_epochs=1,
        ),
        "quick": SgtdConfig(),
        "paper": SgtdConfig(
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
