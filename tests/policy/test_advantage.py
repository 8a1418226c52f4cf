import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import rankdata

from sterling.errors import InputError
from sterling.policy import advantages, near_miss_utilisation, snra

Floats = NDArray[np.float64]
REWARDS = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def ragged(rng: np.random.Generator, groups: int) -> tuple[Floats, NDArray[np.intp]]:
    """Rewards in [0, 1] of groups of 1 to 16 completions."""
    sizes = rng.integers(1, 17, size=groups)
    return rng.random(sizes.sum()), np.repeat(np.arange(groups), sizes)


def by_group(group: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for each in np.unique(group):
        yield np.flatnonzero(group == each)


def trl_formula(rewards: Floats, eps: float) -> Floats:
    """One group as TRL computes it, in float64."""
    tensor = torch.tensor(rewards, dtype=torch.float64)
    return ((tensor - tensor.mean()) / (tensor.std() + eps)).numpy()


# P1 to P8 of the method


def test_p1_without_a_factor_ap_grpo_is_grpo_bit_for_bit() -> None:
    rewards, group = ragged(np.random.default_rng(0), 300)
    plain = advantages(rewards, group).values
    assert np.array_equal(advantages(rewards, group, kind="ap_grpo", alpha=0).values, plain)
    assert not np.array_equal(advantages(rewards, group, kind="ap_grpo").values, plain)


def test_p2_mean_of_ap_grpo_is_the_spread_of_the_group() -> None:
    rng = np.random.default_rng(1)
    for size in (2, 4, 7, 16):
        rewards = rng.random(size)
        mean = advantages(rewards, [0] * size, kind="ap_grpo", eps=0).mean
        assert mean == pytest.approx(rewards.std(ddof=1) * (size - 1) / size, rel=1e-12)
        assert advantages(rewards, [0] * size, eps=0).mean == pytest.approx(0, abs=1e-15)


def test_p3_gradient_of_large_groups() -> None:
    # Softmax over five answers; the expected update is enumerated, without sampling.
    reward = np.array([0.05, 0.2, 0.4, 0.7, 0.95])
    p = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    counts = (p * 2000).round().astype(int)  # a group with exactly these frequencies
    sample = np.repeat(np.arange(5), counts)
    gradients = np.eye(5)[sample] - p  # of the log-probability, by logit
    mean, spread = p @ reward, math.sqrt(p @ reward**2 - (p @ reward) ** 2)
    of_mean = p * (reward - mean)
    of_square = p * (reward**2 - p @ reward**2)
    for kind, expected in (
        ("grpo", of_mean / spread),
        ("ap_grpo", (of_square - mean * of_mean) / spread),
    ):
        values = advantages(reward[sample], [0] * len(sample), kind=kind, eps=0).values  # type: ignore[arg-type]
        assert np.allclose(values @ gradients / len(sample), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("p", "grpo", "ap"),
    [(0.05, 0.2173, 0.2065), (0.25, 0.4333, 0.3250), (0.5, 0.4999, 0.2499), (0.9, 0.2996, 0.0300)],
)
def test_p4_binary_reward_weighs_by_difficulty(p: float, grpo: float, ap: float) -> None:
    # Gradient by the logit of success. Golden values have the round-off of their sampling.
    size = 20_000
    rewards = (np.arange(size) < p * size).astype(float)
    found = {
        kind: advantages(rewards, [0] * size, kind=kind).values @ (rewards - p) / size
        for kind in ("grpo", "ap_grpo")
    }
    assert found["grpo"] == pytest.approx(math.sqrt(p * (1 - p)), abs=3e-4)
    assert found["ap_grpo"] == pytest.approx((1 - p) * math.sqrt(p * (1 - p)), abs=3e-4)
    assert found["grpo"] == pytest.approx(grpo, abs=1.5e-3)
    assert found["ap_grpo"] == pytest.approx(ap, abs=1.5e-3)


def test_p5_a_uniformly_bad_group_is_hardly_pushed() -> None:
    rewards = [0.0010, 0.0011, 0.0012, 0.0013]
    plain = advantages(rewards, [0] * 4, eps=1e-6).values
    assert np.allclose(plain, [-1.15, -0.38, 0.38, 1.15], atol=5e-3)
    ap = advantages(rewards, [0] * 4, kind="ap_grpo", eps=1e-6).values
    assert np.allclose(ap[[0, 3]], [-0.0012, 0.0015], atol=5e-5)


def test_p6_ap_grpo_with_binary_rewards_learns_from_successes_only() -> None:
    rewards = [0, 0, 0, 1]
    plain, ap = (advantages(rewards, [0] * 4, kind=kind) for kind in ("grpo", "ap_grpo"))
    assert np.allclose(plain.values, [-0.5, -0.5, -0.5, 1.5], atol=5e-4)
    assert ap.values[:3].tolist() == [0, 0, 0]
    assert ap.values[3] == pytest.approx(1.5, abs=5e-4)
    assert (plain.effective_group_size, ap.effective_group_size) == (3, 1)


def test_p8_snra_is_invisible_to_ranks() -> None:
    errors, group = ragged(np.random.default_rng(2), 50)
    for k in (1, 10, 100):
        rewards = snra(errors, k)
        for rows in by_group(group):
            assert np.array_equal(rankdata(-errors[rows]), rankdata(rewards[rows]))


# Equality with the trainers' formulas


@pytest.mark.parametrize("eps", [1e-4, 1e-6, 1e-9])
def test_grpo_equals_the_formula_of_the_trainers(eps: float) -> None:
    rewards, group = ragged(np.random.default_rng(3), 1000)
    values = advantages(rewards, group, eps=eps).values
    for rows in by_group(group):
        expected = trl_formula(rewards[rows], eps) if len(rows) > 1 else [0]
        assert np.allclose(values[rows], expected, rtol=1e-9, atol=1e-12)


def test_other_kinds_equal_loops_over_their_definitions() -> None:
    rewards, group = ragged(np.random.default_rng(4), 1000)
    dr_grpo, rloo = (advantages(rewards, group, kind=kind).values for kind in ("dr_grpo", "rloo"))
    scaled = advantages(rewards, group, leave_one_out=True).values
    for rows in by_group(group):
        own = rewards[rows]
        assert np.allclose(dr_grpo[rows], own - own.mean(), atol=1e-14)
        if len(rows) == 1:
            assert rloo[rows[0]] == 0
            continue
        others = np.array([np.delete(own, index).mean() for index in range(len(own))])
        assert np.allclose(rloo[rows], own - others, atol=1e-14)
        assert np.allclose(scaled[rows], (own - others) / (own.std(ddof=1) + 1e-4), atol=1e-12)
    whole = advantages(rewards, group, kind="reinforce++").values
    assert np.allclose(whole, trl_formula(rewards, 1e-4), atol=1e-12)


def test_gdpo_equals_trl_normalising_before_the_sum() -> None:
    rng = np.random.default_rng(5)
    rewards = rng.random((1000 * 8, 3)) * [1, 10, 0.1]
    rewards[rng.random(rewards.shape) < 0.1] = np.nan
    weights = [1.0, 0.5, 2.0]
    grouped = torch.tensor(rewards).view(1000, 8, 3)
    parts = []
    for column in range(3):
        normalised = torch.full((1000, 8), torch.nan, dtype=torch.float64)
        for index, own in enumerate(grouped[:, :, column]):
            known = ~own.isnan()
            spread = own[known].std() if known.sum() > 1 else torch.tensor(0.0)
            normalised[index] = (own - own[known].mean()) / (spread + 1e-4)
        parts.append(normalised.flatten() * weights[column])
    stacked = torch.stack(parts, dim=1)
    total = stacked.nansum(dim=1)
    total[stacked.isnan().all(dim=1)] = torch.nan
    known = ~total.isnan()
    expected = (total - total[known].mean()) / (total[known].std() + 1e-4)
    group = np.repeat(np.arange(1000), 8)
    values = advantages(rewards, group, kind="gdpo", weights=weights).values
    assert np.allclose(values, expected.nan_to_num(0.0).numpy(), atol=1e-9)


def test_gdpo_does_not_let_a_large_reward_drown_a_small_one() -> None:
    rewards = np.array([[0.0, 100.0], [0.01, 100.0], [0.0, 100.0], [0.01, 100.0]])
    values = advantages(rewards, [0] * 4, kind="gdpo", eps=1e-9).values
    assert np.allclose(np.abs(values), math.sqrt(3) / 2)


# Round-off


@pytest.mark.parametrize(("eps", "worst"), [(1e-4, 0.0018), (1e-6, 0.151), (1e-9, 0.960)])
def test_equal_rewards_give_zero_where_float32_does_not(eps: float, worst: float) -> None:
    cases = [(c / 100, size) for c in range(1, 100) for size in (3, 4, 5, 6, 7, 8, 12, 16)]
    largest = 0.0
    for value, size in cases:
        single = torch.full((size,), value)
        largest = max(largest, float(((single - single.mean()) / (single.std() + eps)).abs().max()))
        for equal in (single, single.double(), [value] * size):
            result = advantages(equal, [0] * size, eps=eps)
            assert not result.values.any()
            assert result.collapse_rate == 1
    assert len(cases) == 792
    assert largest == pytest.approx(worst, rel=0.05)


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "dapo", "rloo", "ap_grpo", "gdpo"])
def test_rewards_that_differ_by_round_off_are_equal(kind: Any) -> None:
    rewards = np.array([0.1 + 0.2, 0.3, 0.3 + 1e-12, 0.9, 0.1])
    result = advantages(rewards[:, None], [0, 0, 0, 1, 1], kind=kind, multiplier=np.ones(5))
    assert result.values[:3].tolist() == [0, 0, 0]
    assert (result.values[3:] != 0).all()
    assert (result.rounded_off, result.collapse_rate) == (1, 0.5)
    assert result.kept.tolist() == [False, False, False, True, True]


