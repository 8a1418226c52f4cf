"""The harness of face studies: systems trained, thresholded and tested on the same captures.

A study names its systems, its claims and its sizes; `face_study` makes the rest. Every repetition
draws its own captures and its own initial weights, which the systems of one repetition share, so
that their differences are paired.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sterling.face.capture import KINDS, Scale, simulate
from sterling.face.data import (
    CropSpec,
    FaceDetector,
    Faces,
    LabelKind,
    Modality,
    load_clips,
    load_faces,
    split_by_subject,
)
from sterling.face.data.source import read_source
from sterling.face.pad import (
    DepthNet,
    Detector,
    Network,
    Objective,
    Preprocessing,
    Provenance,
    TrainConfig,
    score_thumbnails,
    train,
)
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.training.fit import target_maps
from sterling.measure import Scores, auc
from sterling.runs import Cell, Row, Run, derive_seed
from sterling.studies.face._gallery import keep_with_gallery
from sterling.studies.face._repetition import Repetition, fused, items_of, rows_of
from sterling.study import Config, Results

BASELINE = "thumbnails"
ALL_MODALITIES: tuple[Modality, ...] = ("rgb", "depth", "ir")

Scorer = Callable[[Faces, Faces], NDArray[np.float64]]
"""Fits on training faces and scores others; higher means bona fide."""


class CaptureConfig(Config):
    """Captures of a face study.

    Attributes:
        data: Presentations to use instead of simulated captures: a manifest, a folder with
            ``live/`` and ``spoof/<species>/``, or a public data set. Repetitions then differ in the
            weights, and in the division of subjects where the data are not divided.
        official: Official protocol of the public data set at `data`; None for its first one.
        cropped: Whether the pictures at `data` are face crops already.
        protocol: Protocol of the simulated captures.
        subjects: Simulated subjects for training, development and test.
        captures: Captures for training, development and test, half of them bona fide.
        size: Side of the crops in pixels.
        frames: Frames of a presentation; more than one gives clips.
        rate: Frames per second of clips.
        seeds: Number of repetitions, with other captures and other weights.
    """

    official: str | None = None
    cropped: bool = False
    protocol: str = "default"
    subjects: tuple[int, int, int] = (18, 8, 18)
    captures: tuple[int, int, int] = (800, 120, 360)
    size: int = Field(default=64, ge=16, multiple_of=8)
    frames: int = Field(default=1, ge=1)
    rate: float = Field(default=25.0, gt=0)
    seeds: int = Field(default=5, ge=1)

    @property
    def source(self) -> str:
        """Name of the captures."""
        if self.data is not None:
            return f"presentations at {self.data}"
        return f"simulated captures, protocol {self.protocol!r}"


class FaceConfig(CaptureConfig):
    """What every comparison of detectors has in common.

    Attributes:
        width: Channels of the networks' stems; 64 is what is published.
        epochs: Passes over the training captures.
        learning_rate: Learning rate of the first epoch.
        step_epochs: Epochs between two changes of the learning rate.
        step_factor: Factor of each change.
        batch_size: Captures per step.
        augment: Whether to use the released augmentation. Off in `quick`: our choice for few
            epochs.
    """

    width: int = Field(default=8, ge=1)
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    step_epochs: int = Field(default=1, ge=1)
    step_factor: float = Field(default=0.4, gt=0, le=1)
    batch_size: int = Field(default=8, ge=1)
    augment: bool = False

    def training(self, seed: int) -> TrainConfig:
        """How to train with this seed."""
        return TrainConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            step_epochs=self.step_epochs,
            step_factor=self.step_factor,
            augment=self.augment,
            seed=seed,
        )


Finish = Callable[[Detector, Faces, Mapping[str, Any]], Iterable[Row]]
"""Measures a trained detector further: from it, its faces and its scores to rows."""


@dataclass(frozen=True)
class System:
    """A network of a comparison, trained once per repetition.

    Attributes:
        network: Makes the network from the seed of its weights and, where there is one, from what
            `prepare` returned.
        label: Label maps that it is taught.
        changes: Fields of `TrainConfig` that differ from the comparison's.
        scenarios: Further tests of the same trained network, by name: the modalities that are
            present. The results are of the system "<system>, <scenario>".
        scorings: Further tests likewise: other ways to score than `Detector.score`.
        finish: Measures the trained detector further.
        sees: What the system is given of the captures, where that differs.
        objective: What its training minimises, from the training captures; None for label maps.
        prepare: Derives a JSON value that the network needs, such as its structure, from the
            captures and the repetition.
        refines: An earlier system whose trained network this one starts from.
        gallery: Whether the first repetition keeps the detector, and pictures of what it finds
            hard.
    """

    network: Callable[..., Network]
    label: LabelKind = "depth"
    changes: Mapping[str, Any] = field(default_factory=dict)
    scenarios: Mapping[str, Sequence[Modality]] = field(default_factory=dict)
    scorings: Mapping[str, Callable[[Detector, Faces], NDArray[np.float64]]] = field(
        default_factory=dict
    )
    finish: Finish | None = None
    sees: Callable[[Faces], Faces] | None = None
    objective: Callable[[Faces], Objective] | None = None
    prepare: Callable[[Faces, Cell], Any] | None = None
    refines: str | None = None
    gallery: bool = False


@dataclass(frozen=True)
class Fusion:
    """The mean of other systems' scores, each standardised on its development scores.

    Attributes:
        systems: Their names.
    """

    systems: tuple[str, ...]


Systems = Mapping[str, System | Fusion | Scorer]
"""Trained networks, fusions, and hand-crafted scorers that see colour alone, by name."""


@dataclass(frozen=True)
class Setting:
    """Which captures train, choose the threshold, and test.

    Attributes:
        name: Short, for tables and claims; "" for the only setting of a study.
        captures: Protocol of the simulated captures; None for that of the configuration. A setting
            with captures of its own does not run on recorded data.
        changed: What becomes of the captures before training; None for nothing.
        species: Attacks whose AUC decides; None for all.
    """

    name: str = ""
    captures: str | None = None
    changed: Callable[[Faces], Faces] | None = None
    species: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """The name as part of a claim's id."""
        return self.name.replace(", ", "_").replace(" ", "_")


