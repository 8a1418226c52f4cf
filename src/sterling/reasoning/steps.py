"""Steps of written clinical reasoning, read from text.

A text has the steps in a think block, one a line, and the diagnosis in an answer tag::

    <think>
    1. [PLAX][2D] LV end-diastolic diameter = 6.4 cm; left ventricle dilated
    2. [A4C][2D] LV ejection fraction = 30 %; systolic function severely reduced
    </think>
    <answer>dilated_cardiomyopathy</answer>

`parse_reasoning` never raises on text: what cannot be read is not a step.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from sterling.errors import InputError

ALIKE = 0.7  # token Jaccard from which a step repeats an earlier one: of the method card
FEWEST_WORDS = 5
MOST_LINES = 400  # lines that are read as steps: every reward of more is 0
_WORD = re.compile(r"\w+(?:\.\d+)?")
_NUMBERING = re.compile(r"\s*(?:\d{1,4}[.)]\s*)?")
_NUMBER = re.compile(r"([+-]?\d{1,12}(?:\.\d{1,12})?)\s*(.*)")
_TAGS = {
    tag: re.compile(f"<{tag}>", re.IGNORECASE) for tag in ("think", "/think", "answer", "/answer")
}


@dataclass(frozen=True)
class ReasoningStep:
    """One step as it was written.

    Attributes:
        text: The line without its number.
        view: View, in capitals.
        modality: Modality.
        finding: Name of the measurement or finding, in lower case.
        value: Number, or word such as "present".
        unit: Unit as written, "" where there is none.
        implication: Conclusion drawn from it.
    """

    text: str
    view: str
    modality: str
    finding: str
    value: float | str
    unit: str
    implication: str

    @property
    def place(self) -> str:
        """View and modality, such as "A4C/CW"."""
        return f"{self.view}/{self.modality}"

    @cached_property
    def words(self) -> frozenset[str]:
        """Different words of the line, in lower case."""
        return words(self.text)


@dataclass(frozen=True)
class Reasoning:
    """A text of clinical reasoning.

    Attributes:
        steps: Steps that could be read, in order.
        answer: Text of the answer tag; None unless there is exactly one.
        well_formed: Whether it is one think block with a step, then one answer, and nothing else.
    """

    steps: tuple[ReasoningStep, ...] = ()
    answer: str | None = None
    well_formed: bool = False
    valid: tuple[ReasoningStep, ...] = field(init=False)
    """Steps of five words or more that repeat no earlier one (`valid_steps`)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "valid", tuple(valid_steps(self.steps)))


def words(text: str) -> frozenset[str]:
    """Return the different words and numbers of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower()))


def alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether the Jaccard index of two sets of words is 0.7 or more."""
    common = len(one & other)
    return common >= ALIKE * (len(one) + len(other) - common)


def valid_steps(steps: tuple[ReasoningStep, ...]) -> Iterator[ReasoningStep]:
    """Yield the steps of five words or more that repeat no earlier step.

    A step repeats an earlier one when the Jaccard index of their words is 0.7 or more, or, our
    choice, when it states the same finding in the same view and modality: other words around one
    finding are no further step.
    """
    kept: list[ReasoningStep] = []
    stated: set[tuple[str, str]] = set()
    for step in steps:
        if len(_WORD.findall(step.text.lower())) < FEWEST_WORDS:
            continue
        if (step.place, step.finding) in stated:
            continue
        if any(alike(step.words, other.words) for other in kept):
            continue
        stated.add((step.place, step.finding))
        kept.append(step)
        yield step


def parse_reasoning(text: str) -> Reasoning:
    """Read the steps and the answer of a text.

    Args:
        text: Any text. Without a think block, lines outside the answer are read as steps.

    Raises:
        InputError: The argument is not a string.

    Examples:
        >>> found = parse_reasoning("<think>[A4C][M-mode] TAPSE = 12 mm; poor function</think>")
        >>> found.steps[0].value, found.steps[0].unit, found.answer
        (12.0, 'mm', None)
    """
    if not isinstance(text, str):
        raise InputError(f"text is {type(text).__name__}: give a string")
    found = {tag: list(pattern.finditer(text)) for tag, pattern in _TAGS.items()}
    once = {tag: len(matches) == 1 for tag, matches in found.items()}
    answer = None
    thinking = text
    if once["answer"] and once["/answer"]:
        start, end = found["answer"][0], found["/answer"][0]
        if start.end() <= end.start():
            answer = text[start.end() : end.start()].strip()
            thinking = text[: start.start()] + "\n" + text[end.end() :]
    well_formed = False
    if once["think"] and once["/think"]:
        start, end = found["think"][0], found["/think"][0]
        if start.end() <= end.start():
            thinking = text[start.end() : end.start()]
            outside = text[: start.start()] + text[end.end() : _start_of_answer(found, text)]
            after = text[found["/answer"][0].end() :] if once["/answer"] else ""
            well_formed = answer is not None and not (outside + after).strip()
    steps = tuple(
        step
        for line in thinking.splitlines()[:MOST_LINES]
        if (step := _parse_step(line)) is not None
    )
    return Reasoning(steps, answer, well_formed and bool(steps))


def _start_of_answer(found: dict[str, list[re.Match[str]]], text: str) -> int:
    return found["answer"][0].start() if found["answer"] else len(text)


def _parse_step(line: str) -> ReasoningStep | None:
    """Read "[view][modality] finding = value; implication"; None where a line is something else."""
    numbering, opened, rest = line.partition("[")
    text = opened + rest.rstrip()
    view, closed, rest = rest.partition("]")
    rest = rest.lstrip()
    if not (closed and rest.startswith("[") and _NUMBERING.fullmatch(numbering)):
        return None
    modality, closed, rest = rest[1:].partition("]")
    finding, equals, rest = rest.partition("=")
    stated, _, implication = rest.partition(";")
    finding, stated = " ".join(finding.split()).lower(), " ".join(stated.split())
    if not (closed and equals and finding and stated):
        return None
    number = _NUMBER.fullmatch(stated)
    return ReasoningStep(
        text=text,
        view=view.strip().upper(),
        modality=modality.strip(),
        finding=finding,
        value=float(number[1]) if number else stated.lower(),
        unit=number[2] if number else "",
        implication=implication.strip(),
    )