def test_the_tolerance_scales_with_the_rewards() -> None:
    assert not advantages([1e6, 1e6 + 0.05], [0, 0]).values.any()
    assert advantages([1e6, 1e6 + 0.5], [0, 0]).values.any()
    assert advantages([0.0, 1e-6], [0, 0], eps=0).values.any()


@given(REWARDS, st.integers(0, 5))
def test_advantages_are_finite_and_sum_to_zero_in_each_group(
    rewards: list[float], seed: int
) -> None:
    group = np.random.default_rng(seed).integers(0, 6, len(rewards))
    result = advantages(rewards, group, eps=0)
    assert np.isfinite(result.values).all()
    assert np.allclose(np.bincount(group, result.values), 0, atol=1e-6)
    assert result.sign_flips == 0


# Groups


def test_groups_do_not_depend_on_sharding() -> None:
    rng = np.random.default_rng(6)
    rewards, group = rng.random(64), np.repeat(np.arange(8), 8)
    whole = advantages(rewards, group).values
    halves = [advantages(rewards[part], group[part]).values for part in (slice(32), slice(32, 64))]
    assert np.array_equal(whole, np.concatenate(halves))


def test_the_order_and_the_names_of_groups_do_not_matter() -> None:
    rng = np.random.default_rng(7)
    rewards, group = ragged(rng, 200)
    expected = advantages(rewards, group).values
    order = np.argsort(rng.random(200))[group].argsort(kind="stable")  # groups in another order
    assert np.array_equal(advantages(rewards[order], group[order]).values, expected[order])
    mixed = rng.permutation(len(rewards))  # completions of a prompt apart from each other
    assert np.allclose(advantages(rewards[mixed], group[mixed]).values, expected[mixed], atol=1e-12)
    for names in (
        [f"prompt {each}" for each in group],
        np.array([f"prompt {each}" for each in group]),
        [(int(each), "x") for each in group],
        (group * 10**15).astype(np.uint64),
        (group - 100).astype(np.int16),
        group.astype(np.float32),
        torch.tensor(group),
        np.array(group, dtype=object),
    ):
        assert np.array_equal(advantages(rewards, names).values, expected)


