"""Reasoning templates: steps that show a disease, in a file that a clinician can review.

One YAML file per disease lists the steps: where to look, what to measure, which values support the
diagnosis, and which step must come before. `builtin_templates` returns fifteen of them. They are
illustrative and have to be reviewed by a clinician before any real use.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sterling.errors import InputError, quoted, unknown_name
from sterling.files import open_regular
from sterling.reasoning.steps import alike, words
from sterling.tables import decode

VIEWS = {
    "PLAX": "parasternal long axis",
    "PSAX": "parasternal short axis",
    "A4C": "apical four chambers",
    "A2C": "apical two chambers",
    "A3C": "apical three chambers",
    "A5C": "apical five chambers",
    "SC": "subcostal",
    "SSN": "suprasternal notch",
}
"""Views by abbreviation."""

MODALITIES = ("2D", "M-mode", "PW", "CW", "TDI", "colour", "strain")
"""Grey-scale, M-mode, pulsed-wave, continuous-wave and tissue Doppler, colour Doppler, strain."""

POLARITIES = ("present", "absent")
"""The two values of a finding that is not measured in numbers."""

LARGEST = 1 << 20  # bytes of a template
MOST_STEPS = 40  # the normal reference, which lists every measurement, may have more
Value = float | str
"""A measured number in the step's unit, or a polarity."""


def _known(kind: str, names: Any) -> BeforeValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in names:
            raise unknown_name(kind, str(value), names)
        return value

    return BeforeValidator(check)


Text = Annotated[str, Field(min_length=1, pattern=r"^[^\[\]<>=;\r\n]*\S[^\[\]<>=;\r\n]*$")]
"""Text without the signs that separate the parts of a written step."""


