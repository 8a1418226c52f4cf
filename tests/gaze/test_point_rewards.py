"""Rewards of answered points: closed forms, invariants, gaming, and text that is no answer."""

import doctest
import itertools
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sterling.gaze.point_rewards as rewards
from sterling.errors import InputError
from sterling.gaze import (
    PointReward,
    PointTarget,
    consistency_reward,
    density_of,
    farthest_points,
    format_reward,
    kl_divergence,
    nss,
    parse_points,
    profile_reward,
    spatial_reward,
    spread_ratio,
)
from sterling.policy import Schedule, advantages

SIZE = (160, 90)
CORNERS = np.array([[5.0, 5.0], [155.0, 5.0], [5.0, 85.0], [155.0, 85.0], [80.0, 45.0]])
GARBAGE = [
    "",
    "no idea",
    "{",
    '{"points": []}',
    '{"points": [[1, 2], [3',
    '{"points": [1, 2]}',
    '{"points": [[1, 2, 3]]}',
    '{"points": [["1", "2"]]}',
    '{"points": [[true, false]]}',
    '{"points": {"0": [1, 2]}}',
    '{"points": [[NaN, 1]]}',
    '{"point": [[1, 2]]}',
    "[[1, 2], [3, 4]]",
    "\x00\ud800" * 50,
    "[" * 20_000,
    '{"points": [[' + "9" * 5000 + ", 1]]}",
]


def answer(points: Any) -> str:
    return json.dumps({"points": np.asarray(points).tolist()})


def drawn(seed: int, count: int = 10) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((count, 2)) * SIZE


def test_examples_of_the_docstrings_run() -> None:
    assert doctest.testmod(rewards).failed == 0


