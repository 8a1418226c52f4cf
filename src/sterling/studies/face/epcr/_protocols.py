"""Protocols of labels, and the systems of each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch.nn import functional

from sterling.face.capture import KINDS
from sterling.face.data import Faces, Manifest
from sterling.face.pad import EPCR, Consistency, Detector, normalise
from sterling.runs import Row
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.systems import (
    BASELINE,
    THUMBNAILS,
    Setting,
    Settings,
    System,
    Systems,
)
from sterling.study import row

Rule = Callable[[Manifest], NDArray[np.bool_]]
FEW, TARGET = "few subjects", "target"
CONSISTENT, LABELS, EVERYTHING = "epcr", "labels", "all labels"
NO_EMBEDDING, NO_PREDICTION, SAME = "no embedding", "no prediction", "same positions"
SPREAD_BAR = 0.1  # our own, set before anything was measured


class EpcrConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        theta: Share of the difference term of the encoder.
        labelled: Share of the training subjects that are labelled, where subjects are.
        embed_weight: Weight of the consistency of embeddings.
        predict_weight: Weight of the consistency of predictions.
    """

    protocol: str = "planar"
    captures: tuple[int, int, int] = (240, 60, 160)
    subjects: tuple[int, int, int] = (20, 8, 16)
    size: int = Field(default=40, ge=16, multiple_of=8)
    seeds: int = Field(default=4, ge=1)
    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    step_epochs: int = Field(default=6, ge=1)
    step_factor: float = Field(default=0.3, gt=0, le=1)
    batch_size: int = Field(default=8, ge=1)
    theta: float = Field(default=0.0, ge=0, le=1)
    labelled: float = Field(default=0.1, gt=0, lt=1)
    embed_weight: float = Field(default=1.0, ge=0)
    predict_weight: float = Field(default=0.1, ge=0)


@dataclass(frozen=True)
class Protocol:
    """Labels of the training captures in a setting.

    Attributes:
        setting: The captures.
        question: End of the claim's sentence.
        labelled: Labelled captures of the training manifest, bool (N,).
    """

    setting: Setting
    question: str
    labelled: Rule


def protocols(config: EpcrConfig) -> list[Protocol]:
    """Five protocols as the release's lists imply them."""
    few = partial(_few_subjects, share=config.labelled)
    share = f"{config.labelled:.0%} of the subjects labelled"
    return [
        Protocol(Setting(FEW), f"with {share}", few),
        Protocol(
            Setting(f"{FEW}, new domain", captures="planar_open"),
            f"with {share} and new lights and cameras in test",
            few,
        ),
        Protocol(
            Setting("one sensor", captures=config.protocol),
            "with one of three cameras unlabelled",
            _all_but_one_sensor,
        ),
        Protocol(
            Setting(TARGET, captures="planar_open", changed=with_target),
            "with unlabelled captures of the cameras and lights tested added",
            lambda manifest: ~manifest.matches(session=TARGET),
        ),
        Protocol(
            Setting("flat", captures="flat_and_masks", species=KINDS["masks"]),
            "against masks, with flat instruments alone labelled among the attacks",
            lambda manifest: ~manifest.matches(species=KINDS["masks"]),
        ),
    ]


def _few_subjects(manifest: Manifest, share: float) -> NDArray[np.bool_]:
    """Captures of the first subjects by name, as few as hold the share and both classes."""
    subjects = sorted(set(manifest.column("subject").tolist()))
    for count in range(max(1, round(share * len(subjects))), len(subjects)):
        found = manifest.matches(subject=subjects[:count])
        if 0 < (manifest.bona_fide & found).sum() < found.sum():
            return found
    return np.ones(len(manifest), dtype=np.bool_)


def _all_but_one_sensor(manifest: Manifest) -> NDArray[np.bool_]:
    return ~manifest.matches(sensor=min(manifest.column("sensor").tolist()))


def with_target(faces: Faces) -> Faces:
    """Half of the test subjects move to the training captures; `TARGET` is their session."""
    test = sorted(set(faces.manifest.where(split="test").column("subject").tolist()))
    moved = pl.col("subject").is_in(test[: len(test) // 2])
    table = faces.manifest.table.with_columns(
        split=pl.when(moved).then(pl.lit("train")).otherwise(pl.col("split")),
        session=pl.when(moved).then(pl.lit(TARGET)).otherwise(pl.col("session")),
    )
    return replace(faces, manifest=Manifest(table, faces.manifest.source))


def settings(config: EpcrConfig) -> Settings:
    """The systems of every protocol."""
    return {protocol.setting: _systems(config, protocol) for protocol in protocols(config)}


def _systems(config: EpcrConfig, protocol: Protocol) -> Systems:
    everything: Rule = lambda manifest: np.ones(len(manifest), np.bool_)  # noqa: E731
    options = {
        "embed_weight": config.embed_weight,
        "predict_weight": config.predict_weight,
        "augmented": config.augment,
    }

    def system(labelled: Rule, **changes: Any) -> System:
        return System(
            lambda seed: EPCR(config.width, config.theta, seed=seed),
            label="constant",
            finish=_spread,
            objective=lambda training: Consistency(
                torch.from_numpy(labelled(training.manifest)), **{**options, **changes}
            ),
        )

    none = {"embed_weight": 0.0, "predict_weight": 0.0}
    found: dict[str, System] = {
        CONSISTENT: system(protocol.labelled),
        LABELS: replace(
            system(everything, **none), sees=partial(labelled_only, labelled=protocol.labelled)
        ),
    }
    if protocol.setting.name == FEW:
        found |= {
            NO_EMBEDDING: system(protocol.labelled, embed_weight=0.0),
            NO_PREDICTION: system(protocol.labelled, predict_weight=0.0),
            SAME: system(protocol.labelled, dense="position_to_position"),
            EVERYTHING: system(everything, **none),
        }
    return {**found, BASELINE: THUMBNAILS}


def labelled_only(faces: Faces, labelled: Rule) -> Faces:
    """Training captures without a label left out, the others repeated to the same number.

    So a system without unlabelled captures takes as many steps as one with them.
    """
    training = faces.manifest.matches(split="train")
    rows = np.flatnonzero(training)
    kept = rows[labelled(faces.manifest.where(split="train"))]
    rows = np.concatenate([np.resize(kept, len(rows)), np.flatnonzero(~training)])
    copy = pl.int_range(pl.len()).over("item").cast(pl.String)
    table = faces.manifest.table[rows].with_columns(
        item=pl.when(copy == "0").then("item").otherwise(pl.col("item") + "#" + copy)
    )
    return replace(
        faces,
        manifest=Manifest(table, faces.manifest.source),
        images=faces.images[rows],
        depth=None if faces.depth is None else faces.depth[rows],
        mask=None if faces.mask is None else faces.mask[rows],
    )


def _spread(detector: Detector, faces: Faces, _result: Mapping[str, Any]) -> Iterable[Row]:
    """Deviation over test captures of the unit embedding, times the root of its channels.

    0 when all captures have one embedding (collapse), 1 when they point everywhere alike.
    """
    network, images = detector.model, faces.split("test").images
    assert isinstance(network, EPCR)
    with torch.inference_mode():
        parts = [network.embed(normalise(part)) for part in torch.split(images, 32)]
    unit = functional.normalize(torch.cat(parts), dim=1).mean(dim=(2, 3))
    return [row("spread", float(unit.std(dim=0).mean() * unit.shape[1] ** 0.5))]
