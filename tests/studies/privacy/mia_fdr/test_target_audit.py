import json

import numpy as np

from sterling.privacy.data.records import simulated_records
from sterling.privacy.membership.lifelong import STAGE_RULES
from sterling.privacy.membership.registry import ATTACKS
from sterling.privacy.targets.training import Recipe
from sterling.studies.privacy.mia_fdr._resplits import split_records
from sterling.studies.privacy.mia_fdr._target_audit import (
    ALPHAS,
    BASE,
    BLACK_BOX,
    HARDER,
    MIX_APART,
    PARTS,
    AuditPlan,
    _easy,
    _shifted_mix,
    at_level,
)


def test_a_shifted_mix_is_poor_in_other_classes_on_either_side() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(6, size=3000)
    member = rng.random(3000) < 0.5
    scores = rng.normal(labels, 1.0)
    easy = _easy(scores, member, labels)
    np.testing.assert_array_equal(easy, labels >= 3)
    mixed = _shifted_mix(split_records(member, rng), labels, easy)
    assert easy[mixed.calibration].mean() < 0.25
    assert easy[mixed.test].mean() > 0.75
    assert not member[mixed.calibration].any()


def test_every_part_of_an_audit_is_a_json_value_with_every_setting() -> None:
    plan = AuditPlan("mlp", 16, "softmax", 6, Recipe(epochs=3), resplits=3, stages=2)
    records = simulated_records(600, seed=1)
    found = {name: json.loads(json.dumps(part(plan, records, 2))) for name, part in PARTS.items()}
    outcomes = {**found["attacks"]["outcomes"], **found["black_box"]["outcomes"]}
    assert {at_level(attack, alpha) for attack in ATTACKS for alpha in ALPHAS} <= set(outcomes)
    assert {BLACK_BOX, HARDER, MIX_APART} <= set(outcomes)
    assert outcomes[at_level(BASE)] == outcomes["rule bh"]
    assert len(found["attacks"]["ids"]) == len(found["attacks"]["member"]) == 400
    assert set(found["lifelong"]["rules"]) == set(STAGE_RULES)
    assert len(found["lifelong"]["memory"]) == 2
