"""Group-relative advantages: how much better a completion is than the others of its prompt."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from sterling.checks import Positive, Weight, check_values
from sterling.errors import InputError
from sterling.policy.groups import (
    EQUAL,
    Bools,
    Floats,
    Groups,
    GroupStatistics,
    RewardsLike,
    as_rewards,
    find_groups,
    group_statistics,
)

Kind = Literal["grpo", "dr_grpo", "dapo", "rloo", "reinforce++", "gdpo", "ap_grpo"]
COLLAPSED = 1e-6
"""A group is collapsed when the standard deviation of its rewards is below this."""
NEAR_ZERO = 0.05
"""An advantage is near zero when its absolute value is at most this (our choice)."""


@dataclass(frozen=True, eq=False)
class Advantages:
    """Advantages of a batch, and what explains a loss of zero.

    Attributes:
        values: Advantage of each item, float64 (B,); 0 for unscored items.
        kept: True for scored items of groups whose rewards differ, bool (B,). DAPO trains on these
            and samples new prompts in place of the others.
        groups: Number of groups.
        single: Groups with fewer than two scored items, which have nothing to compare.
        unscored: Items whose reward is None or NaN.
        collapse_rate: Share of groups whose rewards have a standard deviation below 1e-6, single
            groups included. Their advantage is zero in every kind with a group baseline.
        near_zero_rate: Share of scored items with an absolute advantage of at most 0.05.
        mean: Mean advantage of the scored items. Zero in GRPO; in AP-GRPO it is not.
        sign_flips: Items above the mean of their group that are pushed down, or below it and
            pushed up.
        effective_group_size: Mean over groups with a signal of (Σ|A|)² / ΣA²: the number of items
            that share the push. 0 when no group has a signal. Our choice of measure.
        rounded_off: Groups whose rewards differ by round-off only and were set to zero.
    """

    values: Floats
    kept: Bools
    groups: int
    single: int
    unscored: int
    collapse_rate: float
    near_zero_rate: float
    mean: float
    sign_flips: int
    effective_group_size: float
    rounded_off: int


def advantages(
    rewards: RewardsLike,
    group: Any,
    *,
    kind: Kind = "grpo",
    alpha: Weight | None = None,
    eps: Weight = 1e-4,
    center: bool = False,
    leave_one_out: bool = False,
    clip: Positive | None = None,
    multiplier: RewardsLike | None = None,
    weights: ArrayLike | None = None,
) -> Advantages:
    """Compute the advantage of each reward within its group.

    With m and s the mean and the sample standard deviation (ddof 1) of the group:

    ==============  ==========================================================================
    kind            advantage
    ==============  ==========================================================================
    ``grpo``        (r − m) / (s + eps)
    ``dapo``        the same; train on ``kept`` only
    ``dr_grpo``     r − m
    ``rloo``        r − mean of the others = (r − m) G / (G − 1)
    ``reinforce++`` normalised over the batch, without groups
    ``gdpo``        each reward normalised in its group, summed, normalised over the batch
    ``ap_grpo``     r^alpha (r − m) / (s + eps), alpha = 1
    ==============  ==========================================================================

    Groups whose rewards are equal up to round-off (max − min <= 1e-7 max(1, |r|)) get exactly
    zero, where float32 formulas return up to 0.96; in ``reinforce++`` this holds for a whole batch.
    Statistics are float64. Except in the kinds that normalise over the batch, they do not depend on
    how groups are divided among machines.

    Args:
        rewards: (B,), or (B, K) for K reward functions, which are summed (``gdpo``: normalised
            first). None or NaN is unscored and left out; an item without any score gets 0.
        group: Id of each item's prompt, (B,): integers, strings or other hashable values, in any
            order. Groups may have different sizes.
        kind: Estimator, from the table.
        alpha: Exponent of the factor r^alpha, 0 or more, for every kind; 1 by default in
            ``ap_grpo``, else 0 (no factor). Rewards must not exceed 1; negative ones count as 0.
        eps: Added to the standard deviation. TRL uses 1e-4, verl 1e-6, OpenRLHF 1e-9.
        center: Subtract the group's mean again after the factor.
        leave_one_out: Compare with the mean of the others, as ``rloo`` always does.
        clip: Limit advantages to [-clip, clip], last of all.
        multiplier: (B,) in [0, 1], what the factor is computed from in place of the rewards: the
            numeric part of a mixed reward. Where it is None or NaN, the factor is 1.
        weights: (K,), one weight for each reward function; all 1 by default.

    Raises:
        InputError: Ids are missing, shapes do not fit, a value is not a number or infinite, the
            factor would exceed 1, or an option does not apply to the kind.

    Source: GRPO (arXiv 2402.03300), Dr. GRPO (2503.20783), DAPO (2503.14476), RLOO (2402.14740),
    REINFORCE++ (2501.03262), AP-GRPO (2601.07695; the factor is taken from secondary sources).

    Examples:
        >>> advantages([0, 0, 0, 1], ["a"] * 4).values.round(2).tolist()
        [-0.5, -0.5, -0.5, 1.5]
        >>> advantages([0, 0, 0, 1], ["a"] * 4, kind="ap_grpo").values.round(2).tolist()
        [0.0, 0.0, 0.0, 1.5]
    """
    check_values({"kind": kind, "alpha": alpha, "eps": eps, "clip": clip}, advantages)
    if leave_one_out and kind in ("reinforce++", "gdpo"):
        raise InputError(f"leave_one_out does not apply to {kind}, which normalises over the batch")
    parts = as_rewards("rewards", rewards)
    shares = _checked_weights(parts, weights)
    total = _total(parts, shares)
    groups = find_groups(group, len(total))
    statistics = group_statistics(total, groups)
    if kind == "gdpo":
        values = _gdpo(parts, shares, groups, eps)
    elif kind == "reinforce++":
        values = _over_batch(total, eps)
    else:
        values = _within_groups(statistics, groups, kind, eps, leave_one_out)
    exponent = alpha if alpha is not None else float(kind == "ap_grpo")
    if exponent:
        values *= _factor(total, multiplier, exponent, several=kind == "gdpo")
    scored = ~np.isnan(total)
    if center:
        mean = groups.sums(values) / np.maximum(statistics.scored, 1.0)
        values = np.where(scored, values - mean[groups.codes], 0.0)
    if clip is not None:
        values = np.clip(values, -clip, clip)
    values += 0.0  # turns negative zeros into zeros
    return _described(values, scored, statistics, groups)


def near_miss_utilisation(errors: ArrayLike, values: ArrayLike, tolerance: Positive) -> float:
    """Return the share of near misses that get an advantage of more than 0.05 in size.

    A near miss has an error in (tolerance, 3 tolerance]: a threshold reward wastes it, a dense
    reward uses it. NaN when there is no near miss.

    Args:
        errors: Error of each answer, (B,), 0 or more.
        values: Advantage of each answer, (B,).
        tolerance: Largest error of a right answer, above 0.

    Raises:
        InputError: The shapes differ, or the tolerance is not above 0.

    Source: our choice.

    Examples:
        >>> near_miss_utilisation([0.0, 0.02, 0.03, 0.9], [1.0, 0.5, 0.0, -1.5], 0.01)
        0.5
    """
    check_values({"tolerance": tolerance}, near_miss_utilisation)
    error, value = np.asarray(errors, np.float64), np.asarray(values, np.float64)
    if error.shape != value.shape:
        raise InputError(f"errors {error.shape} and values {value.shape}: give one of each")
    near = (error > tolerance) & (error <= 3 * tolerance)
    return float((np.abs(value[near]) > NEAR_ZERO).mean()) if near.any() else float("nan")


def _checked_weights(parts: Floats, weights: ArrayLike | None) -> Floats:
    if parts.ndim not in (1, 2) or 0 in parts.shape[1:]:
        raise InputError(
            f"rewards have shape {parts.shape}: give (items,) or (items, reward functions)"
        )
    if weights is None:
        return np.ones(parts.shape[1:])
    each = as_rewards("weights", weights)
    if each.shape != parts.shape[1:] or parts.ndim == 1 or np.isnan(each).any():
        raise InputError(
            f"weights have shape {each.shape} for rewards of shape {parts.shape}: give one number "
            "for each reward function"
        )
    return each


def _total(parts: Floats, weights: Floats) -> Floats:
    """Sum the scored rewards of each item; NaN for an item without any."""
    if parts.ndim == 1:
        return parts
    return np.where(np.isnan(parts).all(axis=1), np.nan, np.nansum(parts * weights, axis=1))


def _within_groups(
    statistics: GroupStatistics, groups: Groups, kind: Kind, eps: float, leave_one_out: bool
) -> Floats:
    scale = np.ones(groups.count)
    if leave_one_out or kind == "rloo":
        scale = statistics.scored / np.maximum(statistics.scored - 1.0, 1.0)
    if kind not in ("rloo", "dr_grpo"):
        # Without eps, a group without spread would divide zero by zero.
        scale /= np.where(statistics.equal, 1.0, statistics.std + eps)
    return statistics.deviation * scale[groups.codes]


def _gdpo(parts: Floats, weights: Floats, groups: Groups, eps: float) -> Floats:
    columns = parts if parts.ndim == 2 else parts[:, None]
    total, flat = np.zeros(len(parts)), np.ones(groups.count, dtype=np.bool_)
    for column, weight in zip(columns.T, np.atleast_1d(weights), strict=True):
        statistics = group_statistics(column, groups)
        total += weight * _within_groups(statistics, groups, "grpo", eps, leave_one_out=False)
        flat &= statistics.equal
    total[np.isnan(columns).all(axis=1)] = np.nan
    # The batch mean is zero but for round-off, which must not reach a group without differences.
    return np.where(flat[groups.codes], 0.0, _over_batch(total, eps))


def _over_batch(total: Floats, eps: float) -> Floats:
    whole = find_groups(np.zeros(len(total), np.intp), len(total))
    return _within_groups(
        group_statistics(total, whole), whole, "reinforce++", eps, leave_one_out=False
    )


def _factor(
    total: Floats, multiplier: RewardsLike | None, exponent: float, *, several: bool
) -> Floats:
    """Return r^exponent, (B,); 1 where there is no numeric reward."""
    if multiplier is None and several:
        raise InputError("alpha with gdpo: pass multiplier=, the numeric reward in [0, 1]")
    name = "rewards" if multiplier is None else "multiplier"
    base = total if multiplier is None else as_rewards(name, multiplier)
    if base.shape != total.shape:
        raise InputError(f"multiplier has shape {base.shape}: give one number per item")
    known = ~np.isnan(base)
    highest = float(base[known].max(initial=0.0))
    if highest > 1 + EQUAL:
        raise InputError(
            f"{name} reach {highest:g}: the factor r^alpha needs rewards in [0, 1]; scale them, or "
            "pass multiplier= with the numeric part alone"
        )
    return np.where(known, np.clip(base, 0.0, 1.0), 1.0) ** exponent


def _described(
    values: Floats, scored: Bools, statistics: GroupStatistics, groups: Groups
) -> Advantages:
    work = np.abs(values)  # one array in turn for three things: memory is what takes the time
    shares, near_zero = groups.sums(work), int(np.count_nonzero(scored & (work <= NEAR_ZERO)))
    squares = groups.sums(np.square(values, out=work))
    flips = int(np.count_nonzero(np.multiply(values, statistics.deviation, out=work) < 0))
    signal = shares > 0
    number = int(np.count_nonzero(scored))
    each = max(number, 1)
    return Advantages(
        values=values,
        kept=scored & ~statistics.equal[groups.codes],
        groups=groups.count,
        single=int(np.count_nonzero(statistics.scored < 2)),
        unscored=len(scored) - number,
        collapse_rate=float((statistics.std < COLLAPSED).mean()) if groups.count else 0.0,
        near_zero_rate=near_zero / each,
        mean=float(values.sum()) / each,
        sign_flips=flips,
        effective_group_size=(
            float((shares[signal] ** 2 / squares[signal]).mean()) if signal.any() else 0.0
        ),
        rounded_off=int(np.count_nonzero(statistics.rounded)),
    )
