"""The families of face presentation attack detection in one table, and what carries to the new.

Yu et al., "Deep Learning for Face Anti-Spoofing: A Survey", IEEE TPAMI 2023: hand-made texture,
binary labels, pixel-wise labels, pseudo-depth and other auxiliary maps, domain generalisation and
adaptation, and anomaly detection. Every seed draws its own simulated captures and its own initial
weights. The survey's types of protocol are cells of one test: a family is trained once, and its
test captures are told apart by what training has not seen, camera, light, both or neither. For the
last type it is trained again without some instruments, and tested on those.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sterling.face.data import Faces, Manifest
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import CDCN, Network
from sterling.face.pad.baselines.local_binary_patterns import score_texture, texture
from sterling.face.pad.baselines.one_class import score_one_class
from sterling.face.pad.networks.deep_pixbis import DeepPixBiS, PixelWiseBinary
from sterling.face.pad.networks.fourier import FourierNet, FourierSupervised
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.networks.maddg import MADDG, MultiAdversarial
from sterling.face.pad.networks.reflection import Bipartite, BipartiteNet
from sterling.face.pad.networks.ssdg import SSDG, SingleSide
from sterling.face.pad.training.domain_confusion import DomainConfusion
from sterling.face.pad.training.objective import Objective
from sterling.runs import Run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Scorer,
    Seed,
    acers,
    auc_gains,
    aucs,
    on_images,
    simulated_faces,
)
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.studies.face._settings import Setting, compare_settings
from sterling.study import (
    Claim,
    Findings,
    Row,
    Study,
    Table,
    matrix,
    positive,
    row_over_seeds,
)

TEXTURE, COLOUR, ONE_CLASS = "texture", "colour texture", "one class"
BINARY, MASK, DEPTH, PIXEL = "binary", "mask", "pseudo-depth", "pixel-wise"
REFLECTION, FOURIER = "depth and reflection", "Fourier"
SIDED, REVERSED, MULTI, ADAPTED = "SSDG", "gradient reversal", "MADDG", "adaptation"
NETWORKS = (DEPTH, MASK, PIXEL, REFLECTION, FOURIER, BINARY, SIDED, REVERSED, MULTI, ADAPTED)
SYSTEMS = (*NETWORKS, COLOUR, TEXTURE, ONE_CLASS, BASELINE)

PEOPLE, CAMERAS, LIGHTS = "people", "cameras", "lights"
BOTH, INSTRUMENTS = "cameras and lights", "instruments"
CELLS = (PEOPLE, CAMERAS, LIGHTS, BOTH)
NEW = (*CELLS, INSTRUMENTS)
LEFT_OUT = ("poster", "mask_resin", "mask_silicone", "mask_partial")
TARGET = "#target"
TARGET_STEP = 3  # every third capture of the test is shown to the adapted network, without label
CHANCE = 0.5


class PadSurveyConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        residual_width: Channels of the residual and dense networks' first stage, even.
        residual_depth: Depth of the residual ones: 10, 18 or 34.
        dense_layers: Of the two blocks of the pixel-wise network.
        residual_epochs: Epochs of both, which are shorter.
        residual_rate: Their learning rate.
    """

    protocol: str = "sets"
    captures: tuple[int, int, int] = (260, 80, 400)
    epochs: int = Field(default=6, ge=1)
    step_epochs: int = Field(default=2, ge=1)
    residual_width: int = Field(default=16, ge=2, multiple_of=2)
    residual_depth: int = 10
    dense_layers: tuple[int, int] = (2, 4)
    residual_epochs: int = Field(default=10, ge=1)
    residual_rate: float = Field(default=1e-3, gt=0)


def _without_some(faces: Faces) -> Faces:
    """Training and development without the instruments left out; the test stays."""
    manifest = faces.manifest
    return faces.select(~manifest.matches(species=LEFT_OUT) | manifest.matches(split="test"))


SETTINGS = (Setting("all instruments"), Setting("some left out", changed=_without_some))


