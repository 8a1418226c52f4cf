"""Train the systems of one repetition on the same captures, and score them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.face.data import FaceDetector, Faces, Modality
from sterling.face.pad import (
    DepthNet,
    Detector,
    Network,
    Preprocessing,
    Provenance,
    train,
)
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.training.fit import target_maps
from sterling.measure import Scores, auc
from sterling.runs import Cell, Run
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.gallery import keep_with_gallery
from sterling.studies.face._harness.repetition import Repetition, fused, items_of
from sterling.studies.face._harness.systems import Fusion, Scorer, Scoring, System, Systems


def compare(
    config: FaceConfig, run: Run, cell: Cell, systems: Systems, faces: Callable[[], Faces]
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
        seen = _seen(system, network, faces())
        checkpoint = run.folder / "checkpoints" / f"{name}-{index}.safetensors"
        detector, result = train_and_score(network, seen, system, config, cell.seed, checkpoint)
        if system.gallery and index == 0:
            keep_with_gallery(detector, seen, result, run.folder, source=config.source)
        if system.finish is not None:
            result["finished"] = list(system.finish(detector, seen, result))
        if prepared:
            result["prepared"] = prepared[0]
        if name in refined:
            detector.save_pretrained(kept(name))
        scorings = {**{s: _with(m) for s, m in system.scenarios.items()}, **system.scorings}
        return {
            "": result,
            **{
                key: {split: how(detector, seen.split(split)).tolist() for split in ("dev", "test")}
                for key, how in scorings.items()
            },
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


def _seen(system: System, network: Network, faces: Faces) -> Faces:
    """Return the part of the captures that a system is given."""
    seen = faces.only(network.modalities)
    if seen.images.ndim == 5 and network.frames == 1:
        seen = seen.first_frame()
    return seen if system.sees is None else system.sees(seen)


def _with(names: Sequence[Modality]) -> Scoring:
    """Score with a flexible detector when only some modalities are present."""

    def score(detector: Detector, faces: Faces) -> NDArray[np.float64]:
        present = torch.tensor([name in names for name in faces.modalities])
        return detector.score(faces.images, present=present.expand(len(faces), -1))

    return score


def train_and_score(
    network: Network,
    faces: Faces,
    system: System,
    config: FaceConfig,
    seed: int,
    checkpoint: Path,
) -> tuple[Detector, dict[str, Any]]:
    """Train a network on the training split and score the other two.

    Args:
        network: Its initial weights; trained in place.
        faces: Captures with the splits train, dev and test.
        system: System to train; a network without maps is taught one pixel. Recorded bona fides
            have no depth map: an ellipsoid replaces it.
        config: Training, which the system may change.
        seed: Seed of the training.
        checkpoint: File from which an interrupted training resumes.

    Returns:
        The detector without a threshold, and a JSON object with "dev" and "test" (scores),
        "training_auc", "collapsed" and "history".
    """
    label = "ellipsoid" if system.label == "depth" and faces.depth is None else system.label
    parts = {split: faces.split(split) for split in ("train", "dev", "test")}
    training, simulated = parts["train"], config.data is None
    history = train(
        network,
        training.images,
        target_maps(network, training, label),
        replace(config.training(seed), **system.changes),
        present=training.present,
        objective=None if system.objective is None else system.objective(training),
        checkpoint=checkpoint,
    )
    detector = Detector(
        network,
        Preprocessing(
            size=faces.images.shape[-1],
            crop_scale=1.3,
            face_detector="simulated face box" if simulated else FaceDetector().name,
        ),
        Provenance(config.source, simulated, "Apache-2.0", seed, history.items, history.digest),
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
