"""Pictures and tasks of the few-shot studies, and the sizes that they have in common."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator

from sterling.adapt import Episodes, Task
from sterling.errors import InputError
from sterling.image import LabelledImages
from sterling.image.backbones import Backbone
from sterling.image.class_folders import Embedded, few_shot_data
from sterling.image.labelled_images import split_classes, with_rotations
from sterling.runs import derive_seed
from sterling.study import Config

SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}
PRIOR_SHARES = {"prior": 0.3, "train": 0.3, "validation": 0.2, "test": 0.2}
SOURCES = {
    "glyphs": "characters drawn from the faces of DejaVu",
    "digits": "scikit-learn's handwritten digits",
}
SMOKE: dict[str, Any] = {
    "classes": 40,
    "size": 16,
    "width": 4,
    "queries": 2,
    "steps": 1,
    "test_steps": 2,
    "iterations": 3,
    "tasks": 1,
    "checks": 1,
    "validation_tasks": 2,
    "test_tasks": 6,
    "seeds": 2,
}
PAPER: dict[str, Any] = {
    "size": 84,
    "width": 32,
    "queries": 15,
    "steps": 5,
    "test_steps": 10,
    "iterations": 60_000,
    "learning_rate": 1e-3,
    "checks": 60,
    "validation_tasks": 600,
    "test_tasks": 600,
}

PAPER_PRIOR: dict[str, Any] = {
    "prior_backbone": "resnet12",
    "prior_width": 64,
    "prior_steps": 100_000,
    "rate": 0.01,
    "map_rates": (0.5, 1.0, 2.0, 5.0),
}

Draw = Callable[[int], Task]
"""Tasks by number."""
Parts = Mapping[str, LabelledImages]
"""Pictures, or maps, by part."""


class FewShotConfig(Config):
    """Configuration that the few-shot studies share.

    Attributes:
        data: Folder of <class>/<picture>, zipped or not (Omniglot, CIFAR-10); replaces `source`.
        source: Embedded pictures: characters drawn from fonts, or scikit-learn's ten digits.
        classes: Number of characters that are drawn.
        rotations: Whether quarter turns are further classes. Not for glyphs: an arrow turned is an
            arrow.
        size: Side of the pictures, pixels.
        width: Channels of Conv-4.
        ways: Classes of a task.
        shots: Pictures of each class to adapt on.
        queries: Pictures of each class to test on.
        rate: Inner rate on the mean loss, or the rate that learned ones start at.
        steps: Steps of adaptation in training.
        test_steps: Most steps of adaptation in tests; validation classes choose among them.
        iterations: Outer steps of meta-training.
        tasks: Tasks of an outer step.
        learning_rate: Rate of Adam in meta-training.
        checks: Checkpoints that validation chooses from.
        validation_tasks: Number of validation tasks.
        test_tasks: Number of test tasks of each repetition.
        seeds: Number of repetitions, with other pictures, classes and weights.
        device: Device that trains the networks.
    """

    source: Embedded = "glyphs"
    classes: int = Field(default=371, ge=10)
    rotations: bool = False
    size: int = Field(default=20, ge=16)
    width: int = Field(default=16, ge=1)
    ways: int = Field(default=5, ge=2)
    shots: int = Field(default=1, ge=1)
    queries: int = Field(default=5, ge=1)
    rate: float = Field(default=0.1, gt=0)
    steps: int = Field(default=3, ge=1)
    test_steps: int = Field(default=5, ge=1)
    iterations: int = Field(default=100, ge=1)
    tasks: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    checks: int = Field(default=2, ge=1)
    validation_tasks: int = Field(default=40, ge=1)
    test_tasks: int = Field(default=100, ge=2)
    seeds: int = Field(default=5, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"

    @model_validator(mode="after")
    def _enough_iterations(self) -> Self:
        if self.checks > self.iterations:
            raise ValueError("checks: at most one for each iteration")
        return self

    @property
    def class_shares(self) -> Mapping[str, float]:
        """Share of the classes in each part."""
        return SHARES

    @property
    def pictures(self) -> str:
        """Name of the pictures."""
        return f"pictures in {self.data.name}" if self.data else SOURCES[self.source]


class PriorConfig(FewShotConfig):
    """Configuration that studies with prior knowledge share.

    Attributes:
        prior_backbone: Network of the representation.
        prior_width: Channels of its first layer.
        prior_steps: Steps of its training, on 64 pictures each.
        map_rates: Inner rates of learners on its maps; validation classes choose among them.
    """

    prior_backbone: Backbone = "conv4"
    prior_width: int = Field(default=32, ge=1)
    prior_steps: int = Field(default=250, ge=1)
    map_rates: tuple[float, ...] = Field(default=(2.0, 5.0), min_length=1)

    @property
    def class_shares(self) -> Mapping[str, float]:
        """Share of the classes in each part."""
        return PRIOR_SHARES


@lru_cache(maxsize=2)  # the cells of one repetition follow each other in a process
def class_parts(config: FewShotConfig, seed: int) -> Parts:
    """Pictures of one repetition in parts without a class in common.

    Raises:
        InputError: The folder cannot be read, a part has fewer classes than a task, or there is no
            such device.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: torch finds none on this machine; use --set device=cpu")
    images = few_shot_data(
        config.data or config.source, size=config.size, classes=config.classes, seed=seed
    )
    parts = split_classes(images, config.class_shares, seed)
    if config.rotations:
        parts = {name: with_rotations(part) for name, part in parts.items()}
    for name, part in parts.items():
        if len(part.names) < config.ways:
            raise InputError(
                f"ways {config.ways}: the {name} part of {part.source} has {len(part.names)} "
                "classes; lower ways, or give more classes"
            )
    return parts


def draws(config: FewShotConfig, part: LabelledImages, name: str, shots: int, seed: int) -> Draw:
    """Tasks of a part by number, on the configured device."""
    return Episodes(
        part.images.to(config.device),
        part.labels,
        ways=config.ways,
        shots=shots,
        queries=config.queries,
        seed=derive_seed(seed, name),
    ).draw
