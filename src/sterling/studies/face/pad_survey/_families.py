"""Families of detectors, and their errors by what is new in test."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sterling.face.data import Faces, Manifest
from sterling.face.pad import CDCN, Network, Objective
from sterling.face.pad.baselines.hand_crafted import score_texture, texture
from sterling.face.pad.baselines.simple import score_one_class
from sterling.face.pad.networks.deep_pixbis import DeepPixBiS, PixelWiseBinary
from sterling.face.pad.networks.fourier import FourierNet, FourierSupervised
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.networks.maddg import MADDG, MultiAdversarial
from sterling.face.pad.networks.reflection import Bipartite, BipartiteNet
from sterling.face.pad.networks.ssdg import SSDG, SingleSide
from sterling.face.pad.training.domains import DomainConfusion
from sterling.runs import Row
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.measuring import Compared
from sterling.studies.face._harness.repetition import Repetition
from sterling.studies.face._harness.systems import (
    BASELINE,
    THUMBNAILS,
    Setting,
    Settings,
    System,
    Systems,
    on_images,
)
from sterling.study import row

TEXTURE, COLOUR, ONE_CLASS = "texture", "colour texture", "one class"
BINARY, MASK, DEPTH, PIXEL = "binary", "mask", "pseudo-depth", "pixel-wise"
REFLECTION, FOURIER = "depth and reflection", "Fourier"
SIDED, REVERSED, MULTI, ADAPTED = "SSDG", "gradient reversal", "MADDG", "adaptation"
NETWORKS = (DEPTH, MASK, PIXEL, REFLECTION, FOURIER, BINARY, SIDED, REVERSED, MULTI, ADAPTED)
SYSTEMS = (*NETWORKS, COLOUR, TEXTURE, ONE_CLASS, BASELINE)

PEOPLE, CAMERAS, LIGHTS = "people", "cameras", "lights"
BOTH, INSTRUMENTS = "cameras and lights", "instruments"
NEW = (PEOPLE, CAMERAS, LIGHTS, BOTH, INSTRUMENTS)
LEFT_OUT = ("poster", "mask_resin", "mask_silicone", "mask_partial")
TARGET = "#target"
TARGET_STEP = 3  # every third capture of the test is shown to the adapted network, without label
CHANCE = 0.5


class PadSurveyConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        residual_width: Channels of the residual and dense networks' first stage, even.
        residual_depth: Depth of the residual networks: 10, 18 or 34.
        dense_layers: Layers of the two blocks of the pixel-wise network.
        residual_epochs: Epochs of residual and dense networks.
        residual_rate: Learning rate of residual and dense networks.
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


ALL, SOME = Setting("all instruments"), Setting("some left out", changed=_without_some)


def settings(config: PadSurveyConfig) -> Settings:
    """Every family, trained on all instruments and again without some."""
    return dict.fromkeys((ALL, SOME), _systems(config))


def _systems(config: PadSurveyConfig) -> Systems:
    depth, width, augmented = config.residual_depth, config.residual_width, config.augment
    shorter = {"epochs": config.residual_epochs, "learning_rate": config.residual_rate}

    def sided(seed: int) -> Network:
        return SSDG(depth, width, seed=seed)

    def one_sided(training: Faces, triplet_weight: float) -> Objective:
        return SingleSide(_cameras(training), triplet_weight, augmented=augmented)

    return {
        DEPTH: System(lambda seed: CDCN(config.width, seed=seed)),
        MASK: System(
            lambda seed: CDCN(config.width, 0.0, seed=seed),
            label="constant",
            changes={"cdl_weight": 0.0},
        ),
        PIXEL: System(
            lambda seed: DeepPixBiS(width, config.dense_layers, seed=seed),
            label="constant",
            changes=shorter,
            objective=lambda _: PixelWiseBinary(augmented=augmented),
        ),
        REFLECTION: System(
            lambda seed: BipartiteNet(config.width, seed=seed),
            objective=lambda _: Bipartite(augmented=augmented),
        ),
        FOURIER: System(
            lambda seed: FourierNet(depth, width, seed=seed),
            changes=shorter,
            objective=lambda _: FourierSupervised(augmented=augmented),
        ),
        BINARY: System(
            lambda seed: FusionResNet(depth, width, ("rgb",), "halfway", "concat", seed=seed),
            changes=shorter,
        ),
        SIDED: System(sided, changes=shorter, objective=partial(one_sided, triplet_weight=1.0)),
        REVERSED: System(sided, changes=shorter, objective=partial(one_sided, triplet_weight=0.0)),
        MULTI: System(
            lambda seed: MADDG(config.width, seed=seed),
            objective=lambda training: MultiAdversarial(_cameras(training), augmented=augmented),
        ),
        ADAPTED: System(
            sided,
            changes=shorter,
            sees=with_target,
            objective=lambda training: DomainConfusion(_labelled(training), augmented=augmented),
        ),
        TEXTURE: on_images(partial(score_texture, space="grey")),
        COLOUR: on_images(score_texture),
        ONE_CLASS: _anomaly,
        BASELINE: THUMBNAILS,
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
    """Return the mask of training captures that are not `with_target`'s, bool (N,)."""
    items = training.manifest.column("item")
    return torch.tensor([not str(item).endswith(TARGET) for item in items])


def _anomaly(training: Faces, tested: Faces) -> NDArray[np.float64]:
    bona_fides = training.select(training.manifest.bona_fide)
    return score_one_class(texture(bona_fides.images), texture(tested.images))


def by_novelty(compared: Compared) -> Iterable[Row]:
    """Errors of every family on the test captures of each type of protocol."""
    run, index = compared.cell.run, compared.cell.repetition
    novelty = np.array(run.stage(f"cells-{index}", lambda: _novelty(compared.faces().manifest)))
    whole, some = (compared.by_setting[setting.name] for setting in (ALL, SOME))
    groups = next(iter(some.test.values()))
    left_out = groups.label | np.isin(groups.group, LEFT_OUT)
    parts = {new: _part(whole, novelty == new) for new in NEW[:-1]}
    parts[INSTRUMENTS] = _part(some, left_out)
    for system in SYSTEMS:
        for new, part in parts.items():
            yield row("auc", part.auc(system), system=system, new=new)
            yield row("acer", part.acer(system), system=system, new=new)


def _novelty(manifest: Manifest) -> list[str]:
    """Name what is new to training in each test capture: its camera, light, both or none."""
    training, test = manifest.where(split="train"), manifest.where(split="test")
    known = [
        test.matches(**{name: set(training.column(name).tolist())})
        for name in ("sensor", "illumination")
    ]
    names = np.array([[BOTH, CAMERAS], [LIGHTS, PEOPLE]])
    return [str(name) for name in names[known[0].astype(int), known[1].astype(int)]]


def _part(repetition: Repetition, rows: NDArray[np.bool_]) -> Repetition:
    """The same systems and thresholds on some of the test captures."""
    test = {name: scores.select(rows) for name, scores in repetition.test.items()}
    return replace(repetition, test=test, unseen_domain=repetition.unseen_domain[rows])