def measure(config: PadSurveyConfig, run: Run) -> Findings:
    """Train every family on every seed twice, test it on what is new, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    results = in_processes(_one_seed, calls, "seeds")
    whole = [seed for seed, _ in results]
    seeds = {new: [cells[new] for _, cells in results] for new in NEW}
    write_scores(score_tables(whole), run.folder)
    return comparison_findings(
        whole,
        SYSTEMS,
        _claims(seeds),
        caption="All test captures, all instruments trained on. pseudo-depth: CDCN, depth of the "
        "face. mask: the same with a constant label, no difference term. pixel-wise: DeepPixBiS. "
        "depth and reflection: two maps, one against the other. Fourier: a residual network that "
        "also predicts the spectrum. binary: residual network, cross-entropy. SSDG: bona fides of "
        "all cameras alike. gradient reversal: SSDG without its triplets. MADDG: one discriminator "
        "a camera, triplets and depth. adaptation: features of a third of the test captures, whose "
        "labels stay unknown, made alike. colour texture, texture: local binary patterns and a "
        "linear machine. one class: distance of colour texture from bona fides alone. thumbnails: "
        "logistic regression on 8×8 colours.",
        trained=NETWORKS,
        tables=[_families_table(seeds)],
        figures=[
            matrix(
                "families",
                "AUC of each family by what is new in test",
                "Means over seeds; 0.5 is chance. People are always new.",
                SYSTEMS,
                NEW,
                lambda system, new: (
                    float(np.mean(found)) if (found := aucs(seeds[new], system)) else None
                ),
                value_label="AUC",
                centre=CHANCE,
            )
        ],
    )


def _one_seed(config: PadSurveyConfig, run: Run, index: int) -> tuple[Seed, dict[str, Seed]]:
    """The seed on all test captures, and on those of each cell."""
    faces = cache(partial(simulated_faces, "pad_survey", config, run, index))
    scorers: dict[str, Scorer] = {
        TEXTURE: on_images(partial(score_texture, space="grey")),
        COLOUR: on_images(score_texture),
        ONE_CLASS: _anomaly,
    }
    settings = dict.fromkeys(SETTINGS, _arms(config))
    found = compare_settings(
        "pad_survey", config, run, index, settings, scorers=scorers, recorded=faces
    )
    cells = np.array(run.stage(f"cells-{index}", lambda: _cells(faces().manifest)))
    whole, some = (found[setting.name] for setting in SETTINGS)
    groups = next(iter(some.test.values()))
    left_out = groups.label | np.isin(groups.group, LEFT_OUT)
    seeds = {cell: _part(whole, cells == cell) for cell in CELLS}
    return whole, {**seeds, INSTRUMENTS: _part(some, left_out)}


def _cells(manifest: Manifest) -> list[str]:
    """What training has not seen of each test capture's camera and light."""
    training, test = manifest.where(split="train"), manifest.where(split="test")
    known = [
        test.matches(**{name: set(training.column(name).tolist())})
        for name in ("sensor", "illumination")
    ]
    names = np.array([[BOTH, CAMERAS], [LIGHTS, PEOPLE]])
    return [str(name) for name in names[known[0].astype(int), known[1].astype(int)]]


def _part(seed: Seed, rows: NDArray[np.bool_]) -> Seed:
    """The same systems and thresholds on some of the test captures."""
    test = {name: scores.select(rows) for name, scores in seed.test.items()}
    return replace(seed, test=test, unseen_domain=seed.unseen_domain[rows])


def _arms(config: PadSurveyConfig) -> dict[str, Arm]:
    depth, width, augmented = config.residual_depth, config.residual_width, config.augment
    shorter = {"epochs": config.residual_epochs, "learning_rate": config.residual_rate}

    def sided(seed: int) -> Network:
        return SSDG(depth, width, seed=seed)

    def one_sided(training: Faces, triplet_weight: float) -> Objective:
        return SingleSide(_cameras(training), triplet_weight, augmented=augmented)

    return {
        DEPTH: Arm(lambda seed: CDCN(config.width, seed=seed)),
        MASK: Arm(
            lambda seed: CDCN(config.width, 0.0, seed=seed),
            label="constant",
            changes={"cdl_weight": 0.0},
        ),
        PIXEL: Arm(
            lambda seed: DeepPixBiS(width, config.dense_layers, seed=seed),
            label="constant",
            changes=shorter,
            objective=lambda _: PixelWiseBinary(augmented=augmented),
        ),
        REFLECTION: Arm(
            lambda seed: BipartiteNet(config.width, seed=seed),
            objective=lambda _: Bipartite(augmented=augmented),
        ),
        FOURIER: Arm(
            lambda seed: FourierNet(depth, width, seed=seed),
            changes=shorter,
            objective=lambda _: FourierSupervised(augmented=augmented),
        ),
        BINARY: Arm(
            lambda seed: FusionResNet(depth, width, ("rgb",), "halfway", "concat", seed=seed),
            changes=shorter,
        ),
        SIDED: Arm(sided, changes=shorter, objective=partial(one_sided, triplet_weight=1.0)),
        REVERSED: Arm(sided, changes=shorter, objective=partial(one_sided, triplet_weight=0.0)),
        MULTI: Arm(
            lambda seed: MADDG(config.width, seed=seed),
            objective=lambda training: MultiAdversarial(_cameras(training), augmented=augmented),
        ),
        ADAPTED: Arm(
            sided,
            changes=shorter,
            sees=with_target,
            objective=lambda training: DomainConfusion(_labelled(training), augmented=augmented),
        ),
    }


