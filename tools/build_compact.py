"""Train the shipped detector and write it with its record: ``compact.onnx`` and ``compact.json``.

People in photographs are captured bona fide and on instruments, by one camera
(`sterling.face.capture.recaptured`). The trunk of EfficientNet-Lite0 is trained on that, several
times, and the weights of the trainings are averaged. Captures of other people choose the threshold,
and those of a third group are measured. No recorded attack takes part: those are what the detector
is measured on afterwards (``tools/measure_compact.py``).

    python -m tools.gather_photographs --out photographs
    python -m tools.build_compact --photographs photographs --out src/sterling/face/pad/detector
"""

import argparse
import copy
import hashlib
import io
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.capture import recaptured
from sterling.face.capture.recaptured import read_material, recaptured_faces
from sterling.face.capture.recaptured.surroundings import SCALES
from sterling.face.data import FaceDetector, Faces, Limits, Manifest, resize_crop
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.evaluation.robustness import interventions
from sterling.face.pad import (
    Compact,
    Detector,
    DetectorBase,
    OnnxDetector,
    Preprocessing,
    Provenance,
    Reference,
    TrainConfig,
    export_onnx,
    train,
)
from sterling.face.pad.detector.export import rewrite_card
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.detector.weights import digest
from sterling.face.pad.training.compact_training import CompactObjective, load_trunk
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

LICENCE = "Apache-2.0"
PARTS = ("train", "dev", "test")
SHARES = (0.7, 0.15, 0.15)  # of the people and of the backgrounds, to train, choose and measure
TIGHT = (1.1, 1.4)  # side of a crop over that of the face, that shows no edge of most instruments
WIDE = 2.7  # side of the deployed crop over that of the face
LEAST = 1.5  # side of a crop over that of the face, below which little is left to be judged
# A third of the captures is grey, but one simulated camera's: grey photographs of others are not
# judged.
LIMITS = Limits(most_outside=round(1 - (LEAST / WIDE) ** 2, 2))
EXACT = 12  # convolutions in floating point: the stem and the blocks down to an eighth of the side
CALIBRATION = 256  # crops that set the ranges of 8-bit activations
NORMS = 2048  # captures that set the statistics of averaged batch norms
TIMED = 200  # crops scored one by one


@dataclass(frozen=True)
class Plan:
    """Sizes of the build: captures, crops, network and training.

    Attributes:
        captures: Captures for each training, to choose the threshold, and to measure.
        pixels: Side of the captures.
        size: Side of the crops that the network sees.
        stages: Stages of the trunk that are kept.
        crop_scale: Side of the crops over that of the face, when deployed.
        epochs, batch_size, learning_rate: As `TrainConfig`.
        trainings: Trainings whose weights are averaged.
        others: Stages and sizes that are trained once, to be compared.
        seed: Everything random depends on it.
    """

    captures: tuple[int, int, int]
    pixels: int = 128
    size: int = 96
    stages: int = 7
    crop_scale: float = WIDE
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 6e-4
    trainings: int = 2
    others: tuple[tuple[int, int], ...] = ((5, 96), (7, 64))
    seed: int = 0


FULL = Plan((20000, 3000, 3000))
SMOKE = Plan(
    (24, 208, 48),
    pixels=64,
    size=32,
    stages=2,
    epochs=1,
    batch_size=8,
    trainings=2,
    others=((1, 32),),
)


@dataclass(frozen=True, eq=False)
class Captured:
    """Captures with their labels.

    Attributes:
        images: uint8 (N, 3, P, P).
        species: "bona_fide" or the instrument, (N,).
        person: Name of the person shown, (N,).
    """

    images: Tensor
    species: NDArray[np.str_]
    person: NDArray[np.str_]

    def faces(self, crops: Tensor) -> Faces:
        """The captures' crops with their labels, people as subjects."""
        numbers = np.char.mod(", capture %05d", np.arange(len(crops)))
        live = self.species == "bona_fide"
        columns = {
            "item": np.char.add(self.person, numbers).tolist(),
            "label": np.where(live, "bona_fide", "attack").tolist(),
            "species": self.species.tolist(),
            "subject": self.person.tolist(),
        }
        return Faces(Manifest.from_columns(columns, "captures"), crops)

    def scores(self, values: NDArray[np.float64]) -> Scores:
        """The captures' scores."""
        return scores_of(values, self.faces(self.images).manifest)


