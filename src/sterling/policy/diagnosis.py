"""Why is the loss zero, or why does training stall? Answers from a log of rewards.

Each function measures one known cause on a `RewardLog` and returns a frozen dataclass: numbers,
``found`` (whether the cause applies), ``sentence`` and ``advice``::

    for finding in diagnose(read_reward_log(Path("outputs/completions"))).found:
        print(finding.sentence, finding.advice)
"""

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.policy.advantage import advantages
from sterling.policy.findings import (
    NOISE,
    Component,
    Components,
    DeadGroups,
    Diagnosis,
    MeanShift,
    RoundOff,
    SingleGroups,
    Unscored,
)
from sterling.policy.groups import Groups, find_groups, group_statistics
from sterling.policy.reward_log import Floats, RewardLog

ZEROS = (0.001, 0.5)
"""Shares of exact zeros, among rewards that are continuous otherwise, that look like a default."""
TRAINERS = {"TRL": 1e-4, "verl": 1e-6, "OpenRLHF": 1e-9}
"""Number that each trainer adds to the standard deviation."""


def diagnose(log: RewardLog, *, eps: float = TRAINERS["TRL"]) -> Diagnosis:
    """Test every known cause of a zero loss or stalled training on a log of rewards.

    Args:
        log: Rewards by step and group.
        eps: Number that the trainer adds to the standard deviation: TRL 1e-4, verl 1e-6,
            OpenRLHF 1e-9.

    Raises:
        InputError: `eps` is not above 0.

    Examples:
        >>> from sterling.policy.reward_log import Columns
        >>> rewards = np.array([1.0, 1.0, 0.0, 1.0])[:, None]  # two groups of two
        >>> step, group = np.zeros(4, np.int64), np.array([0, 0, 1, 1])
        >>> found = diagnose(RewardLog(Columns("prompt", ("exact",)), step, group, rewards))
        >>> found.dead_groups.share, found.dead_groups.solved
        (0.5, 1)
    """
    check_numbers(above=0, eps=eps)
    return Diagnosis(
        find_dead_groups(log),
        find_round_off(log, eps),
        weigh_components(log),
        find_unscored(log),
        find_single_groups(log),
        find_mean_shift(log, eps),
    )


def find_dead_groups(log: RewardLog) -> DeadGroups:
    """Count groups whose rewards are equal, over time."""
    total, groups = log.total, find_groups(log.group, len(log))
    found = group_statistics(total, groups)
    several = found.scored >= 2
    dead = several & found.equal
    first = np.unique(groups.codes, return_index=True)[1]
    level = groups.sums(np.nan_to_num(total)) / np.maximum(found.scored, 1.0)
    known = total[~np.isnan(total)]
    bottom, top = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    apart = top > bottom  # else the only reward is neither the best nor the worst
    step = log.step[first]
    steps = np.unique(step[several])
    return DeadGroups(
        groups=int(several.sum()),
        dead=int(dead.sum()),
        solved=int((dead & apart & np.isclose(level, top)).sum()),
        failed=int((dead & apart & np.isclose(level, bottom)).sum()),
        steps=tuple(int(each) for each in steps),
        by_step=tuple(float(dead[several & (step == each)].mean()) for each in steps),
    )


def find_round_off(log: RewardLog, eps: float) -> RoundOff:
    """Compare float32 advantages with float64 ones."""
    total, groups = log.total, find_groups(log.group, len(log))
    found = group_statistics(total, groups)
    dead = found.equal & (found.scored >= 2)
    still = dead[groups.codes] & ~np.isnan(total)
    sizes = {
        name: _largest(np.abs(_float32(total, groups, each))[still])
        for name, each in TRAINERS.items()
    }
    single = _float32(total, groups, eps)
    wrong = groups.sums((still & (np.abs(single) > NOISE)).astype(np.float64)) > 0
    exact = found.deviation / (found.std + eps)[groups.codes]
    moving = ~dead[groups.codes] & ~np.isnan(total)
    return RoundOff(
        equal=int(dead.sum()),
        wrong=int((dead & wrong).sum()),
        largest=sizes,
        logged=None if log.advantage is None else _largest(np.abs(log.advantage[still])),
        difference=_largest(np.abs(single - exact)[moving]),
        eps=eps,
    )


