"""Process rewards: closed forms, invariants, and what each term sees."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.reasoning import (
    ClinicalReward,
    ReasoningCase,
    ReasoningStep,
    builtin_templates,
    draw_cases,
    evidence_semantics,
    parse_reasoning,
    process_quality,
    process_quantity,
    value_credit,
    write_reasoning,
    write_step,
    write_text,
)

CASES = draw_cases(30, seed=0)
CASE = next(case for case in CASES if case.template.disease == "pulmonary_arterial_hypertension")
STEPS = [write_step(step, CASE.values[step.measurement]) for step in CASE.template.steps]


def quality_of(steps: list[str], case: ReasoningCase = CASE) -> tuple[float, float, float]:
    found = process_quality(parse_reasoning(write_text(steps, "x")), case)
    return found.coverage, found.cross, found.order


@pytest.mark.parametrize(
    ("valid", "wanted", "expected"),
    [
        (0, 8, 0.0),
        (1, 8, 0.125),
        (8, 8, 1.0),
        (10, 8, 1.0),  # the plateau ends at 1.25 N
        (12, 8, math.exp(-0.5)),  # one width beyond it
        (14, 8, math.exp(-2.0)),
        (24, 8, math.exp(-24.5)),
    ],
)
def test_quantity(valid: int, wanted: int, expected: float) -> None:
    assert process_quantity(valid, wanted) == pytest.approx(expected, rel=1e-12)


def test_credit_is_half_at_the_tolerance_and_falls_with_the_error() -> None:
    step = CASE.template["tricuspid regurgitation velocity"]
    assert step.tolerance is not None
    truth = 4.0
    credit = [value_credit(step, truth + share * step.tolerance, truth) for share in (0, 1, 2, 9)]
    assert credit[0] == 1.0
    assert credit[1] == pytest.approx(0.5)
    assert credit[2] == pytest.approx(2 / (1 + 3**4))
    assert credit[3] < 1e-12
    below = value_credit(step, truth - step.tolerance, truth)
    assert below == pytest.approx(0.5)


def test_credit_asks_for_the_unit_and_the_kind() -> None:
    step = CASE.template["tricuspid regurgitation velocity"]
    assert value_credit(step, 4.0, 4.0, "M/S") == 1.0
    assert value_credit(step, 4.0, 4.0, "cm/s") == 0.0
    assert value_credit(step, 4.0, 4.0, "or 5 m/s") == 0.0
    assert value_credit(step, "present", 4.0) == 0.0
    assert value_credit(step, "present", "present") == 1.0


def test_correct_steps_earn_every_term_in_every_disease() -> None:
    for case in CASES:
        found = ClinicalReward()(write_reasoning(case.template, case.values), case)
        assert found == pytest.approx(dict.fromkeys(found, 1.0))


def test_leaving_out_a_step_costs_its_weight() -> None:
    weight = sum(step.weight for step in CASE.template.steps)
    for place, step in enumerate(CASE.template.steps):
        coverage, _, _ = quality_of(STEPS[:place] + STEPS[place + 1 :])
        assert coverage == pytest.approx(1 - step.weight / weight)


def test_order_is_the_share_of_pairs() -> None:
    assert quality_of(STEPS)[2] == 1.0
    assert quality_of(STEPS[::-1])[2] == 0.0
    names = [step.measurement for step in CASE.template.steps]
    cava = names.index("inferior vena cava diameter")
    late = STEPS[:cava] + STEPS[cava + 1 :] + [STEPS[cava]]
    coverage, cross, order = quality_of(late)
    assert (coverage, cross) == (1.0, 1.0)
    assert order == pytest.approx(1 - 1 / len(CASE.template.order_pairs))


def test_any_acceptable_view_counts_and_no_other() -> None:
    step = CASE.template["tricuspid regurgitation velocity"]
    place = CASE.template.steps.index(step)
    for view, same in (("PSAX/CW", True), ("PLAX/CW", False), ("PSAX/PW", False)):
        moved = write_step(step, CASE.values[step.measurement], place=view)
        coverage, _, _ = quality_of([*STEPS[:place], moved, *STEPS[place + 1 :]])
        assert (coverage == pytest.approx(1.0)) is same


def test_of_several_values_the_worst_counts() -> None:
    guess = write_step(CASE.template["eccentricity index"], 9.0)
    lost = 1.5 / sum(step.weight for step in CASE.template.steps)
    for steps in ([*STEPS, guess], [guess, *STEPS]):
        assert quality_of(steps)[0] == pytest.approx(1 - lost)


def test_half_a_coverage_never_earns_half() -> None:
    """Whatever else a text does: the gate bounds the reward by 0.25 + 0.75 coverage^2."""
    rng = np.random.default_rng(0)
    reward = ClinicalReward()
    for case in CASES:
        for _ in range(10):
            kept = rng.random(len(case.template)) < rng.random()
            steps = [
                write_step(step, case.values[step.measurement])
                for step, keep in zip(case.template.steps, kept, strict=True)
                if keep
            ]
            found = reward(write_text(steps, case.template.disease), case)
            assert found["total"] <= 0.25 + 0.75 * found["coverage"] ** 2 + 1e-12
            if found["coverage"] <= 0.5:
                assert found["total"] < 0.5


def test_a_wrong_answer_halves_the_process() -> None:
    right = ClinicalReward(evidence_floor=1)(write_text(STEPS, CASE.template.disease), CASE)
    wrong = ClinicalReward(evidence_floor=1)(write_text(STEPS, "flu"), CASE)
    assert right["total"] == pytest.approx(1.0)
    assert wrong["total"] == pytest.approx((0.2 + 0.5 * 0.6) / 1.8)


def test_answers_by_name_or_title_alone() -> None:
    reward = ClinicalReward(form=0, quantity=0, quality=0, evidence_floor=1)
    for answer, right in (
        ("pulmonary_arterial_hypertension", 1.0),
        ("Pulmonary  Arterial Hypertension", 1.0),
        ("pulmonary arterial hypertension or amyloidosis", 0.0),
        ("", 0.0),
    ):
        assert reward(write_text(STEPS, answer), CASE)["total"] == right


@dataclass
class Compass:
    """An encoder whose cosine is known: a step points where its value says."""

    matched: float = 0.8
    mismatched: float = 0.2
    angle: dict[float | str, float] = field(default_factory=dict)

    def embed_step(self, step: ReasoningStep) -> NDArray[np.float64]:
        angle = self.angle[step.value]
        return np.array([math.cos(angle), math.sin(angle)])

    def embed_picture(self, picture: NDArray[np.uint8], place: str) -> NDArray[np.float64]:
        raise NotImplementedError


def test_semantics_is_the_calibrated_cosine_of_the_view_that_a_step_names() -> None:
    template = builtin_templates()["severe_aortic_stenosis"]
    values = {step.measurement: sum(step.range or ()) / 2 for step in template.steps}
    case = ReasoningCase(template, values, {"A5C/CW": np.array([1.0, 0.0])})
    encoder = Compass(angle={1.0: math.acos(0.5), 2.0: 0.0, 3.0: math.pi, 4.0: 0.0})
    lines = [
        "[A5C][CW] aortic peak velocity = 1; one two three",  # (0.5 - 0.2) / 0.6
        "[A5C][CW] aortic mean gradient = 2; four five six",  # clipped to 1
        "[A3C][CW] LV outflow peak gradient = 4; seven eight nine",  # no such picture
        "[A5C][CW] something else entirely = 3; ten eleven twelve",  # clipped to 0
    ]
    found = evidence_semantics(parse_reasoning("\n".join(lines)), case, encoder)
    assert found == pytest.approx((0.5 + 1.0) / 4)
    assert evidence_semantics(parse_reasoning(""), case, encoder) == 0.0


def test_what_a_case_lacks_is_named() -> None:
    template = builtin_templates()["cardiac_tamponade"]
    values = dict(CASES[0].values)
    ReasoningCase(template, values)
    with pytest.raises(InputError, match="'pericardial effusion depth' is 'deep'"):
        ReasoningCase(template, {**values, "pericardial effusion depth": "deep"})
    with pytest.raises(InputError, match="'RV diastolic collapse' is 3"):
        ReasoningCase(template, {**values, "RV diastolic collapse": 3})
    with pytest.raises(InputError, match="'pericardial effusion depth' is nan"):
        ReasoningCase(template, {**values, "pericardial effusion depth": math.nan})
    del values["RV diastolic collapse"]
    with pytest.raises(InputError, match="no value of 'RV diastolic collapse'"):
        ReasoningCase(template, values)


def test_weights_are_checked() -> None:
    with pytest.raises(InputError, match="quality is -1"):
        ClinicalReward(quality=-1)
    with pytest.raises(InputError, match="evidence_floor is 2"):
        ClinicalReward(evidence_floor=2)
    with pytest.raises(InputError, match="every weight is 0"):
        ClinicalReward(accuracy=0, form=0, quantity=0, quality=0)
