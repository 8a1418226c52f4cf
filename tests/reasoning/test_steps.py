"""The parser reads what is written, never raises on text, and counts no repetition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.reasoning import parse_reasoning
from sterling.reasoning.steps import alike, words

STEP = "[A4C][CW] tricuspid regurgitation velocity = 3.8 m/s; pulmonary hypertension probable"


def test_a_step_is_read() -> None:
    [step] = parse_reasoning(f"<think>\n 3) {STEP} \n</think><answer> x </answer>").steps
    assert (step.view, step.modality, step.place) == ("A4C", "CW", "A4C/CW")
    assert (step.finding, step.value, step.unit) == ("tricuspid regurgitation velocity", 3.8, "m/s")
    assert step.implication == "pulmonary hypertension probable"
    assert step.text == STEP


@pytest.mark.parametrize(
    ("text", "answer", "well_formed"),
    [
        (f"<think>{STEP}</think><answer>a</answer>", "a", True),
        (f" <THINK>\n{STEP}\n</THINK>\n<Answer>a b</Answer>\n", "a b", True),
        (f"{STEP}<answer>a</answer>", "a", False),
        (f"<think>{STEP}</think> and <answer>a</answer>", "a", False),
        (f"<think>{STEP}</think><answer>a</answer> also", "a", False),
        (f"<answer>a</answer><think>{STEP}</think>", "a", False),
        ("<think>no step</think><answer>a</answer>", "a", False),
        (f"<think>{STEP}</think><answer>a</answer><answer>b</answer>", None, False),
        (f"<think>{STEP}</think>", None, False),
        (f"</think>{STEP}<think></answer>a<answer>", None, False),
    ],
)
def test_answer_and_form(text: str, answer: str | None, well_formed: bool) -> None:
    found = parse_reasoning(text)
    assert (found.answer, found.well_formed) == (answer, well_formed)


@pytest.mark.parametrize(
    ("stated", "value", "unit"),
    [
        ("12", 12.0, ""),
        ("-3.5 mm", -3.5, "mm"),
        ("30%", 30.0, "%"),
        ("Present", "present", ""),
        ("3 or 5 mm", 3.0, "or 5 mm"),
        ("about 3", "about 3", ""),
        ("nan", "nan", ""),
        ("1e999", 1.0, "e999"),
    ],
)
def test_values(stated: str, value: float | str, unit: str) -> None:
    [step] = parse_reasoning(f"[A4C][2D] depth = {stated}; something is the case").steps
    assert (step.value, step.unit) == (value, unit)


@pytest.mark.parametrize(
    "line",
    [
        "A4C 2D depth = 3; it is so",
        "[A4C] depth = 3; it is so",
        "[A4C][2D] depth 3; it is so",
        "[A4C][2D] = 3; it is so",
        "[A4C][2D] depth = ; it is so",
        "so [A4C][2D] depth = 3; it is so",
        "[A4C [2D depth = 3; it is so",
    ],
)
def test_other_lines_are_no_steps(line: str) -> None:
    assert parse_reasoning(line).steps == ()


def test_short_and_repeated_steps_are_not_valid() -> None:
    again = STEP.replace("probable", "likely")
    same_claim = (
        "[A4C][CW] tricuspid regurgitation velocity = 3.8; wholly other words used here now"
    )
    short = "[A4C][2D] size = 3;"
    other = "[SC][2D] inferior vena cava diameter = 25 mm; right atrial pressure is raised"
    found = parse_reasoning("\n".join([STEP, again, same_claim, short, other, STEP]))
    assert len(found.steps) == 6
    assert [step.text for step in found.valid] == [STEP, other]


def test_jaccard_at_the_bar() -> None:
    ten = frozenset("abcdefghij")
    assert alike(ten, frozenset("abcdefg"))  # 7 of 10
    assert not alike(ten, frozenset("abcdef"))
    assert words("3.5 mm, 3.5 MM") == {"3.5", "mm"}


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="[]=;<>/thinkasw er123.\n", max_size=200))
def test_no_text_raises(text: str) -> None:
    found = parse_reasoning(text)
    assert len(found.valid) <= len(found.steps)


def test_hostile_texts_end() -> None:
    for text in (
        STEP
        + "\n"
        + "\n".join(f"[A4C][2D] finding{i} = {i}; word{i} and word{i + 1}" for i in range(20_000)),
        "<think>" * 50_000,
        "[" * 200_000,
        "[A4C][2D] " + " " * 500_000 + "=",
        f"[A4C][2D] depth = {'9' * 100_000}; it is so",
    ):
        parse_reasoning(text)


@pytest.mark.parametrize("given_", [None, 3, b"text", ["text"]])
def test_what_is_no_text_is_refused(given_: object) -> None:
    with pytest.raises(InputError, match="give a string"):
        parse_reasoning(given_)  # type: ignore[arg-type]
