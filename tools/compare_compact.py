"""Compare a frozen trunk under a logistic head with the shipped detector, on captures alone.

The trunk of EfficientNet-Lite0 keeps its ImageNet weights; the means of its stages are the
features, and scikit-learn fits the head. Two generators of captures share photographs and no code
that draws (`sterling.face.capture.recaptured` and ``second_captures.py``), so that each measures
what was learnt on the other. The rule was written before anything was measured on recorded
photographs, which choose nothing:

1. Stages, size and strength of the penalty: the highest mean AUC, over both directions, on the
   other generator's captures of development people; of those within 0.003 the cheapest.
2. The frozen trunk replaces the shipped network if, fitted on the first generator as that was, it
   separates the second generator's captures of test people no worse.

``--out`` writes two detectors, each a folder that ``measure_compact.py --out`` measures: the
best setting fitted on both generators (``both``), and the last stage at 128 pixels fitted on 1,600
captures of the second (``plain``).

    python -m tools.compare_compact --photographs photographs --work runs/compare --out runs/frozen
"""

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tools.build_compact import LIMITS, PARTS, SHARES, WIDE, Captured, as_seen, estimate
from tools.second_captures import second_captures
from torch import Tensor, nn

from sterling.face.capture.recaptured import read_material, recaptured_faces
from sterling.face.data import FaceDetector
from sterling.face.pad import (
    Compact,
    Detector,
    Preprocessing,
    Provenance,
    export_onnx,
    shipped_detector,
)
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.detector.pretrained import RECORD, WEIGHTS
from sterling.face.pad.detector.weights import digest
from sterling.face.pad.networks.compact import STAGES
from sterling.face.pad.training.compact_training import load_trunk
from sterling.measure import Scores, auc, compare_paired, threshold_at_bpcer


@dataclass(frozen=True)
class Setting:
    """A frozen network.

    Attributes:
        pooled: Stages of the trunk whose means are features.
        size: Side of the crops.
        penalty: C of scikit-learn's logistic regression; smaller is stronger.
    """

    pooled: tuple[int, ...]
    size: int
    penalty: float

    @property
    def columns(self) -> NDArray[np.int64]:
        """Places of its features among those of all stages."""
        channels = [stage[3] for stage in STAGES]
        stage = np.repeat(np.arange(len(STAGES)) + 1, channels)
        return np.flatnonzero(np.isin(stage, self.pooled))


COUNTS = {"train": 3000, "dev": 1000, "test": 1000}
GENERATORS = {"first": recaptured_faces, "second": second_captures}
PIXELS = 128
SEED = 7000
SIZES = (96, 128)
POOLED = ((7,), (5, 7), (3, 5, 7), (3, 4, 5, 6, 7))  # the cheapest first
PENALTIES = (1e-4, 1e-3, 1e-2)
ALIKE = 0.003  # AUC
PLAIN = Setting((7,), 128, 1e-3)
FEW = 1600  # captures
REFUSED = 0.05  # share of development bona fides below the threshold


class Frozen(Compact):
    """The released trunk with means of several stages as features."""

    def __init__(self, pooled: tuple[int, ...]) -> None:
        super().__init__()
        self.pooled = pooled
        self.head = nn.Linear(sum(STAGES[stage - 1][3] for stage in pooled), 1)

    def features(self, images: Tensor) -> Tensor:
        """Means (N, F) of the stages' outputs on normalised images (N, 3, H, W)."""
        ends = np.cumsum([stage[4] for stage in STAGES]).tolist()
        seen, means = self.stem(images), []
        for number, block in enumerate(self.blocks, 1):
            seen = block(seen)
            if number in ends and ends.index(number) + 1 in self.pooled:
                means.append(seen.mean(dim=(2, 3)))
        return torch.cat(means, dim=1)


def captures(generator: str, part: str, photographs: Path, work: Path) -> Captured:
    """Captures of one generator and part of the people; kept in `work`."""
    path = work / f"{generator}_{part}_{COUNTS[part]}.npz"
    index = PARTS.index(part)
    if not path.exists():
        material = read_material(photographs).parts(SHARES, 0)[index]
        make = GENERATORS[generator]
        made = make(material, COUNTS[part], size=PIXELS, seed=SEED + index)
        work.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=made.images, species=made.species, person=made.person)
    with np.load(path) as kept:
        names = np.char.mod(f"{part} %03d", kept["person"])
        return Captured(torch.from_numpy(kept["images"]), kept["species"], names)


@torch.no_grad()
def features(network: Frozen, items: Captured, size: int) -> NDArray[np.float64]:
    """Features (N, F) of captures."""
    parts = torch.split(as_seen(items.images, size), 64)
    found = torch.cat([network.features(normalise(part)) for part in parts])
    return found.numpy().astype(np.float64)


def fitted(
    known: NDArray[np.float64], live: NDArray[np.bool_], penalty: float
) -> tuple[NDArray[np.float64], float]:
    """Weights (F,) and bias of log odds, for features as they are."""
    middle, scale = known.mean(0), known.std(0) + 1e-6
    found = LogisticRegression(C=penalty, max_iter=300).fit((known - middle) / scale, live)
    weights = found.coef_[0] / scale
    return weights, float(found.intercept_[0] - weights @ middle)


