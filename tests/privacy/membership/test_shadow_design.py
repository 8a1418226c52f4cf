import numpy as np
import torch

from sterling.privacy.data.records import simulated_records
from sterling.privacy.membership.shadow_design import ShadowDesign, random_half
from sterling.privacy.targets.training import Recipe


def test_a_half_is_half_and_depends_on_the_generator_alone() -> None:
    one, again = (random_half(101, np.random.default_rng(0)) for _ in range(2))
    assert one.sum() == 50
    np.testing.assert_array_equal(one, again)


def test_memberships_and_models_come_from_the_seed() -> None:
    records = simulated_records(300, seed=0)
    design, again = (ShadowDesign.draw(records, 6, seed=4) for _ in range(2))
    assert design.target_members.sum() == 150
    assert (design.shadow_members.sum(axis=0) == 3).all()
    np.testing.assert_array_equal(design.shadow_members[0], ~design.shadow_members[1])
    assert design.auxiliary.sum() == 100
    logits = []
    for one in (design, again):
        models = one.train(
            one.start(2, "mlp", "shadow", width=8),
            one.shadow_members[:2],
            Recipe(epochs=2),
            "shadow",
        )
        logits.append(models.logits(torch.from_numpy(records.x)))
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=0)
    other = design.start(2, "mlp", "target", width=8).logits(torch.from_numpy(records.x))
    assert not torch.equal(other, logits[0])
