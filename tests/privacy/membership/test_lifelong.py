import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.guarantee import benjamini_hochberg, conformal_p_values
from sterling.privacy.membership import audit, select_over_stages
from sterling.privacy.membership.lifelong import STAGE_RULES, StageRule

N, RECORDS, STAGES = 500, 200, 3


def stages(rng: np.random.Generator) -> tuple[list[NDArray[np.float64]], NDArray[np.bool_]]:
    """p-values of stages whose members are remembered ever less; the truth of all of them."""
    p, truth = [], []
    for stage in range(STAGES):
        member = rng.random(RECORDS) < 0.5
        p.append(conformal_p_values(rng.normal(size=N), rng.normal((stage - 4) * member, 1)))
        truth.append(member)
    return p, np.concatenate(truth)


@pytest.mark.parametrize("rule", ["spending", "lord", "saffron", "e_lond"])
def test_claims_of_all_stages_together_hold_their_rate(rule: StageRule) -> None:
    rng = np.random.default_rng(5)
    false, declared = [], 0
    for _ in range(120):
        p, truth = stages(rng)
        mask = np.concatenate(select_over_stages(p, 0.2, rule, calibration=[N] * STAGES))
        false.append(audit(mask, truth).fdp)
        declared += int(mask.sum())
    # 3 s.e. above the level fails a rule that is exactly at it once in 700.
    assert np.mean(false) <= 0.2 + 3 * np.std(false, ddof=1) / np.sqrt(len(false))
    assert declared > 0


@pytest.mark.parametrize("rule", STAGE_RULES)
def test_no_stage_looks_ahead(rule: StageRule) -> None:
    p, _ = stages(np.random.default_rng(0))
    whole = select_over_stages(p, 0.2, rule, calibration=[N] * STAGES)
    first = select_over_stages(p[:1], 0.2, rule, calibration=[N])
    np.testing.assert_array_equal(whole[0], first[0])
    assert [len(mask) for mask in whole] == [RECORDS] * STAGES


def test_stage_is_one_procedure_each_and_spending_halves_the_level() -> None:
    p, _ = stages(np.random.default_rng(0))
    each = select_over_stages(p, 0.2, "stage", calibration=[N] * STAGES)
    spent = select_over_stages(p, 0.2, "spending", calibration=[N] * STAGES)
    for s in range(STAGES):
        np.testing.assert_array_equal(each[s], benjamini_hochberg(p[s], 0.2))
        np.testing.assert_array_equal(spent[s], benjamini_hochberg(p[s], 0.2 / 2 ** (s + 1)))