class TemplateStep(BaseModel):
    """One step: what is seen where, and which values support the diagnosis.

    Attributes:
        id: Name of the step within its template.
        views: Views in which the finding may be shown; the first is the usual one.
        modality: Modality that shows it.
        measurement: Name of the measurement or finding.
        unit: Unit of its values; "" for a ratio.
        range: Smallest and largest value that supports the diagnosis; None for a finding.
        tolerance: Error, in the unit, at which a stated value earns half; required with a range.
        polarity: Polarity that supports the diagnosis; None for a measurement.
        weight: Weight of the step in the coverage, above 0.
        depends_on: Steps that have to come before.
        implication: Meaning of the finding, in a few words.
        source: Public source of the range or the finding.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    views: Annotated[tuple[Annotated[str, _known("view", VIEWS)], ...], Field(min_length=1)]
    modality: Annotated[str, _known("modality", MODALITIES)]
    measurement: Text
    unit: str = ""
    range: tuple[float, float] | None = None
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    polarity: Literal["present", "absent"] | None = None
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    depends_on: tuple[str, ...] = ()
    implication: Text
    source: Text

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.range is None) == (self.polarity is None):
            raise ValueError("give either a range or a polarity")
        if self.range is not None:
            low, high = self.range
            if not low < high:
                raise ValueError(
                    f"range [{low:g}, {high:g}] is upside down; write the smaller first"
                )
            if self.tolerance is None:
                raise ValueError("give the tolerance of its values")
        elif self.tolerance is not None or self.unit:
            raise ValueError("a finding with a polarity has no unit and no tolerance")
        return self

    @property
    def places(self) -> tuple[str, ...]:
        """Views with the modality, such as "A4C/CW"; the first is the usual one."""
        return tuple(f"{view}/{self.modality}" for view in self.views)

    @property
    def decimals(self) -> int:
        """Decimals with which a value is written: to a twentieth of the tolerance."""
        return max(0, math.ceil(-math.log10((self.tolerance or 20) / 20)))

    def supports(self, value: Value) -> bool:
        """Whether a value supports the diagnosis."""
        if self.range is None:
            return value == self.polarity
        return isinstance(value, (int, float)) and self.range[0] <= value <= self.range[1]


class ReasoningTemplate(BaseModel):
    """Canonical steps of reasoning towards one disease.

    Attributes:
        disease: Name of the disease, as answers give it.
        title: Name for people.
        review: Who reviewed the template, or that nobody did.
        steps: The steps, in an order that respects ``depends_on``.

    Examples:
        >>> template = builtin_templates()["cardiac_tamponade"]
        >>> template.steps[0].measurement, template.steps[0].range
        ('pericardial effusion depth', (20.0, 45.0))
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    disease: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: Text
    review: Annotated[str, Field(min_length=1)]
    steps: Annotated[tuple[TemplateStep, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [step.id for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError(f"step {_repeated(names)}: is there twice; rename one")
        measured = [step.measurement for step in self.steps]
        if len(set(measured)) < len(measured):
            raise ValueError(f"measurement {_repeated(measured)!r}: has two steps; leave one out")
        if len(names) > MOST_STEPS and self.disease != NORMAL:
            raise ValueError(f"{len(names)} steps: give at most {MOST_STEPS}")
        self._check_order(names)
        self._check_wording()
        return self

    def _check_order(self, names: list[str]) -> None:
        for step in self.steps:
            for other in step.depends_on:
                if other not in names:
                    raise unknown_name(f"step that {step.id} depends on", other, names)
        try:
            TopologicalSorter({step.id: step.depends_on for step in self.steps}).prepare()
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise ValueError(f"depends_on goes in a circle: {circle}; remove one") from error
        for place, step in enumerate(self.steps):
            for other in step.depends_on:
                if names.index(other) > place:
                    raise ValueError(f"step {step.id}: comes before {other}, which it depends on")

    def _check_wording(self) -> None:
        # Steps that read alike would count as repetitions of each other.
        seen: list[tuple[str, frozenset[str]]] = []
        for step in self.steps:
            text = f"{step.views[0]} {step.modality} {step.measurement} {step.implication}"
            for other, known in seen:
                if self.disease != NORMAL and alike(words(text), known):
                    raise ValueError(f"steps {other} and {step.id}: read alike; reword one")
            seen.append((step.id, words(text)))

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, measurement: str) -> TemplateStep:
        """Return the step of a measurement.

        Raises:
            InputError: There is none.
        """
        for step in self.steps:
            if step.measurement == measurement:
                return step
        raise unknown_name("measurement", measurement, (step.measurement for step in self.steps))

    @property
    def order_pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of step ids of which the first has to come before the second."""
        return tuple((before, step.id) for step in self.steps for before in step.depends_on)


NORMAL = "normal"


def _repeated(names: list[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def read_template(path: Path) -> ReasoningTemplate:
    """Read the template of one disease from a YAML file.

    Raises:
        InputError: The file cannot be read, is not YAML, or says something that a template cannot
            say: an unknown view, a range upside down, a weight that is not positive, a missing
            source, a circle in ``depends_on``. The message names file, step and field.
    """
    with open_regular(path, "template", largest=LARGEST) as file:
        content = file.read()
    return _parse(decode(path, content), str(path))


def _parse(text: str, place: str) -> ReasoningTemplate:
    try:
        # A few lines of anchors that refer to each other stand for gigabytes.
        if any(isinstance(one, yaml.AliasToken) for one in yaml.scan(text, yaml.SafeLoader)):
            raise InputError(f"{place}: has references (*name); write the values")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{place}: not readable as YAML ({reason})") from error
    if not isinstance(found, dict):
        raise InputError(f"{place}: holds {quoted(found)}; write disease, title, review and steps")
    try:
        return ReasoningTemplate.model_validate(found)
    except ValidationError as error:
        raise InputError(f"{place}: {_first(error, found)}") from error


def _first(error: ValidationError, found: Mapping[str, Any]) -> str:
    """Say in one line where the first error of a template is, and what."""
    first = error.errors(include_url=False)[0]
    place = list(first["loc"])
    if len(place) > 1 and place[0] == "steps" and isinstance(place[1], int):
        step = found["steps"][place[1]]
        name = step.get("id", place[1] + 1) if isinstance(step, dict) else place[1] + 1
        place = [f"step {name}", *place[2:]]
    message = first["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in place)
    return f"{where}: {message}" if where else message


@dataclass(frozen=True)
class _Builtin:
    diseases: Mapping[str, ReasoningTemplate]
    normal: ReasoningTemplate


@cache
def _builtin() -> _Builtin:
    folder = files("sterling.reasoning").joinpath("templates")
    found = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml"):
            template = _parse(file.read_text(encoding="utf-8"), file.name)
            found[template.disease] = template
    normal = found.pop(NORMAL)
    return _Builtin(found, normal)


def builtin_templates() -> dict[str, ReasoningTemplate]:
    """Return the templates of fifteen diseases by name.

    They are illustrative, from public guidelines, and to be reviewed by a clinician before any
    real use. Which fifteen diseases the paper has could not be established.
    """
    return dict(_builtin().diseases)


def normal_reference() -> ReasoningTemplate:
    """Return the normal findings of every measurement that the builtin templates use."""
    return _builtin().normal
