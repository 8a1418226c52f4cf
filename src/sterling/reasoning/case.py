"""Cases: what is known of one patient's study, and the reasoning that it calls for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.reasoning.template import ReasoningTemplate, TemplateStep, Value

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReasoningCase:
    """A patient's study: the template of the true disease, and what is known of the case.

    Attributes:
        template: Template of the true disease.
        values: True values by measurement, in the unit of the template.
        pictures: Unit vectors of the pictures by place, such as "A4C/2D", from
            `DualEncoder.embed_picture`; empty without pictures.
    """

    template: ReasoningTemplate
    values: Mapping[str, Value]
    pictures: Mapping[str, Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step in self.template.steps:
            if step.measurement not in self.values:
                raise InputError(
                    f"case of {self.template.disease}: has no value of {step.measurement!r}; give "
                    "a value for every step of the template"
                )
            value = self.values[step.measurement]
            if isinstance(value, str) != (step.range is None) or (
                not isinstance(value, str) and not math.isfinite(value)
            ):
                kind = "a finite number" if step.range else "present or absent"
                raise InputError(
                    f"case of {self.template.disease}: {step.measurement!r} is {value!r}; give "
                    f"{kind}"
                )


def write_step(step: TemplateStep, value: Value, *, place: str | None = None) -> str:
    """Write a step, ``[view][modality] finding = value unit; implication``.

    Args:
        step: Step of the template.
        value: Its value; a number is written to a twentieth of the tolerance.
        place: View and modality, such as "A4C/CW"; None takes the step's usual ones.
    """
    view, _, modality = (place or step.places[0]).partition("/")
    shown = f"{value} {step.unit}".strip()
    if not isinstance(value, str) and step.tolerance is not None:
        shown = f"{value:.{step.decimals}f} {step.unit}".strip()
    return f"[{view}][{modality}] {step.measurement} = {shown}; {step.implication}"


def write_text(steps: Sequence[str], answer: str) -> str:
    """Write numbered steps in a think block, and the answer in its tag."""
    numbered = "".join(f"{number}. {step}\n" for number, step in enumerate(steps, 1))
    return f"<think>\n{numbered}</think>\n<answer>{answer}</answer>"


def write_reasoning(template: ReasoningTemplate, values: Mapping[str, Value]) -> str:
    """Fill a template with the values of a case: the reasoning that earns the full reward.

    Args:
        template: The template.
        values: Values by measurement.

    Examples:
        >>> from sterling.reasoning import builtin_templates
        >>> template = builtin_templates()["ebstein_anomaly"]
        >>> values = {step.measurement: step.polarity or step.range[0] for step in template.steps}
        >>> write_reasoning(template, values).splitlines()[1]
        '1. [A4C][2D] tricuspid apical displacement = 8.50 mm/m2; septal leaflet attached too low'
    """
    steps = [write_step(step, values[step.measurement]) for step in template.steps]
    return write_text(steps, template.disease)