Settings = Mapping[Setting, Systems]


@dataclass(frozen=True)
class Compared:
    """All settings of one repetition.

    Attributes:
        config: The configuration.
        cell: The repetition.
        by_setting: Scores by name of the setting.
        faces: Gives the captures of the first setting.
    """

    config: Any
    cell: Cell
    by_setting: Mapping[str, Repetition]
    faces: Callable[[], Faces]


Extra = Callable[[Compared], Iterable[Row]]
"""Further rows from all settings of a repetition; a function of a module."""

C = TypeVar("C", bound=FaceConfig)


def on_images(
    score: Callable[[Tensor, NDArray[np.bool_], Tensor], NDArray[np.float64]],
) -> Scorer:
    """Make a scorer from a function of training images, their labels, and images to score."""
    return lambda training, tested: score(
        training.images, training.manifest.bona_fide, tested.images
    )


THUMBNAILS: Scorer = on_images(score_thumbnails)
"""The trivial baseline: logistic regression on 8×8 colours."""


def leave_out(species: str, faces: Faces) -> Faces:
    """Training and development without one attack species, the test with that one alone."""
    manifest = faces.manifest
    of_species = manifest.matches(species=species)
    test = manifest.matches(split="test")
    return faces.select(np.where(test, of_species | manifest.bona_fide, ~of_species))


def measure_faces(
    settings: Callable[[C], Settings],
    config: C,
    run: Run,
    *,
    study: str,
    modalities: Sequence[Modality] = ("rgb",),
    kinds: Mapping[str, Sequence[str]] = KINDS,
    extra: Extra | None = None,
) -> Results:
    """Train and test every system of every setting in every repetition.

    Args:
        settings: From the configuration to the systems of each setting; a function of a module.
        config: Captures and training.
        run: The run.
        study: Name that seeds are derived from.
        modalities: Modalities that the study needs of recorded data.
        kinds: Species by kind of instrument.
        extra: Further rows.

    Raises:
        InputError: The recorded data lack a modality, clips or a class.
    """
    recorded, missed = None, 0
    if config.data is not None:
        recorded, missed = read_recorded(config, config.data, modalities)
    rows = run.map(
        partial(_repetition, settings, extra, kinds, study),
        [{"repetition": index} for index in range(config.seeds)],
        config,
        recorded,
        seed=study + "/{repetition}",
    )
    return Results.of(rows, not_scored=missed)