@pytest.mark.parametrize("text", GARBAGE)
def test_text_that_is_no_answer_earns_nothing_and_raises_nothing(text: str) -> None:
    with_profile = PointTarget.of(CORNERS[:2], SIZE, pooled=CORNERS, count=5)
    assert parse_points(text) is None
    assert PointReward()([text], with_profile).tolist() == [[0.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", "-1e999", "1e300"])
def test_huge_numbers_are_an_answer_outside_of_the_frame(number: str) -> None:
    text = f'{{"points": [[{number}, 1]]}}'
    found = PointReward()([text], PointTarget.of(CORNERS, SIZE))
    assert found[0, :3].tolist() == [0.5, 0.0, 0.0]


def test_the_weights_sum_to_1_in_the_order_of_the_rewards() -> None:
    assert sum(rewards.WEIGHTS) == pytest.approx(1)
    assert dict(zip(rewards.REWARDS, rewards.WEIGHTS, strict=True)) == {
        "format": 0.2,
        "spatial": 0.4,
        "consistency": 0.3,
        "profile": 0.1,
    }


def test_any_text_has_rewards_between_0_and_1() -> None:
    rng = np.random.default_rng(0)
    whole = answer(drawn(0))
    target = PointTarget.of(CORNERS[:2], SIZE, pooled=CORNERS)
    texts = []
    for _ in range(300):
        letters = list(whole)
        for place in rng.integers(0, len(letters), 3):
            letters[place] = rng.choice(list('[]{}",.-0123456789e x'))
        texts.append("".join(letters)[: rng.integers(1, len(letters))])
    found = PointReward()([*texts, whole], target)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[found[:, 0] == 0] == 0).all()
    assert found[-1, 0] == 1


def test_format_pays_for_each_part_of_the_grammar() -> None:
    ten = drawn(1)
    assert format_reward(None, 10, SIZE) == 0
    assert format_reward(ten, 10, SIZE) == 1
    assert format_reward(ten[:9], 10, SIZE) == 0.75
    ten[:4] += 1000
    assert format_reward(ten, 10, SIZE) == pytest.approx(0.5 + 0.25 + 0.25 * 0.6)
    assert (
        format_reward(np.array([[160.0, 5.0], [-0.5, 5.0]]), 2, SIZE) == 0.75
    )  # edges are outside


@pytest.mark.parametrize("seed", range(5))
def test_order_does_not_matter(seed: int) -> None:
    points, truth = drawn(seed), drawn(100 + seed)
    mixed = np.random.default_rng(seed).permutation(points)
    target = PointTarget.of(truth, SIZE, pooled=drawn(200 + seed, 50))
    found = PointReward(tolerance=0.2)([answer(points), answer(mixed)], target)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    assert 0 < found[0, 1] < 1
    assert 0 < found[0, 2] < 1


def test_the_fixations_themselves_earn_everything() -> None:
    truth = drawn(0)
    found = PointReward()([answer(truth)], PointTarget.of(truth, SIZE))
    assert found[0, :3] == pytest.approx([1, 1, 1], abs=1e-12)


def test_all_points_on_one_spot_earn_one_nth() -> None:
    # Corners are so far apart that the kernel to the next is below 1e-6.
    for spot in CORNERS:
        stacked = np.repeat(spot[None], len(CORNERS), axis=0)
        assert spatial_reward(stacked, CORNERS, SIZE) == pytest.approx(1 / 5, abs=1e-6)
    near = spatial_reward(np.repeat(drawn(0)[:1], 10, axis=0), drawn(0), SIZE)
    assert near < 2 / 10


@pytest.mark.parametrize("seed", range(5))
def test_the_matching_is_the_best_of_all(seed: int) -> None:
    points, truth = drawn(seed, 4), drawn(50 + seed, 4)
    reach = 0.1 * np.hypot(*SIZE)
    best = max(
        sum(
            np.exp(-((p - t) ** 2).sum() / (2 * reach**2))
            for p, t in zip(order, truth, strict=True)
        )
        for order in itertools.permutations(points)
    )
    assert spatial_reward(points, truth, SIZE, tolerance=0.1) == pytest.approx(best / 4, rel=1e-12)


def test_one_point_at_the_tolerance_earns_a_gaussian() -> None:
    reach = 0.05 * np.hypot(*SIZE)
    moved = np.add(CORNERS[:1], [[reach, 0.0]])
    assert spatial_reward(moved, CORNERS[:1], SIZE) == pytest.approx(np.exp(-0.5))


def test_more_points_than_asked_earn_no_more() -> None:
    truth = drawn(0)
    exact = spatial_reward(truth, truth, SIZE)
    flood = np.concatenate([truth, drawn(1, 90)])
    assert spatial_reward(flood, truth, SIZE) == pytest.approx(exact / 10, rel=1e-6)
    target = PointTarget.of(truth, SIZE)
    outside = np.concatenate([truth, drawn(1) + 1000])
    found = PointReward()([answer(outside)], target)
    assert found[0, 1] == pytest.approx(1 / 2)
    missing = PointReward()([answer(truth[:5])], target)
    assert missing[0, 1] == pytest.approx(1 / 2)


def test_points_outside_earn_what_missing_ones_earn() -> None:
    truth = drawn(0)
    target = PointTarget.of(truth, SIZE)
    shifted = truth.copy()
    shifted[7:] += 1000
    found = PointReward()([answer(shifted), answer(truth[:7])], target)
    np.testing.assert_allclose(found[0, 1:3], found[1, 1:3], rtol=1e-12)


def test_consistency_is_1_for_equal_and_0_for_disjoint_densities() -> None:
    one, other = np.zeros((4, 4)), np.zeros((4, 4))
    one[0, 0], other[3, 3] = 1, 1
    assert consistency_reward(one, one) == 1
    assert consistency_reward(one, other) == 0
    half = (one + other) / 2
    # JS of (1, 0) and (1/2, 1/2) in bits: H(3/4, 1/4) - H(1/2, 1/2) / 2
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert consistency_reward(one, half) == pytest.approx(1 - (entropy - 0.5), rel=1e-12)
    assert consistency_reward(half, one) == consistency_reward(one, half)


def test_consistency_agrees_with_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    one, other = (rewards.blurred(drawn(seed), SIZE, 5) for seed in (0, 1))
    distance = jensenshannon(one.ravel(), other.ravel(), base=2)
    assert consistency_reward(one, other) == pytest.approx(1 - distance**2, rel=1e-9)


def test_blur_is_that_of_density_of() -> None:
    for size in ((40, 22), (30, 40)):
        points = np.random.default_rng(0).random((12, 2)) * size
        np.testing.assert_allclose(
            rewards.blurred(points, size, 1.7), density_of(points, size, 1.7), atol=1e-15
        )
    edge = np.array([[800 - 1e-9, 600 - 1e-9]])
    assert rewards.blurred(edge, (800, 600), 24.0).shape == (30, 40)


def test_a_few_points_leave_most_of_a_frame_without_mass() -> None:
    # Why zero-shot answers have a KLD of about 12 in published tables: places without any mass.
    truth = rewards.blurred(drawn(0, 50), SIZE, 5)
    corner = rewards.blurred(np.full((10, 2), 3.0), SIZE, 5)
    uniform = np.full(truth.shape, 1 / truth.size)
    assert kl_divergence(corner, truth) > 12
    assert kl_divergence(0.99 * corner + 0.01 * uniform, truth) < 5


def test_profile_reward_is_the_difference_of_nss() -> None:
    answered, pooled = (rewards.blurred(drawn(seed), SIZE, 5) for seed in (0, 1))
    own_pixels = np.array([[3, 4], [10, 9], [10, 9]])
    pooled_pixels = np.array([[1, 1], [30, 5]])
    own, pooled = np.zeros((22, 40)), np.zeros((22, 40))
    np.add.at(own, (own_pixels[:, 1], own_pixels[:, 0]), 1 / 3)
    np.add.at(pooled, (pooled_pixels[:, 1], pooled_pixels[:, 0]), 1 / 2)
    gain = float(nss(answered, own_pixels)) - float(nss(answered, pooled_pixels))
    assert abs(gain) < 2
    assert profile_reward(answered, own, pooled) == pytest.approx(0.5 + gain / 4, rel=1e-12)


def test_profile_reward_is_none_where_profiles_look_alike() -> None:
    own = rewards.blurred(drawn(0), SIZE, 5)
    other = rewards.blurred(drawn(1), SIZE, 5)
    assert profile_reward(own, own, 0.99 * own + 0.01 * other) is None
    assert profile_reward(own, own, other) is not None
    target = PointTarget.of(drawn(0), SIZE, pooled=drawn(0))
    assert np.isnan(PointReward()([answer(drawn(2)), "?"], target)[:, 3]).all()


def test_unscored_profile_rewards_pass_through_the_advantages() -> None:
    target = PointTarget.of(drawn(0), SIZE, pooled=drawn(0))
    parts = PointReward()([answer(drawn(seed)) for seed in range(8)], target)
    found = advantages(parts, [0] * 8, weights=rewards.WEIGHTS)
    total = parts[:, :3] @ np.array(rewards.WEIGHTS[:3])
    expected = (total - total.mean()) / (total.std(ddof=1) + 1e-4)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)
    assert found.unscored == 0