def test_ids_at_the_ends_of_their_type_are_kept_apart() -> None:
    rewards = [0.0, 1.0, 0.0, 1.0]
    for low, high, kind in ((-(2**63), 2**63 - 1, np.int64), (-128, 127, np.int8)):
        group = np.array([low, high, low, high], dtype=kind)
        assert not advantages(rewards, group).values.any()


# None and NaN


def test_unscored_completions_are_left_out_rather_than_counted_as_zero() -> None:
    result = advantages([0.8, 0.9, None, math.nan, 1.0], ["p"] * 5)
    assert np.allclose(result.values[[0, 1, 4]], trl_formula(np.array([0.8, 0.9, 1.0]), 1e-4))
    assert result.values[2:4].tolist() == [0, 0]
    assert result.unscored == 2
    poisoned = advantages([0.8, 0.9, 0, 0, 1.0], ["p"] * 5).values
    assert poisoned[0] > 0 > result.values[0]  # what a default of 0 would do


@pytest.mark.parametrize(
    "kind", ["grpo", "dr_grpo", "dapo", "rloo", "reinforce++", "gdpo", "ap_grpo"]
)
def test_an_unscored_batch_and_an_empty_one_are_zero(kind: Any) -> None:
    options: dict[str, Any] = {"kind": kind}
    result = advantages([None, math.nan, None], [0, 0, 1], **options)
    assert result.values.tolist() == [0, 0, 0]
    assert (result.unscored, result.collapse_rate, result.mean) == (3, 1, 0)
    assert advantages([], [], **options).values.shape == (0,)


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "dapo", "rloo", "gdpo", "ap_grpo"])
def test_a_single_completion_has_nothing_to_compare(kind: Any) -> None:
    result = advantages([[0.7], [0.2], [0.9]], ["a", "b", "b"], kind=kind, multiplier=[1, 1, 1])
    assert result.values[0] == 0
    assert result.values[1] < 0 < result.values[2]
    assert result.single == 1


