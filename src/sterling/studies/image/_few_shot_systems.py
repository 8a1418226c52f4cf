"""The systems of a few-shot study, trained and tested on the same tasks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import nn

from sterling.adapt import BatchLearner, Chosen, Judged, Learner, ProtoNet, fit_chosen, judge_tasks
from sterling.image import LabelledImages
from sterling.image.backbones import BACKBONES
from sterling.image.prior_knowledge import Prior, maps_of, require_disjoint, train_representation
from sterling.runs import Cell, Coordinate, Row, Run, derive_seed
from sterling.studies.image._few_shot_data import (
    Draw,
    FewShotConfig,
    Parts,
    PriorConfig,
    class_parts,
    draws,
)
from sterling.study import row

FIRST_TEST_TASK = 10**6  # numbers of tasks that no training reaches

C = TypeVar("C", bound=FewShotConfig)


@dataclass(frozen=True, eq=False)
class Trained:
    """A learner with its chosen weights.

    Attributes:
        learner: The learner.
        step: Number of adaptation steps, chosen on validation classes.
        accuracy: Mean accuracy on the test tasks after that step.
        test: Tests a learner on the test tasks, given their number of shots.
    """

    learner: Learner
    step: int
    accuracy: float
    test: Callable[[Learner, int], Judged]


@dataclass(frozen=True)
class System:
    """A learner of a comparison, trained once per repetition.

    Attributes:
        learners: Makes the learner from the channels and the side of its inputs and the seed; one
            for each inner rate that validation classes choose from. None for the nearest centroid
            of the inputs, which learns nothing.
        prior: Training of the representation whose maps are the inputs; None for pictures.
        changed: Change to the inputs, by part, given the seed; None for none.
        shots: Numbers of shots of its tasks, by turns; empty for the configured one.
        finish: Measures the trained learner further.
        clip: Bound ± of each number of the meta-gradient; None for none.
    """

    learners: Callable[[int, int, int], Mapping[float, Learner]] | None = None
    prior: Prior | None = None
    changed: Callable[[Parts, int], Parts] | None = None
    shots: tuple[int, ...] = ()
    finish: Callable[[Trained], Iterable[Row]] | None = None
    clip: float | None = None


Systems = Mapping[str, System]

PIXELS = "nearest centroid of pixels"


def measure_systems(systems: Callable[[C], Systems], config: C, run: Run) -> list[Row]:
    """Train and test every system in every repetition.

    Rows of a system are "accuracy" on the test tasks and, if it learns, "before adaptation", "gain"
    (the difference), and the "steps", "iterations" and "rate" that validation classes chose. Those
    of a representation are "accuracy" in its training, "classes" and "pictures".

    Raises:
        InputError: The data cannot be read, or no task can be made of them.
    """
    every = systems(config)
    seed = derive_seed(run.seed, "few-shot", 0) % 2**31
    parts = class_parts(config, seed)  # refused here, before anything is trained
    for name in ("train", "validation", "test"):
        draws(config, parts[name], name, max(_shots(config, every)), seed)
    groups = dict.fromkeys(_group(name, system) for name, system in every.items())
    grid: list[dict[str, Coordinate]] = [
        {"repetition": repetition, "system": group}
        for repetition in range(config.seeds)
        for group in groups
    ]
    return run.map(partial(_few_shot, systems), grid, config, seed="few-shot/{repetition}")


def _shots(config: FewShotConfig, systems: Systems) -> list[int]:
    """Numbers of shots of the systems' tasks."""
    return sorted({shots for each in systems.values() for shots in each.shots or (config.shots,)})


def _group(name: str, system: System) -> str:
    """Name of the cell: systems that share a representation are measured together."""
    return name if system.prior is None else representation_by(system.prior)


def representation_by(prior: Prior) -> str:
    """Name of a representation in the results."""
    return f"representation by {prior}"


def _few_shot(systems: Callable[[C], Systems], config: C, cell: Cell) -> list[Row]:
    parts = dict(class_parts(config, cell.seed))
    prior, rows = parts.pop("prior", None), []
    chosen = {
        name: system
        for name, system in systems(config).items()
        if _group(name, system) == cell.point["system"]
    }
    kind = next(iter(chosen.values())).prior
    if prior is not None and kind is not None:
        assert isinstance(config, PriorConfig)
        parts, accuracy = _represented(config, prior, kind, parts, cell.seed)
        rows += [
            row("accuracy", accuracy),
            row("classes", len(prior.names)),
            row("pictures", len(prior)),
        ]
    for name, system in chosen.items():
        seen = parts if system.changed is None else system.changed(parts, cell.seed)
        rows += [{"system": name, **each} for each in _measured(config, system, seen, cell.seed)]
    return rows


def _represented(
    config: PriorConfig, prior: LabelledImages, kind: Prior, parts: Parts, seed: int
) -> tuple[dict[str, LabelledImages], float]:
    """Maps of the parts by a representation trained on the prior classes, and its accuracy."""
    require_disjoint(prior, *parts.values())
    representation = BACKBONES[config.prior_backbone](
        None,
        channels=prior.images.shape[1],
        size=config.size,
        width=config.prior_width,
        norm=nn.BatchNorm2d,
        seed=seed,
    ).to(config.device)
    accuracy = train_representation(
        representation,
        prior,
        kind,
        steps=config.prior_steps,
        learning_rate=config.learning_rate,
        seed=seed,
    )
    return maps_of(representation, prior, parts), accuracy


def _measured(config: FewShotConfig, system: System, parts: Parts, seed: int) -> list[Row]:
    def draw(name: str, shots: Sequence[int]) -> Draw:
        """Tasks of a part, of each number of shots by turns."""
        turns = [draws(config, parts[name], name, each, seed) for each in shots]
        return lambda number: turns[number % len(turns)](number)

    def test(learner: Learner, *shots: int) -> Judged:
        numbers = range(FIRST_TEST_TASK, FIRST_TEST_TASK + config.test_tasks)
        return judge_tasks(learner, draw("test", shots), numbers)

    shots = system.shots or (config.shots,)
    if system.learners is None:
        centroids = test(ProtoNet(nn.Flatten()), *shots)
        return [row("accuracy", float(centroids.accuracy.mean()))]
    channels, side = parts["train"].images.shape[1:3]
    learners = system.learners(channels, side, seed)
    chosen = {
        rate: _fit(config, learner, draw("train", shots), draw("validation", shots), system.clip)
        for rate, learner in learners.items()
    }
    rate = max(chosen, key=lambda each: chosen[each].accuracy)
    learner, step = learners[rate], chosen[rate].step
    by_step = test(learner, *shots).accuracy.mean(axis=0)
    rows = [
        row("accuracy", by_step[step]),
        row("before adaptation", by_step[0]),
        row("gain", by_step[step] - by_step[0]),
        row("steps", step),
        row("iterations", chosen[rate].iteration),
        row("rate", rate),
    ]
    if system.finish is not None:
        rows += system.finish(Trained(learner, step, float(by_step[step]), test))
    return rows


def _fit(
    config: FewShotConfig,
    learner: Learner,
    training: Draw,
    validation: Draw,
    clip: float | None,
) -> Chosen:
    for part in learner.parts().values():
        part.to(config.device)
    rate = config.learning_rate
    return fit_chosen(
        learner,
        training,
        validation,
        iterations=config.iterations,
        checks=config.checks,
        numbers=range(config.validation_tasks),
        tasks=config.tasks,
        at_once=config.device == "cuda" and isinstance(learner, BatchLearner),
        optimizer=lambda parameters: torch.optim.Adam(parameters, rate),
        clip=clip,
    )
