"""One trial of MetaAdvDet (ACM MM 2019): train every detector, and judge all on the same tasks."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.adapt import FunctionalModel, GradientLearner, Task, fit_meta, fomaml
from sterling.errors import InputError
from sterling.image.adversarial_tasks import (
    AdversarialTasks,
    AttackedImages,
    Protocol,
    attack_images,
)
from sterling.image.attacks import Strength
from sterling.image.classifiers import Architecture, train_classifier
from sterling.image.labelled_images import LabelledImages
from sterling.image.meta_adversarial import (
    JointModel,
    adversarial_detector,
    detect,
    high_frequency,
    judge,
    nearest_centroid,
    train_pooled,
)

logger = logging.getLogger("sterling")

PROTOCOLS: tuple[Protocol, ...] = ("paper", "class_matched")
META, FINE_TUNED, RANDOM, PLAIN = (
    "meta-learning",
    "fine-tuning",
    "a random start",
    "three features",
)
ARMS = (META, FINE_TUNED, RANDOM, PLAIN)
NEW_ATTACKS, NEW_PICTURES, NEW_CLASSIFIER, WHITE_BOX = (
    "new attacks",
    "new pictures",
    "new classifier",
    "white box",
)
BOTH_SEEN = ("bim", "carlini_wagner")  # attacks on classifier and detector together
RATES = (0.01, 0.05, 0.2)  # that fine-tuning may take; chosen on tasks of known attacks

Unit = dict[str, Any]
Judge = Callable[[Task], NDArray[np.float64]]


@dataclass(frozen=True)
class DetectionPlan:
    """What a trial does.

    Attributes:
        pictures: That are attacked to learn from, and as many others to be judged on.
        size: Side of the pictures, pixels.
        known: Attacks to learn from.
        unknown: Attacks to be judged on.
        attack_steps: Of iterative attacks.
        spsa_samples: Directions that SPSA tries in each step.
        classifier: Architecture that is attacked.
        other_classifier: The one that it is exchanged for.
        classifier_width: Channels of their first block.
        epochs: Of training a classifier.
        width: Channels of the detector.
        shots: Pictures of each kind to adapt on, for each of some settings.
        queries: Pictures of each kind to be judged, per task.
        tasks: Tasks of an outer step.
        iterations: Outer steps.
        rate: Of the inner loop.
        outer_rate: Of Adam.
        steps: Inner steps in training.
        test_steps: In evaluation.
        test_tasks: Tasks of each condition.
        device: Where networks run.
        research_use: Must be true.
    """

    pictures: int
    size: int
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    attack_steps: int
    spsa_samples: int
    classifier: Architecture
    other_classifier: Architecture
    classifier_width: int
    epochs: int
    width: int
    shots: tuple[int, ...]
    queries: int
    tasks: int
    iterations: int
    rate: float
    outer_rate: float
    steps: int
    test_steps: int
    test_tasks: int
    device: str
    research_use: bool


def detection_trial(
    plan: DetectionPlan, images: LabelledImages, others: LabelledImages, seed: int
) -> Unit:
    """Train classifiers and detectors, and judge the detectors.

    Args:
        plan: Sizes.
        images: To learn from.
        others: Pictures of another kind, as large and of as many channels.
        seed: Of everything.

    Returns:
        Under "accuracy" that of the classifiers; under "attacks" successes and trials by attack;
        under "figures" by condition and shots, and then by detector, F1, F1 of the attacked and
        AUROC, means over tasks; under "by_attack" by shots and attack the `macro` of the
        meta-learned detector.

    Raises:
        InputError: As of `attack_images` and `AdversarialTasks`.
    """
    world = _attacked(plan, images, plan.classifier, (plan.known, plan.unknown), seed)
    exchanged = _attacked(plan, images, plan.other_classifier, ((), plan.known), seed)
    elsewhere = _attacked(plan, others, plan.classifier, ((), plan.known), seed)
    unit: Unit = {
        "accuracy": {
            "the pictures": world.accuracy,
            "other pictures": elsewhere.accuracy,
            "other classifier": exchanged.accuracy,
        },
        "attacks": {
            name: [len(one.sources[name]), len(one.clean)]
            for one in (world.known, world.judged)
            for name in one.sources
        },
        "figures": {},
        "by_attack": {},
    }
    for shots in plan.shots:
        for protocol in PROTOCOLS:
            arms = _arms(plan, world, protocol, shots, seed)
            judged = {f"{NEW_ATTACKS}, {protocol}": world.judged}
            if protocol == "class_matched":
                judged[NEW_PICTURES] = elsewhere.judged
                judged[NEW_CLASSIFIER] = exchanged.judged
                judged[WHITE_BOX] = _white_box(plan, world, arms.learner, seed)
            for condition, data in judged.items():
                own, by_attack = _figures(plan, data, protocol, shots, seed, arms.judges)
                unit["figures"][f"{condition} {shots}"] = own
                if condition == f"{NEW_ATTACKS}, class_matched":
                    unit["by_attack"][str(shots)] = by_attack
    return unit


@dataclass(frozen=True, eq=False)
class _World:
    """A classifier, what attacks make of pictures it did not learn from, and their scale."""

    classifier: nn.Module
    known: AttackedImages
    judged: AttackedImages
    fresh: LabelledImages
    scale: tuple[float, float]
    accuracy: float


def _attacked(
    plan: DetectionPlan,
    images: LabelledImages,
    architecture: Architecture,
    attacks: tuple[Sequence[str], Sequence[str]],
    seed: int,
) -> _World:
    """Three parts: to train the classifier, to attack for learning, to attack for judging."""
    order = np.random.default_rng(seed).permutation(len(images))
    most = min(plan.pictures, len(images) // 3)
    ends = (len(images) - 2 * most, len(images) - most)
    own, learned, fresh = (
        replace(images, images=images.images[rows], labels=images.labels[rows])
        for rows in np.split(order, ends)
    )
    network = train_classifier(
        own,
        architecture,
        width=plan.classifier_width,
        epochs=plan.epochs,
        seed=seed,
        device=plan.device,
    )
    scale = (float(own.images.mean()), float(own.images.std()))
    made = partial(
        attack_images,
        network,
        strength=Strength(scale[1], plan.attack_steps, plan.spsa_samples),
        seed=seed,
        scale=scale,
        research_use=plan.research_use,
    )
    judged = made(fresh, attacks[1])
    return _World(
        network,
        made(learned, attacks[0]),
        judged,
        fresh,
        scale,
        accuracy=len(judged.clean) / len(fresh),
    )


@dataclass(frozen=True, eq=False)
class _Arms:
    learner: GradientLearner
    judges: dict[str, Judge]


def _arms(plan: DetectionPlan, world: _World, protocol: Protocol, shots: int, seed: int) -> _Arms:
    """Train on the known attacks; baselines may choose their rate there."""
    tasks = AdversarialTasks(world.known, protocol, shots=shots, queries=plan.queries, seed=seed)
    channels = world.known.clean.shape[1]

    def network() -> nn.Sequential:
        return adversarial_detector(channels, plan.size, plan.width, seed).to(plan.device)

    def learner(module: nn.Module, rate: float) -> GradientLearner:
        return fomaml(FunctionalModel(module), rate, steps=plan.steps, test_steps=plan.test_steps)

    meta = learner(network(), plan.rate)
    fit_meta(
        meta,
        tasks.draw,
        iterations=plan.iterations,
        tasks=plan.tasks,
        at_once=True,
        optimizer=lambda own: torch.optim.Adam(own, plan.outer_rate),
    )
    pooled = train_pooled(
        network(),
        world.known,
        steps=2 * plan.iterations,
        batch_size=64,
        rate=plan.outer_rate,
        seed=seed,
    )

    def with_best_rate(module: nn.Module) -> GradientLearner:
        numbers = range(10**6, 10**6 + max(2, plan.test_tasks // 4))

        def figure(rate: float) -> float:
            judged = partial(detect, learner(module, rate))
            return float(np.mean([macro(_judge(judged, tasks.draw(each))) for each in numbers]))

        return learner(module, max(RATES, key=figure))

    spread = high_frequency(world.known.clean).std(dim=0)
    return _Arms(
        meta,
        {
            META: partial(detect, meta),
            FINE_TUNED: partial(detect, with_best_rate(pooled)),
            RANDOM: partial(detect, with_best_rate(network())),
            PLAIN: partial(nearest_centroid, high_frequency, spread),
        },
    )


def _white_box(
    plan: DetectionPlan, world: _World, learner: GradientLearner, seed: int
) -> AttackedImages:
    """Attacks on the classifier and the master network together, to a wrong class."""
    detector = learner.model.module
    with torch.no_grad():  # statistics of what the detector knows: half clean, half attacked
        attacked = torch.cat(list(world.known.attacked.values()))
        detector.train()(torch.cat([world.known.clean, attacked[:: len(world.known.attacked)]]))
    joint = JointModel(world.classifier, nn.Sequential(_Standardise(*world.scale), detector)).eval()
    classes = len(world.fresh.names)
    step = np.random.default_rng(seed).integers(1, classes, len(world.fresh))
    found = attack_images(
        joint,
        world.fresh,
        BOTH_SEEN,
        strength=Strength(world.scale[1], plan.attack_steps),
        seed=seed,
        scale=world.scale,
        targets=torch.from_numpy((world.fresh.labels + step) % classes),
        research_use=plan.research_use,
    )
    detector.train()
    return found


class _Standardise(nn.Module):
    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


def _judge(arm: Judge, task: Task) -> tuple[float, ...]:
    return astuple(judge(arm(task), task.query_labels.cpu().numpy()))


def macro(figures: Sequence[float]) -> float:
    """Mean of both F1: calling everything clean does not help."""
    return (figures[0] + figures[1]) / 2


def _figures(
    plan: DetectionPlan,
    data: AttackedImages,
    protocol: Protocol,
    shots: int,
    seed: int,
    judges: dict[str, Judge],
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Means over tasks by arm, and the meta-learned detector's mean F1 by attack.

    Nothing where an attack succeeded on too few pictures for a task.
    """
    try:
        tasks = AdversarialTasks(data, protocol, shots=shots, queries=plan.queries, seed=seed + 1)
    except InputError as error:
        logger.info("%s", error)
        return {}, {}
    numbers = range(plan.test_tasks)
    found = {
        arm: [_judge(own, tasks.draw(each)) for each in numbers] for arm, own in judges.items()
    }
    by_attack: dict[str, list[float]] = {}
    for each, figures in zip(numbers, found[META], strict=True):
        by_attack.setdefault(tasks.attack_of(each), []).append(macro(figures))
    means = {arm: np.mean(figures, axis=0).tolist() for arm, figures in found.items()}
    return means, {name: float(np.mean(values)) for name, values in by_attack.items()}