def test_several_reward_functions_are_summed_without_unscored_parts() -> None:
    rewards: list[list[float | None]] = [[1.0, None], [0.0, 2.0], [None, None], [None, 1.0]]
    plain = advantages(rewards, [0] * 4)
    assert np.array_equal(plain.values, advantages([1, 2, None, 1], [0] * 4).values)
    weighted = advantages(rewards, [0] * 4, weights=[1, 0.5])
    assert np.array_equal(weighted.values, advantages([1, 1, None, 0.5], [0] * 4).values)


# The factor, centring and clipping


def test_negative_rewards_count_as_zero_in_the_factor() -> None:
    # A negative factor would turn the push around.
    result = advantages([-1.0, -0.5, 0.5], [0] * 3, kind="ap_grpo")
    assert result.values[:2].tolist() == [0, 0]
    assert result.values[2] > 0
    assert result.sign_flips == 0


def test_negative_means_do_not_flip_signs() -> None:
    rewards = [-3.0, -2.0, -1.0]
    for kind in ("grpo", "dr_grpo", "rloo"):
        result = advantages(rewards, [0] * 3, kind=kind)
        assert np.sign(result.values).tolist() == [-1, 0, 1]
        assert result.sign_flips == 0


def test_the_multiplier_replaces_the_mixed_reward() -> None:
    numeric, form = np.array([0.1, 0.9, 0.5]), np.array([1.0, 0.0, 1.0])
    mixed = numeric + form
    expected = advantages(mixed, [0] * 3).values * numeric
    found = advantages(mixed, [0] * 3, kind="ap_grpo", multiplier=numeric).values
    assert np.allclose(found, expected)
    squared = advantages(mixed, [0] * 3, alpha=2, multiplier=numeric).values
    assert np.allclose(squared, expected * numeric)
    absent = advantages(mixed, [0] * 3, alpha=1, multiplier=[None, 0.9, 0.5]).values
    assert np.allclose(absent, advantages(mixed, [0] * 3).values * [1, 0.9, 0.5])
    with pytest.raises(InputError, match=r"rewards reach 1.5: .* pass multiplier="):
        advantages(mixed, [0] * 3, kind="ap_grpo")


def test_centring_gives_ap_grpo_mean_zero_and_counts_its_flips() -> None:
    rewards, group = ragged(np.random.default_rng(8), 100)
    plain = advantages(rewards, group, kind="ap_grpo")
    centred = advantages(rewards, group, kind="ap_grpo", center=True)
    assert plain.mean > 0.1
    assert np.allclose(np.bincount(group, centred.values), 0, atol=1e-12)
    means = np.bincount(group, rewards) / np.bincount(group)
    deviation = rewards - means[group]
    flipped = (deviation * centred.values < 0) & (np.abs(deviation) > 1e-12)
    assert centred.sign_flips == flipped.sum() > 0
    assert plain.sign_flips == 0
    unscored = advantages([0.1, 0.5, None], [0] * 3, kind="ap_grpo", center=True)
    assert unscored.values[2] == 0


def test_clipping_comes_last() -> None:
    result = advantages([0, 0, 0, 1], [0] * 4, clip=1)
    assert result.values.max() == 1
    assert result.values.min() == pytest.approx(-0.5, abs=1e-3)


# Diagnostics: the complaint is a loss of zero


