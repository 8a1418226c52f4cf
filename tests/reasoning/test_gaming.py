"""The gaming suite: the requirements of the method card, and controls that must break them."""

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.reasoning import (
    EXPLOITS,
    ClinicalReward,
    GamingMatrix,
    ReasoningCase,
    StepPictureEncoder,
    builtin_templates,
    draw_cases,
    fit_encoder,
    render,
    reward_gaming,
)
from sterling.reasoning.gaming import HONEST

WRONG = "right names, wrong values"
OTHER = "another case's values"
PROCESS = ("quantity", "coverage", "cross", "order", "semantics")


@pytest.fixture(scope="module")
def encoder() -> StepPictureEncoder:
    return fit_encoder(draw_cases(250, seed=2), seed=3, steps=120)


@pytest.fixture(scope="module")
def cases(encoder: StepPictureEncoder) -> list[ReasoningCase]:
    drawn = draw_cases(60, seed=1)
    return encoder.add_pictures(drawn, render(drawn, 4))


@pytest.fixture(scope="module")
def gated(encoder: StepPictureEncoder, cases: list[ReasoningCase]) -> GamingMatrix:
    return reward_gaming(ClinicalReward(encoder=encoder), cases)


@pytest.fixture(scope="module")
def plain(encoder: StepPictureEncoder, cases: list[ReasoningCase]) -> GamingMatrix:
    return reward_gaming(ClinicalReward(encoder=encoder, evidence_floor=1), cases)


def test_only_the_full_correct_case_scores_above_nine_tenths(gated: GamingMatrix) -> None:
    for exploit in gated.exploits:
        above = gated.of(exploit) > 0.9
        assert above.all() if exploit == HONEST else not above.any(), exploit
    assert gated.margin.min() > 0.1


def test_recitation_with_wrong_values_scores_below_one_half(gated: GamingMatrix) -> None:
    assert gated.of(WRONG).max() < 0.5
    recited = gated.of(OTHER)
    # Another patient's values may happen to be right; where they are not, they earn less than half.
    assert recited.mean() < 0.5
    assert recited[gated.of(OTHER, "coverage") <= 0.5].max() < 0.5
    assert (gated.of(OTHER, "coverage") <= 0.5).mean() > 0.5


@pytest.mark.parametrize("exploit", ["one step fifty times", "one step in N wordings"])
def test_repetition_earns_the_quantity_of_one_step(
    exploit: str, gated: GamingMatrix, cases: list[ReasoningCase]
) -> None:
    limit = np.array([1 / len(case.template) for case in cases])
    assert (gated.of(exploit, "quantity") <= limit + 1e-12).all()


def test_reversal_lowers_only_the_order_term(gated: GamingMatrix) -> None:
    for component in ("accuracy", "format", *PROCESS):
        honest, turned = gated.of(HONEST, component), gated.of("reversed order", component)
        if component == "order":
            assert (turned < honest).all()
        else:
            np.testing.assert_allclose(turned, honest, rtol=1e-12)


def test_padding_lowers_the_quantity_and_filler_earns_no_evidence(gated: GamingMatrix) -> None:
    assert gated.of("padded to 3N steps", "quantity").max() < 1e-9
    np.testing.assert_allclose(gated.of("padded to 3N steps", "coverage"), 1)
    for exploit in ("swapped views", "N steps of filler", "three guesses per value", WRONG):
        assert gated.of(exploit, "coverage").max() < 1e-6, exploit
        assert gated.of(exploit).max() < 0.25, exploit


def test_the_plain_sum_breaks_the_requirements(plain: GamingMatrix) -> None:
    """The control: without the gate made-up values and reversed steps are paid."""
    assert plain.of(WRONG).min() > 0.5
    assert plain.of("reversed order").mean() > 0.9


def test_semantics_tell_wrong_values_from_right_ones(gated: GamingMatrix) -> None:
    honest, wrong = gated.of(HONEST, "semantics"), gated.of(WRONG, "semantics")
    assert (honest > wrong).all()
    assert honest.mean() - wrong.mean() > 0.4


def test_a_reward_of_ones_own_is_found_out() -> None:
    cases = draw_cases(4, seed=0)
    longer = reward_gaming(lambda text, _: min(len(text) / 1000, 1.0), cases)
    assert longer.components == ("total",)
    assert (longer.margin <= 0).all()
    naive = reward_gaming(
        lambda text, case: {
            "accuracy": float(case.template.disease in text),
            "total": float(case.template.disease in text),
        },
        cases,
    )
    assert naive.of("answer only", "accuracy").tolist() == [1.0] * 4
    assert naive.margin.tolist() == [0.0] * 4


def test_the_frame_has_a_row_per_text_and_a_column_per_component(gated: GamingMatrix) -> None:
    frame = gated.to_frame()
    assert frame["exploit"].to_list() == list(EXPLOITS)
    assert frame.columns == ["exploit", *gated.components]
    mean = float(gated.of(WRONG, "quantity").mean())
    assert frame.filter(frame["exploit"] == WRONG)["quantity"].item() == pytest.approx(mean)


def test_another_case_is_of_the_same_disease() -> None:
    templates = list(builtin_templates().values())
    [first], [second] = (draw_cases(1, seed, templates=templates[:1]) for seed in (0, 1))
    [between] = draw_cases(1, 2, templates=templates[1:2])
    matrix = reward_gaming(ClinicalReward(), [first, between, second])
    assert matrix.of(OTHER, "accuracy").tolist() == [1.0, 1.0, 1.0]
    # The only case of its disease borrows normal values.
    assert matrix.of(OTHER, "coverage")[1] < matrix.of(OTHER, "coverage")[0] + 0.5


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (lambda *_: "good", "reward of 'empty': total is 'good'; return a number"),
        (lambda *_: float("nan"), "total is nan; return a finite number"),
        (lambda *_: {"accuracy": 1.0}, "has no 'total'"),
        (lambda text, _: {"total": 1.0, f"of {len(text)}": 1.0}, "return the same for every text"),
        (lambda *_: None, "total is None"),
    ],
)
def test_a_reward_that_is_none_is_refused(reward: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reward_gaming(reward, draw_cases(2, seed=0))  # type: ignore[arg-type]


def test_one_case_is_too_few() -> None:
    with pytest.raises(InputError, match="two or more"):
        reward_gaming(ClinicalReward(), draw_cases(1, seed=0))
    with pytest.raises(InputError, match="did you mean swapped views"):
        reward_gaming(ClinicalReward(), draw_cases(2, seed=0)).of("swaped views")