def test_own_profile_is_paid_more_than_the_other() -> None:
    left, right = drawn(0) * (0.3, 1), drawn(1) * (0.3, 1) + (110, 0)
    target = PointTarget.of(left, SIZE, pooled=np.concatenate([left, right]))
    found = PointReward()([answer(left), answer(right)], target)
    assert found[0, 3] > 0.5 > found[1, 3]


def test_far_points_need_the_wide_tolerance_that_a_schedule_starts_with() -> None:
    schedule = Schedule.linear(0.25, 0.05, steps=100)
    target = PointTarget.of(CORNERS[:1], SIZE, count=1)
    text = [answer(np.add(CORNERS[:1], [[60.0, 0.0]]))]
    reward = PointReward(count=1, tolerance=schedule)
    first, last = (reward(text, target, step=step)[0, 1] for step in (0, 100))
    assert first == pytest.approx(np.exp(-(60**2) / (2 * (0.25 * np.hypot(*SIZE)) ** 2)))
    assert first > 0.4
    assert last < 1e-4
    values = [reward(text, target, step=step)[0, 1] for step in range(0, 101, 10)]
    assert values == sorted(values, reverse=True)
    with pytest.raises(InputError, match="beyond the end"):
        reward(text, target, step=101)


def test_farthest_points_cover_and_are_not_drawn_twice() -> None:
    cluster = np.random.default_rng(0).normal(40, 1, (50, 2))
    far = np.array([[5.0, 5.0], [150.0, 80.0]])
    chosen = farthest_points(np.concatenate([cluster, far]), 3)
    assert {(5.0, 5.0), (150.0, 80.0)} <= {tuple(one) for one in chosen.tolist()}
    assert len(farthest_points(cluster, 80)) == 50
    assert len(farthest_points([[1, 1], [1, 1], [1, 1]], 3)) == 3
    # A 2-approximation of the k-centre problem: no fixation is farther than twice the optimum.
    points = drawn(3, 12)
    centres = farthest_points(points, 3)

    def radius(at: NDArray[np.float64]) -> float:
        apart = np.linalg.norm(points[:, None] - at[None], axis=-1)
        return float(apart.min(axis=1).max())

    best = min(radius(points[list(three)]) for three in itertools.combinations(range(12), 3))
    assert best <= radius(centres) <= 2 * best


def test_spread_ratio() -> None:
    points = drawn(0)
    assert spread_ratio(points, points) == 1
    assert spread_ratio(points / 2 + 10, points) == pytest.approx(0.5)
    assert spread_ratio(np.repeat(points[:1], 5, axis=0), points) == 0
    assert np.isnan(spread_ratio(points[:1], points))
    assert np.isnan(spread_ratio(points, np.repeat(points[:1], 5, axis=0)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PointTarget.of(np.zeros((0, 2)), SIZE), "one or more"),
        (lambda: PointTarget.of([[200, 10]], SIZE), "outside of 160"),
        (lambda: PointTarget.of([[1, 1]], SIZE, pooled=[[1, 99]]), "pooled fixations: one lies"),
        (lambda: PointTarget.of([[1, 1]], SIZE, sigma=0), "sigma 0: give more than 0"),
        (lambda: PointTarget.of([[np.nan, 1]], SIZE), "not finite"),
        (lambda: spatial_reward([[1, 1]], [[1, 1]], SIZE, tolerance=0), "tolerance is 0"),
        (lambda: PointReward(count=0), "count is 0"),
        (lambda: PointReward()([3], PointTarget.of([[1, 1]], SIZE)), "completion 0"),
    ],
)
def test_what_cannot_be_scored_is_named(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
