"""Rewards for clinical reasoning: quantity, quality and semantics of the steps, and their sum.

CardiacMind (arXiv 2601.08440) adds three process rewards: procedural quantity (PQtR), procedural
quality (PQlR) and echocardiographic semantics (ESR). Its formulas are not public; those here are
our choice. `ClinicalReward` adds them to accuracy and format, and
`sterling.reasoning.reward_gaming` measures what exploits earn from any reward.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sterling.checks import Share, Weight, check_fields
from sterling.errors import InputError
from sterling.policy import snra
from sterling.reasoning.case import ReasoningCase, Vector
from sterling.reasoning.steps import Reasoning, ReasoningStep, parse_reasoning
from sterling.reasoning.template import ReasoningTemplate, TemplateStep, Value

PLATEAU = 1.25  # of the method card: steps beyond 1.25 N are too many
EXCESS = 0.25  # width of the fall beyond, in N
SHARPNESS = math.log(3)  # a value that errs by its tolerance earns half
USED = 0.5  # credit from which a view counts as used
COVERAGE, CROSS, ORDER = 0.5, 0.2, 0.3  # of the method card


class DualEncoder(Protocol):
    """A frozen encoder of texts and pictures, such as EchoCLIP.

    Attributes:
        matched: Mean cosine of a step and the picture that shows it.
        mismatched: Mean cosine of a step and a picture that shows another value.
    """

    matched: float
    mismatched: float

    def embed_step(self, step: ReasoningStep) -> Vector:
        """Return the unit vector of a step, (D,)."""
        ...

    def embed_picture(self, picture: NDArray[np.uint8], place: str) -> Vector:
        """Return the unit vector of a picture (H, W) of a place such as "A4C/2D", (D,)."""
        ...


def value_credit(step: TemplateStep, stated: Value, truth: Value, unit: str = "") -> float:
    """Return the credit of a stated value, in [0, 1]; 1 for the truth.

    A number earns ``snra((error / tolerance)**2, ln 3)``: half at an error of the tolerance, 2 % at
    twice the tolerance. A polarity earns 1 or 0. A number in another unit than the step's earns 0;
    the unit may be left out. Our choice.
    """
    if isinstance(stated, str) or isinstance(truth, str):
        return float(stated == truth)
    if step.tolerance is None or (unit and unit.lower() != step.unit.lower()):
        return 0.0
    return float(snra(((stated - truth) / step.tolerance) ** 2, SHARPNESS))


def step_credits(reasoning: Reasoning, case: ReasoningCase) -> dict[str, float]:
    """Return the credit of every template step, by id.

    A step of the text matches a template step by view, modality and measurement. Where several
    match, as in a list of guesses, the worst counts: our choice.
    """
    credit = {}
    for entry in case.template.steps:
        name, truth = entry.measurement.lower(), case.values[entry.measurement]
        stated = [
            value_credit(entry, step.value, truth, step.unit)
            for step in reasoning.steps
            if step.finding == name and step.place in entry.places
        ]
        credit[entry.id] = min(stated, default=0.0)
    return credit


def process_quantity(valid: int, wanted: int) -> float:
    """Return PQtR of a number of valid steps, in [0, 1]: 1 from N to 1.25 N steps, 0 for none.

    ``min(n/N, 1) exp(-max(0, n/N - 1.25)^2 / (2 * 0.25^2))`` for n valid and N wanted steps. Our
    choice: the paper says only that too few and too many steps lose.

    Examples:
        >>> process_quantity(1, 8), process_quantity(8, 8), round(process_quantity(24, 8), 9)
        (0.125, 1.0, 0.0)
    """
    ratio = valid / wanted
    return min(ratio, 1.0) * math.exp(-(max(0.0, ratio - PLATEAU) ** 2) / (2 * EXCESS**2))


@dataclass(frozen=True)
class Quality:
    """PQlR and its parts, each in [0, 1].

    Attributes:
        coverage: Credit of the template's steps, weighted mean.
        cross: Share of the required views and modalities that a credit of 0.5 or more uses.
        order: Share of the ``depends_on`` pairs in order; each counts by the smaller credit of its
            two steps. Equal to the coverage for a template without pairs.
    """

    coverage: float
    cross: float
    order: float

    @property
    def total(self) -> float:
        """PQlR: 0.5 coverage + 0.2 cross + 0.3 order."""
        return COVERAGE * self.coverage + CROSS * self.cross + ORDER * self.order


def process_quality(reasoning: Reasoning, case: ReasoningCase) -> Quality:
    """Score the evidence of a text: right values, across views, in order. Our choice.

    In the method card a pair is in order when both steps are there. Then steps with wrong values
    earn the order, so here a pair counts by the credit of its values.
    """
    steps = case.template.steps
    credit = step_credits(reasoning, case)
    weight = sum(step.weight for step in steps)
    coverage = sum(step.weight * credit[step.id] for step in steps) / weight
    required = {step.places[0] for step in steps}
    used = {step.places[0] for step in steps if credit[step.id] >= USED}
    first = _first_places(reasoning.steps, case.template)
    pairs = case.template.order_pairs
    kept = [
        min(credit[before], credit[after])
        for before, after in pairs
        if first.get(before, math.inf) < first.get(after, -math.inf)
    ]
    order = sum(kept) / len(pairs) if pairs else coverage
    return Quality(coverage, len(used) / len(required), order)


def _first_places(steps: Sequence[ReasoningStep], template: ReasoningTemplate) -> dict[str, int]:
    """Position of the first step of the text that matches each template step."""
    first: dict[str, int] = {}
    for position, step in enumerate(steps):
        for entry in template.steps:
            if step.finding == entry.measurement.lower() and step.place in entry.places:
                first.setdefault(entry.id, position)
    return first


def evidence_semantics(reasoning: Reasoning, case: ReasoningCase, encoder: DualEncoder) -> float:
    """Return ESR: how well the pictures show what the valid steps say, in [0, 1]. Our choice.

    The mean over valid steps of ``clip((cos - mismatched) / (matched - mismatched), 0, 1)``, with
    the picture of the view that the step names; 0 for a view that the case does not have, and
    without steps.
    """
    if not reasoning.valid:
        return 0.0
    span = encoder.matched - encoder.mismatched
    total = 0.0
    for step in reasoning.valid:
        picture = case.pictures.get(step.place)
        if picture is not None:
            cosine = float(encoder.embed_step(step) @ picture)
            total += min(max((cosine - encoder.mismatched) / span, 0.0), 1.0)
    return total / len(reasoning.valid)


@dataclass(frozen=True)
class ClinicalReward:
    """Accuracy, format and the three process rewards, in [0, 1] together.

    ``gate (accuracy + 0.2 format + f (0.3 PQtR + 0.3 PQlR + 0.3 ESR)) / (sum of the weights)``.
    The factor f is 1 when the answer is right and `wrong_answer` otherwise, so that a well-written
    wrong answer does not win. The gate, ``floor + (1 - floor) min(coverage, PQlR)^2``, is ours: in
    the plain sum (``evidence_floor=1``) the right answer with made-up values earns 0.83, and
    correct steps in reverse order 0.95. With the gate a text whose values cover at most half of
    the template earns less than half, whatever else it does. ESR is left out without an encoder.

    Attributes:
        accuracy: Weight of the right answer.
        form: Weight of the format: one think block with a step, then one answer.
        quantity: Weight of PQtR.
        quality: Weight of PQlR.
        semantics: Weight of ESR.
        wrong_answer: Factor of the process rewards when the answer is wrong.
        evidence_floor: Share of the reward that is kept without any evidence; 1 removes the gate.
        encoder: Encoder of steps and pictures; None leaves ESR out.

    Raises:
        InputError: A weight is negative, all are 0, or a share lies outside [0, 1].

    Examples:
        >>> from sterling.reasoning import builtin_templates, write_reasoning
        >>> template = builtin_templates()["severe_aortic_stenosis"]
        >>> values = {step.measurement: sum(step.range) / 2 for step in template.steps}
        >>> case = ReasoningCase(template, values)
        >>> round(ClinicalReward()(write_reasoning(template, values), case)["total"], 6)
        1.0
    """

    accuracy: Weight = 1.0
    form: Weight = 0.2
    quantity: Weight = 0.3
    quality: Weight = 0.3
    semantics: Weight = 0.3
    wrong_answer: Share = 0.5
    evidence_floor: Share = 0.25
    encoder: DualEncoder | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.accuracy + self.form + self.quantity + self.quality == 0:
            raise InputError("every weight is 0: give one that is not")

    def __call__(self, text: str, case: ReasoningCase) -> dict[str, float]:
        """Score a text.

        Returns:
            Each component in [0, 1]: accuracy, format, quantity, coverage, cross, order, quality,
            semantics (with an encoder), and their weighted sum as "total".

        Raises:
            InputError: The text is not a string.
        """
        reasoning = parse_reasoning(text)
        quality = process_quality(reasoning, case)
        right = same_answer(reasoning.answer, case.template)
        found = {
            "accuracy": float(right),
            "format": float(reasoning.well_formed),
            "quantity": process_quantity(len(reasoning.valid), len(case.template)),
            "coverage": quality.coverage,
            "cross": quality.cross,
            "order": quality.order,
            "quality": quality.total,
        }
        outcome = {"accuracy": self.accuracy, "format": self.form}
        process = {"quantity": self.quantity, "quality": self.quality}
        if self.encoder is not None:
            found["semantics"] = evidence_semantics(reasoning, case, self.encoder)
            process["semantics"] = self.semantics
        factor = 1.0 if right else self.wrong_answer
        earned = sum(weight * found[name] for name, weight in outcome.items())
        earned += factor * sum(weight * found[name] for name, weight in process.items())
        evidence = min(quality.coverage, quality.total) ** 2
        gate = self.evidence_floor + (1 - self.evidence_floor) * evidence
        found["total"] = gate * earned / sum((*outcome.values(), *process.values()))
        return found


def same_answer(answer: str | None, template: ReasoningTemplate) -> bool:
    """Whether an answer is the name or the title of the template's disease, and nothing else."""
    if answer is None:
        return False
    plain = " ".join(answer.replace("_", " ").split()).lower()
    return plain in (template.disease.replace("_", " "), template.title.lower())