def _cameras(training: Faces) -> Tensor:
    """The cameras of the training captures, int64 (N,), as domains."""
    codes = np.unique(training.manifest.column("sensor"), return_inverse=True)[1]
    return torch.from_numpy(codes.astype(np.int64))


def with_target(faces: Faces) -> Faces:
    """A part of the test captures trains as well, for what they look like: labels stay unused."""
    manifest = faces.manifest
    shown = np.flatnonzero(manifest.matches(split="test"))[::TARGET_STEP]
    rows = np.concatenate([np.arange(len(manifest)), shown])
    copied = pl.int_range(pl.len()) >= len(manifest)
    # A person may be in one split only, so the copy counts as somebody else.
    table = manifest.table[rows].with_columns(
        *(
            pl.when(copied).then(pl.col(name) + TARGET).otherwise(name).alias(name)
            for name in ("item", "subject")
        ),
        split=pl.when(copied).then(pl.lit("train")).otherwise("split"),
    )
    return replace(
        faces,
        manifest=Manifest(table, manifest.source),
        images=faces.images[rows],
        depth=None if faces.depth is None else faces.depth[rows],
        mask=None if faces.mask is None else faces.mask[rows],
    )


def _labelled(training: Faces) -> Tensor:
    """Which training captures are not `with_target`'s, bool (N,)."""
    items = training.manifest.column("item")
    return torch.tensor([not str(item).endswith(TARGET) for item in items])


def _anomaly(training: Faces, tested: Faces) -> NDArray[np.float64]:
    bona_fides = training.select(training.manifest.bona_fide)
    return score_one_class(texture(bona_fides.images), texture(tested.images))


def _claims(seeds: Mapping[str, list[Seed]]) -> list[Claim]:
    def gain(name: str, sentence: str, new: str, better: str, worse: str) -> Claim:
        whole = f"{sentence}, new {new}."
        return positive(name, whole, auc_gains(seeds[new], better, worse))

    def cost(system: str, new: str) -> list[float]:
        pairs = zip(seeds[PEOPLE], seeds[new], strict=True)
        areas = [(known.auc(system), changed.auc(system)) for known, changed in pairs]
        return [a - b for a, b in areas if a is not None and b is not None]

    def key(system: str) -> str:
        return system.lower().replace(" ", "_").replace("-", "_")

    return [
        *(
            gain(
                f"{key(system)}_beats_trivial_baseline",
                f"The AUC is above that of 8×8 thumbnails: {system}",
                PEOPLE,
                system,
                BASELINE,
            )
            for system in SYSTEMS[:-1]
        ),
        gain(
            "colour_beats_grey_texture",
            "Texture of colour channels has a higher AUC than of luminance",
            PEOPLE,
            COLOUR,
            TEXTURE,
        ),
        gain(
            "depth_beats_texture",
            "Pseudo-depth has a higher AUC than colour texture",
            PEOPLE,
            DEPTH,
            COLOUR,
        ),
        *(
            gain(
                f"depth_beats_binary_new_{new}",
                "Pseudo-depth has a higher AUC than a binary label",
                new,
                DEPTH,
                BINARY,
            )
            for new in (PEOPLE, CAMERAS)
        ),
        *(
            gain(
                f"{key(system)}_beats_binary_new_cameras",
                f"{system} has a higher AUC than a binary label",
                CAMERAS,
                system,
                BINARY,
            )
            for system in (SIDED, REVERSED, MULTI, ADAPTED)
        ),
        gain(
            "one_class_beats_texture_new_instruments",
            "Anomaly detection has a higher AUC than two classes of the same texture",
            INSTRUMENTS,
            ONE_CLASS,
            COLOUR,
        ),
        *(
            positive(
                f"new_{new}_cost_{key(system)}",
                f"New {new} lower the AUC: {system}.",
                cost(system, new),
            )
            for system in (DEPTH, BINARY, COLOUR)
            for new in (CAMERAS, LIGHTS)
        ),
    ]


def _families_table(seeds: Mapping[str, list[Seed]]) -> Table:
    rows: list[Row] = [
        [system, new, *row_over_seeds(aucs(own, system), acers(own, system))]
        for system in SYSTEMS
        for new, own in seeds.items()
    ]
    return Table(
        name="families",
        title="Families by what is new in test",
        columns=["family", "new", "AUC", "low", "high", "ACER", "low", "high"],
        rows=rows,
        caption="Means over seeds with 95 % Student-t intervals; people are always new. ACER of "
        "the worst species at the threshold of equal error on development captures. instruments: "
        f"{', '.join(LEFT_OUT)} are not trained on, and alone count as attacks.",
    )


PAD_SURVEY_STUDY = Study(
    name="pad_survey",
    summary="Fourteen families of detectors against new people, cameras, lights and instruments.",
    domain="face",
    cite="yu2023survey",
    presets={
        "smoke": PadSurveyConfig(
            subjects=(3, 2, 3),
            captures=(16, 8, 32),
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
