"""Group statistics of rewards: every reward belongs to one group, the completions of one prompt.

Groups may have different sizes and lie in any order. All statistics are float64, and a group's
statistics depend on its own rewards alone, so the way groups are divided among machines does not
matter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]

RewardsLike = ArrayLike | Sequence[float | None] | Sequence[Sequence[float | None]]
"""Numbers, with None or NaN for what could not be scored."""

EQUAL = 1e-7
"""Rewards of a group are equal when they differ by at most this, times max(1, |reward|)."""
_NO_ROWS = np.zeros(0, np.intp)
LARGEST = 1e150  # the square is still finite


@dataclass(frozen=True, eq=False)
class Groups:
    """Division of B items into groups.

    Attributes:
        codes: Group number of each item, (B,), from 0.
        count: Number of groups.
    """

    codes: Codes
    count: int

    def sums(self, values: Floats | None = None) -> Floats:
        """Return the sum of (B,) values in each group, or its number of items, (count,)."""
        return np.bincount(self.codes, values, minlength=self.count).astype(np.float64, copy=False)


@dataclass(frozen=True, eq=False)
class GroupStatistics:
    """Statistics of the scored rewards of each group.

    Attributes:
        deviation: Reward minus the mean of its group, (B,); 0 for unscored rewards and for groups
            whose rewards are equal.
        scored: Number of scored rewards in each group, (groups,).
        std: Sample standard deviation (ddof 1), (groups,); 0 for fewer than two scored rewards.
        equal: Groups whose scored rewards are all equal, up to round-off, (groups,).
        rounded: Those of them whose rewards are not exactly equal.
    """

    deviation: Floats
    scored: Floats
    std: Floats
    equal: Bools
    rounded: Bools


def find_groups(group: Any, items: int) -> Groups:
    """Number the groups of items.

    Args:
        group: One id per item: integers, strings, or any hashable values, in any order.
        items: Number of items, B.

    Raises:
        InputError: Ids are missing, cannot be hashed, or are not one per item.
    """
    if group is None:
        raise InputError(
            "group is missing: give the id of its prompt for each reward, such as "
            "np.repeat(np.arange(prompts), completions_per_prompt)"
        )
    if hasattr(group, "detach"):  # a tensor, on whatever device
        group = group.detach().cpu().numpy()
    if isinstance(group, (str, bytes)) or not isinstance(group, Iterable):
        raise InputError("group: give a list or an array with one id per reward")
    ids = group if isinstance(group, (list, tuple)) else np.asarray(group)
    if isinstance(ids, np.ndarray) and ids.ndim != 1:
        raise InputError(f"group has shape {ids.shape}: give one id per reward ({items})")
    if len(ids) != items:
        raise InputError(f"group has {len(ids)} ids for {items} rewards: give one id per reward")
    if not isinstance(ids, np.ndarray) or ids.dtype.hasobject:
        return Groups(*_number(ids))
    if ids.dtype.kind not in "iu" and (missing := ids != ids).any():  # NaN or NaT
        raise _missing_ids(missing)
    # Completions of a prompt mostly stand together: number the runs of equal ids, not the items.
    new = np.concatenate([np.ones(min(items, 1), np.bool_), ids[1:] != ids[:-1]])
    starts = np.flatnonzero(new)
    of_run, count = _number_array(ids[starts])
    if ids.dtype == of_run.dtype and np.array_equal(ids[starts], of_run):
        return Groups(ids, count)  # numbered already
    return Groups(np.repeat(of_run, np.diff(starts, append=items)), count)


def group_statistics(rewards: Floats, groups: Groups) -> GroupStatistics:
    """Compute mean, spread and equality of the scored (not NaN) rewards of each group."""
    missing = np.isnan(rewards)
    scored = ~missing if missing.any() else None
    number = groups.sums(None if scored is None else scored.astype(np.float64))
    mean = groups.sums(rewards if scored is None else np.where(scored, rewards, 0.0))
    mean /= np.maximum(number, 1.0)
    deviation = rewards - mean[groups.codes]
    if scored is not None:
        deviation[missing] = 0.0
    std = np.sqrt(groups.sums(deviation * deviation) / np.maximum(number - 1.0, 1.0))
    # The range is at least √2 times the standard deviation: only these groups need to be looked at.
    near = std <= 2 * EQUAL * np.maximum(1.0, np.abs(mean))
    equal, rounded = _equal_groups(rewards, groups, near)
    if equal.any():
        deviation[equal[groups.codes]] = 0.0
        std[equal] = 0.0
    return GroupStatistics(deviation, number, std, equal, rounded)


def _equal_groups(rewards: Floats, groups: Groups, among: Bools) -> tuple[Bools, Bools]:
    """Return which of some groups have equal rewards, and which of those not exactly."""
    rows = np.flatnonzero(among[groups.codes] & ~np.isnan(rewards)) if among.any() else _NO_ROWS
    low, high = np.full(groups.count, np.inf), np.full(groups.count, -np.inf)
    np.minimum.at(low, groups.codes[rows], rewards[rows])
    np.maximum.at(high, groups.codes[rows], rewards[rows])
    scale = np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
    equal = among & (high - low <= EQUAL * scale)  # a group without any score is equal too
    return equal, equal & (high > low)


def as_rewards(name: str, values: RewardsLike) -> Floats:
    """Return rewards as a new float64 array; NaN marks what could not be scored.

    Args:
        name: Argument's name, for messages.
        values: Numbers, None or NaN; a list, array or tensor.

    Raises:
        InputError: A value is not a number, or is infinite.
    """
    raw: Any = values
    if hasattr(raw, "detach"):  # a tensor, on whatever device and in whatever precision
        raw = raw.detach().double().cpu().numpy()
    try:
        array = np.array(raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{name}: give numbers, and None or NaN for what could not be scored"
        ) from None
    if array.size and max(np.fmax.reduce(array, None), -np.fmin.reduce(array, None)) > LARGEST:
        infinite = np.abs(array) > LARGEST
        raise InputError(
            f"{name}: {infinite.sum()} of {array.size} values are infinite or above {LARGEST:g} "
            f"(first at {int(infinite.argmax())}); give None for what could not be scored"
        )
    return array


def _number(ids: Iterable[Any]) -> tuple[Codes, int]:
    """Number hashable ids in the order of their first appearance."""
    known: dict[Any, int] = {}
    try:
        codes = np.array([known.setdefault(each, len(known)) for each in ids], dtype=np.intp)
    except TypeError:
        raise InputError("group: ids must be hashable, such as integers or strings") from None
    missing = [code for each, code in known.items() if each is None or each != each]
    if missing:
        raise _missing_ids(np.isin(codes, missing))
    return codes, len(known)


def _number_array(ids: NDArray[Any]) -> tuple[Codes, int]:
    """Number the ids of an array, without Python objects where they are integers."""
    if ids.dtype.kind in "iu" and len(ids):
        low, high = int(ids.min()), int(ids.max())
        if high - low <= 4 * len(ids):  # a table of all possible ids is faster than a dictionary
            shifted = ids.astype(np.int64) - low if ids.dtype.kind == "i" else ids - ids.min()
            position = shifted.astype(np.intp)
            present = np.bincount(position) > 0
            return (np.cumsum(present) - 1)[position], int(present.sum())
    return _number(ids.tolist())


def _missing_ids(missing: Bools) -> InputError:
    return InputError(
        f"group: {missing.sum()} ids are missing (None or NaN, first at {int(missing.argmax())}): "
        "give the id of its prompt for each reward"
    )
