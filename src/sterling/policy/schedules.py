"""Schedules of the sharpness: small early, so that bad answers can be told apart, large late.

A schedule has fixed parameters and counts steps. Its state goes into a checkpoint::

    sharpness = Schedule.sigmoid(1, 100, steps=1000)
    sharpness.value           # at the current step
    sharpness.advance()       # once for each optimiser step
    sharpness.at(500)         # at a step that the trainer counts
    checkpoint["sharpness"] = sharpness.state_dict()
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Annotated, Any, Literal

from sterling.checks import Count, Level, Range, check_fields
from sterling.errors import InputError

Shape = Literal["constant", "linear", "cosine", "sigmoid", "normalised sigmoid"]


@dataclass(frozen=True)
class Curve:
    """Parameters of a schedule.

    Attributes:
        shape: Form of the curve.
        start: Value at step 0. The plain sigmoid only comes near it.
        end: Value at the last step. The plain sigmoid only comes near it.
        steps: Last step; None for a constant, which has no end.
        slope: Steepness of the sigmoids, 0.01 or more.
        midpoint: Share of the steps at which a sigmoid is half-way, in (0, 1).
    """

    shape: Shape
    start: float
    end: float
    steps: Count | None = None
    slope: Annotated[float, Range(0.01)] = 8.0
    midpoint: Level = 0.6

    def __post_init__(self) -> None:
        check_fields(self)
        for name, value in (("start", self.start), ("end", self.end)):
            if not (isinstance(value, (int, float)) and math.isfinite(value)):
                raise InputError(f"{name} is {value!r}: a finite number")
        if self.steps is None and self.shape != "constant":
            raise InputError(f"steps is missing: a {self.shape} schedule needs its last step")

    def at(self, step: int) -> float:
        """Return the value at a step, 0 to `steps`.

        Raises:
            InputError: The step is negative, not an integer, or beyond the end.
        """
        if isinstance(step, bool) or not isinstance(step, Integral) or step < 0:
            raise InputError(f"step is {step!r}: an integer of 0 or more")
        if self.steps is None:
            return self.start
        if step > self.steps:
            raise InputError(
                f"step {step} is beyond the end of the schedule at {self.steps}; give the number "
                "of training steps as steps="
            )
        return self.start + (self.end - self.start) * self._share(step / self.steps)

    def _share(self, time: float) -> float:
        if self.shape == "linear":
            return time
        if self.shape == "cosine":
            return (1.0 - math.cos(math.pi * time)) / 2.0
        if self.shape == "sigmoid":
            return self._logistic(time)
        first, last = self._logistic(0.0), self._logistic(1.0)
        return (self._logistic(time) - first) / (last - first)

    def _logistic(self, time: float) -> float:
        # tanh does not overflow, whatever the slope
        return (1.0 + math.tanh(self.slope * (time - self.midpoint) / 2.0)) / 2.0


class Schedule:
    """A value that changes over training steps.

    Build one with `constant`, `linear`, `cosine` or `sigmoid`.

    Attributes:
        curve: The parameters, fixed.
        step: Current step. Every process must count the same steps.

    Examples:
        >>> sharpness = Schedule.linear(1, 101, steps=100)
        >>> sharpness.advance()
        >>> sharpness.value
        2.0
    """

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self.step = 0

    @classmethod
    def constant(cls, value: float) -> "Schedule":
        """Return a schedule that keeps one value and has no end."""
        return cls(Curve("constant", value, value))

    @classmethod
    def linear(cls, start: float, end: float, *, steps: int) -> "Schedule":
        """Return a straight line from `start` at step 0 to `end` at step `steps`."""
        return cls(Curve("linear", start, end, steps))

    @classmethod
    def cosine(cls, start: float, end: float, *, steps: int) -> "Schedule":
        """Return half a cosine wave from `start` at step 0 to `end` at step `steps`."""
        return cls(Curve("cosine", start, end, steps))

    @classmethod
    def sigmoid(
        cls,
        start: float,
        end: float,
        *,
        steps: int,
        slope: float = 8.0,
        midpoint: float = 0.6,
        normalised: bool = False,
    ) -> "Schedule":
        """Return start + (end − start) σ(slope (t − midpoint)), t the share of the steps.

        Args:
            start: Value that the curve rises or falls from.
            end: Value that it goes to.
            steps: Last step.
            slope: Steepness, 0.01 or more.
            midpoint: Share of the steps at which it is half-way, in (0, 1).
            normalised: Stretch the curve so that it meets both ends exactly. The plain sigmoid
                starts 0.8 % of the way from `start` and ends 3.9 % before `end`.

        Raises:
            InputError: A parameter is out of its range.

        Source: a re-implementation of Smooth Operator for the form; the defaults are our choice.

        Examples:
            >>> round(Schedule.sigmoid(1, 100, steps=10).at(6), 1)
            50.5
        """
        shape: Shape = "normalised sigmoid" if normalised else "sigmoid"
        return cls(Curve(shape, start, end, steps, slope, midpoint))

    @property
    def value(self) -> float:
        """Value at the current step."""
        return self.curve.at(self.step)

    def at(self, step: int) -> float:
        """Return the value at a step, without moving there.

        Raises:
            InputError: The step is negative, not an integer, or beyond the end.
        """
        return self.curve.at(step)

    def advance(self) -> None:
        """Go to the next step.

        Raises:
            InputError: The schedule is at its end.
        """
        self.curve.at(self.step + 1)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the parameters and the step, as JSON can hold them."""
        return {**asdict(self.curve), "step": self.step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the step of a saved state.

        Raises:
            InputError: The state belongs to a schedule with other parameters, or its step is
                missing or beyond the end.
        """
        own = asdict(self.curve)
        for name, value in own.items():
            if name not in state or state[name] != value:
                raise InputError(
                    f"the saved schedule has {name} {state.get(name)!r}, this one {value!r}: "
                    "resume with the same parameters"
                )
        step = state.get("step")
        self.curve.at(step)  # type: ignore[arg-type]  # refuses what is no step
        self.step = int(step)  # type: ignore[arg-type]