def weigh_components(log: RewardLog) -> Components:
    """Share of each reward function in the variance within groups, and where it is constant."""
    groups = find_groups(log.group, len(log))
    several = groups.sums() >= 2
    # Completions that a function did not score add nothing to TRL's sum.
    own = [np.nan_to_num(column) for column in log.rewards.T]
    found = [group_statistics(column, groups) for column in own]
    total = np.sum([each.deviation for each in found], axis=0)
    whole = float(total @ total)
    parts = tuple(
        Component(
            name=name,
            share=float(each.deviation @ total) / whole if whole else 0.0,
            constant=float(each.equal[several].mean()) if several.any() else 1.0,
            mean=float(np.nanmean(column)) if not np.isnan(column).all() else float("nan"),
        )
        for name, each, column in zip(log.columns.rewards, found, log.rewards.T, strict=True)
    )
    return Components(parts)


def find_unscored(log: RewardLog) -> Unscored:
    """Count what was not scored, and where it counts as zero."""
    groups = find_groups(log.group, len(log))
    missing = np.isnan(log.rewards)
    nothing = missing.all(axis=1)
    counted = 0 if log.advantage is None else int((np.abs(log.advantage[nothing]) > 1e-9).sum())
    some = [groups.sums((column & ~nothing).astype(np.float64)) > 0 for column in missing.T]
    others = [groups.sums((~column).astype(np.float64)) > 0 for column in missing.T]
    mixed = np.any([one & other for one, other in zip(some, others, strict=True)], axis=0)
    zeros = {
        name: share
        for name, column in zip(log.columns.rewards, log.rewards.T, strict=True)
        if (share := _default_zeros(column)) > 0
    }
    return Unscored(
        missing={
            name: int(column.sum())
            for name, column in zip(log.columns.rewards, missing.T, strict=True)
        },
        counted=counted,
        mixed=int(mixed.sum()),
        zeros=zeros,
    )


def find_single_groups(log: RewardLog) -> SingleGroups:
    """Count groups with one scored completion."""
    groups = find_groups(log.group, len(log))
    scored = groups.sums((~np.isnan(log.total)).astype(np.float64))
    return SingleGroups(groups=groups.count, single=int((scored == 1).sum()))


def find_mean_shift(log: RewardLog, eps: float) -> MeanShift:
    """Compare the logged advantages with known formulas, and take their mean."""
    total = log.total
    scored = ~np.isnan(total)
    known = total[scored]
    within = bool(len(known)) and known.min() >= 0 and known.max() <= 1
    formulas = {
        "grpo": advantages(total, log.group, eps=eps).values,
        "dr_grpo": advantages(total, log.group, kind="dr_grpo").values,
    }
    if within:
        formulas["ap_grpo"] = advantages(total, log.group, kind="ap_grpo", eps=eps).values
    preserving = float(formulas["ap_grpo"][scored].mean()) if within else None
    if log.advantage is None or np.isnan(log.advantage).all():
        return MeanShift(None, None, None, preserving)
    given = scored & ~np.isnan(log.advantage)
    logged = log.advantage[given]
    kind = next(
        (
            name
            for name, values in formulas.items()
            if np.allclose(logged, values[given], rtol=1e-3, atol=2e-3)
        ),
        "other",
    )
    return MeanShift(kind, float(logged.mean()), float(np.abs(logged).mean()), preserving)


def _float32(total: Floats, groups: Groups, eps: float) -> Floats:
    """Advantages (r - mean) / (std + eps) in float32, group by group, as trainers compute them."""
    values = np.zeros(len(total), dtype=np.float32)
    order = np.argsort(groups.codes, kind="stable")
    bounds = np.cumsum(groups.sums())[:-1].astype(np.intp)
    for members in np.split(order, bounds):
        kept = members[~np.isnan(total[members])]
        if len(kept) < 2:
            continue
        rewards = total[kept].astype(np.float32)
        values[kept] = (rewards - rewards.mean()) / (rewards.std(ddof=1) + np.float32(eps))
    return values.astype(np.float64)


def _default_zeros(column: Floats) -> float:
    """Share of exact zeros in rewards that are continuous otherwise; 0 where it is not suspect."""
    scored = column[~np.isnan(column)]
    others = scored[scored != 0]
    if len(others) < 20 or len(np.unique(others)) < len(others) / 2:
        return 0.0
    share = 1 - len(others) / len(scored)
    return share if ZEROS[0] <= share <= ZEROS[1] else 0.0


def _largest(sizes: NDArray[np.float64]) -> float:
    known = sizes[~np.isnan(sizes)]
    return float(known.max(initial=0.0))