def read_recorded(
    config: CaptureConfig, data: Path, modalities: Sequence[Modality]
) -> tuple[Faces, int]:
    """Read the faces at ``--data``, and count the presentations without a crop."""
    manifest = read_source(data, config.official, clips=config.frames > 1)
    spec = CropSpec(size=config.size)
    if config.frames > 1:
        loaded = load_clips(
            manifest, spec, frames=config.frames, modalities=modalities, cropped=config.cropped
        )
    else:
        loaded = load_faces(manifest, spec, modalities=modalities, cropped=config.cropped)
    return loaded.faces, len(loaded.non_responses)


def _repetition(
    settings: Callable[[C], Settings],
    extra: Extra | None,
    kinds: Mapping[str, Sequence[str]],
    study: str,
    config: C,
    recorded: Faces | None,
    cell: Cell,
) -> list[Row]:
    @cache
    def captured(protocol: str) -> Faces:
        if recorded is not None:
            return divided(recorded, cell.repetition)
        changed = config.model_copy(update={"protocol": protocol})
        return simulated_faces(study, changed, cell.run, cell.repetition)

    def faces(setting: Setting) -> Faces:
        found = captured(setting.captures or config.protocol)
        return found if setting.changed is None else setting.changed(found)

    rows: list[Row] = []
    by_setting: dict[str, Repetition] = {}
    chosen = {
        setting: systems
        for setting, systems in settings(config).items()
        if recorded is None or setting.captures is None
    }
    for number, (setting, systems) in enumerate(chosen.items()):
        # Files of the first setting lie in the run folder, those of others in one of its name.
        folder = cell.run.folder / setting.key if number else cell.run.folder
        repetition = compare(
            config, replace(cell.run, folder=folder), cell, systems, partial(faces, setting)
        )
        if number == 0:
            cell.keep_scores(repetition.score_table(cell.repetition))
        by_setting[setting.name] = repetition
        found = rows_of(repetition, setting.species, kinds)
        rows += [{"setting": setting.name or None, **each} for each in found]
    if extra is not None:
        first = partial(faces, next(iter(chosen)))
        rows += extra(Compared(config, cell, by_setting, first))
    return rows


def divided(faces: Faces, repetition: int) -> Faces:
    """Recorded faces, divided by subject anew for each repetition where they are not divided."""
    if faces.manifest.matches(split=("train", "dev")).any():
        return faces
    return replace(faces, manifest=split_by_subject(faces.manifest, seed=repetition))


def compare(
    config: FaceConfig,
    run: Run,
    cell: Cell,
    systems: Systems,
    faces: Callable[[], Faces],
) -> Repetition:
    """Train every system on the faces of one repetition and score all.

    Each network sees the modalities that it takes, of the same captures. Stages of the run keep
    what is finished.

    Args:
        config: Training.
        run: Run, with the folder that receives detectors, checkpoints and stages.
        cell: The repetition; its seed is that of the weights.
        systems: Systems by name.
        faces: Gives the captures.
    """
    index = cell.repetition

    refined = {system.refines for system in systems.values() if isinstance(system, System)}

    def kept(name: str) -> Path:
        return run.folder / "trained" / f"{name}-{index}"

    def train_system(name: str, system: System) -> dict[str, Any]:
        prepared = []
        if system.prepare is not None:
            prepare = partial(system.prepare, faces(), cell)
            prepared.append(run.stage(f"{name}-prepared-{index}", prepare))
        network = system.network(cell.seed, *prepared)
        if system.refines is not None:
            single = Detector.from_pretrained(kept(system.refines)).model
            assert isinstance(network, ClipDepth)
            assert isinstance(single, DepthNet)
            network.adopt(single)
        seen = faces().only(network.modalities)
        if seen.images.ndim == 5 and network.frames == 1:
            seen = seen.first_frame()
        if system.sees is not None:
            seen = system.sees(seen)
        detector, result = train_and_score(
            network,
            seen,
            replace(config.training(cell.seed), **system.changes),
            label=system.label,
            data=config.source,
            simulated=config.data is None,
            checkpoint=run.folder / "checkpoints" / f"{name}-{index}.safetensors",
            objective=system.objective,
        )
        if system.gallery and index == 0:
            keep_with_gallery(detector, seen, result, run.folder, source=config.source)
        if system.finish is not None:
            result["finished"] = list(system.finish(detector, seen, result))
        if prepared:
            result["prepared"] = prepared[0]
        if name in refined:
            detector.save_pretrained(kept(name))
        return {
            "": result,
            **{s: _tested(detector, seen, m) for s, m in system.scenarios.items()},
            **{s: _scored(detector, seen, how) for s, how in system.scorings.items()},
        }

    results: dict[str, Any] = {}
    for name, system in systems.items():
        if isinstance(system, System):
            found = run.stage(f"{name}-{index}", partial(train_system, name, system))
            results |= {f"{name}, {s}" if s else name: result for s, result in found.items()}
    for name, system in systems.items():
        if not isinstance(system, System | Fusion):
            results[name] = run.stage(f"{name}-{index}", partial(hand_crafted, system, faces))
    items = run.stage(f"items-{index}", lambda: items_of(faces()))
    source = f"{config.source}, development set, seed {index}"
    repetition = Repetition.of(results, items, source=source)
    for name, system in systems.items():
        if isinstance(system, Fusion):
            repetition = fused(repetition, name, system.systems)
    return repetition


