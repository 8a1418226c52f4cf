"""Train the shipped detector and write it with its record: ``compact.onnx`` and ``compact.json``.

Simulated captures of every kind of attack instrument, and photographs in the public domain with
simulated prints and replays of them, teach a wide network; it and the labels teach the shipped one.
Captures of further subjects choose the threshold, and others are measured. No recorded data set
takes part: those are what the detector is measured on afterwards (``benchmarks/compact.py``).

    python -m tools.build_compact --photographs FOLDER --out src/sterling/face/pad [--smoke]

FOLDER holds the photographs of `PHOTOGRAPHS`; each is checked by its SHA-256.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.capture import KINDS, RECAPTURED, Captures, Scale, recapture, simulate
from sterling.face.data import FaceDetector, read_image, resize_crop
from sterling.face.pad import (
    Compact,
    Detector,
    ExportReport,
    OnnxDetector,
    Preprocessing,
    Provenance,
    TrainConfig,
    export_onnx,
    train,
)
from sterling.face.pad.detector.weights import digest
from sterling.face.pad.training.compact_training import CompactObjective
from sterling.measure import (
    Estimate,
    Rate,
    Scores,
    Threshold,
    auc,
    compare_paired,
    evaluate,
    threshold_at_eer,
)
from sterling.storage import write_atomically

CAPTURE = 128  # side of the captures
SIZE = 96  # side of the crops that the network sees
CROP_SCALE = 1.2  # the middle of what `frame` cuts out of captures of 1.3 times the face
DEPTH = 32  # side at which depth labels are kept
WINDOWS = (128, 320)  # sides of the squares cut out of photographs without a face
CALIBRATION = 256  # crops that set the ranges of 8-bit activations
PREPROCESSING = Preprocessing(SIZE, CROP_SCALE, FaceDetector().name)
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Photograph:
    """One photograph that may be used for anything.

    Attributes:
        file: Its name.
        sha256: Of its bytes.
        source: Where it comes from, and why it may be used.
        face: Whether it shows a face, which is then what windows are cut around.
    """

    file: str
    sha256: str
    source: str
    face: bool = False


SKIMAGE = "scikit-image 0.26.0, skimage/data, whose documentation states:"
PHOTOGRAPHS = (
    Photograph(
        "grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
        "matplotlib 3.11.2, sample data: official portrait of Grace M. Hopper by the US Navy, a "
        "work of the US federal government, in the public domain",
        face=True,
    ),
    Photograph(
        "chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        f"{SKIMAGE} CC0 by the photographer (Stefan van der Walt)",
    ),
    Photograph(
        "coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        f"{SKIMAGE} CC0 by the photographer (Rachel Michetti)",
    ),
    Photograph(
        "camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        f"{SKIMAGE} CC0 by the photographer (Lav Varshney)",
    ),
    Photograph(
        "rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        f"{SKIMAGE} released in the public domain (SpaceX)",
    ),
    Photograph(
        "brick.png",
        "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
        f"{SKIMAGE} CC0 (CC0Textures, Bricks25)",
    ),
    Photograph(
        "grass.png",
        "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
        f"{SKIMAGE} CC0 (CC0Textures)",
    ),
    Photograph(
        "gravel.png",
        "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
        f"{SKIMAGE} CC0 (CC0Textures, Gravel04)",
    ),
)


@dataclass(frozen=True)
class Plan:
    """How much is simulated and how long is trained.

    Attributes:
        default, low_quality: Subjects and captures (train, dev, test) of two protocols, all of
            which train.
        dev: The same of "default", of which the test part chooses the threshold.
        test: The same of "default", of which the test part is measured.
        windows: Of the photograph with a face, and of each other one.
        width, teacher_width: Channels of the two networks' stems.
        epochs, teacher_epochs: Passes over the captures.
        seed: Everything random depends on it.
    """

    default: Scale
    low_quality: Scale
    dev: Scale
    test: Scale
    windows: tuple[int, int]
    width: int
    teacher_width: int
    epochs: int
    teacher_epochs: int
    seed: int = 0


FULL = Plan(
    default=Scale((80, 1, 160), (2400, 2, 3600)),
    low_quality=Scale((1, 1, 60), (2, 2, 700)),
    dev=Scale((1, 1, 60), (2, 2, 1000)),
    test=Scale((1, 1, 60), (2, 2, 1200)),
    windows=(500, 70),
    width=16,
    teacher_width=32,
    epochs=12,
    teacher_epochs=8,
)
SMOKE = Plan(
    default=Scale((3, 1, 3), (24, 2, 24)),
    low_quality=Scale((1, 1, 3), (2, 2, 8)),
    dev=Scale((1, 1, 3), (2, 2, 24)),
    test=Scale((1, 1, 3), (2, 2, 24)),
    windows=(4, 1),
    width=4,
    teacher_width=6,
    epochs=1,
    teacher_epochs=1,
)


@dataclass(frozen=True, eq=False)
class Items:
    """What trains the networks.

    Attributes:
        images: uint8 (N, 3, 128, 128).
        depth: Depth labels, float (N, 32, 32); zeros where there is none.
        live: Whose presentation is bona fide, bool (N,).
        known: Whose depth is a label, bool (N,): not that of photographs of living things.
    """

    images: Tensor
    depth: Tensor
    live: Tensor
    known: Tensor

    @classmethod
    def of_captures(cls, captures: Captures) -> "Items":
        """Simulated captures, whose depth is known."""
        # Half precision is enough for a label, and halves what is kept of it.
        fine = captures.true_depth.half().float()
        depth = F.avg_pool2d(fine[:, None], CAPTURE // DEPTH)[:, 0]
        live = torch.from_numpy(captures.manifest.bona_fide)
        return cls(captures.rgb, depth, live, torch.ones_like(live))

    @classmethod
    def of_photographs(cls, crops: Tensor, attacks: Tensor) -> "Items":
        """Photographs, and what was made of them."""
        live = torch.cat([torch.ones(len(crops)), torch.zeros(len(attacks))]).bool()
        return cls(torch.cat([crops, attacks]), torch.zeros(len(live), DEPTH, DEPTH), live, ~live)

    @classmethod
    def joined(cls, parts: Sequence["Items"]) -> "Items":
        """All of them, in order."""
        columns = zip(*((one.images, one.depth, one.live, one.known) for one in parts), strict=True)
        return cls(*(torch.cat(column) for column in columns))


def cut_photographs(folder: Path, counts: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Square windows of the photographs, uint8 (N, 3, 128, 128): `counts` as in `Plan.windows`.

    Raises:
        InputError: A photograph is missing, or another one.
    """
    crops = []
    for photograph in PHOTOGRAPHS:
        path = folder / photograph.file
        if not path.is_file() or _sha256(path.read_bytes()) != photograph.sha256:
            raise InputError(f"{path}: missing, or another one than that of {photograph.source}")
        image = read_image(path)
        height, width = image.shape[1:]
        box = FaceDetector().largest(image) if photograph.face else None
        for _ in range(counts[0] if photograph.face else counts[1]):
            if box is None:
                side = int(rng.integers(WINDOWS[0], min(height, width, WINDOWS[1]) + 1))
                x = int(rng.integers(0, width - side + 1))
                y = int(rng.integers(0, height - side + 1))
            else:
                side = round(1.3 * box.side * rng.uniform(0.9, 1.15))
                left, top, right, bottom = box.box
                x = round((left + right - side) / 2 + rng.normal(0, 0.04) * side)
                y = round((top + bottom - side) / 2 + rng.normal(0, 0.04) * side)
                x, y = min(max(x, 0), width - side), min(max(y, 0), height - side)
            crops.append(resize_crop(image[:, y : y + side, x : x + side], CAPTURE))
    return torch.stack(crops)


