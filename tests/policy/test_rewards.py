import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.policy import (
    NumericReward,
    Schedule,
    absolute,
    advantages,
    angular,
    in_unit,
    linear,
    overlong_penalty,
    relative_squared,
    snra,
    tagged,
    texts_of,
)


def test_a_reward_is_the_composition_of_its_parts() -> None:
    reward = NumericReward(
        tagged("answer", in_unit("m")), partial(relative_squared, y_floor=1), snra, 10
    )
    texts = ["<answer>250 cm</answer>", "<answer>2 m</answer>", "2.5 m", "<answer>5 kg</answer>"]
    expected = [1, snra(0.04, 10), 0, 0]
    assert reward(texts, [2.5] * 4).tolist() == pytest.approx(expected)
    turning = NumericReward(feedback=angular, activation=linear, sharpness=1 / 180)
    assert turning(["359"], [1]).tolist() == pytest.approx([1 - 2 / 180])


def test_no_answer_earns_zero_and_no_target_is_unscored() -> None:
    rewards = NumericReward()(["none", "1e999", "5", "5"], [5, 5, None, math.nan])
    assert rewards[:2].tolist() == [0, 0]
    assert np.isnan(rewards[2:]).all()
    assert not advantages(rewards[2:], [0, 0]).values.any()
    assert NumericReward()([], []).shape == (0,)


def test_messages_are_read_like_texts() -> None:
    parts = [{"type": "text", "text": "It is "}, {"type": "image"}, {"type": "text", "text": "7"}]
    talks: list[Any] = [
        "7",
        [{"role": "assistant", "content": "7"}],
        [{"role": "assistant", "content": "3"}, {"role": "assistant", "content": "7"}],
        [{"role": "assistant", "content": parts}],
    ]
    assert NumericReward()(talks, [7] * 4).tolist() == [1] * 4
    assert texts_of(talks)[3] == "It is 7"


def test_the_schedule_sharpens_the_reward() -> None:
    schedule = Schedule.linear(1, 101, steps=100)
    reward = NumericReward(sharpness=schedule)
    early = reward(["9"], [10])[0]
    assert early == pytest.approx(snra(0.01, 1))
    assert reward(["9"], [10], step=99)[0] == pytest.approx(snra(0.01, 100))
    schedule.advance()
    assert reward(["9"], [10])[0] == pytest.approx(snra(0.01, 2))
    assert snra(0.01, 2) < early
    with pytest.raises(InputError, match="beyond the end"):
        reward(["9"], [10], step=101)


def test_predictions_can_be_scored_again_later() -> None:
    reward = NumericReward()
    found = reward.predictions(["about 9", "no"])
    assert found[0] == 9
    assert math.isnan(found[1])
    assert np.array_equal(reward.of_predictions(found, [10, 10]), reward(["9", "no"], [10, 10]))


def test_overlong_completions_lose_step_by_step() -> None:
    lengths = [0, 16_384, 18_432, 20_480, 30_000]
    found = overlong_penalty(lengths, longest=20_480, cache=4096)
    assert found.tolist() == [0, 0, -0.5, -1, -1]
    assert overlong_penalty([10, 11], longest=10, cache=0).tolist() == [0, -1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: NumericReward()([5], [5]), "completion 0 is 5: give a text"),
        (lambda: NumericReward()(["5", None], [5, 5]), "completion 1 is None"),
        (lambda: NumericReward()(["5", []], [5, 5]), r"completion 1 is \[\]"),
        (lambda: NumericReward()([[{"role": "assistant"}]], [5]), "completion 0 is"),
        (lambda: NumericReward()([[{"content": [{"text": 5}]}]], [5]), "completion 0 is"),
        (lambda: NumericReward()("5", [5]), "a list of texts, not one text"),
        (lambda: NumericReward()(["5"], [5, 6]), "targets have shape"),
        (lambda: NumericReward()(["5"], ["five"]), "targets: give numbers"),
        (lambda: NumericReward()(["5"], [math.inf]), "targets: 1 of 1 values are infinite"),
        (lambda: NumericReward(sharpness=-1)(["5"], [5]), "k is -1"),
        (lambda: NumericReward(feedback=absolute).of_predictions([1], [1, 2]), "give pairs"),
        (lambda: overlong_penalty([1], longest=10, cache=11), "cache 11: give at most 10"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
