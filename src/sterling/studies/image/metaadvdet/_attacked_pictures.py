"""Configuration of MetaAdvDet's study, and the attacked pictures of one repetition."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from sterling.image.adversarial_tasks import AttackedImages, attack_images
from sterling.image.attacks import Strength
from sterling.image.classifiers import Architecture, train_classifier
from sterling.image.labelled_images import LabelledImages
from sterling.image.meta_adversarial import JointModel
from sterling.study import Config

KNOWN = ("fgsm", "mi_fgsm", "bim", "pgd", "carlini_wagner", "jsma", "spsa", "vat", "max_confidence")
UNKNOWN = ("ead", "semantic", "deepfool", "spatial", "newton_fool")
BOTH_SEEN = ("bim", "carlini_wagner")  # attacks on classifier and detector together


class MetaAdvDetConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of pictures by class; replaces the handwritten digits.
        seeds: Number of repetitions, with other classifiers, attacks and detectors.
        pictures: Pictures that are attacked to learn from, and as many others to test on.
        size: Side of the pictures, pixels.
        known: Attacks to learn from.
        unknown: Attacks to test on.
        attack_steps: Steps of iterative attacks.
        spsa_samples: Directions that SPSA tries in each step.
        ead_searches: Searches of EAD for its constant.
        classifier: Architecture that is attacked.
        other_classifier: Architecture that it is exchanged for.
        classifier_width: Channels of their first block.
        epochs: Passes of training a classifier.
        width: Channels of the detector.
        shots: Numbers of pictures of each kind to adapt on.
        training_queries: Pictures of each kind in the queries of a training task.
        queries: Pictures of each kind to test on, per task.
        tasks: Tasks of an outer step.
        iterations: Outer steps.
        rate: Rate of the inner loop.
        outer_rate: Rate of Adam in the outer loop.
        steps: Inner steps in training.
        test_steps: Inner steps in tests.
        test_tasks: Test tasks of each condition.
        device: Device that runs the networks.
        research_use: Must be true: the study attacks classifiers, which are trained here. The smoke
            preset has it set.
    """

    seeds: int = Field(default=5, ge=1)
    pictures: int = Field(default=600, ge=100)
    size: int = Field(default=28, ge=22)
    known: tuple[str, ...] = KNOWN
    unknown: tuple[str, ...] = UNKNOWN
    attack_steps: int = Field(default=40, ge=1)
    spsa_samples: int = Field(default=128, ge=1)
    ead_searches: int = Field(default=9, ge=1)
    classifier: Architecture = "conv4"
    other_classifier: Architecture = "resnet12"
    classifier_width: int = Field(default=12, ge=1)
    epochs: int = Field(default=8, ge=1)
    width: int = Field(default=64, ge=1)
    shots: tuple[int, ...] = (1, 5)
    training_queries: int = Field(default=35, ge=1)
    queries: int = Field(default=15, ge=1)
    tasks: int = Field(default=30, ge=1)
    iterations: int = Field(default=2000, ge=1)
    rate: float = Field(default=1e-3, gt=0)
    outer_rate: float = Field(default=1e-4, gt=0)
    steps: int = Field(default=12, ge=1)
    test_steps: int = Field(default=20, ge=0)
    test_tasks: int = Field(default=1000, ge=2)
    device: Literal["cpu", "cuda"] = "cpu"
    research_use: bool = False


@dataclass(frozen=True, eq=False)
class Attacked:
    """A classifier, and what attacks make of pictures that it did not learn from.

    Attributes:
        classifier: The classifier.
        known: Attacked pictures to learn from.
        tested: Attacked pictures to test on.
        fresh: Pictures that `tested` was made from.
        scale: Mean and deviation that all pictures are standardised by.
        accuracy: Accuracy of the classifier on `fresh`.
    """

    classifier: nn.Module
    known: AttackedImages
    tested: AttackedImages
    fresh: LabelledImages
    scale: tuple[float, float]
    accuracy: float


def attack_classifier(
    config: MetaAdvDetConfig,
    images: LabelledImages,
    architecture: Architecture,
    attacks: tuple[Sequence[str], Sequence[str]],
    seed: int,
) -> Attacked:
    """Train a classifier, and attack other pictures with two lists of attacks.

    Args:
        config: Sizes.
        images: Pictures in [0, 1]: some train, some are attacked to learn from, some to test on.
        architecture: Architecture of the classifier.
        attacks: Attacks to learn from, and attacks to test on.
        seed: Seed of the division, the weights and the attacks.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    most = min(config.pictures, len(images) // 3)
    ends = (len(images) - 2 * most, len(images) - most)
    own, learned, fresh = (
        replace(images, images=images.images[rows], labels=images.labels[rows])
        for rows in np.split(order, ends)
    )
    network = train_classifier(
        own,
        architecture,
        width=config.classifier_width,
        epochs=config.epochs,
        seed=seed,
        device=config.device,
    )
    scale = (float(own.images.mean()), float(own.images.std()))
    made = partial(
        attack_images,
        network,
        strength=Strength(
            scale[1],
            config.attack_steps,
            config.spsa_samples,
            config.ead_searches,
            scale[0],
        ),
        seed=seed,
        scale=scale,
        research_use=config.research_use,
    )
    known, tested = made(learned, attacks[0]), made(fresh, attacks[1])
    return Attacked(network, known, tested, fresh, scale, len(tested.clean) / len(fresh))


def attack_both(
    config: MetaAdvDetConfig, attacked: Attacked, detector: nn.Module, seed: int
) -> AttackedImages:
    """Attack the classifier and a detector together, to be taken for a wrong class."""
    known = attacked.known
    with torch.no_grad():  # statistics of what the detector knows: half clean, half attacked
        every = torch.cat(list(known.attacked.values()))
        detector.train()(torch.cat([known.clean, every[:: len(known.attacked)]]))
    standardised = nn.Sequential(_Standardise(*attacked.scale), detector)
    joint = JointModel(attacked.classifier, standardised).eval()
    fresh, classes = attacked.fresh, len(attacked.fresh.names)
    step = np.random.default_rng(seed).integers(1, classes, len(fresh))
    found = attack_images(
        joint,
        fresh,
        BOTH_SEEN,
        strength=Strength(attacked.scale[1], config.attack_steps),
        seed=seed,
        scale=attacked.scale,
        targets=torch.from_numpy((fresh.labels + step) % classes),
        research_use=config.research_use,
    )
    detector.train()
    return found


class _Standardise(nn.Module):
    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation
