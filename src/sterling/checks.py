"""State in an annotation which values are allowed, and refuse the others with one line.

Examples:
    ```python
    @dataclass(frozen=True)
    class Blur:
        sides: Count = 3
        strength: Share = 0.5
        kind: Literal["box", "gauss"] = "box"

        def __post_init__(self) -> None:
            check_fields(self)

    Blur(strength=2)  # InputError: strength is 2: a number in [0, 1]
    ```

`check_numbers` checks arguments of a function in place.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from numbers import Real
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from sterling.errors import InputError, unknown_name


@dataclass(frozen=True)
class Range:
    """Finite numbers from `low` to `high`; of an `int` annotation, integers.

    Attributes:
        low: Smallest number.
        high: Largest number.
        open_low: Whether `low` itself is refused.
        open_high: Whether `high` itself is refused.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def allows(self, value: Any, kind: Any) -> bool:
        """Whether a value is of the annotated kind and within the range."""
        if kind is int:
            number = type(value) is int
        else:
            number = isinstance(value, Real) and not isinstance(value, bool)
        return (
            number
            and math.isfinite(value)
            and (self.low < value if self.open_low else self.low <= value)
            and (value < self.high if self.open_high else value <= self.high)
        )

    def describe(self, kind: Any) -> str:
        """Describe the range, for people."""
        noun = "an integer" if kind is int else "a number"
        if math.isinf(self.high):
            return (
                f"{noun} above {self.low:g}" if self.open_low else f"{noun} of {self.low:g} or more"
            )
        ends = "[("[self.open_low], "])"[self.open_high]
        return f"{noun} in {ends[0]}{self.low:g}, {self.high:g}{ends[1]}"


@dataclass(frozen=True)
class OneOf:
    """Any of the listed values."""

    values: tuple[Any, ...]

    def allows(self, value: Any, kind: Any) -> bool:
        """Whether a value is listed and of the annotated kind."""
        return type(value) is kind and value in self.values

    def describe(self, _kind: Any) -> str:
        """List the values, for people."""
        return f"one of {', '.join(map(str, self.values))}"


Count = Annotated[int, Range(1)]
"""An integer of 1 or more."""

Natural = Annotated[int, Range(0)]
"""An integer of 0 or more."""

Share = Annotated[float, Range(0, 1)]
"""A number in [0, 1]: a share, or a probability."""

Level = Annotated[float, Range(0, 1, open_low=True, open_high=True)]
"""A number in (0, 1): a confidence, or an error rate to bound."""

Weight = Annotated[float, Range(0)]
"""A number of 0 or more."""

Positive = Annotated[float, Range(0, open_low=True)]
"""A number above 0."""


def check_fields(instance: Any) -> None:
    """Check every field of a dataclass against its annotation.

    Raises:
        InputError: A value is not allowed.
    """
    values = {each.name: getattr(instance, each.name) for each in fields(instance) if each.init}
    check_values(values, type(instance))


def check_values(values: Mapping[str, Any], annotated: Any) -> None:
    """Check values by name against the annotations of a class or a function.

    `Range`, `OneOf` and ``Literal`` annotations are checked, and unions of them; others are not.

    Args:
        values: Values by name.
        annotated: Class or function whose annotations say what is allowed.

    Raises:
        InputError: A value is not allowed.
    """
    hints = _hints(annotated)
    for name, value in values.items():
        _check(name, value, hints.get(name))


@cache
def _hints(annotated: Any) -> dict[str, Any]:
    return get_type_hints(annotated, include_extras=True)


def _check(name: str, value: Any, hint: Any) -> None:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal and value not in parts:
        raise unknown_name(name, str(value), map(str, parts))
    if origin in (Union, UnionType):
        if value is None and type(None) in parts:
            return
        parts = tuple(part for part in parts if part is not type(None))
        if len(parts) == 1:
            _check(name, value, parts[0])
    if origin is Annotated:
        for rule in parts[1:]:
            if isinstance(rule, (Range, OneOf)) and not rule.allows(value, parts[0]):
                shown = repr(value) if isinstance(value, str) else value
                raise InputError(f"{name} is {shown}: {rule.describe(parts[0])}")


def check_numbers(
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    **values: float,
) -> None:
    """Check that numbers lie in a range; not-a-number lies in none.

    ``check_numbers(above=0, below=1, alpha=alpha)`` raises "alpha 1.5: give more than 0 and less
    than 1".

    Args:
        at_least: Smallest allowed value.
        at_most: Largest allowed value.
        above: Bound that every value must exceed.
        below: Bound that every value must stay under.
        values: The numbers, by the names that the user knows them by.

    Raises:
        InputError: A number lies outside; the message names it and the range.
    """
    for name, value in values.items():
        inside = (
            (at_least is None or value >= at_least)
            and (at_most is None or value <= at_most)
            and (above is None or value > above)
            and (below is None or value < below)
        )
        if not inside:
            parts = [
                f"{words} {bound:g}"
                for words, bound in (
                    ("at least", at_least),
                    ("more than", above),
                    ("at most", at_most),
                    ("less than", below),
                )
                if bound is not None
            ]
            raise InputError(f"{name} {value}: give {' and '.join(parts)}")
