import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sterling.guarantee import ResolutionWarning
from sterling.measure import Scores, auc
from sterling.privacy.data.records import simulated_records
from sterling.privacy.membership import ATTACKS, MembershipFDR, attack_scores, audit, loss_score
from sterling.privacy.membership.registry import AttackedModel
from sterling.privacy.targets.models import initialise, mlp
from sterling.privacy.targets.training import Recipe, balanced_membership, train_many
from sterling.testing import check_membership_attack


@pytest.fixture(scope="module")
def scored() -> dict[str, Any]:
    """An overfitted target on a simulated 10-class problem: 2,000 members, 8 shadows."""
    records = simulated_records(4000, seed=0)
    rng = np.random.default_rng(0)
    n = len(records)
    target_members = np.isin(np.arange(n), rng.permutation(n)[: n // 2])
    shadow_members = balanced_membership(8, n, rng)
    auxiliary = rng.random(n) < 0.3
    x, y = torch.from_numpy(records.x), torch.from_numpy(records.y)
    models = train_many(
        initialise(lambda: mlp(records.shape, records.classes), list(range(9))),
        x,
        y,
        np.concatenate([target_members[None], shadow_members]),
        Recipe(epochs=20, batch_size=64),
        seeds=list(range(9)),
    )
    attacked = AttackedModel(
        models.select([0]),
        models.select(slice(1, None)),
        records,
        target_members,
        shadow_members,
        auxiliary,
        0,
    )
    scores = attack_scores(
        attacked.target,
        attacked.shadows,
        records,
        target_members=target_members,
        shadow_members=shadow_members,
        auxiliary=auxiliary,
    )
    logits = models.logits(x).numpy()
    return {
        "scores": {name: values[~auxiliary] for name, values in scores.items()},
        "attacked": attacked,
        "member": target_members[~auxiliary],
        "loss": loss_score(logits[0], records.y)[~auxiliary],
    }


@pytest.mark.parametrize("name", ATTACKS)
def test_contract(name: str, scored: dict[str, Any]) -> None:
    attacked: AttackedModel = scored["attacked"]
    tested = ~attacked.auxiliary
    hidden = replace(attacked, target_members=attacked.target_members ^ tested)
    check_membership_attack(ATTACKS[name], attacked, hidden, attacked.target_members, tested)


def test_every_attack_is_scored_and_lira_beats_loss(scored: dict[str, Any]) -> None:
    assert set(scored["scores"]) == set(ATTACKS)
    estimates = {
        name: auc(Scores(values, scored["member"])) for name, values in scored["scores"].items()
    }
    np.testing.assert_allclose(scored["scores"]["loss"], scored["loss"])
    assert estimates["LiRA online"].interval.low > estimates["loss"].interval.high
    assert estimates["loss"].value == pytest.approx(estimates["confidence"].value, abs=1e-3)


@pytest.mark.parametrize("attack", ["LiRA online", "RMIA", "shadow classifier", "loss"])
def test_the_false_discovery_rate_holds_over_200_resplits(
    scored: dict[str, Any], attack: str
) -> None:
    rng = np.random.default_rng(1)
    values, member = scored["scores"][attack], scored["member"]
    false, power = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        for _ in range(200):
            nonmembers = rng.permutation(np.flatnonzero(~member))
            half = len(nonmembers) // 2
            members = rng.permutation(np.flatnonzero(member))[: len(nonmembers) - half]
            test = np.concatenate([nonmembers[half:], members])
            wrapper = MembershipFDR().calibrate(values[nonmembers[:half]])
            outcome = audit(wrapper.select(values[test], 0.2), member[test])
            false.append(outcome.fdp)
            power.append(outcome.power.value if outcome.power else 0.0)
    # Half of the records are non-members; 3 s.e. fail a rate at the bound once in 700.
    assert np.mean(false) <= 0.1 + 3 * np.std(false, ddof=1) / np.sqrt(200)
    if attack == "LiRA online":
        assert np.mean(power) > 0.1