def test_spread_over_the_batch_does_not_help_when_groups_are_equal() -> None:
    rewards = np.repeat([0.0, 0.3, 0.6, 1.0], 4)
    assert rewards.std() > 0.3
    result = advantages(rewards, np.repeat(np.arange(4), 4))
    assert not result.values.any()
    assert (result.collapse_rate, result.near_zero_rate) == (1, 1)
    assert result.effective_group_size == 0
    assert not result.kept.any()


def test_dense_rewards_end_collapse() -> None:
    errors = np.array([0.02, 0.03, 0.04, 0.05] * 2)  # near misses of a tolerance of 1 %
    group = [0] * 4 + [1] * 4
    hard, dense = advantages(errors <= 0.01, group), advantages(snra(errors, 10), group)
    assert (hard.collapse_rate, dense.collapse_rate) == (1, 0)
    assert near_miss_utilisation(errors, hard.values, 0.01) == 0
    assert near_miss_utilisation(errors, dense.values, 0.01) == 1
    assert math.isnan(near_miss_utilisation([0.001], [1.0], 0.01))


def test_diagnostics_count_what_they_say() -> None:
    rewards = [0.0, 1.0, 0.5, 0.5, 0.7, None, 0.2, 0.2 + 1e-10]
    group = ["mixed", "mixed", "equal", "equal", "single", "single", "round", "round"]
    result = advantages(rewards, group)
    assert (result.groups, result.single, result.unscored) == (4, 1, 1)
    assert result.rounded_off == 1
    assert result.collapse_rate == 0.75
    assert result.near_zero_rate == pytest.approx(5 / 7)
    assert result.kept.tolist() == [True, True] + [False] * 6
    assert result.mean == pytest.approx(0, abs=1e-15)


def test_normalising_over_the_batch_pushes_good_answers_of_hard_prompts_down() -> None:
    rewards, group = [0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]
    assert advantages(rewards, group, kind="reinforce++").sign_flips == 2
    assert advantages(rewards, group).sign_flips == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: advantages([1.0], None), "group is missing: give the id"),
        (lambda: advantages([1.0, 2.0], ["a", None]), r"group: 1 ids are missing .* first at 1"),
        (lambda: advantages([1.0, 2.0], np.array([np.nan, 1])), "group: 1 ids are missing"),
        (lambda: advantages([1.0, 2.0], [math.nan, 1]), "group: 1 ids are missing"),
        (lambda: advantages([1.0, 2.0], ["a"]), "1 ids for 2 rewards"),
        (lambda: advantages([1.0, 2.0], "ab"), "one id per reward"),
        (lambda: advantages([1.0, 2.0], 7), "one id per reward"),
        (lambda: advantages([1.0, 2.0], np.zeros((2, 1))), "one id per reward"),
        (lambda: advantages([1.0, 2.0], [[1], [2]]), "ids must be hashable"),
        (lambda: advantages(["good"], [0]), "rewards: give numbers"),
        (lambda: advantages([math.inf, 1.0], [0, 0]), "rewards: 1 of 2 values are infinite"),
        (lambda: advantages([-math.inf, math.nan], [0, 0]), "first at 0"),
        (lambda: advantages(np.zeros((2, 2, 2)), [0, 0]), "rewards have shape"),
        (lambda: advantages(np.zeros((2, 0)), [0, 0]), "rewards have shape"),
        (lambda: advantages([1.0], [0], kind="gpro"), "did you mean grpo"),  # type: ignore[arg-type]
        (lambda: advantages([1.0], [0], alpha=-1), "alpha is -1"),
        (lambda: advantages([1.0], [0], eps=math.nan), "eps is nan"),
        (lambda: advantages([1.0], [0], clip=0), "clip is 0"),
        (lambda: advantages([1.0], [0], weights=[1]), "weights have shape"),
        (lambda: advantages([[1.0, 2.0]], [0], weights=[1, math.nan]), "weights have shape"),
        (lambda: advantages([[1.0]], [0], kind="gdpo", alpha=1), "pass multiplier="),
        (lambda: advantages([1.0], [0], alpha=1, multiplier=[1, 1]), "multiplier has shape"),
        (lambda: advantages([1.0], [0], alpha=1, multiplier=[2]), "multiplier reach 2"),
        (lambda: advantages([1.0], [0], kind="gdpo", leave_one_out=True), "does not apply to gdpo"),
        (lambda: near_miss_utilisation([1], [1, 2], 0.1), "give one of each"),
        (lambda: near_miss_utilisation([1], [1], 0), "tolerance is 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