def attack_photographs(crops: Tensor, seed: int, rng: np.random.Generator) -> Tensor:
    """Each window on one instrument before a simulated camera, uint8 (N, 3, 128, 128)."""
    order = rng.permutation(len(crops))
    parts = [order[start :: len(RECAPTURED)] for start in range(len(RECAPTURED))]
    return torch.cat(
        [
            recapture(crops[part], species, seed=seed + number)
            for number, (species, part) in enumerate(zip(RECAPTURED, parts, strict=True))
        ]
    )


def training_items(plan: Plan, photographs: Path) -> Items:
    """All that trains."""
    seed = plan.seed + 4001
    rng = np.random.default_rng(seed)
    crops = cut_photographs(photographs, plan.windows, rng)
    return Items.joined(
        [
            Items.of_captures(_captures("default", plan.default, plan.seed + 1001)),
            Items.of_captures(_captures("low_quality", plan.low_quality, plan.seed + 1002)),
            Items.of_photographs(crops, attack_photographs(crops, seed, rng)),
        ]
    )


def _captures(protocol: str, scale: Scale, seed: int) -> Captures:
    return simulate(protocol, seed=seed, size=CAPTURE, scale=scale)


def network(plan: Plan, items: Items, work: Path, name: str, teacher: Compact | None) -> Compact:
    """Train one of the three networks: ``teacher``, ``student``, or ``plain``, without a teacher.

    Args:
        plan: Sizes and lengths.
        items: What trains.
        work: Folder whose checkpoints a killed training goes on from.
        name: Which.
        teacher: What teaches it, or None.
    """
    wide = name == "teacher"
    width, epochs, seed = (
        (plan.teacher_width, plan.teacher_epochs, plan.seed + 100)
        if wide
        else (plan.width, plan.epochs, plan.seed)
    )
    made = Compact(width, seed=seed)
    config = TrainConfig(
        epochs=epochs,
        batch_size=64,
        optimizer="adamw",
        learning_rate=3e-3,
        weight_decay=0.02,
        warmup_steps=200,
        step_epochs=max(1, round(0.4 * epochs)),
        step_factor=0.25,
        seed=seed,
    )
    train(
        made,
        items.images,
        items.live.float()[:, None, None],
        config,
        objective=CompactObjective(SIZE, items.depth, items.known, teacher),
        checkpoint=work / f"{name}.ckpt",
        progress=lambda record: print(name, record, flush=True),
    )
    return made


