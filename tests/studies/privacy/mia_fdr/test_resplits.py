import math

import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.guarantee import Procedure
from sterling.guarantee.selector import SCALES
from sterling.studies.privacy.mia_fdr._resplits import (
    Split,
    flagged_share,
    realised,
    realised_over_stages,
    split_records,
)


def records(seed: int, n: int = 800) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of n records, members higher by 2.5, and the truth."""
    rng = np.random.default_rng(seed)
    member = np.arange(n) % 2 == 0
    return rng.normal(2.5 * member, 1), member


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_split_has_the_parts_it_promises(share: float) -> None:
    _, member = records(0)
    split = split_records(member, np.random.default_rng(0), nonmember_share=share)
    assert not member[split.calibration].any()
    assert len(split.calibration) == 200
    assert not set(split.calibration) & set(split.test)
    assert len(set(split.test)) == len(split.test)
    assert (~member[split.test]).mean() == pytest.approx(share, abs=0.01)


def test_one_split_by_counting() -> None:
    # Calibration 0 to 18; alpha 0.1 over four records: p = 1/20 for three, 20/20 for one.
    scores = np.array([*range(19), 30.0, 31.0, 32.0, -1.0])
    member = np.array([False] * 19 + [True, True, False, False])
    split = Split(np.arange(19), np.arange(19, 23))
    outcome = realised(scores, member, [split], 0.1)
    assert outcome["FDR"] == pytest.approx(1 / 3)
    assert outcome["power"] == 1.0
    assert outcome["marginal error"] == 0.5
    assert outcome["declaring"] == 1.0
    silent = realised(np.zeros(23) + np.arange(23) % 2, member, [split], 0.1)
    assert (silent["FDR"], silent["power"], silent["declaring"]) == (0, 0, 0)


@pytest.mark.parametrize("rule", SCALES)
def test_scaling_p_values_declares_no_fewer_members(rule: Procedure) -> None:
    # An estimated share of non-members is at most 1, so no scaled p-value is larger.
    for seed in range(5):
        scores, member = records(seed, 200)
        splits = [split_records(member, np.random.default_rng(seed)) for _ in range(5)]
        unscaled = realised(scores, member, splits, 0.1)
        assert realised(scores, member, splits, 0.1, rule)["power"] >= unscaled["power"]


def test_within_groups_the_marginal_error_stays_where_the_mix_shifts() -> None:
    rng = np.random.default_rng(1)
    apart, pooled = [], []
    for _ in range(40):
        group = np.repeat([0, 1], 600)
        scores = rng.normal(3.0 * group, 1)  # a group that scores higher, members or not
        member = np.zeros(1200, dtype=bool)
        rows = [rng.permutation(np.flatnonzero(group == g)) for g in (0, 1)]
        split = Split(
            np.concatenate([rows[0][:300], rows[1][:60]]),
            np.concatenate([rows[0][300:360], rows[1][300:]]),
        )
        apart.append(realised(scores, member, [split], 0.1, groups=group, smooth=True))
        pooled.append(realised(scores, member, [split], 0.1, smooth=True))
    errors = [one["marginal error"] for one in apart]
    assert abs(np.mean(errors) - 0.1) < 4 * np.std(errors) / math.sqrt(40)
    assert np.mean([one["marginal error"] for one in pooled]) > 0.3


def test_tie_breaks_differ_from_split_to_split() -> None:
    # Three calibration scores: p <= 0.1 needs the lowest rank and U <= 0.4, in one of four ranks.
    rng = np.random.default_rng(5)
    scores, member = rng.normal(size=8), np.zeros(8, dtype=bool)
    splits = []
    for _ in range(4000):
        order = rng.permutation(8)
        splits.append(Split(order[:3], order[3:4]))
    error = realised(scores, member, splits, 0.1, smooth=True)["marginal error"]
    assert abs(error - 0.1) < 4 * math.sqrt(0.1 * 0.9 / 4000)


def test_the_diagnostic_flags_scores_of_another_law_and_rarely_others() -> None:
    scores, member = records(2)
    rng = np.random.default_rng(2)
    splits = [split_records(member, rng) for _ in range(100)]
    assert flagged_share(scores, scores, member, splits) <= 0.06
    assert flagged_share(scores + 1.0, scores, member, splits) > 0.95


def test_stages_together_hold_more_false_claims_than_any_rule_allows_each() -> None:
    rng = np.random.default_rng(3)
    member = np.arange(600) % 2 == 0
    scores = [rng.normal(2.5 * member, 1) for _ in range(3)]
    splits = [[split_records(member, rng) for _ in range(3)] for _ in range(60)]
    stage = realised_over_stages(scores, member, splits, 0.2, "stage")
    spending = realised_over_stages(scores, member, splits, 0.2, "spending")
    assert stage["FDR of the worst stage"] <= 0.1 + 0.03
    assert spending["FDR of all claims"] <= stage["FDR of all claims"]
    assert spending["power"] < stage["power"]
    assert stage["declaring"] == 1.0
