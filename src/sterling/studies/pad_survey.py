"""The families of face presentation attack detection in one table, and what carries to the new.

Yu et al., "Deep Learning for Face Anti-Spoofing: A Survey", IEEE TPAMI 2023: hand-made texture,
binary labels, pixel-wise labels, pseudo-depth, domain generalisation and anomaly detection. Every
seed draws its own simulated captures and its own initial weights; all families see the same
captures. The settings are the survey's types of protocol: nothing new but people, new cameras, new
lights, and new instruments, lights and cameras at once.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.claims import positive
from sterling.face.comparison import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Scorer,
    Seed,
    acers,
    auc_gains,
    aucs,
    on_images,
)
from sterling.face.comparison_report import comparison_findings, score_tables
from sterling.face.data import Faces
from sterling.face.evaluation import write_scores
from sterling.face.pad import CDCN
from sterling.face.pad.local_binary_patterns import score_texture, texture
from sterling.face.pad.one_class import score_one_class
from sterling.face.pad.resnet import FusionResNet
from sterling.face.pad.ssdg import SSDG, SingleSide
from sterling.face.settings import Setting, compare_settings
from sterling.runs import Run, in_processes
from sterling.study import Claim, Figure, Findings, Paper, Row, Study, Table, row_over_seeds

__all__ = ["PAD_SURVEY_STUDY", "PadSurveyConfig"]

TEXTURE, COLOUR, ONE_CLASS = "texture", "colour texture", "one class"
BINARY, MASK, DEPTH, SIDED = "binary", "mask", "pseudo-depth", "SSDG"
SYSTEMS = (DEPTH, MASK, BINARY, SIDED, COLOUR, TEXTURE, ONE_CLASS, BASELINE)
PEOPLE, CAMERAS, LIGHTS, ALL = "new people", "new cameras", "new lights", "all new"
SETTINGS = (
    Setting(PEOPLE),
    Setting(CAMERAS, captures="cross_sensor"),
    Setting(LIGHTS, captures="cross_illumination"),
    Setting(ALL, captures="default"),
)
CHANCE = 0.5


class PadSurveyConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        residual_width: Channels of the residual networks' first stage.
        residual_depth: Their depth: 10, 18 or 34.
        residual_epochs: Their epochs, which are shorter.
        residual_rate: Their learning rate.
    """

    protocol: str = "intra"
    captures: tuple[int, int, int] = (240, 80, 180)
    epochs: int = Field(default=6, ge=1)
    step_epochs: int = Field(default=2, ge=1)
    residual_width: int = Field(default=16, ge=1)
    residual_depth: int = 10
    residual_epochs: int = Field(default=10, ge=1)
    residual_rate: float = Field(default=1e-3, gt=0)


def measure(config: PadSurveyConfig, run: Run) -> Findings:
    """Train and test every family on every seed and setting, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    found = in_processes(_one_seed, calls, "seeds")
    seeds = {one.name: [seed[one.name] for seed in found] for one in SETTINGS}
    write_scores(score_tables(seeds[PEOPLE]), run.folder)
    return comparison_findings(
        seeds[PEOPLE],
        SYSTEMS,
        _claims(seeds),
        caption="New people only. pseudo-depth: CDCN, depth of the face. mask: the same with a "
        "constant label and no difference term. binary: residual network, cross-entropy. SSDG: "
        "bona fides of all cameras alike. colour texture, texture: local binary patterns and a "
        "linear machine. one class: distance of colour texture from bona fides alone. thumbnails: "
        "logistic regression on 8×8 colours.",
        trained=[DEPTH, MASK, BINARY, SIDED],
        tables=[_families_table(seeds)],
        figures=[_families_figure(seeds)],
    )


def _one_seed(config: PadSurveyConfig, run: Run, index: int) -> dict[str, Seed]:
    arms = _arms(config)
    scorers: dict[str, Scorer] = {
        TEXTURE: on_images(partial(score_texture, space="grey")),
        COLOUR: on_images(score_texture),
        ONE_CLASS: _anomaly,
    }
    settings = dict.fromkeys(SETTINGS, arms)
    return compare_settings("pad_survey", config, run, index, settings, scorers=scorers)


def _arms(config: PadSurveyConfig) -> dict[str, Arm]:
    residual = {
        "epochs": config.residual_epochs,
        "learning_rate": config.residual_rate,
        "augment": True,
    }

    def binary(seed: int) -> FusionResNet:
        depth, width = config.residual_depth, config.residual_width
        return FusionResNet(depth, width, ("rgb",), "halfway", "concat", seed=seed)

    def sided(seed: int) -> SSDG:
        return SSDG(config.residual_depth, config.residual_width, seed=seed)

    return {
        DEPTH: Arm(lambda seed: CDCN(config.width, seed=seed)),
        MASK: Arm(
            lambda seed: CDCN(config.width, 0.0, seed=seed),
            label="constant",
            changes={"cdl_weight": 0.0},
        ),
        BINARY: Arm(binary, changes=residual),
        SIDED: Arm(sided, changes=residual, objective=_cameras),
    }


def _cameras(training: Faces) -> SingleSide:
    """The cameras of the training captures as SSDG's domains."""
    codes = np.unique(training.manifest.column("sensor"), return_inverse=True)[1]
    return SingleSide(torch.from_numpy(codes.astype(np.int64)))


