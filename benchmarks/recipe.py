"""Accuracy for CPU time: the former recipe of short trainings against the present one.

CDCN and a plain residual network are trained on simulated captures by both, in turn, and scored
after every epoch on captures of other people, under other lights and cameras and behind other
instruments. The seed of the captures is the bench's own: no study measures on them. The last
line of a network has the means over seeds, and the ratio of the recipes' CPU times.

    python -m benchmarks.recipe [--quick]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import mean

import torch

from sterling.face.capture import Scale
from sterling.face.capture.store import simulate_stored
from sterling.face.data import Faces, LabelKind
from sterling.face.pad import CDCN, Detector, Network, Preprocessing, Provenance, TrainConfig, train
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.training.fit import target_maps
from sterling.measure import Scores, auc
from sterling.studies import STUDIES

SEED = 987_654
FORMER = TrainConfig(
    epochs=3, batch_size=8, learning_rate=2e-3, step_epochs=1, step_factor=0.4, augment=False
)
FORMER_CAPTURES = 800
NETWORKS: dict[str, tuple[Callable[[int], Network], LabelKind]] = {
    "CDCN, width 8": (lambda seed: CDCN(8, seed=seed), "depth"),
    "residual network, width 16": (
        lambda seed: FusionResNet(10, 16, ("rgb",), "halfway", seed=seed),
        "constant",
    ),
}


@dataclass(frozen=True)
class Point:
    """CPU-seconds of training so far, and the area under the ROC curve after them."""

    seconds: float
    area: float


def trained(name: str, faces: Faces, captures: int, config: TrainConfig) -> list[Point]:
    """Train one network on so many captures, and score it after every epoch."""
    build, label = NETWORKS[name]
    network, training = build(config.seed), faces.split("train")
    order = torch.randperm(len(training), generator=torch.Generator().manual_seed(config.seed))
    training = training.select(order[:captures].sort().values.numpy())
    maps, tested = target_maps(network, training, label), faces.split("dev")
    detector = Detector(
        network,
        Preprocessing(faces.images.shape[-1]),
        Provenance("simulated captures", True, "Apache-2.0", config.seed, len(training), ""),
    )
    points: list[Point] = []
    spent, started = 0.0, time.process_time()

    def score(_: object) -> None:
        nonlocal spent, started
        spent += time.process_time() - started
        network.eval()
        area = auc(Scores(detector.score(tested.images), tested.manifest.bona_fide)).value
        points.append(Point(spent, area))
        started = time.process_time()

    train(network, training.images, maps, config, progress=score)
    return points


def main() -> None:
    """Train everything and print areas against seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the captures, one seed")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    config = STUDIES["cdcn"].presets["quick"]
    part = 10 if quick else 1
    most = max(config.captures[0], FORMER_CAPTURES) // part
    faces = simulate_stored(
        seed=SEED, size=config.size, scale=Scale((40, 24, 1), (most, 480 // part, 2))
    ).faces()
    seeds = range(1 if quick else 3)
    recipes = {"former": (FORMER_CAPTURES // part, FORMER), "present": (most, config.training(0))}
    for name in NETWORKS:
        last: dict[str, list[Point]] = {recipe: [] for recipe in recipes}
        for seed in seeds:
            for recipe, (captures, training) in recipes.items():
                points = trained(name, faces, captures, replace(training, seed=seed))
                for epoch, point in enumerate(points, start=1):
                    print(
                        f"{name}, {recipe} recipe, seed {seed}, epoch {epoch}: "
                        f"{point.seconds:.1f} CPU-seconds, AUC {point.area:.3f}"
                    )
                last[recipe].append(points[-1])
        seconds = {recipe: mean(point.seconds for point in last[recipe]) for recipe in recipes}
        areas = {recipe: mean(point.area for point in last[recipe]) for recipe in recipes}
        print(
            f"{name}, means: AUC {areas['former']:.3f} by the former recipe, "
            f"{areas['present']:.3f} by the present one in "
            f"{seconds['present'] / seconds['former']:.1f} times the CPU time"
        )


if __name__ == "__main__":
    main()
