"""Systems trained, thresholded and tested on the same faces, seed after seed, and their tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.data import Faces, LabelKind, Modality
from sterling.face.pad import (
    Detector,
    Network,
    Objective,
    Preprocessing,
    Provenance,
    TrainConfig,
    score_thumbnails,
    train,
)
from sterling.face.pad.training.fit import target_maps
from sterling.measure import Scores, Threshold, aggregate, auc, evaluate, threshold_at_eer
from sterling.runs import Run, derive_seed
from sterling.study import Config

BASELINE = "thumbnails"

Scorer = Callable[[Faces, Faces], NDArray[np.float64]]
"""Fits on training faces and scores others; higher means bona fide."""

UNSEEN_DOMAIN = "unseen_domain"


class ComparisonConfig(Config):
    """What every comparison of detectors on simulated captures has in common.

    Attributes:
        protocol: Protocol of the simulated captures.
        subjects: Simulated subjects for training, development and test.
        captures: Captures for training, development and test, half of them bona fide.
        size: Side of the crops in pixels.
        seeds: How many times everything is repeated with other captures and other weights.
        width: Channels of the networks' stems; 64 is what is published.
        epochs: Passes over the training captures.
        learning_rate: In the first epoch.
        step_epochs: Epochs between two changes of the learning rate.
        step_factor: What it is multiplied by at each change.
        batch_size: Captures per step.
        augment: The released augmentation. Off in `quick`: our choice for few epochs.
    """

    protocol: str = "default"
    subjects: tuple[int, int, int] = (18, 8, 18)
    captures: tuple[int, int, int] = (800, 120, 360)
    size: int = Field(default=64, ge=16, multiple_of=8)
    seeds: int = Field(default=5, ge=1)
    width: int = Field(default=8, ge=1)
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    step_epochs: int = Field(default=1, ge=1)
    step_factor: float = Field(default=0.4, gt=0, le=1)
    batch_size: int = Field(default=8, ge=1)
    augment: bool = False

    @property
    def source(self) -> str:
        """Name of the captures."""
        return f"simulated captures, protocol {self.protocol!r}"

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

    def refuse_data(self) -> None:
        """Stop when a folder of own data was named.

        Raises:
            InputError: It was.
        """
        if self.data is not None:
            raise InputError(
                f"--data {self.data}: this study reads simulated captures only; for your own use "
                "sterling face train --data"
            )


@dataclass(frozen=True)
class Arm:
    """One network of a comparison, trained once per seed.

    Attributes:
        network: Makes the network from the seed of its weights.
        label: Label maps that it is taught.
        changes: Fields of `TrainConfig` that differ from the comparison's.
        scenarios: Further tests of the same trained network, by name: the modalities that are
            there. The results are of the system "<arm>, <scenario>".
        scorings: Likewise, other ways to score than `Detector.score` of its own accord.
        finish: Given the trained detector, the faces and the result so far; returns what to add to
            the result, as JSON.
        sees: What the arm is given of the captures, where that differs.
        objective: What its training minimises, from the training captures; None for label maps.
    """

    network: Callable[[int], Network]
    label: LabelKind = "depth"
    changes: Mapping[str, Any] = field(default_factory=dict)
    scenarios: Mapping[str, Sequence[Modality]] = field(default_factory=dict)
    scorings: Mapping[str, Callable[[Detector, Faces], NDArray[np.float64]]] = field(
        default_factory=dict
    )
    finish: Callable[[Detector, Faces, Mapping[str, Any]], dict[str, Any]] | None = None
    sees: Callable[[Faces], Faces] | None = None
    objective: Callable[[Faces], Objective] | None = None


def compare(
    study: str,
    config: ComparisonConfig,
    run: Run,
    index: int,
    arms: Mapping[str, Arm],
    *,
    frames: int = 1,
    rate: float = 25.0,
    scorers: Mapping[str, Scorer] | None = None,
    recorded: Callable[[], Faces] | None = None,
) -> "Seed":
    """Simulate the captures of one seed, train every arm on them and score all.

    Each arm sees the modalities of its network, of the same captures. Stages of the run keep what
    is finished.

    Args:
        study: Name that the seeds are derived from.
        config: Captures and training.
        run: Run folder.
        index: Which repetition.
        arms: By name.
        frames: Frames of a capture; more than one gives clips.
        rate: Frames per second of clips.
        scorers: Hand-made systems beside the trivial baseline, by name; they see colour alone.
        recorded: Gives faces, in all three modalities, that take the place of `simulated_faces`;
            where they are recorded, seeds differ in the weights only.
    """
    start = derive_seed(run.seed, study, index) % 2**31
    faces = cache(
        recorded or partial(simulated_faces, study, config, run, index, frames=frames, rate=rate)
    )

    def train_arm(name: str, arm: Arm) -> dict[str, Any]:
        network = arm.network(start)
        seen = faces().only(network.modalities)
        if frames > 1 and network.frames == 1:
            seen = seen.first_frame()
        if arm.sees is not None:
            seen = arm.sees(seen)
        detector, result = train_and_score(
            network,
            seen,
            replace(config.training(start), **arm.changes),
            label=arm.label,
            data=config.source,
            checkpoint=run.folder / "checkpoints" / f"{name}-{index}.safetensors",
            objective=arm.objective,
        )
        if arm.finish is not None:
            result |= arm.finish(detector, seen, result)
        return {
            "": result,
            **{s: _tested(detector, seen, m) for s, m in arm.scenarios.items()},
            **{s: _scored(detector, seen, how) for s, how in arm.scorings.items()},
        }

    results: dict[str, Any] = {}
    for name, arm in arms.items():
        found = run.stage(f"{name}-{index}", partial(train_arm, name, arm))
        results |= {f"{name}, {s}" if s else name: result for s, result in found.items()}

    def by_hand(score: Scorer) -> dict[str, Any]:
        return hand_made(faces().only(["rgb"]), score)

    for name, score in {BASELINE: on_images(score_thumbnails), **(scorers or {})}.items():
        results[name] = run.stage(f"{name}-{index}", partial(by_hand, score))
    items = run.stage(f"items-{index}", lambda: items_of(faces()))
    return Seed.of(results, items, source=f"{config.source}, development set, seed {index}")


def simulated_faces(
    study: str,
    config: ComparisonConfig,
    run: Run,
    index: int,
    *,
    frames: int = 1,
    rate: float = 25.0,
) -> Faces:
    """The captures of one seed in all three modalities, as `compare` simulates them."""
    captures = simulate(
        config.protocol,
        seed=derive_seed(run.seed, study, index),
        size=config.size,
        frames=frames,
        rate=rate,
        scale=Scale(config.subjects, config.captures),
    )
    return captures.faces(("rgb", "depth", "ir"))


def unseen_domain(faces: Faces) -> NDArray[np.bool_]:
    """Test captures of trained species under illumination or sensors that were not trained on."""
    seen, test = faces.manifest.where(split="train"), faces.manifest.where(split="test")
    unseen = ~test.matches(sensor=set(seen.column("sensor").tolist()))
    unseen |= ~test.matches(illumination=set(seen.column("illumination").tolist()))
    return unseen & test.matches(species=set(seen.column("species").tolist()))


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
    checkpoint: Path | None = None,
    objective: Callable[[Faces], Objective] | None = None,
) -> tuple[Detector, dict[str, Any]]:
    """Train a network on the training split and score the other two.

    Args:
        network: Its initial weights; trained in place.
        faces: Simulated captures with the splits train, dev and test.
        config: How to train.
        label: Label maps that the network is taught; a network without maps is taught one pixel.
        data: What the faces are, for the detector's provenance.
        checkpoint: File that a killed training goes on from.
        objective: What training minimises, from the training captures; None for label maps.

    Returns:
        The detector without a threshold, and a JSON object with "dev" and "test" (scores),
        "training_auc", "collapsed" and "history".
    """
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
            size=faces.images.shape[-1], crop_scale=1.3, face_detector="simulated face box"
        ),
        Provenance(data, True, "Apache-2.0", config.seed, history.items, history.digest),
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


def hand_made(faces: Faces, score: Scorer) -> dict[str, Any]:
    """Scores of a system without a network, as `train_and_score` gives a network's."""
    training = faces.split("train")
    return {split: score(training, faces.split(split)).tolist() for split in ("dev", "test")}