def _anomaly(training: Faces, tested: Faces) -> NDArray[np.float64]:
    bona_fides = training.select(training.manifest.bona_fide)
    return score_one_class(texture(bona_fides.images), texture(tested.images))


def _claims(seeds: Mapping[str, list[Seed]]) -> list[Claim]:
    def gain(name: str, sentence: str, setting: str, better: str, worse: str) -> Claim:
        return positive(name, sentence, auc_gains(seeds[setting], better, worse))

    def cost(system: str, setting: str) -> list[float]:
        known, new = (aucs(seeds[name], system) for name in (PEOPLE, setting))
        return [before - after for before, after in zip(known, new, strict=True)]

    return [
        gain(
            "texture_beats_trivial_baseline",
            "Colour texture has a higher AUC than 8×8 thumbnails, new people.",
            PEOPLE,
            COLOUR,
            BASELINE,
        ),
        gain(
            "colour_beats_grey_texture",
            "Texture of colour channels has a higher AUC than of luminance, new people.",
            PEOPLE,
            COLOUR,
            TEXTURE,
        ),
        gain(
            "depth_beats_texture",
            "Pseudo-depth has a higher AUC than colour texture, new people.",
            PEOPLE,
            DEPTH,
            COLOUR,
        ),
        gain(
            "depth_beats_binary",
            "Pseudo-depth has a higher AUC than a binary label, new people.",
            PEOPLE,
            DEPTH,
            BINARY,
        ),
        gain(
            "depth_beats_binary_new_cameras",
            "Pseudo-depth has a higher AUC than a binary label, new cameras.",
            CAMERAS,
            DEPTH,
            BINARY,
        ),
        gain(
            "single_side_beats_binary_new_cameras",
            "SSDG has a higher AUC than a binary label, new cameras.",
            CAMERAS,
            SIDED,
            BINARY,
        ),
        gain(
            "one_class_beats_texture_all_new",
            "Anomaly detection has a higher AUC than two classes of the same texture when "
            "instruments are new.",
            ALL,
            ONE_CLASS,
            COLOUR,
        ),
        *(
            positive(
                f"new_cameras_cost_{system.replace(' ', '_')}",
                f"New cameras lower the AUC: {system}.",
                cost(system, CAMERAS),
            )
            for system in (DEPTH, BINARY, COLOUR)
        ),
    ]


def _families_table(seeds: Mapping[str, list[Seed]]) -> Table:
    rows: list[Row] = [
        [system, setting, *row_over_seeds(aucs(own, system), acers(own, system))]
        for system in SYSTEMS
        for setting, own in seeds.items()
    ]
    return Table(
        name="families",
        title="Families by what is new in test",
        columns=["family", "new", "AUC", "low", "high", "ACER", "low", "high"],
        rows=rows,
        caption="Means over seeds with 95 % Student-t intervals; ACER of the worst species at the "
        "threshold of equal error on development captures.",
    )


def _families_figure(seeds: Mapping[str, Sequence[Seed]]) -> Figure:
    return Figure(
        name="families",
        title="AUC of each family by what is new in test",
        kind="matrix",
        caption="Means over seeds; 0.5 is chance.",
        data={
            "rows": list(SYSTEMS),
            "columns": list(seeds),
            "values": [
                [float(np.mean(aucs(own, system))) for own in seeds.values()] for system in SYSTEMS
            ],
            "centre": CHANCE,
            "value_label": "AUC",
        },
    )


PAD_SURVEY_STUDY = Study(
    name="pad_survey",
    summary="Eight families of detectors against new people, cameras, lights and instruments.",
    domain="face",
    paper=Paper(
        key="yu2023survey",
        title="Deep Learning for Face Anti-Spoofing: A Survey",
        authors=(
            "Yu, Zitong",
            "Qin, Yunxiao",
            "Li, Xiaobai",
            "Zhao, Chenxu",
            "Lei, Zhen",
            "Zhao, Guoying",
        ),
        venue="IEEE Transactions on Pattern Analysis and Machine Intelligence",
        year=2023,
    ),
    presets={
        "smoke": PadSurveyConfig(
            subjects=(3, 2, 3),
            captures=(16, 8, 16),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            residual_width=4,
            residual_epochs=1,
        ),
        "quick": PadSurveyConfig(),
        "paper": PadSurveyConfig(
            captures=(4000, 1000, 2000),
            size=256,
            width=64,
            epochs=100,
            step_epochs=40,
            batch_size=16,
            augment=True,
            residual_width=64,
            residual_depth=18,
            residual_epochs=100,
        ),
    },
    measure=measure,
)
