"""Annotations say which values are allowed; the others are refused in one line."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from sterling.checks import (
    Count,
    Level,
    Natural,
    OneOf,
    Positive,
    Share,
    Weight,
    check_fields,
    check_numbers,
)
from sterling.errors import InputError


@dataclass(frozen=True)
class Settings:
    count: Count = 1
    natural: Natural = 0
    share: Share = 0.5
    level: Level = 0.5
    weight: Weight = 0.0
    positive: Positive | None = None
    kind: Literal["plain", "fancy"] = "plain"
    depth: Annotated[int, OneOf((10, 18))] = 10
    free: Any = None

    def __post_init__(self) -> None:
        check_fields(self)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 0, "count is 0: an integer of 1 or more"),
        ("count", 1.0, "count is 1.0: an integer of 1 or more"),
        ("count", True, "count is True: an integer of 1 or more"),
        ("natural", -1, "natural is -1: an integer of 0 or more"),
        ("share", 1.5, "share is 1.5: a number in [0, 1]"),
        ("share", "half", "share is 'half': a number in [0, 1]"),
        ("share", float("nan"), "share is nan: a number in [0, 1]"),
        ("level", 0, "level is 0: a number in (0, 1)"),
        ("weight", -0.1, "weight is -0.1: a number of 0 or more"),
        ("weight", float("inf"), "weight is inf: a number of 0 or more"),
        ("positive", 0.0, "positive is 0.0: a number above 0"),
        ("kind", "fance", "unknown kind 'fance': did you mean fancy? available: fancy, plain"),
        ("depth", 12, "depth is 12: one of 10, 18"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(
    name: str, value: object, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        Settings(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("share", 0),
        ("share", np.float64(1.0)),
        ("positive", None),
        ("positive", 1e-9),
        ("kind", "fancy"),
        ("depth", 18),
        ("free", -3),
    ],
)
def test_a_value_that_is_allowed_passes(name: str, value: object) -> None:
    assert getattr(Settings(**{name: value}), name) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"at_least": 1}, "alpha 0.5: give at least 1"),
        ({"above": 0.5, "below": 1}, "alpha 0.5: give more than 0.5 and less than 1"),
        ({"at_most": 0.4}, "alpha 0.5: give at most 0.4"),
    ],
)
def test_numbers_outside_their_bounds_are_refused(bounds: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        check_numbers(alpha=0.5, **bounds)


def test_numbers_inside_their_bounds_pass() -> None:
    check_numbers(at_least=0, below=1, alpha=0.0, beta=0.9)
