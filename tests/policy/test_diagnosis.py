"""Each cause fires on a log made with it, and stays silent on one made without it."""

from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.policy import advantages
from sterling.policy.diagnosis import diagnose, find_mean_shift, find_round_off
from sterling.policy.reward_log import Columns, RewardLog

STEPS, PROMPTS, SIZE = 9, 4, 8
GROUPS = STEPS * PROMPTS


def log_of(rewards: Any, advantage: Any = None, size: int = SIZE) -> RewardLog:
    """A log of groups of a size, four a step."""
    columns = np.asarray(rewards, dtype=np.float64)
    columns = columns.reshape(-1, 1) if columns.ndim == 1 else columns
    group = np.arange(len(columns)) // size
    names = tuple(f"reward {number}" for number in range(columns.shape[1]))
    used = Columns("group", names, "step", None if advantage is None else "advantage")
    given = None if advantage is None else np.asarray(advantage, dtype=np.float64)
    return RewardLog(used, group // PROMPTS, group, columns, given)


def dense(seed: int = 0) -> np.ndarray:
    """Rewards in (0.1, 0.9), all different."""
    return np.random.default_rng(seed).uniform(0.1, 0.9, GROUPS * SIZE)


def test_a_healthy_log_shows_no_cause() -> None:
    rewards = dense()
    values = advantages(rewards, np.arange(len(rewards)) // SIZE).values
    found = diagnose(log_of(rewards, values))
    assert found.found == []
    assert found.mean_shift.kind == "grpo"
    assert "by construction" in found.mean_shift.sentence
    assert all(finding.sentence for finding in found.findings.values())


@pytest.mark.parametrize(
    ("level", "counts", "words"),
    [(1.0, (18, 0), "solved"), (0.0, (0, 18), "SNRA"), (0.5, (0, 0), "parser")],
)
def test_dead_groups_are_counted_by_where_they_died(
    level: float, counts: tuple[int, int], words: str
) -> None:
    rewards = dense().reshape(GROUPS, SIZE)
    rewards[0, :2] = 0, 1  # the range of the log
    rewards[-18:] = level
    dead = diagnose(log_of(rewards.ravel())).dead_groups
    assert dead.found
    assert (dead.groups, dead.dead) == (GROUPS, 18)
    assert (dead.solved, dead.failed) == counts
    assert words in dead.advice
    assert dead.by_step == (0, 0, 0, 0, 0.5, 1, 1, 1, 1)
    assert dead.thirds == (0, 1)


def test_a_log_that_dies_at_its_end_is_found_though_few_groups_are_dead() -> None:
    rewards = dense().reshape(GROUPS, SIZE)
    rewards[-4:] = 0.5
    dead = diagnose(log_of(rewards.ravel())).dead_groups
    assert dead.share < 0.25 < dead.thirds[1]
    assert dead.found
    rewards[-4:] = dense(1).reshape(GROUPS, SIZE)[-4:]
    rewards[:3] = 0.5  # as few groups, and training got over it
    assert not diagnose(log_of(rewards.ravel())).dead_groups.found


def test_float32_moves_equal_rewards_and_whole_numbers_it_does_not() -> None:
    rewards = np.repeat(np.arange(1, 37) / 37, 7)
    found = find_round_off(log_of(rewards, size=7), eps=1e-9)
    assert found.found
    assert found.equal == 36
    assert found.largest["OpenRLHF"] > 0.1
    assert found.largest["TRL"] < 2e-3
    assert found.wrong > 5
    whole = find_round_off(log_of(np.repeat([0.0, 1.0] * 18, 7), size=7), eps=1e-9)
    assert not whole.found
    assert whole.equal == 36


def test_float32_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    rewards = dense(3)
    found = find_round_off(log_of(rewards), eps=1e-4)
    grouped = torch.tensor(rewards, dtype=torch.float32).view(-1, SIZE)
    theirs = (grouped - grouped.mean(1, keepdim=True)) / (grouped.std(1, keepdim=True) + 1e-4)
    exact = advantages(rewards, np.arange(len(rewards)) // SIZE, eps=1e-4).values
    difference = np.abs(theirs.numpy().ravel() - exact).max()
    assert 0 < found.difference < 1e-5
    assert found.difference == pytest.approx(difference, abs=2e-6)


def test_logged_advantages_of_equal_rewards_are_found() -> None:
    rewards = np.full(SIZE, 0.5)
    assert find_round_off(log_of(rewards, np.full(SIZE, 0.02)), eps=1e-4).found
    assert not find_round_off(log_of(rewards, np.zeros(SIZE)), eps=1e-4).found


def test_shares_of_components_are_those_of_the_variance() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=(2, 20_000))
    parts = diagnose(log_of(np.column_stack([small, 3 * large]))).components
    assert [part.share for part in parts.parts] == pytest.approx([0.1, 0.9], abs=0.01)
    assert sum(part.share for part in parts.parts) == pytest.approx(1)
    assert not diagnose(log_of(np.column_stack([small, large]))).components.found
    dominated = diagnose(log_of(np.column_stack([small, 9 * large]))).components
    assert dominated.dominant == "reward 1"
    assert "reward 1 alone decides" in dominated.advice


def test_a_saturated_component_is_named_and_a_single_one_is_not() -> None:
    flat = np.ones(GROUPS * SIZE)
    both = np.column_stack([flat, dense()])
    found = diagnose(log_of(both)).components
    assert found.saturated == ("reward 0",)
    assert found.found
    assert not diagnose(log_of(dense())).components.found
    assert not diagnose(log_of(flat)).components.found  # dead groups say it


def test_unscored_completions_that_got_an_advantage_are_counted() -> None:
    rewards = dense()
    rewards[:3] = np.nan
    values = advantages(rewards, np.arange(len(rewards)) // SIZE).values
    assert not diagnose(log_of(rewards, values)).unscored.found
    zeroed = advantages(np.nan_to_num(rewards), np.arange(len(rewards)) // SIZE).values
    found = diagnose(log_of(rewards, zeroed)).unscored
    assert found.found
    assert found.counted == 3
    assert found.missing == {"reward 0": 3}


def test_groups_that_a_function_scored_in_part_are_found() -> None:
    rewards = np.column_stack([dense(), dense(1)])
    rewards[: 2 * SIZE, 1] = np.nan  # two whole groups: the function does not apply
    assert not diagnose(log_of(rewards)).unscored.found
    rewards[-1, 1] = np.nan
    found = diagnose(log_of(rewards)).unscored
    assert found.found
    assert found.mixed == 1


def test_zeros_amid_continuous_rewards_are_suspect_and_binary_ones_are_not() -> None:
    rewards = dense()
    rewards[::20] = 0
    found = diagnose(log_of(rewards)).unscored
    assert found.zeros == {"reward 0": pytest.approx(0.05, abs=0.01)}
    assert "None" in found.advice
    binary = (dense() > 0.3).astype(float)
    assert not diagnose(log_of(binary)).unscored.found


def test_groups_of_one() -> None:
    assert not diagnose(log_of(dense())).single_groups.found
    some = diagnose(log_of(np.append(dense(), 0.5))).single_groups
    assert (some.found, some.single) == (True, 1)
    alone = diagnose(log_of([0.1, 0.2, 0.3], size=1)).single_groups
    assert "name the column" in alone.advice


def test_the_shift_of_an_absolute_preserving_advantage_is_the_mean_deviation() -> None:
    rewards = dense()
    group = np.arange(len(rewards)) // SIZE
    values = advantages(rewards, group, kind="ap_grpo").values
    found = find_mean_shift(log_of(rewards, values), eps=1e-4)
    std = rewards.reshape(-1, SIZE).std(axis=1, ddof=1)
    assert found.mean == pytest.approx((std * (SIZE - 1) / SIZE).mean(), rel=1e-3)
    assert found.preserving == pytest.approx(found.mean)
    assert found.found
    assert found.kind == "ap_grpo"
    assert "Expected" in found.advice
    other = find_mean_shift(log_of(rewards, values + 0.1), eps=1e-4)
    assert (other.found, other.kind) == (True, "other")
    without = find_mean_shift(log_of(3 * rewards), eps=1e-4)
    assert (without.found, without.preserving) == (False, None)


def test_epsilon_must_be_positive() -> None:
    with pytest.raises(InputError, match="eps 0"):
        diagnose(log_of(dense()), eps=0)