def simulated_faces(study: str, config: CaptureConfig, run: Run, index: int) -> Faces:
    """Simulate the captures of one repetition in all three modalities."""
    captures = simulate(
        config.protocol,
        seed=derive_seed(run.seed, study, index),
        size=config.size,
        frames=config.frames,
        rate=config.rate,
        scale=Scale(config.subjects, config.captures),
    )
    return captures.faces(ALL_MODALITIES)


def _tested(detector: Detector, faces: Faces, there: Sequence[Modality]) -> dict[str, Any]:
    """Scores of a flexible detector when only some modalities are there."""
    present = torch.tensor([name in there for name in faces.modalities])
    scores = {}
    for split in ("dev", "test"):
        images = faces.split(split).images
        scores[split] = detector.score(images, present=present.expand(len(images), -1)).tolist()
    return scores


def _scored(
    detector: Detector, faces: Faces, how: Callable[[Detector, Faces], NDArray[np.float64]]
) -> dict[str, Any]:
    """Scores of a detector in another way than its own."""
    return {split: how(detector, faces.split(split)).tolist() for split in ("dev", "test")}


def train_and_score(
    network: Network,
    faces: Faces,
    config: TrainConfig,
    *,
    label: LabelKind = "depth",
    data: str = "simulated captures",
    simulated: bool = True,
    checkpoint: Path | None = None,
    objective: Callable[[Faces], Objective] | None = None,
) -> tuple[Detector, dict[str, Any]]:
    """Train a network on the training split and score the other two.

    Args:
        network: Its initial weights; trained in place.
        faces: Captures with the splits train, dev and test.
        config: How to train.
        label: Label maps that the network is taught; a network without maps is taught one pixel.
            Recorded bona fides have no depth map: an ellipsoid replaces it.
        data: Name of the faces, for the detector's provenance.
        simulated: Whether they are simulated.
        checkpoint: File that a killed training goes on from.
        objective: What training minimises, from the training captures; None for label maps.

    Returns:
        The detector without a threshold, and a JSON object with "dev" and "test" (scores),
        "training_auc", "collapsed" and "history".
    """
    if label == "depth" and faces.depth is None:
        label = "ellipsoid"
    parts = {split: faces.split(split) for split in ("train", "dev", "test")}
    training = parts["train"]
    history = train(
        network,
        training.images,
        target_maps(network, training, label),
        config,
        present=training.present,
        objective=None if objective is None else objective(training),
        checkpoint=checkpoint,
    )
    detector = Detector(
        network,
        Preprocessing(
            size=faces.images.shape[-1],
            crop_scale=1.3,
            face_detector="simulated face box" if simulated else FaceDetector().name,
        ),
        Provenance(data, simulated, "Apache-2.0", config.seed, history.items, history.digest),
    )
    scores = {
        split: detector.score(part.images, present=part.present) for split, part in parts.items()
    }
    return detector, {
        "dev": scores["dev"].tolist(),
        "test": scores["test"].tolist(),
        "training_auc": auc(Scores(scores["train"], training.manifest.bona_fide)).value,
        "collapsed": history.collapsed,
        "history": [
            {"bona fide": epoch.bona_fide_score, "attack": epoch.attack_score, "loss": epoch.loss}
            for epoch in history.epochs
        ],
    }


def hand_crafted(score: Scorer, faces: Callable[[], Faces]) -> dict[str, Any]:
    """Score the captures by a system without a network, on colour alone."""
    colour = faces().only(["rgb"])
    training = colour.split("train")
    return {split: score(training, colour.split(split)).tolist() for split in ("dev", "test")}
