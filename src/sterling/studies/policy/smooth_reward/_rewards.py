"""Rewards, advantages and measures that the digit policy and the text policy share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from sterling.policy import Advantages, advantages, near_miss_utilisation
from sterling.policy.activations import Floats, exponential, linear, snra, threshold
from sterling.policy.schedules import Schedule
from sterling.runs import Coordinate, Row
from sterling.study import Config, row

TOLERANCE = 0.05
"""Relative error of a right answer."""
MRA = tuple(round(0.05 * step, 2) for step in range(1, 11))
"""Relative errors below which an answer counts in MRA: 1 - 0.95, …, 1 - 0.50."""
COLLAPSED_BATCH = 0.5
"""Share of groups without a signal from which a batch is called ineffective (our choice)."""


class SmoothRewardConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder with GSM8K (``*solutions*.jsonl``) and OpenEQA (``open-eqa*.json``), in any
            subfolder, on whose answers parser and rewards are tried as well.
        seeds: Number of repetitions: hidden functions and rooms, warm starts and samples.
        steps: Steps of the digit policy.
        samples: Answers that it samples in each step, a multiple of 8.
        tests: New inputs that it is tested on.
        text: Whether the text policy is trained; it needs TRL.
        text_warm: Steps of its warm start.
        text_steps: Steps with TRL.
        text_tests: New questions that it is tested on.
    """

    seeds: int = Field(default=20, ge=1)
    steps: int = Field(default=100, ge=1)
    samples: int = Field(default=512, ge=8, multiple_of=8)
    tests: int = Field(default=2000, ge=1)
    text: bool = True
    text_warm: int = Field(default=100, ge=1)
    text_steps: int = Field(default=30, ge=1)
    text_tests: int = Field(default=200, ge=1)


THRESHOLD, EXACT, EXPONENTIAL = "within 5 %", "within 1 %", "exp(-5 e)"
SNRA, CONSTANT = "SNRA 1 to 100", "SNRA 10 on e"


@dataclass(frozen=True)
class Shape:
    """Map from a relative error e to a reward.

    Attributes:
        activation: From errors and sharpness to rewards.
        squared: Whether it takes e² instead of e.
        sharpness: From the number of steps to a schedule.
    """

    activation: Callable[[Floats, float], Floats]
    squared: bool
    sharpness: Callable[[int], Schedule]

    def __call__(self, errors: Floats, schedule: Schedule, step: int) -> Floats:
        """Rewards of relative errors at a step."""
        return self.activation(errors**2 if self.squared else errors, schedule.at(step))


def _constant(value: float) -> Callable[[int], Schedule]:
    return lambda _: Schedule.constant(value)


def _sigmoid(end: float, *, normalised: bool = False) -> Callable[[int], Schedule]:
    return lambda steps: Schedule.sigmoid(1, end, steps=steps, normalised=normalised)


SHAPES = {
    THRESHOLD: Shape(threshold, False, _constant(1 / TOLERANCE)),
    EXACT: Shape(threshold, False, _constant(100)),
    "1 - e": Shape(linear, False, _constant(1)),
    EXPONENTIAL: Shape(exponential, False, _constant(5)),
    CONSTANT: Shape(snra, False, _constant(10)),
    SNRA: Shape(snra, True, _sigmoid(100)),
    "SNRA 100": Shape(snra, True, _constant(100)),
    "SNRA 1 to 400": Shape(snra, True, _sigmoid(400)),
    "SNRA 1 to 100, normalised": Shape(snra, True, _sigmoid(100, normalised=True)),
    "SNRA 1 to 100, linear": Shape(snra, True, lambda steps: Schedule.linear(1, 100, steps=steps)),
    "SNRA 1 to 100, cosine": Shape(snra, True, lambda steps: Schedule.cosine(1, 100, steps=steps)),
    "SNRA 1 to 100 on e": Shape(snra, False, _sigmoid(100)),
}
"""Rewards by name; e is the relative error."""

GRPO, AP = "GRPO", "AP-GRPO"
ADVANTAGES: dict[str, Callable[[Floats, Any, float], Advantages]] = {
    GRPO: lambda rewards, group, eps: advantages(rewards, group, eps=eps),
    AP: lambda rewards, group, eps: advantages(rewards, group, kind="ap_grpo", eps=eps),
    "AP-GRPO, centred": lambda rewards, group, eps: advantages(
        rewards, group, kind="ap_grpo", eps=eps, center=True
    ),
    "Dr. GRPO": lambda rewards, group, _: advantages(rewards, group, kind="dr_grpo"),
}
"""Advantages by name, from rewards, groups and epsilon."""


class Signal:
    """Statistics of a training's advantages, averaged over its steps."""

    def __init__(self) -> None:
        self._collapse: list[float] = []
        self._used: list[float] = []

    def add(self, errors: Floats, found: Advantages) -> None:
        """Note one batch."""
        self._collapse.append(found.collapse_rate)
        self._used.append(near_miss_utilisation(errors, found.values, TOLERANCE))

    def rows(self, **at: Coordinate) -> list[Row]:
        """Collapse rate, share of ineffective batches, and use of near misses."""
        ineffective = float(np.mean(np.array(self._collapse) > COLLAPSED_BATCH))
        used = [value for value in self._used if not np.isnan(value)]
        return [
            row("collapse rate", float(np.mean(self._collapse)), **at),
            row("ineffective batches", ineffective, **at),
            row("near misses used", float(np.mean(used)) if used else None, **at),
        ]


def mean_relative_accuracy(errors: Floats) -> float:
    """Mean over the ten bars of `MRA` of the share of errors below, as in VSI-Bench."""
    return float(np.mean([(errors < bar).mean() for bar in MRA]))


def accuracy_rows(errors: Floats, **at: Coordinate) -> list[Row]:
    """MRA and other measures of test answers; an answer without a number has an infinite error."""
    median = float(np.median(errors))
    return [
        row("MRA", mean_relative_accuracy(errors), **at),
        row("median relative error", median if np.isfinite(median) else None, **at),
        row("acc@5%", float((errors <= 0.05).mean()), **at),
        row("acc@10%", float((errors <= 0.10).mean()), **at),
    ]
