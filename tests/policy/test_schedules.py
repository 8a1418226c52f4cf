import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.policy import Curve, Schedule


def test_ends() -> None:
    for schedule in (
        Schedule.linear(1, 100, steps=50),
        Schedule.cosine(1, 100, steps=50),
        Schedule.sigmoid(1, 100, steps=50, normalised=True),
    ):
        assert schedule.at(0) == pytest.approx(1)
        assert schedule.at(50) == pytest.approx(100)
    assert Schedule.linear(1, 100, steps=99).at(33) == pytest.approx(34)
    assert Schedule.cosine(0, 1, steps=100).at(50) == pytest.approx(0.5)
    assert Schedule.cosine(0, 1, steps=100).at(25) == pytest.approx((1 - math.sqrt(0.5)) / 2)


def test_the_plain_sigmoid_misses_its_ends_by_known_amounts() -> None:
    plain = Schedule.sigmoid(1, 15, steps=100)
    assert plain.at(0) == pytest.approx(1 + 0.0082 * 14, abs=1e-3)
    assert plain.at(60) == pytest.approx(8)
    assert 15 - plain.at(100) == pytest.approx(14 / (1 + math.exp(3.2)))


def test_all_rise_steadily() -> None:
    for schedule in (
        Schedule.linear(1, 100, steps=200),
        Schedule.cosine(1, 100, steps=200),
        Schedule.sigmoid(1, 100, steps=200),
        Schedule.sigmoid(1, 100, steps=200, normalised=True, slope=30, midpoint=0.2),
    ):
        assert (np.diff([schedule.at(step) for step in range(201)]) > 0).all()


def test_steps_are_counted_to_the_end_and_no_further() -> None:
    schedule = Schedule.linear(1, 4, steps=3)
    seen = [schedule.value]
    for _ in range(3):
        schedule.advance()
        seen.append(schedule.value)
    assert seen == [1, 2, 3, 4]
    with pytest.raises(InputError, match="step 4 is beyond the end of the schedule at 3"):
        schedule.advance()
    assert schedule.step == 3
    constant = Schedule.constant(7)
    constant.advance()
    assert constant.at(10**9) == constant.value == 7


def test_state_survives_a_checkpoint() -> None:
    schedule = Schedule.sigmoid(1, 100, steps=20)
    for _ in range(7):
        schedule.advance()
    state = json.loads(json.dumps(schedule.state_dict()))
    resumed = Schedule.sigmoid(1, 100, steps=20)
    resumed.load_state_dict(state)
    assert resumed.value == schedule.value
    resumed.advance()
    assert resumed.step == 8
    assert schedule.step == 7


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Schedule.linear(1, 2, steps=0), "steps is 0"),
        (lambda: Schedule.linear(1, math.inf, steps=5), "end is inf"),
        (lambda: Schedule.sigmoid(1, 2, steps=5, slope=0), "slope is 0"),
        (lambda: Schedule.sigmoid(1, 2, steps=5, midpoint=1), "midpoint is 1"),
        (lambda: Curve("linear", 1, 2), "steps is missing"),
        (lambda: Curve("square", 1, 2, 5), "unknown shape"),  # type: ignore[arg-type]
        (lambda: Schedule.constant(1).at(-1), "step is -1"),
        (lambda: Schedule.constant(1).at(0.5), "step is 0.5"),  # type: ignore[arg-type]
        (lambda: Schedule.linear(1, 2, steps=5).at(6), "beyond the end"),
        (lambda: Schedule.linear(1, 2, steps=5).load_state_dict({}), "has shape None"),
        (
            lambda: Schedule.linear(1, 2, steps=5).load_state_dict(
                Schedule.linear(1, 2, steps=6).state_dict()
            ),
            "has steps 6, this one 5",
        ),
        (
            lambda: Schedule.linear(1, 2, steps=5).load_state_dict(
                {**Schedule.linear(1, 2, steps=5).state_dict(), "step": None}
            ),
            "step is None",
        ),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_steps_of_numpy_are_steps() -> None:
    assert Schedule.linear(0, 1, steps=4).at(np.int64(1)) == 0.25  # type: ignore[arg-type]
