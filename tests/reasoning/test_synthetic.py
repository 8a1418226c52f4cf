"""Synthetic studies: values lie where the templates say, and pictures show them."""

from itertools import pairwise

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.reasoning import (
    ClinicalReward,
    StepPictureEncoder,
    builtin_templates,
    draw_cases,
    fit_encoder,
    measurements,
    normal_reference,
    parse_reasoning,
    places,
    render,
    write_step,
)
from sterling.reasoning.encoder import pool


def test_values_lie_in_the_ranges_of_the_disease_and_are_normal_elsewhere() -> None:
    for case in draw_cases(100, seed=0):
        known = {step.measurement for step in case.template.steps}
        assert all(step.supports(case.values[step.measurement]) for step in case.template.steps)
        assert all(
            step.supports(case.values[step.measurement])
            for step in normal_reference().steps
            if step.measurement not in known
        )


def test_all_diseases_are_drawn_about_equally_often() -> None:
    found = [case.template.disease for case in draw_cases(3000, seed=0)]
    counts = np.array([found.count(name) for name in builtin_templates()])
    # Binomial(3000, 1/15): five standard deviations are 68.
    assert np.abs(counts - 200).max() < 68


def test_a_seed_decides_cases_and_pictures() -> None:
    one, again, other = (draw_cases(3, seed) for seed in (1, 1, 2))
    assert [case.values for case in one] == [case.values for case in again]
    assert [case.values for case in one] != [case.values for case in other]
    pictures, same, noisy = render(one, 5), render(again, 5), render(one, 6)
    assert all(np.array_equal(pictures[place], same[place]) for place in places())
    assert not any(np.array_equal(pictures[place], noisy[place]) for place in places())
    with pytest.raises(InputError, match="count -1"):
        draw_cases(-1, 0)


def test_every_measurement_grows_in_its_picture() -> None:
    """The brightness of a picture rises with each measurement that it shows."""
    [case] = draw_cases(1, seed=0)
    for name, measured in measurements().items():
        if measured.step.modality == "M-mode":
            continue  # a wider wave is not a brighter one
        light = []
        for position in (0.1, 0.5, 0.9):
            values = {**case.values, name: measured.at(position)}
            changed = type(case)(normal_reference(), values)
            picture = render([changed], 0)[measured.place]
            assert picture.shape == (1, 64, 64)
            light.append(float(picture.mean()))
        assert light[0] < light[2], name
        assert measured.step.range is None or light[0] < light[1] < light[2], name


def test_positions_and_values_are_inverse() -> None:
    for measured in measurements().values():
        for position in (0.0, 0.25, 1.0):
            value = measured.at(position)
            back = measured.position(value)
            tolerance = 0.0 if measured.step.range is None else 0.02
            expected = position if measured.step.range else float(position >= 0.5)
            assert back == pytest.approx(expected, abs=tolerance)


@pytest.fixture(scope="module")
def encoder() -> StepPictureEncoder:
    return fit_encoder(draw_cases(250, seed=2), seed=3, steps=120)


def test_the_encoder_tells_right_values_on_new_cases(encoder: StepPictureEncoder) -> None:
    assert encoder.matched > encoder.mismatched + 0.3
    cases = draw_cases(40, seed=9)
    cases = encoder.add_pictures(cases, render(cases, 10))
    right = wrong = 0
    for case, other in pairwise(cases):
        for step in case.template.steps:
            own, another = (each.values[step.measurement] for each in (case, other))
            distance = [measurements()[step.measurement].position(each) for each in (own, another)]
            if abs(distance[0] - distance[1]) < 0.3:
                continue
            cosines = [
                float(
                    encoder.embed_step(parse_reasoning(write_step(step, value)).steps[0])
                    @ case.pictures[step.places[0]]
                )
                for value in (own, another)
            ]
            right, wrong = right + (cosines[0] > cosines[1]), wrong + (cosines[0] <= cosines[1])
    # An encoder that guesses would reach 0.7 of some 200 pairs with probability below 1e-8.
    assert right + wrong > 150
    assert right / (right + wrong) > 0.9


def test_vectors_are_unit_and_single_pictures_agree_with_batches(
    encoder: StepPictureEncoder,
) -> None:
    cases = draw_cases(3, seed=4)
    pictures = render(cases, 5)
    added = encoder.add_pictures(cases, pictures)
    for place in places():
        for case, picture in zip(added, pictures[place], strict=True):
            vector = encoder.embed_picture(picture, place)
            assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
            np.testing.assert_allclose(vector, case.pictures[place], atol=1e-5)


def test_steps_of_unknown_findings_share_a_vector(encoder: StepPictureEncoder) -> None:
    one, two = parse_reasoning(
        "[A4C][2D] weather = 3; it is fine today\n[SC][PW] mood = good; nobody complained at all"
    ).steps
    assert np.array_equal(encoder.embed_step(one), encoder.embed_step(two))
    [case] = draw_cases(1, seed=0)
    [case] = encoder.add_pictures([case], render([case], 0))
    reward = ClinicalReward(encoder=encoder)
    assert reward(f"<think>{one.text}</think>", case)["semantics"] < 0.3


def test_pooling_is_the_mean_over_blocks() -> None:
    picture = np.arange(64 * 64, dtype=np.uint32).reshape(1, 64, 64) % 251
    pooled = pool(picture.astype(np.uint8)).reshape(16, 16)
    assert pooled[2, 3] == pytest.approx(picture[0, 8:12, 12:16].mean() / 255 - 0.35, abs=1e-6)


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(InputError, match="cases 5: give at least 100"):
        fit_encoder(draw_cases(5, 0), seed=0)