def on_images(
    score: Callable[[Tensor, NDArray[np.bool_], Tensor], NDArray[np.float64]],
) -> Scorer:
    """A scorer from a function of training images, their labels, and images to score."""
    return lambda training, tested: score(
        training.images, training.manifest.bona_fide, tested.images
    )


def items_of(faces: Faces) -> dict[str, Any]:
    """What the scores are of, as JSON: items of dev and test, trained species, unseen domain.

    Frames of one video have one item, the video.
    """
    manifest = faces.manifest
    parts = {split: manifest.where(split=split) for split in ("dev", "test")}
    described: dict[str, Any] = {
        split: {
            "item": part.presentation.tolist(),
            "subject": part.column("subject").tolist(),
            "species": part.column("species").tolist(),
        }
        for split, part in parts.items()
    }
    unseen = unseen_domain(faces)
    if _has_frames(described["test"]["item"]):  # in the order that `aggregate` gives
        unseen = unseen[np.unique(parts["test"].presentation, return_index=True)[1]]
    seen = manifest.where(split="train").column("species").tolist()
    return {
        **described,
        "seen_species": sorted(set(seen)),
        UNSEEN_DOMAIN: unseen.tolist(),
    }


def _has_frames(items: Sequence[str]) -> bool:
    """Whether some items are frames of one presentation."""
    return len(set(items)) < len(items)


