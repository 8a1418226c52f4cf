"""Systems of the study: training on tasks of old types, and testing on new ones."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from sterling.adapt import FunctionalModel, GradientLearner, LearnedRates, Task, fit_meta
from sterling.face.capture import Scale
from sterling.face.capture.store import simulate_stored
from sterling.face.data import CropSpec, Faces, label_maps, load_faces, read_type_lists
from sterling.face.pad.few_shot.aim_fas import DepthMaps, adaptive_inner_update
from sterling.face.pad.few_shot.attack_type_tasks import (
    FaceTypes,
    TypeTasks,
    errors_after,
    errors_of_thumbnails,
    mean_errors,
    types_of,
)
from sterling.runs import Cell, Row, Run, derive_seed
from sterling.study import Config, Results, row

AIM, FIXED, PLAIN = "aim_fas", "fixed rate", "supervised"
STARTED, TUNED, THUMBNAILS = "aim_fas, not adapted", "supervised, fine-tuned", "thumbnails"
SYSTEMS = (AIM, FIXED, STARTED, TUNED, PLAIN, THUMBNAILS)
TUNING_FACTORS = (0.3, 1.0, 3.0)  # of the inner rate, for fine-tuning the supervised network. Ours.


class AimFasConfig(Config):
    """Configuration of the study.

    Attributes:
        subjects: Simulated subjects for training, development and test.
        captures: Captures of each, half of them bona fide.
        size: Side of the crops in pixels.
        seeds: Number of repetitions, with other captures and weights.
        width: Channels of the network's stem.
        faces: M, faces of each class in a support.
        queries: Q, faces of each class in a query set.
        shots: K, numbers of new faces of each class in a support, ascending.
        iterations: Outer steps.
        tasks: Tasks of an outer step.
        learning_rate: Learning rate of the outer steps.
        inner_rate: α at first; null draws it from the release's range.
        steps: Inner steps in training.
        test_steps: Inner steps in test.
        cdl_weight: Weight of the contrastive depth loss.
        test_tasks: Tasks that a figure is the mean over.
        pictures: Pictures of each type, with own data.
        device: Device that computes.
    """

    subjects: tuple[int, int, int] = (18, 6, 12)
    captures: tuple[int, int, int] = (360, 180, 200)
    size: int = Field(default=32, ge=32, multiple_of=8)
    seeds: int = Field(default=5, ge=1)
    width: int = Field(default=4, ge=1)
    faces: int = Field(default=10, ge=1)
    queries: int = Field(default=10, ge=1)
    shots: tuple[int, ...] = (0, 1, 5, 9)
    iterations: int = Field(default=150, ge=1)
    tasks: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    inner_rate: float | None = 0.1
    steps: int = Field(default=3, ge=1)
    test_steps: int = Field(default=5, ge=1)
    cdl_weight: float = Field(default=1.0, ge=0)
    test_tasks: int = Field(default=16, ge=1)
    pictures: int = Field(default=60, ge=2)
    device: Literal["cpu", "cuda"] = "cpu"


def measure(config: AimFasConfig, run: Run) -> Results:
    """Train every system on old types and test it on new ones."""
    recorded, missed = (None, 0) if config.data is None else _recorded(config, config.data)
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(_repetition, grid, config, recorded, seed="aim_fas/{repetition}")
    return Results.of(rows, not_scored=missed)


def _repetition(
    config: AimFasConfig, recorded: dict[str, FaceTypes] | None, cell: Cell
) -> Iterator[Row]:
    seed = derive_seed(cell.run.seed, "aim_fas", cell.repetition)
    types = recorded or _simulated(config, seed)
    types = {split: _on(config.device, one) for split, one in types.items()}

    def tasks(old: str, new: str, shots: Sequence[int] = config.shots) -> TypeTasks:
        return TypeTasks(
            types[old],
            types[new],
            faces=config.faces,
            queries=config.queries,
            shots=shots,
            seed=derive_seed(seed, old, new),
        )

    training, tested = tasks("train", "train"), tasks("train", "test")
    middle = config.shots[len(config.shots) // 2]
    chosen_on = tasks("train", "dev", (middle,)) if "dev" in types else training
    learners = {name: _trained(config, name, training, seed) for name in (AIM, FIXED, PLAIN)}
    systems = {
        AIM: (learners[AIM], config.test_steps),
        FIXED: (learners[FIXED], config.test_steps),
        STARTED: (learners[AIM], 0),
        TUNED: (_tuned(config, learners[PLAIN], chosen_on), config.test_steps),
        PLAIN: (learners[PLAIN], 0),
    }
    for shots in config.shots:
        given = [tested.with_shots(number, shots) for number in range(config.test_tasks)]
        found = {
            system: mean_errors([errors_after(learner, task, steps) for task in given])
            for system, (learner, steps) in systems.items()
        }
        found[THUMBNAILS] = mean_errors([errors_of_thumbnails(task) for task in given])
        for system, figures in found.items():
            for figure, value in figures.items():
                yield row(figure, value, system=system, shots=shots)
    rates = learners[AIM].rates
    assert isinstance(rates, LearnedRates)
    assert rates.decay is not None
    left_out = ", ".join(sorted({*training.left_out, *tested.left_out})) or "none"
    yield row("α", rates.table()["all"][0], left_out=left_out)
    yield row("γ", float(rates.decay.detach()), left_out=left_out)


def _simulated(config: AimFasConfig, seed: int) -> dict[str, FaceTypes]:
    """Living types are lights, spoofing types are species."""
    scale = Scale(config.subjects, config.captures)
    faces = simulate_stored("new_types", seed=seed % 2**31, size=config.size, scale=scale).faces()
    return {
        split: _types(faces.split(split), "illumination", "depth")
        for split in ("train", "dev", "test")
    }


def _recorded(config: AimFasConfig, folder: Path) -> tuple[dict[str, FaceTypes], int]:
    """The types of released lists, and how many of their pictures gave no face."""
    types, missed = {}, 0
    for split, manifest in read_type_lists(folder, pictures=config.pictures).items():
        loaded = load_faces(manifest, CropSpec(config.size, 1.2))
        missed += len(loaded.non_responses)
        types[split] = _types(loaded.faces, "session", "ellipsoid")
    return types, missed


def _types(faces: Faces, living: str, label: Literal["depth", "ellipsoid"]) -> FaceTypes:
    maps = label_maps(faces, label, faces.images.shape[-1] // 8)
    return types_of(faces.manifest, faces.images, maps, living, "species")


def _on(device: str, types: FaceTypes) -> FaceTypes:
    return FaceTypes(types.images.to(device), types.maps.to(device), types.living, types.spoofing)


def _learner(
    config: AimFasConfig, model: FunctionalModel, system: str, seed: int, factor: float = 1.0
) -> GradientLearner:
    rate = config.inner_rate
    return adaptive_inner_update(
        model,
        rate=None if rate is None else factor * rate,
        steps=0 if system == PLAIN else config.steps,
        test_steps=config.test_steps,
        cdl_weight=config.cdl_weight,
        learned=system == AIM,
        seed=seed,
    )


def _trained(config: AimFasConfig, system: str, tasks: TypeTasks, seed: int) -> GradientLearner:
    """A system after as many outer steps as the others, on the same tasks."""
    model = FunctionalModel(DepthMaps(config.width, seed=seed % 2**31).to(config.device))
    learner = _learner(config, model, system, seed)
    for part in learner.parts().values():
        part.to(config.device)
    fit_meta(
        learner,
        (lambda number: _together(tasks.draw(number))) if system == PLAIN else tasks.draw,
        iterations=config.iterations,
        tasks=config.tasks,
        clip=10.0,
        optimizer=partial(_adam, config.learning_rate),
    )
    return learner


def _adam(rate: float, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    # As released, 1e-5 ‖θ‖² is over the convolutions alone: not over biases, α and γ.
    convolutions = [one for one in parameters if one.ndim == 4]
    others = [one for one in parameters if one.ndim != 4]
    groups = [
        {"params": convolutions, "weight_decay": 2e-5},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.Adam([group for group in groups if group["params"]], rate)


def _together(task: Task) -> Task:
    """Support and queries alike as one batch of plain training."""
    return Task(
        task.support,
        task.support_labels,
        torch.cat([task.support, task.query]),
        torch.cat([task.support_labels, task.query_labels]),
        task.classes,
    )


def _tuned(config: AimFasConfig, learner: GradientLearner, tasks: TypeTasks) -> GradientLearner:
    """The supervised network with the rate of fine-tuning that serves development tasks best."""
    given = [tasks.draw(10**6 + number) for number in range(config.test_tasks // 2 + 1)]

    def area(factor: float) -> float:
        candidate = _learner(config, learner.model, TUNED, 0, factor)
        return mean_errors([errors_after(candidate, task, config.test_steps) for task in given])[
            "AUC"
        ]

    return _learner(config, learner.model, TUNED, 0, max(TUNING_FACTORS, key=area))
