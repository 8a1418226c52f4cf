"""One repetition of MetaAdvDet: train every detector, and test all of them on the same tasks."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sterling.adapt import FunctionalModel, GradientLearner, Task, fit_meta, fomaml
from sterling.errors import InputError
from sterling.image.adversarial_tasks import AdversarialTasks, AttackedImages, Protocol
from sterling.image.class_folders import few_shot_data
from sterling.image.glyphs import draw_glyphs
from sterling.image.meta_adversarial import (
    Judged,
    adversarial_detector,
    detect,
    high_frequency,
    judge,
    nearest_centroid,
    train_pooled,
)
from sterling.measure import Rate
from sterling.runs import Cell, Row
from sterling.studies.image.metaadvdet._attacked_pictures import (
    Attacked,
    MetaAdvDetConfig,
    attack_both,
    attack_classifier,
)
from sterling.study import row

logger = logging.getLogger("sterling")

PROTOCOLS: tuple[Protocol, ...] = ("paper", "class_matched")
META, FINE_TUNED, RANDOM, PLAIN = (
    "meta-learning",
    "fine-tuning",
    "a random start",
    "three features",
)
PAPER, MATCHED = (f"new attacks, {protocol}" for protocol in PROTOCOLS)
NEW_PICTURES, NEW_CLASSIFIER, WHITE_BOX = "new pictures", "new classifier", "white box"
CONDITIONS = (PAPER, MATCHED, NEW_PICTURES, NEW_CLASSIFIER, WHITE_BOX)
GIVEN_AWAY = "AUROC added by different classes"
RATES = (0.01, 0.05, 0.2)  # that fine-tuning may take; chosen on tasks of known attacks

Detector = Callable[[Task], NDArray[np.float64]]
"""From a task to the probability that each query is clean."""
Figures = dict[str, dict[str, float]]
"""Means over tasks, by system and metric."""


def detection(config: MetaAdvDetConfig, cell: Cell) -> list[Row]:
    """Train classifiers and detectors, and test the detectors.

    Rows: "accuracy" of each classifier; "success" of each attack; for each condition, number of
    shots and system "F1", "F1 attacked", "mean F1" and "AUROC", means over tasks; the meta-learned
    detector's "mean F1" by attack; `GIVEN_AWAY` by number of shots.

    Raises:
        InputError: As of `attack_images` and `AdversarialTasks`.
    """
    seed = cell.seed
    images = few_shot_data(config.data or "digits", size=config.size)
    glyphs = draw_glyphs(len(images.names), 120, size=config.size, seed=seed)
    others = replace(glyphs, images=glyphs.images.expand(-1, images.images.shape[1], -1, -1))
    own = attack_classifier(config, images, config.classifier, (config.known, config.unknown), seed)
    exchanged = attack_classifier(config, images, config.other_classifier, ((), config.known), seed)
    elsewhere = attack_classifier(config, others, config.classifier, ((), config.known), seed)
    rows = [
        row("accuracy", each.accuracy, classifier=name)
        for name, each in (
            ("the pictures", own),
            ("other pictures", elsewhere),
            ("other classifier", exchanged),
        )
    ]
    rows += [
        row("success", Rate(len(hits), len(found.clean)), attack=name, role=role)
        for role, found in (("known", own.known), ("new", own.tested))
        for name, hits in found.sources.items()
    ]
    for shots in config.shots:
        figures: dict[str, Figures] = {}
        for protocol in PROTOCOLS:
            learner, detectors = _detectors(config, own, protocol, shots, seed)
            tested = {f"new attacks, {protocol}": own.tested}
            if protocol == "class_matched":
                tested[NEW_PICTURES] = elsewhere.tested
                tested[NEW_CLASSIFIER] = exchanged.tested
                tested[WHITE_BOX] = attack_both(config, own, learner.model.module, seed)
            for condition, data in tested.items():
                figures[condition], by_attack = _figures(
                    config, data, protocol, shots, seed, detectors
                )
                rows += [
                    row(metric, value, condition=condition, system=system, shots=shots)
                    for system, values in figures[condition].items()
                    for metric, value in values.items()
                ]
                if condition == MATCHED:
                    rows += [
                        row("mean F1", value, attack=name, role="new", shots=shots)
                        for name, value in by_attack.items()
                    ]
        if figures[PAPER] and figures[MATCHED]:
            apart, matched = (figures[each][RANDOM]["AUROC"] for each in (PAPER, MATCHED))
            rows.append(row(GIVEN_AWAY, apart - matched, shots=shots))
    return rows


def _detectors(
    config: MetaAdvDetConfig, attacked: Attacked, protocol: Protocol, shots: int, seed: int
) -> tuple[GradientLearner, dict[str, Detector]]:
    """Train on the known attacks, where baselines may choose their rate.

    Returns:
        The meta-learner, and every system.
    """
    tasks = AdversarialTasks(
        attacked.known, protocol, shots=shots, queries=config.training_queries, seed=seed
    )
    channels = attacked.known.clean.shape[1]

    def network() -> nn.Sequential:
        return adversarial_detector(channels, config.size, config.width, seed).to(config.device)

    def learner(module: nn.Module, rate: float) -> GradientLearner:
        model = FunctionalModel(module)
        return fomaml(model, rate, steps=config.steps, test_steps=config.test_steps)

    meta = learner(network(), config.rate)
    fit_meta(
        meta,
        tasks.draw,
        iterations=config.iterations,
        tasks=config.tasks,
        at_once=True,
        optimizer=lambda own: torch.optim.Adam(own, config.outer_rate),
    )
    pooled = train_pooled(
        network(),
        attacked.known,
        steps=2 * config.iterations,
        batch_size=64,
        rate=config.outer_rate,
        seed=seed,
    )

    def with_best_rate(module: nn.Module) -> Detector:
        numbers = range(10**6, 10**6 + max(2, config.test_tasks // 4))

        def mean_f1(rate: float) -> float:
            own = partial(detect, learner(module, rate))
            return float(np.mean([_mean_f1(_measured(own, tasks.draw(n))) for n in numbers]))

        return partial(detect, learner(module, max(RATES, key=mean_f1)))

    spread = high_frequency(attacked.known.clean).std(dim=0)
    return meta, {
        META: partial(detect, meta),
        FINE_TUNED: with_best_rate(pooled),
        RANDOM: with_best_rate(network()),
        PLAIN: partial(nearest_centroid, high_frequency, spread),
    }


def _measured(detector: Detector, task: Task) -> Judged:
    return judge(detector(task), task.query_labels.cpu().numpy())


def _mean_f1(figures: Judged) -> float:
    """Mean of both F1: calling everything clean does not help."""
    return (figures.f1 + figures.f1_attacked) / 2


def _figures(
    config: MetaAdvDetConfig,
    data: AttackedImages,
    protocol: Protocol,
    shots: int,
    seed: int,
    detectors: Mapping[str, Detector],
) -> tuple[Figures, dict[str, float]]:
    """Means over tasks by system and metric, and the meta-learned detector's mean F1 by attack.

    Nothing where an attack succeeded on too few pictures for a task.
    """
    try:
        tasks = AdversarialTasks(data, protocol, shots=shots, queries=config.queries, seed=seed + 1)
    except InputError as error:
        logger.info("%s", error)
        return {}, {}
    numbers = range(config.test_tasks)
    found = {
        system: [_measured(own, tasks.draw(number)) for number in numbers]
        for system, own in detectors.items()
    }
    by_attack: dict[str, list[float]] = {}
    for number, figures in zip(numbers, found[META], strict=True):
        by_attack.setdefault(tasks.attack_of(number), []).append(_mean_f1(figures))
    means: Figures = {}
    for system, every in found.items():
        f1, f1_attacked, auroc = np.mean([astuple(one) for one in every], axis=0).tolist()
        means[system] = {
            "F1": f1,
            "F1 attacked": f1_attacked,
            "mean F1": (f1 + f1_attacked) / 2,
            "AUROC": auroc,
        }
    return means, {name: float(np.mean(values)) for name, values in by_attack.items()}