def captured(
    photographs: Path,
    plan: Plan,
    part: str,
    work: Path,
    *,
    scales: tuple[float, float] = SCALES,
    draw: int = 0,
) -> Captured:
    """Capture people of one part of the photographs; kept in `work` for the next call.

    Args:
        photographs: Folder that ``tools/gather_photographs.py`` wrote.
        plan: Number and size of the captures.
        part: "train", "dev" or "test".
        work: Keeps the captures under the SHA-256 of all that they depend on.
        scales: Range of the crop's side over the face's.
        draw: Another one gives other captures of the same people.
    """
    index = PARTS.index(part)
    key = [
        fingerprint(photographs),
        part,
        plan.captures[index],
        plan.pixels,
        plan.seed,
        scales,
        draw,
    ]
    path = work / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]}.npz"
    if not path.exists():
        material = read_material(photographs).parts(SHARES, plan.seed)[index]
        made = recaptured_faces(
            material,
            plan.captures[index],
            size=plan.pixels,
            scales=scales,
            seed=plan.seed + 1000 * (index + 1) + draw,
        )
        content = io.BytesIO()
        np.savez(content, images=made.images, species=made.species, person=made.person)
        write_atomically(path, content.getvalue())
    with np.load(path) as kept:
        names = np.char.mod(f"{part} %03d", kept["person"])
        return Captured(torch.from_numpy(kept["images"]), kept["species"], names)


def fingerprint(photographs: Path) -> str:
    """SHA-256 of the photographs' listing and of the wing that makes captures of them."""
    total = hashlib.sha256((photographs / "material.json").read_bytes())
    for path in sorted(Path(recaptured.__file__).parent.glob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()


def as_seen(images: Tensor, size: int) -> Tensor:
    """Captures at the size of the network's crops."""
    return torch.stack([resize_crop(one, size) for one in images])


def trained(photographs: Path, plan: Plan, work: Path, training: int = 0) -> Compact:
    """Train one network from the trunk, on captures of its own; it resumes from `work`."""
    captures = captured(photographs, plan, "train", work, draw=training)
    network = Compact(plan.stages)
    load_trunk(network, photographs / "trunk.pth")
    name = f"stages {plan.stages}, size {plan.size}, training {training}"
    config = TrainConfig(
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        optimizer="adamw",
        learning_rate=plan.learning_rate,
        weight_decay=0.02,
        warmup_steps=60,
        schedule="cosine",
        seed=plan.seed + training,
    )
    live = torch.from_numpy(captures.species == "bona_fide").float()[:, None, None]
    train(
        network,
        captures.images,
        live,
        config,
        objective=CompactObjective(plan.size),
        checkpoint=work / f"{name}.ckpt",
        progress=lambda record: print(name, record, flush=True),
    )
    return network


@torch.no_grad()
def averaged(networks: Sequence[Compact], images: Tensor) -> Compact:
    """Average the weights of trainings from one start, and measure batch norm's statistics anew.

    Args:
        networks: The trained networks.
        images: uint8 (N, 3, S, S), captures on which the statistics are taken.
    """
    whole = copy.deepcopy(networks[0])
    states = [one.state_dict() for one in networks]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }
    whole.load_state_dict(mean)
    for module in whole.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over batches
    whole.train()
    for batch in torch.split(images, 64):
        whole(normalise(batch))
    return whole.eval()


def figures(scores: Scores, threshold: Threshold) -> dict[str, Any]:
    """AUC of all attacks and of each species, and error rates, with 95 % intervals."""
    errors = evaluate(scores, threshold)
    species = sorted(set(scores.group[~scores.label].tolist()))
    areas = {"all attacks": species, **{name: [name] for name in species}}
    return {
        "bona fide": int(scores.label.sum()),
        "attacks": int((~scores.label).sum()),
        "subjects": len(set(scores.subject.tolist())),
        "AUC": {
            name: estimate(auc(scores.select(scores.label | np.isin(scores.group, members))))
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


def estimate(found: Estimate) -> list[float]:
    """Value, low and high."""
    return [round(x, 4) for x in (found.value, found.interval.low, found.interval.high)]


def judged(detector: DetectorBase, faces: Faces) -> dict[str, dict[str, Any]]:
    """Measure AUC and error rates of a detector with one cue made equal, or one cue left."""
    return {
        point.kind: {
            "AUC": estimate(point.area_by_subject().estimate()),
            "APCER": rate(point.errors.apcer_max),
            "BPCER": rate(point.errors.bpcer),
        }
        for point in interventions(detector, faces)
    }


def milliseconds(detector: OnnxDetector, crops: Tensor) -> float:
    """Median time of one crop, scored alone."""
    times = []
    for crop in crops[:TIMED]:
        start = time.perf_counter()
        detector.score(crop[None])
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


@dataclass(frozen=True, eq=False)
class Sets:
    """Captures on which nothing is trained.

    Attributes:
        dev: They choose the threshold; wide, as deployed.
        known: They describe what is familiar; of all scales, people of `dev`.
        test: They are measured; wide.
        tight: They are measured; no edge of most instruments is in sight.
    """

    dev: Captured
    known: Captured
    test: Captured
    tight: Captured

    @classmethod
    def made(cls, photographs: Path, plan: Plan, work: Path) -> "Sets":
        """Capture the people of the second and third part."""
        wide = (0.85 * plan.crop_scale, plan.crop_scale)  # shrunk where the frame is too small
        return cls(
            captured(photographs, plan, "dev", work, scales=wide),
            captured(photographs, plan, "dev", work, draw=1),
            captured(photographs, plan, "test", work, scales=wide),
            captured(photographs, plan, "test", work, scales=TIGHT, draw=1),
        )


def quantised(detector: Detector, typical: Tensor, sets: Sets, path: Path) -> OnnxDetector:
    """Export in 8 bits, choose the threshold, and describe what is familiar."""
    report = export_onnx(
        detector,
        path,
        int8=True,
        exact=EXACT,
        calibration=typical,
        features=True,
        tolerance=np.inf,
    )
    exported = OnnxDetector.load(report.path)
    size = detector.preprocessing.size
    threshold = threshold_at_eer(
        sets.dev.scores(exported.score(as_seen(sets.dev.images, size))),
        source=f"{len(sets.dev.images)} captures made of photographs of other people (SIMULATED)",
    )
    features = exported.features(as_seen(sets.known.images, size))
    live = sets.known.species == "bona_fide"
    # Drawn, since species take turns. The halves share people: to new people the test of what is
    # familiar owes no promise, and its share of refusals on them is measured.
    half = np.random.default_rng(0).permutation(len(features)) % 2 == 0
    reference = Reference.fit(features[half], live[half], features[~half])
    whole = replace(exported, threshold=threshold, limits=LIMITS, reference=reference)
    rewrite_card(whole, path)
    return OnnxDetector.load(path)


def compared(plan: Plan, detector: OnnxDetector, test: Captured) -> dict[str, Any]:
    """Accuracy of one size against its time."""
    crops = as_seen(test.images, plan.size)
    return {
        "stages": plan.stages,
        "size": plan.size,
        "bytes": len(detector.content),
        "AUC": estimate(auc(test.scores(detector.score(crops)))),
        "milliseconds": round(milliseconds(detector, crops), 2),
    }


def other_size(plan: Plan, photographs: Path, test: Captured, work: Path) -> dict[str, Any]:
    """Train another size once, and compare it."""
    items = captured(photographs, plan, "train", work)
    alone = Detector(trained(photographs, plan, work), preprocessing(plan), provenance(plan, items))
    typical = as_seen(items.images[:CALIBRATION], plan.size)
    path = work / "other.onnx"
    export_onnx(alone, path, int8=True, exact=EXACT, calibration=typical, tolerance=np.inf)
    return compared(plan, OnnxDetector.load(path), test)


def build(plan: Plan, photographs: Path, out: Path, work: Path) -> dict[str, Any]:
    """Train, quantise, measure, and write ``compact.onnx`` and ``compact.json`` into `out`.

    Args:
        plan: Sizes of captures, network and training.
        photographs: Folder that ``tools/gather_photographs.py`` wrote.
        out: Receives the two files.
        work: Receives captures and checkpoints, from which an interrupted run resumes.

    Returns:
        The record, as written.
    """
    sets = Sets.made(photographs, plan, work)
    items = captured(photographs, plan, "train", work)
    networks = [trained(photographs, plan, work, k) for k in range(plan.trainings)]
    typical = as_seen(items.images[:NORMS], plan.size)
    exact = Detector(averaged(networks, typical), preprocessing(plan), provenance(plan, items))
    path = work / "compact.onnx"
    whole = export_onnx(exact, work / "float.onnx", calibration=typical[:32], tolerance=1e-3)
    detector = quantised(exact, typical[:CALIBRATION], sets, path)
    content, crops = path.read_bytes(), as_seen(sets.test.images, plan.size)
    record: dict[str, Any] = {
        "name": "compact",
        "purpose": "tells bona fide faces from prints and replays in one colour crop",
        "file": "compact.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "licence": LICENCE,
        "parameters": sum(p.numel() for p in exact.model.parameters()),
        "trained on": origin(plan, photographs),
        "recipe": "python -m tools.build_compact --photographs FOLDER --out FOLDER",
        "plan": asdict(plan),
        "card": spoken(detector),
        "versions": {name: version(name) for name in ("torch", "numpy", "onnxruntime", "onnx")},
        **measured(detector, exact, sets),
        "float ONNX against PyTorch": {"largest score difference": whole.max_difference},
        "AUC of each training": [
            estimate(auc(sets.test.scores(replace(exact, model=one).score(crops))))
            for one in networks
        ],
        "sizes": [
            compared(plan, detector, sets.test),
            *(
                other_size(replace(plan, stages=stages, size=size), photographs, sets.test, work)
                for stages, size in plan.others
            ),
        ],
    }
    write_atomically(out / "compact.onnx", content)
    write_atomically(out / "compact.json", (json.dumps(record, indent=1) + "\n").encode())
    return record


def origin(plan: Plan, photographs: Path) -> dict[str, Any]:
    """Photographs and trunk that the weights come from."""
    parts = dict(zip(PARTS, read_material(photographs).parts(SHARES, plan.seed), strict=True))
    return {
        "captures": "sterling.face.capture.recaptured of photographs in open packages, which "
        "tools/gather_photographs.py names with their SHA-256",
        "people": {name: len(part.people) for name, part in parts.items()},
        "other photographs": {name: len(part.others) for name, part in parts.items()},
        "photographs": hashlib.sha256((photographs / "material.json").read_bytes()).hexdigest(),
        "trunk": hashlib.sha256((photographs / "trunk.pth").read_bytes()).hexdigest(),
        "captures of each training": plan.captures[0],
    }


def measured(detector: OnnxDetector, exact: Detector, sets: Sets) -> dict[str, Any]:
    """Figures of the shipped file on captures of people that chose nothing."""
    size, threshold = detector.preprocessing.size, detector.threshold
    if threshold is None:
        raise AssertionError
    crops = as_seen(sets.test.images, size)
    scores, floats = (sets.test.scores(one.score(crops)) for one in (detector, exact))
    tight = sets.tight.scores(detector.score(as_seen(sets.tight.images, size)))
    changed = np.abs(scores.values - floats.values)
    grey = np.ptp(crops.numpy(), axis=1).max((1, 2)) == 0
    refused = scores.values < threshold.value
    live = scores.label
    return {
        "measured on captures of other people": figures(scores, threshold),
        "the same in tight crops": figures(tight, threshold),
        "BPCER of grey and of colour": [
            rate(Rate(int((refused & live & kind).sum()), int((live & kind).sum())))
            for kind in (grey, ~grey)
        ],
        "unfamiliar": rate(Rate(int(detector.unfamiliar(crops).sum()), len(crops))),
        "what it judges": judged(detector, sets.test.faces(crops)),
        "int8 against float": {
            "AUC difference, low, high": _paired(scores, floats),
            "mean score difference": round(float(changed.mean()), 4),
            "largest score difference": round(float(changed.max()), 4),
        },
    }


def spoken(detector: OnnxDetector) -> dict[str, Any]:
    """The card without the names of the captures that chose the threshold, or the reference."""
    card = detector.card()
    kept = ("value", "direction", "rule", "source", "n")
    threshold = {name: card["threshold"][name] for name in kept}
    return {name: card[name] for name in card if name != "reference"} | {"threshold": threshold}


def _paired(first: Scores, second: Scores) -> list[float]:
    return estimate(compare_paired(first, second, lambda one: auc(one).value, seed=0))


def jobs(plan: Plan, work: Path) -> list[tuple[Plan, Path, int]]:
    """Arguments of `trained` for each network."""
    others = [replace(plan, stages=stages, size=size) for stages, size in plan.others]
    return [(plan, work, k) for k in range(plan.trainings)] + [(one, work, 0) for one in others]


def preprocessing(plan: Plan) -> Preprocessing:
    """Crops of the deployed detector: shifted into the frame, as in training."""
    return Preprocessing(plan.size, plan.crop_scale, FaceDetector().name, border="shift")


def provenance(plan: Plan, items: Captured) -> Provenance:
    """Origin of the weights."""
    return Provenance(
        data="captures made of photographs in open packages (SIMULATED attacks)",
        simulated=True,
        licence=LICENCE,
        seed=plan.seed,
        items=len(items.images),
        digest=digest(items.images),
    )


def main() -> None:
    """Build, and print the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photographs", type=Path, required=True, help="their folder")
    parser.add_argument("--out", type=Path, required=True, help="receives the two files")
    parser.add_argument("--work", type=Path, default=Path("runs/compact"), help="checkpoints")
    parser.add_argument(
        "--only",
        type=int,
        help="just train this network, of those averaged and then the others: "
        "several run side by side, and the whole resumes from them",
    )
    parser.add_argument("--smoke", action="store_true", help="a few steps, of no use but to test")
    given = parser.parse_args()
    plan = SMOKE if given.smoke else FULL
    if given.only is not None:
        trained(given.photographs, *jobs(plan, given.work)[given.only])
        return
    print(json.dumps(build(plan, given.photographs, given.out, given.work), indent=1))


if __name__ == "__main__":
    main()
