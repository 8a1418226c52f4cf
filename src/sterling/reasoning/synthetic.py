"""Synthetic studies of the heart: a disease, its measurements, and schematic pictures of the views.

SIMULATED, not for clinical use: values are drawn uniformly from the ranges of the templates, and a
picture shows chambers as ellipses, Doppler as envelopes and M-mode as waves, whose sizes are the
measurements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.reasoning.case import ReasoningCase
from sterling.reasoning.template import (
    ReasoningTemplate,
    TemplateStep,
    Value,
    builtin_templates,
    normal_reference,
)

SIDE = 64
NOISE = 0.08  # standard deviation of the grey values, of 1
SPECKLE = 0.15  # of multiplicative noise
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Measured:
    """One measurement of the synthetic studies.

    Attributes:
        step: Its step in the normal reference.
        low: Smallest value in any disease or normally; 0 for a finding.
        high: Largest value; 1 for a finding.
    """

    step: TemplateStep
    low: float
    high: float

    @property
    def place(self) -> str:
        """View and mode in which it is drawn, such as "A4C/2D"."""
        return self.step.places[0]

    def position(self, value: Value) -> float:
        """Return where a value lies between `low` and `high`, clipped to [0, 1]."""
        if isinstance(value, str):
            return float(value == "present")
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def at(self, position: float) -> Value:
        """Return the value at a position in [0, 1], as it is written."""
        if self.step.range is None:
            return "present" if position >= 0.5 else "absent"
        value = self.low + position * (self.high - self.low)
        return round(value, self.step.decimals)


@cache
def measurements() -> Mapping[str, Measured]:
    """Return every measurement of the synthetic studies by name."""
    found = {}
    for normal in normal_reference().steps:
        ranges = [
            step.range
            for template in (*builtin_templates().values(), normal_reference())
            for step in template.steps
            if step.measurement == normal.measurement and step.range is not None
        ] or [(0.0, 1.0)]
        low, high = min(each[0] for each in ranges), max(each[1] for each in ranges)
        found[normal.measurement] = Measured(normal, low, high)
    return found


@cache
def places() -> Mapping[str, tuple[str, ...]]:
    """Return the measurements that each place shows, by place."""
    found: dict[str, tuple[str, ...]] = {}
    for name, measured in measurements().items():
        found[measured.place] = (*found.get(measured.place, ()), name)
    return found


def draw_cases(
    count: int, seed: int | np.random.Generator, *, templates: Sequence[ReasoningTemplate] = ()
) -> list[ReasoningCase]:
    """Draw synthetic cases: a disease, then a value for every measurement.

    Values of the disease's template are uniform in its ranges; all others are uniform in the
    normal ones.

    Args:
        count: Number of cases.
        seed: Seed or generator.
        templates: Templates to draw diseases from; the builtin ones by default.

    Raises:
        InputError: The count is negative.

    Examples:
        >>> [case] = draw_cases(1, seed=0)
        >>> sorted(case.values)[:2]
        ['E-point septal separation', "E/e' ratio"]
    """
    check_numbers(at_least=0, count=count)
    rng = np.random.default_rng(seed)
    known = list(templates) or list(builtin_templates().values())
    cases = []
    for _ in range(count):
        template = known[int(rng.integers(len(known)))]
        values = {step.measurement: _draw(step, rng) for step in normal_reference().steps}
        values |= {step.measurement: _draw(step, rng) for step in template.steps}
        cases.append(ReasoningCase(template, values))
    return cases


def _draw(step: TemplateStep, rng: np.random.Generator) -> Value:
    if step.range is None:
        return str(step.polarity)
    return round(float(rng.uniform(*step.range)), step.decimals)


def render(cases: Sequence[ReasoningCase], seed: int | np.random.Generator) -> dict[str, Pixels]:
    """Draw schematic pictures of every place.

    Args:
        cases: Cases from `draw_cases`.
        seed: Seed or generator of the noise.

    Returns:
        Pictures (N, 64, 64), uint8, by place, such as "A4C/2D".
    """
    rng = np.random.default_rng(seed)
    drawn = {}
    for place, names in places().items():
        sizes = np.array(
            [[measurements()[name].position(case.values[name]) for name in names] for case in cases]
        ).reshape(len(cases), len(names))
        clean = _schematic(0.2 + 0.8 * sizes, place.partition("/")[2])
        noisy = clean * (1 + SPECKLE * rng.standard_normal(clean.shape))
        noisy += NOISE * rng.standard_normal(clean.shape)
        drawn[place] = (255 * noisy.clip(0, 1)).astype(np.uint8)
    return drawn


def _schematic(sizes: NDArray[np.float64], modality: str) -> NDArray[np.float64]:
    """Draw shapes of relative sizes (N, shapes) as grey values (N, 64, 64), each in its own box."""
    n, shapes = sizes.shape
    columns = int(np.ceil(np.sqrt(shapes)))
    rows = -(-shapes // columns)
    picture = np.full((n, SIDE, SIDE), 0.1)
    for shape in range(shapes):
        top, left = (SIDE * (shape // columns)) // rows, (SIDE * (shape % columns)) // columns
        height, width = SIDE // rows, SIDE // columns
        y, x = np.mgrid[0:height, 0:width]
        y, x = (y + 0.5) / height, (x + 0.5) / width
        size = sizes[:, shape, None, None]
        if modality in ("PW", "CW", "TDI"):  # an envelope below the baseline
            edge = (0.9 * size * np.sin(np.pi * x) - y) * height
        elif modality == "M-mode":  # a band that moves
            centre = 0.5 + 0.42 * size * np.sin(2 * np.pi * x)
            edge = (0.08 - np.abs(y - centre)) * height
        else:  # a chamber: its height is the measurement
            across = np.sqrt(np.maximum(0, 1 - ((x - 0.5) / 0.46) ** 2))
            edge = (0.46 * size * across - np.abs(y - 0.5)) * height
        box = picture[:, top : top + height, left : left + width]
        np.maximum(box, 0.1 + 0.7 * (edge + 0.5).clip(0, 1), out=box)
    return picture