@dataclass(frozen=True, eq=False)
class Seed:
    """Scores of all systems on the development and test captures of one seed.

    Attributes:
        dev: Development scores by system.
        test: Test scores by system.
        thresholds: Each system's, at equal error on its development scores.
        results: By system, what `train_and_score` or `hand_made` gave.
        seen_species: Attack species that were trained on.
        unseen_domain: Which test captures are of a trained species in an unseen domain, bool (N,).
    """

    dev: dict[str, Scores]
    test: dict[str, Scores]
    thresholds: dict[str, Threshold]
    results: Mapping[str, Mapping[str, Any]]
    seen_species: list[str]
    unseen_domain: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        results: Mapping[str, Mapping[str, Any]],
        items: Mapping[str, Any],
        *,
        source: str,
    ) -> "Seed":
        """Put scores by system and `items_of` together; `source` is the thresholds' origin."""
        dev = {name: _scores(result["dev"], items["dev"]) for name, result in results.items()}
        return cls(
            dev=dev,
            test={name: _scores(result["test"], items["test"]) for name, result in results.items()},
            thresholds={
                name: threshold_at_eer(scores, source=source) for name, scores in dev.items()
            },
            results=results,
            seen_species=items["seen_species"],
            unseen_domain=np.array(items[UNSEEN_DOMAIN]),
        )

    def acer(self, system: str, *, unseen_domain: bool = False) -> float | None:
        """ACER (worst species) on the test captures; None when a class is missing among them."""
        scores = self.test[system]
        if unseen_domain:
            scores = scores.select(self.unseen_domain)
        if scores.label.all() or not scores.label.any():
            return None
        return evaluate(scores, self.thresholds[system]).acer

    def auc(self, system: str, species: Sequence[str] | None = None) -> float | None:
        """AUC on the test captures, against some species only; None when a class is missing."""
        scores = self.test[system]
        if species is not None:
            scores = scores.select(scores.label | np.isin(scores.group, species))
        return None if scores.label.all() or not scores.label.any() else auc(scores).value


def _scores(values: Sequence[float], items: Mapping[str, Sequence[str]]) -> Scores:
    species = np.array(items["species"])
    live, subjects = species == "bona_fide", items["subject"]
    if _has_frames(items["item"]):
        return aggregate(Scores(values, live, subject=subjects, group=species), items["item"])
    return Scores(values, live, item=items["item"], subject=subjects, group=species)


def fused(seed: Seed, name: str, systems: Sequence[str]) -> Seed:
    """Add a system whose score is the mean of other systems' scores.

    Each is standardised by the mean and deviation of its development scores first, so that none
    counts for more because its scores spread more.
    """

    def mean(split: Mapping[str, Scores]) -> list[float]:
        parts = []
        for system in systems:
            known = seed.dev[system].values
            parts.append((split[system].values - known.mean()) / max(known.std(), 1e-12))
        return np.mean(parts, axis=0).tolist()  # type: ignore[no-any-return]

    dev, test = (
        replace(split[systems[0]], values=np.array(mean(split))) for split in (seed.dev, seed.test)
    )
    source = seed.thresholds[systems[0]].source
    return replace(
        seed,
        dev={**seed.dev, name: dev},
        test={**seed.test, name: test},
        thresholds={**seed.thresholds, name: threshold_at_eer(dev, source=source)},
        results={**seed.results, name: {}},
    )


def acers(seeds: Sequence[Seed], system: str, *, unseen_domain: bool = False) -> list[float]:
    """ACER of a system, one per seed that has one."""
    return _known(seed.acer(system, unseen_domain=unseen_domain) for seed in seeds)


def aucs(seeds: Sequence[Seed], system: str, species: Sequence[str] | None = None) -> list[float]:
    """AUC of a system, one per seed that has one."""
    return _known(seed.auc(system, species) for seed in seeds)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def acer_gains(
    seeds: Sequence[Seed], better: str, worse: str, *, unseen_domain: bool = False
) -> list[float]:
    """By how much the ACER of `better` is lower, paired by seed."""
    pairs = [
        tuple(seed.acer(name, unseen_domain=unseen_domain) for name in (worse, better))
        for seed in seeds
    ]
    return [high - low for high, low in pairs if high is not None and low is not None]


def auc_gains(
    seeds: Sequence[Seed], better: str, worse: str, species: Sequence[str] | None = None
) -> list[float]:
    """By how much the AUC of `better` is higher, paired by seed."""
    pairs = [(seed.auc(better, species), seed.auc(worse, species)) for seed in seeds]
    return [high - low for high, low in pairs if high is not None and low is not None]