def as_seen(captures: Tensor) -> Tensor:
    """Captures of 1.3 times the face, cut to `CROP_SCALE` and resized as a detector's crops are."""
    edge = round(CAPTURE * (1 - CROP_SCALE / 1.3) / 2)
    inner = captures[:, :, edge : CAPTURE - edge, edge : CAPTURE - edge]
    return torch.stack([resize_crop(one, SIZE) for one in inner])


def figures(scores: Scores, threshold: Threshold) -> dict[str, Any]:
    """AUC of all attacks, of each kind and each species, and error rates, with 95 % intervals."""
    errors = evaluate(scores, threshold)
    species = {name: (name,) for name in sorted(set(scores.group[~scores.label].tolist()))}
    kinds = {kind: members for kind, members in KINDS.items() if set(members) & set(species)}
    areas = {"all attacks": tuple(species), **kinds, **species}
    return {
        "bona fide": int(scores.label.sum()),
        "attacks": int((~scores.label).sum()),
        "subjects": len(set(scores.subject.tolist())),
        "AUC": {
            name: _estimate(auc(scores.select(scores.label | np.isin(scores.group, members))))
            for name, members in areas.items()
        },
        "BPCER": rate(errors.bpcer),
        "APCER": {name: rate(one) for name, one in sorted(errors.apcer.items())},
    }