def across(
    sets: Mapping[tuple[str, str], Captured], photographs: Path
) -> dict[Setting, dict[str, Scores]]:
    """Scores of every setting on the generator that it was not fitted on."""
    found: dict[Setting, dict[str, Scores]] = {}
    every = frozen(tuple(range(1, len(STAGES) + 1)), photographs)
    for size in SIZES:
        seen = {key: features(every, items, size) for key, items in sets.items()}
        for pooled, penalty in product(POOLED, PENALTIES):
            setting = Setting(pooled, size, penalty)
            found[setting] = {}
            for one, other in (("first", "second"), ("second", "first")):
                live = sets[one, "train"].species == "bona_fide"
                known = seen[one, "train"][:, setting.columns]
                weights, bias = fitted(known, live, penalty)
                for part in ("dev", "test"):
                    values = seen[other, part][:, setting.columns] @ weights + bias
                    found[setting][f"{one} to {other}, {part}"] = sets[other, part].scores(values)
    return found


def chosen(found: Mapping[Setting, Mapping[str, Scores]]) -> Setting:
    """The first rule's setting: sizes and stages are tried from the cheapest on."""
    means = {
        setting: np.mean([auc(one).value for name, one in scores.items() if name.endswith("dev")])
        for setting, scores in found.items()
    }
    bar = max(means.values()) - ALIKE
    size, pooled = next((one.size, one.pooled) for one, mean in means.items() if mean >= bar)
    alike = [one for one in means if (one.size, one.pooled) == (size, pooled)]
    return max(alike, key=lambda one: means[one])


def report(
    found: Mapping[Setting, Mapping[str, Scores]],
    best: Setting,
    sets: Mapping[tuple[str, str], Captured],
) -> dict[str, Any]:
    """AUC of every setting across generators, and of the shipped detector on the same captures."""
    shipped = shipped_detector()
    size = shipped.preprocessing.size
    own = {
        f"{one}, {part}": items.scores(shipped.score(as_seen(items.images, size)))
        for (one, part), items in sets.items()
        if part != "train"
    }
    first, second = found[best]["first to second, test"], own["second, test"]
    return {
        "frozen": {
            str(setting): {name: estimate(auc(one)) for name, one in scores.items()}
            for setting, scores in found.items()
        },
        "chosen": str(best),
        "shipped": {name: estimate(auc(scores)) for name, scores in own.items()},
        "frozen less shipped, second generator's test people": estimate(
            compare_paired(first, second, lambda one: auc(one).value, seed=0)
        ),
    }


def frozen(pooled: tuple[int, ...], photographs: Path) -> Frozen:
    """The released trunk."""
    network = Frozen(pooled).eval()
    load_trunk(network, photographs / "trunk.pth")
    return network


def write(
    setting: Setting,
    known: list[Captured],
    dev: list[Captured],
    photographs: Path,
    out: Path,
) -> None:
    """Fit a head, choose its threshold on development bona fides, and write the detector."""
    network, size = frozen(setting.pooled, photographs), setting.size
    items, others = joined(known), joined(dev)
    live = items.species == "bona_fide"
    weights, bias = fitted(features(network, items, size), live, setting.penalty)
    state: Mapping[str, Tensor] = {
        "weight": torch.from_numpy(weights[None]).float(),
        "bias": torch.tensor([bias]),
    }
    network.head.load_state_dict(state)
    own = Preprocessing(size, WIDE, FaceDetector().name, border="shift")
    origin = Provenance(
        "captures made of photographs in open packages (SIMULATED attacks)",
        simulated=True,
        licence="Apache-2.0",
        seed=SEED,
        items=len(items.images),
        digest=digest(items.images),
    )
    detector = Detector(network, own, origin)
    scores = others.scores(detector.score(as_seen(others.images, size)))
    threshold = threshold_at_bpcer(scores, REFUSED, source="captures of other people (SIMULATED)")
    out.mkdir(parents=True)
    path = out / WEIGHTS.name
    export_onnx(replace(detector, threshold=threshold, limits=LIMITS), path, tolerance=1e-3)
    record = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    (out / RECORD.name).write_text(json.dumps(record))


def joined(parts: list[Captured]) -> Captured:
    """The captures of several sets."""
    return Captured(
        torch.cat([one.images for one in parts]),
        np.concatenate([one.species for one in parts]),
        np.concatenate([one.person for one in parts]),
    )


def main() -> None:
    """Print the comparison, and write the two detectors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photographs", type=Path, required=True, help="their folder")
    parser.add_argument("--work", type=Path, required=True, help="keeps the captures")
    parser.add_argument("--out", type=Path, help="a new folder for the two detectors")
    given = parser.parse_args()
    sets = {
        (one, part): captures(one, part, given.photographs, given.work)
        for one in GENERATORS
        for part in PARTS
    }
    found = across(sets, given.photographs)
    best = chosen(found)
    print(json.dumps(report(found, best, sets), indent=1))
    if given.out is not None:
        known, dev = ([sets[one, part] for one in GENERATORS] for part in ("train", "dev"))
        write(best, known, dev, given.photographs, given.out / "both")
        few = sets["second", "train"]
        few = Captured(few.images[:FEW], few.species[:FEW], few.person[:FEW])
        write(PLAIN, [few], [sets["second", "dev"]], given.photographs, given.out / "plain")


if __name__ == "__main__":
    main()
