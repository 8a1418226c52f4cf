"""SGTD: do spatial gradients and what moves between frames tell flat attacks from faces?

Wang et al., "Deep Spatial Gradient and Temporal Depth Learning for Face Anti-spoofing", CVPR 2020,
on simulated clips of living faces, prints and replays. Every seed draws its own captures and its
own initial weights; the arms of one seed share both, so that their differences are paired. The
single-frame opponents see the same frames, and their score is the mean over them.
"""

from collections.abc import Sequence
from functools import partial

from sterling.face.data import Faces
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import SGTD, DepthNet
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_gallery import gallery_figure
from sterling.studies.face._old_harness import BASELINE, Seed, auc_gains, aucs, compare
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
from sterling.study import Claim, Figure, Findings, Study, lines, positive

MULTI = "sgtd_multi_alone"

SYSTEMS = (
    "sgtd",
    "spatial_gradient",
    "sgtd_still",
    "sgtd_no_memory",
    MULTI,
    "spatial_gradient_mse",
    "vanilla",
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
        caption="spatial_gradient: the single-frame network alone, the mean over the same frames; "
        "_mse: without contrastive depth loss. sgtd_still: the same network, trained and tested "
        "on clips that repeat their first frame. sgtd_no_memory: its recurrent state is not "
        "carried on. sgtd_multi_alone: its refined map is the multi-frame map. vanilla: ordinary "
        "convolutions, single frames. parallax: how much moves by the relief of a half "
        "ellipsoid. thumbnails: logistic regression on 8×8 colours of all frames.",
        trained=["sgtd", "sgtd_still", "spatial_gradient"],
        kinds=PLANAR_KINDS,
        figures=[_share_figure(seeds), gallery_figure(seeds[0].results["sgtd"]["gallery"])],
    )


def _one_seed(config: TwoStageConfig, run: Run, index: int) -> Seed:
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
        MULTI: refining_arm(config, lambda seed: sgtd(w_multi=1.0, seed=seed), kept),
    }
    return compare(
        "sgtd",
        config,
        run,
        index,
        arms,
        frames=frames,
        rate=config.rate,
        scorers={PARALLAX: parallax},
    )


def _claims(seeds: Sequence[Seed]) -> list[Claim]:
    return [
        *temporal_claims(seeds, "SGTD", "sgtd", "spatial_gradient"),
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
            "both_maps_beat_multi_alone",
            "Single-frame and multi-frame map together give a higher AUC than the latter alone.",
            auc_gains(seeds, "sgtd", MULTI),
            paper="the best shares lie between 0.4 and 0.6",
        ),
    ]


def _share_figure(seeds: Sequence[Seed]) -> Figure:
    systems = {0.0: "spatial_gradient", 0.6: "sgtd", 1.0: MULTI}
    return lines(
        "shares",
        "AUC over the share of the multi-frame map",
        "Means over seeds; 0 is the single-frame network alone.",
        list(systems),
        {"sgtd": [sum(aucs(seeds, name)) / len(seeds) for name in systems.values()]},
        labels=("share of the multi-frame map", "AUC"),
    )


SGTD_STUDY = Study(
    name="sgtd",
    summary="Depth from spatial gradients, refined over the frames of a clip.",
    domain="face",
    cite="wang2020deep",
    presets=PRESETS,
    measure=measure,
)
