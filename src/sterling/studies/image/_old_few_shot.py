"""One learner on one draw of classes: meta-train, choose on validation classes, judge on test ones.

Every arm of a comparison sees the same pictures, the same training tasks in the same order, and the
same test tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from sterling.adapt import (
    BatchLearner,
    Chosen,
    Episodes,
    Judged,
    Learner,
    Task,
    fit_chosen,
    judge_tasks,
)
from sterling.errors import InputError
from sterling.image.backbones import BACKBONES, Backbone
from sterling.image.few_shot_data import Embedded, few_shot_data
from sterling.image.labelled_images import LabelledImages, split_classes, with_rotations
from sterling.runs import derive_seed
from sterling.study import Config

FIRST_TEST_TASK = 10**6  # numbers of tasks that no training reaches
Draws = Mapping[str, Callable[[int], Task]]


@dataclass(frozen=True, eq=False)
class Trial:
    """What became of a learner.

    Attributes:
        learner: With the chosen weights.
        place: Which of the learners given it is.
        step: Of adaptation, chosen on validation classes.
        iteration: Of meta-training, chosen likewise.
        accuracy: At that step, mean over the test tasks.
        start: The same before any step.
    """

    learner: Learner
    place: int
    step: int
    iteration: int
    accuracy: float
    start: float

    def record(self) -> dict[str, float]:
        """The numbers."""
        return {
            "step": self.step,
            "iteration": self.iteration,
            "accuracy": self.accuracy,
            "start": self.start,
        }


class FewShotConfig(Config):
    """What the few-shot studies have in common.

    Attributes:
        data: Folder of <class>/<picture>, zipped or not (Omniglot, CIFAR-10); replaces `source`.
        source: Embedded pictures: characters drawn from fonts, or scikit-learn's ten digits.
        classes: Characters that are drawn.
        rotations: Quarter turns as further classes. Not for glyphs: an arrow turned is an arrow.
        size: Side of the pictures, pixels.
        width: Channels of Conv-4.
        ways: Classes of a task.
        shots: Items of each to adapt on.
        queries: Items of each to judge on.
        rate: Inner rate, or where learned ones start, on the mean loss.
        steps: Of adaptation in training.
        test_steps: At most, in evaluation; which of them is chosen on validation classes.
        iterations: Of meta-training.
        tasks: Of an iteration.
        learning_rate: Of Adam in meta-training.
        checks: Checkpoints that validation chooses from.
        validation_tasks: To choose by.
        test_tasks: Per seed.
        seeds: How many times everything is repeated with other pictures, classes and weights.
        device: Where networks are trained.
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

    def pictures(self) -> tuple[Path | Embedded, int, int, bool]:
        """What decides the pictures: source, side, classes, turns."""
        return (self.data or self.source, self.size, self.classes, self.rotations)


def class_parts(
    config: FewShotConfig, shares: tuple[tuple[str, float], ...], seed: int
) -> dict[str, LabelledImages]:
    """The pictures of one seed in parts without a class in common.

    Args:
        config: Says which pictures.
        shares: Name of each part and its share of the classes.
        seed: Of the drawing and the split.

    Raises:
        InputError: The folder cannot be read, a part has fewer classes than a task, or there is no
            such device.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: torch finds none on this machine; use --set device=cpu")
    parts = _parts(config.pictures(), shares, seed)
    for name, part in parts.items():
        if len(part.names) < config.ways:
            raise InputError(
                f"ways {config.ways}: the {name} part of {part.source} has {len(part.names)} "
                "classes; lower ways, or give more classes"
            )
    return parts


@lru_cache(maxsize=2)  # arms of one seed follow each other in one process
def _parts(
    pictures: tuple[Path | Embedded, int, int, bool],
    shares: tuple[tuple[str, float], ...],
    seed: int,
) -> dict[str, LabelledImages]:
    source, size, classes, rotations = pictures
    images = few_shot_data(source, size=size, classes=classes, seed=seed)
    parts = split_classes(images, dict(shares), seed)
    if rotations:
        return {name: with_rotations(part) for name, part in parts.items()}
    return parts


def draws_of(
    config: FewShotConfig, parts: Mapping[str, LabelledImages], shots: int, seed: int
) -> Draws:
    """Tasks of each part by number, on the configured device.

    Raises:
        InputError: Sizes that no task can have.
    """
    return {
        name: Episodes(
            part.images.to(config.device),
            part.labels,
            ways=config.ways,
            shots=shots,
            queries=config.queries,
            seed=derive_seed(seed, name),
        ).draw
        for name, part in parts.items()
    }


def trial(config: FewShotConfig, learners: Sequence[Learner], draws: Draws) -> Trial:
    """Train on the tasks "train", choose by "validation", judge by "test".

    Args:
        config: Says how long and how often.
        learners: One, or several that differ in a setting which validation chooses.
        draws: Tasks of the three parts.
    """
    chosen = [_fit(config, learner, draws) for learner in learners]
    place = max(range(len(learners)), key=lambda one: chosen[one].accuracy)
    learner, best = learners[place], chosen[place]
    judged = judge_at(config, learner, draws["test"])
    return Trial(
        learner=learner,
        place=place,
        step=best.step,
        iteration=best.iteration,
        accuracy=float(judged.accuracy[:, best.step].mean()),
        start=float(judged.accuracy[:, 0].mean()),
    )


def _fit(config: FewShotConfig, learner: Learner, draws: Draws) -> Chosen:
    for part in learner.parts().values():
        part.to(config.device)
    rate = config.learning_rate
    return fit_chosen(
        learner,
        draws["train"],
        draws["validation"],
        iterations=config.iterations,
        checks=config.checks,
        numbers=range(config.validation_tasks),
        tasks=config.tasks,
        at_once=config.device == "cuda" and isinstance(learner, BatchLearner),
        optimizer=lambda parameters: torch.optim.Adam(parameters, rate),
    )


def judge_at(config: FewShotConfig, learner: Learner, draw: Callable[[int], Task]) -> Judged:
    """Judge on the test tasks of the configuration."""
    return judge_tasks(learner, draw, range(FIRST_TEST_TASK, FIRST_TEST_TASK + config.test_tasks))


class PriorConfig(FewShotConfig):
    """What studies with prior knowledge have in common.

    Attributes:
        prior_backbone: Network of the representation.
        prior_width: Its width.
        prior_steps: Of its training, on 64 pictures each.
        map_rates: Inner rates of what adapts on its maps; validation classes choose among them.
    """

    prior_backbone: Backbone = "conv4"
    prior_width: int = Field(default=32, ge=1)
    prior_steps: int = Field(default=250, ge=1)
    map_rates: tuple[float, ...] = Field(default=(2.0, 5.0), min_length=1)


def prior_network(config: PriorConfig, channels: int, seed: int) -> nn.Module:
    """The configured representation without a head, untrained, on the configured device."""
    return BACKBONES[config.prior_backbone](
        None,
        channels=channels,
        size=config.size,
        width=config.prior_width,
        norm=nn.BatchNorm2d,
        seed=seed,
    ).to(config.device)