def rate(counted: Rate) -> dict[str, float | int]:
    """A rate with its exact 95 % interval."""
    interval = counted.interval()
    return {
        "value": round(counted.value, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "n": counted.trials,
    }


def _estimate(found: Estimate) -> list[float]:
    """Value, low and high."""
    return [round(x, 4) for x in (found.value, found.interval.low, found.interval.high)]


def _scores(values: NDArray[np.float64], captures: Captures) -> Scores:
    manifest = captures.manifest
    return Scores(
        values,
        manifest.bona_fide,
        item=manifest.column("item"),
        subject=manifest.column("subject"),
        group=manifest.column("species"),
    )


def build(plan: Plan, photographs: Path, out: Path, work: Path) -> dict[str, Any]:
    """Train, quantise, measure, and write ``compact.onnx`` and ``compact.json`` into `out`.

    Args:
        plan: How much and how long.
        photographs: Folder of `PHOTOGRAPHS`.
        out: Receives the two files.
        work: Receives checkpoints, from which a killed run goes on.

    Returns:
        The record, as written.
    """
    items = training_items(plan, photographs)
    teacher = network(plan, items, work, "teacher", None)
    student = network(plan, items, work, "student", teacher)
    plain = network(plan, items, work, "plain", None)

    detectors = {
        name: Detector(made, PREPROCESSING, _provenance(plan, items))
        for name, made in (("teacher", teacher), ("student", student), ("plain", plain))
    }
    dev, test = (
        _captures("default", scale, plan.seed + seed)
        for scale, seed in ((plan.dev, 2001), (plan.test, 3001))
    )
    typical = as_seen(items.images[:: max(1, len(items.images) // CALIBRATION)])
    path = work / "compact.onnx"

    def exported(detector: Detector, int8: bool) -> tuple[ExportReport, OnnxDetector]:
        report = export_onnx(detector, path, int8=int8, calibration=typical, tolerance=0.2)
        return report, OnnxDetector.load(path)

    whole, float_onnx = exported(detectors["student"], False)
    _, int8_onnx = exported(detectors["student"], True)
    threshold = threshold_at_eer(
        _scores(int8_onnx.score(as_seen(dev.rgb)), dev),
        source=f"{len(dev)} simulated captures (SIMULATED; protocol default) of other subjects",
    )
    small, int8_onnx = exported(detectors["student"].with_threshold(threshold), True)

    seen = as_seen(test.rgb)
    values = {name: detector.score(seen) for name, detector in detectors.items()}
    values |= {"float": float_onnx.score(seen), "int8": int8_onnx.score(seen)}
    scores = {name: _scores(each, test) for name, each in values.items()}
    changed = np.abs(values["int8"] - values["student"])
    record: dict[str, Any] = {
        "name": "compact",
        "purpose": "tells bona fide faces from presentation attacks in one colour crop",
        "file": "compact.onnx",
        "sha256": small.sha256,
        "bytes": small.size,
        "licence": LICENCE,
        "parameters": sum(p.numel() for p in student.parameters()),
        "trained on": {
            "simulated captures": "protocols default and low_quality of sterling.face.capture, "
            f"{len(items.images)} items with the photographs; heads from CC0 shapes",
            "photographs": {one.file: one.source for one in PHOTOGRAPHS},
            "of photographs": "windows, and simulated prints, posters, portraits and replays",
            "items": len(items.images),
        },
        "recipe": "python -m tools.build_compact --photographs FOLDER --out src/sterling/face/pad",
        "plan": asdict(plan),
        "card": int8_onnx.card() | {"threshold": _spoken(threshold)},
        "versions": {name: version(name) for name in ("torch", "numpy", "onnxruntime", "onnx")},
        "measured on held-out simulated captures": figures(scores["int8"], threshold),
        "float ONNX against PyTorch": {"largest score difference": whole.max_difference},
        "int8 against float": {
            "AUC difference, low, high": _paired(scores["int8"], scores["student"]),
            "mean score difference": round(float(changed.mean()), 5),
            "largest score difference": round(float(changed.max()), 5),
        },
        "distillation": {
            "AUC of the teacher": _estimate(auc(scores["teacher"])),
            "AUC with the teacher": _estimate(auc(scores["student"])),
            "AUC without": _estimate(auc(scores["plain"])),
            "with against without, low, high": _paired(scores["student"], scores["plain"]),
            "note": "one training each; intervals are over test subjects, not over trainings",
        },
    }
    write_atomically(out / "compact.onnx", path.read_bytes())
    write_atomically(out / "compact.json", (json.dumps(record, indent=1) + "\n").encode())
    return record


def _paired(first: Scores, second: Scores) -> list[float]:
    return _estimate(compare_paired(first, second, lambda one: auc(one).value, seed=0))


def _spoken(threshold: Threshold) -> dict[str, Any]:
    """The threshold without the names of the captures that chose it."""
    return {
        name: getattr(threshold, name) for name in ("value", "direction", "rule", "source", "n")
    }


def _provenance(plan: Plan, items: Items) -> Provenance:
    return Provenance(
        data="simulated captures, and photographs in the public domain with simulated attacks",
        simulated=True,
        licence=LICENCE,
        seed=plan.seed,
        items=len(items.images),
        digest=digest(items.images, items.live),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Build, and print the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photographs", type=Path, required=True, help="folder of PHOTOGRAPHS")
    parser.add_argument("--out", type=Path, required=True, help="receives the two files")
    parser.add_argument("--work", type=Path, default=Path("runs/compact"), help="checkpoints")
    parser.add_argument("--smoke", action="store_true", help="a few steps, of no use but to test")
    given = parser.parse_args()
    plan = SMOKE if given.smoke else FULL
    print(json.dumps(build(plan, given.photographs, given.out, given.work), indent=1))


if __name__ == "__main__":
    main()
