"""PKAML: does a learner trained for one number of shots fail at others, and what mends it?

Qin et al., "Prior-Knowledge and Attention-based Meta-Learning for Few-Shot Learning"
(Knowledge-Based Systems 213, 2021). The paper names task over-fitting and a metric, cross-entropy
across tasks. The metric's formula could not be established: `tof_gap`, `cet_proxy` and `cet_loss`
are ours. Every seed draws its own pictures, classes and weights; all learners of a seed are tested
on the same tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import stats
from torch import nn

from sterling.adapt import (
    GradientLearner,
    Task,
    cet_loss,
    cet_proxy,
    layered,
    maml,
    map_classifier,
    tof_gap,
)
from sterling.adapt.attention import Form
from sterling.image import LabelledImages, conv4
from sterling.image.prior_knowledge import maps_of, require_disjoint, train_representation
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.image._old_few_shot import (
    PriorConfig,
    class_parts,
    draws_of,
    judge_at,
    prior_network,
    trial,
)
from sterling.study import (
    Claim,
    Figure,
    Findings,
    Row,
    Study,
    Table,
    matrix,
    metric_over_seeds,
    positive,
    row_over_seeds,
)

SHARES = (("prior", 0.3), ("train", 0.3), ("validation", 0.2), ("test", 0.2))
LEARNERS = ("MAML", "prior knowledge", "PKAML")
MIXED = "mixed"
Floats = NDArray[np.float64]
Matrices = Mapping[str, Sequence[Floats]]  # per learner, for each seed one (rows, columns)


class PkamlConfig(PriorConfig):
    """Configuration of the study; fields in common are `FewShotConfig`'s and `PriorConfig`'s.

    Attributes:
        across: Numbers of shots that learners are trained for and tested at; `shots` is not used.
        attention: "softmax" lets channels compete, "sigmoid" does not.
    """

    across: tuple[int, ...] = Field(default=(1, 5, 9), min_length=2)
    attention: Form = "sigmoid"


def measure(config: PkamlConfig, run: Run) -> Findings:
    """Train for every number of shots, test at every number, and test the claims."""
    parts = class_parts(config, SHARES, _seed(run, 0))  # refused here, before processes start
    draws_of(config, parts, max(config.across), 0)
    groups = [("maps", "all"), *(("MAML", row) for row in _rows(config))]
    calls = [(config, run, seed, *group) for seed in range(config.seeds) for group in groups]
    found: dict[tuple[int, str, str], Any] = {}
    for (_, _, seed, *_), result in zip(calls, in_processes(_one, calls, "rows"), strict=True):
        found |= {(seed, one["learner"], one["row"]): one for one in result}

    def matrices(figure: str) -> Matrices:
        return {
            learner: [
                np.array([found[seed, learner, row][figure] for row in _rows(config)])
                for seed in range(config.seeds)
            ]
            for learner in LEARNERS
        }

    accuracy, loss = matrices("accuracy"), matrices("cross_entropy")
    return Findings(
        scope=f"Data: {parts['test'].source}, {config.ways} ways, {config.size} × {config.size} "
        f"pixels; prior knowledge from {SHARES[0][1]:.0%} of the classes. Small networks trained "
        "here: rates say nothing about other data. The formula of the paper's metric (CET) could "
        "not be established; what stands for it is ours.",
        not_scored=0,
        metrics=[
            metric_over_seeds(
                f"accuracy across shots: {learner}", "rate", [float(one.mean()) for one in own]
            )
            for learner, own in accuracy.items()
        ],
        claims=_claims(accuracy, loss),
        tables=[_rows_table(config, accuracy, loss)],
        figures=[_picture(config, learner, own) for learner, own in accuracy.items()],
    )


def _seed(run: Run, index: int) -> int:
    return derive_seed(run.seed, "few-shot", index) % 2**31


def _rows(config: PkamlConfig) -> tuple[str, ...]:
    return (*(str(shots) for shots in config.across), MIXED)


# Rows: a learner trained for one number of shots, tested at all


def _one(config: PkamlConfig, run: Run, index: int, group: str, row: str) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    compute = partial(_compute, config, _seed(run, index), group, row)
    result: list[dict[str, Any]] = run.stage(f"{index}-{group}-{row}", compute)
    return result


def _compute(config: PkamlConfig, seed: int, group: str, row: str) -> list[dict[str, Any]]:
    parts = dict(class_parts(config, SHARES, seed))
    prior = parts.pop("prior")
    require_disjoint(prior, *parts.values())
    if group == "MAML":
        return [_row(config, seed, "MAML", row, parts)]
    representation = prior_network(config, prior.images.shape[1], seed)
    train_representation(
        representation,
        prior,
        steps=config.prior_steps,
        learning_rate=config.learning_rate,
        seed=seed,
    )
    maps = maps_of(representation, prior, parts)
    return [
        _row(config, seed, learner, row, maps)
        for learner in ("prior knowledge", "PKAML")
        for row in _rows(config)
    ]


def _row(
    config: PkamlConfig, seed: int, learner: str, row: str, parts: Mapping[str, LabelledImages]
) -> dict[str, Any]:
    by_shots = {shots: draws_of(config, parts, shots, seed) for shots in config.across}
    own = config.across if row == MIXED else (int(row),)
    draws = {
        name: _in_turn([by_shots[shots][name] for shots in own])
        for name in ("train", "validation", "test")
    }
    result = trial(config, _learners(config, seed, learner, parts["train"]), draws)
    judged = [judge_at(config, result.learner, by_shots[one]["test"]) for one in config.across]
    return {
        "learner": learner,
        "row": row,
        "accuracy": [float(one.accuracy[:, result.step].mean()) for one in judged],
        "cross_entropy": [float(one.cross_entropy[:, result.step].mean()) for one in judged],
    }


def _learners(
    config: PkamlConfig, seed: int, learner: str, images: LabelledImages
) -> list[GradientLearner]:
    """One for each rate that validation chooses from."""
    channels, side = images.images.shape[1:3]

    def network() -> nn.Module:
        if learner == "MAML":
            return conv4(config.ways, channels=channels, size=side, width=config.width, seed=seed)
        form = config.attention if learner == "PKAML" else None
        return map_classifier(channels, side, config.ways, attention=form, seed=seed)

    rates = (config.rate,) if learner == "MAML" else config.map_rates
    return [
        maml(layered(network()), rate, steps=config.steps, test_steps=config.test_steps)
        for rate in rates
    ]


def _in_turn(draws: Sequence[Callable[[int], Task]]) -> Callable[[int], Task]:
    """Tasks of each kind by turns."""
    return lambda number: draws[number % len(draws)](number)


# Claims


def _claims(accuracy: Matrices, loss: Matrices) -> list[Claim]:
    def gaps(learner: str) -> list[Floats]:
        return [tof_gap(one) for one in accuracy[learner]]

    def single(learner: str) -> list[float]:
        """Mean gap of the learners trained for one number of shots."""
        return [float(one[:-1].mean()) for one in gaps(learner)]

    def own_shots_lead(learner: str) -> list[float]:
        leads = []
        for one in accuracy[learner]:
            square = one[:-1]
            off = (square.sum(axis=0) - square.diagonal()) / (len(square) - 1)
            leads.append(float((square.diagonal() - off).mean()))
        return leads

    def lead(learner: str, other: str) -> list[float]:
        return [
            float(a.mean() - b.mean())
            for a, b in zip(accuracy[learner], accuracy[other], strict=True)
        ]

    agreement = [
        float(stats.spearmanr(tof_gap(one), cet_loss(other)).statistic)
        for one, other in zip(accuracy["MAML"], loss["MAML"], strict=True)
    ]
    return [
        positive(
            "maml_over_fits_to_its_shots",
            "MAML trained for the tested number of shots is more accurate than MAML trained for "
            "another (mean over numbers).",
            own_shots_lead("MAML"),
            paper="task over-fitting: poor generalisation across numbers of shots",
        ),
        positive(
            "prior_knowledge_and_attention_mend_it",
            "The mean gap (tof_gap) of PKAML is smaller than MAML's (difference).",
            [a - b for a, b in zip(single("MAML"), single("PKAML"), strict=True)],
            paper="task over-fitting is greatly alleviated",
        ),
        positive(
            "mixed_shots_mend_it",
            "MAML trained on all numbers of shots has a smaller gap than the mean of those trained "
            "on one (difference).",
            [a - float(b[-1]) for a, b in zip(single("MAML"), gaps("MAML"), strict=True)],
        ),
        positive(
            "prior_knowledge_adds",
            "On a frozen representation MAML is more accurate, over all numbers of shots.",
            lead("prior knowledge", "MAML"),
        ),
        positive(
            "attention_adds",
            "PKAML is more accurate than prior knowledge without attention, over all numbers.",
            lead("PKAML", "prior knowledge"),
        ),
        positive(
            "loss_across_tasks_follows_the_gap",
            "Among MAML's rows, a larger gap goes with a larger cross-entropy across tasks "
            "(cet_loss; Spearman's rank correlation).",
            [one for one in agreement if np.isfinite(one)],
        ),
    ]


# Tables and figures


def _rows_table(config: PkamlConfig, accuracy: Matrices, loss: Matrices) -> Table:
    rows: list[Row] = []
    for learner in LEARNERS:
        for place, row in enumerate(_rows(config)):
            rows.append(
                [
                    learner,
                    row,
                    *(
                        float(np.mean([one[place, c] for one in accuracy[learner]]))
                        for c in range(len(config.across))
                    ),
                    *row_over_seeds([float(tof_gap(one)[place]) for one in accuracy[learner]]),
                    row_over_seeds([float(cet_proxy(one)[place]) for one in accuracy[learner]])[0],
                    row_over_seeds([float(cet_loss(one)[place]) for one in loss[learner]])[0],
                ]
            )
    return Table(
        name="across shots",
        title="Trained for one number of shots, tested at others",
        columns=[
            "learner",
            "trained at",
            *(f"at {shots}" for shots in config.across),
            "tof_gap",
            "low",
            "high",
            "cet_proxy",
            "cet_loss",
        ],
        rows=rows,
        caption="Accuracies and gaps are means over seeds, the gap with its 95 % interval. All "
        "three measures are ours and small is good; the proxies are in nats.",
    )


def _picture(config: PkamlConfig, learner: str, own: Sequence[Floats]) -> Figure:
    mean = np.mean(own, axis=0)
    names = _rows(config)
    columns = [str(shots) for shots in config.across]
    best = mean.max(axis=0)
    return matrix(
        f"across shots: {learner}",
        f"{learner}: trained at, tested at",
        "Accuracy below the best of its column, by the number of shots of training (rows) and of "
        "test (columns), mean over seeds.",
        names,
        columns,
        lambda row, column: float(
            mean[names.index(row), columns.index(column)] - best[columns.index(column)]
        ),
        value_label="accuracy below the best",
    )


PKAML_STUDY = Study(
    name="pkaml",
    summary="Over-fitting of meta-learners to the number of shots, and what mends it.",
    domain="image",
    cite="qin2021prior",
    presets={
        "smoke": PkamlConfig(
            across=(1, 2),
            classes=40,
            size=16,
            width=4,
            prior_width=4,
            prior_steps=3,
            queries=2,
            steps=1,
            test_steps=2,
            iterations=2,
            tasks=1,
            checks=1,
            validation_tasks=2,
            test_tasks=6,
            seeds=2,
        ),
        "quick": PkamlConfig(
            size=16, iterations=50, validation_tasks=20, test_tasks=40, prior_steps=200, seeds=4
        ),
        "paper": PkamlConfig(
            across=(1, 3, 5, 7, 9),
            prior_backbone="resnet12",
            size=84,
            width=32,
            prior_width=64,
            prior_steps=100_000,
            queries=15,
            rate=0.01,
            map_rates=(0.5, 1.0, 2.0, 5.0),
            steps=5,
            test_steps=10,
            iterations=60_000,
            learning_rate=1e-3,
            checks=60,
            validation_tasks=600,
            test_tasks=600,
        ),
    },
    measure=measure,
)
