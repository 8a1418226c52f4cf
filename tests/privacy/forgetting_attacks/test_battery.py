"""All attacks at once: no leak where nothing differs, a leak where it was planted."""

import numpy as np
import torch
from torch import nn

from sterling.lm.small_transformer import SmallTransformer
from sterling.privacy.author_facts import author_facts
from sterling.privacy.forgetting_attacks.battery import (
    CLASSIFIER_ATTACKS,
    LANGUAGE_ATTACKS,
    attack_classifiers,
    attack_language_model,
)
from sterling.privacy.training import balanced_membership
from sterling.privacy.unlearning import Descent, train_by_steps


def test_planted_leaks_are_found_and_their_absence_is_not() -> None:
    rng = np.random.default_rng(0)
    inside = balanced_membership(8, 60, rng)
    labels = rng.integers(4, size=60)
    before = rng.normal(size=(8, 60, 4))
    blank = attack_classifiers(before, rng.normal(size=(8, 60, 4)), labels, inside)
    own = np.eye(4)[labels]
    planted = attack_classifiers(before, before + 3 * inside[..., None] * own, labels, inside)
    for attack in CLASSIFIER_ATTACKS:
        assert abs(blank[attack] - 0.5) < 0.1, attack
    for attack in ("loss", "U-LiRA"):
        assert planted[attack] > 0.9, attack
    assert planted["two-model"] > 0.6
    assert planted["TPR at 1 % FPR"] > 0.2 > 0.05 > blank["TPR at 1 % FPR"]
    assert planted["DegCount"] > 0.6 > 0.55 > blank["DegCount"]


def test_a_trained_model_says_what_an_untrained_one_does_not() -> None:
    facts = author_facts(8, seed=0)
    torch.manual_seed(0)
    network = SmallTransformer(len(facts.vocabulary), context=facts.prompt + 3, width=32)
    forget, unseen = facts.of(torch.arange(4)), facts.of(torch.arange(4, 8))
    trained = train_by_steps(Descent(120, 5e-3))(network, forget, 0)

    def attack(model: nn.Module) -> dict[str, float]:
        return attack_language_model(
            model, forget, unseen, prompt=facts.prompt, relearn=Descent(5, 1e-3), seed=0
        )

    known, unknown = attack(trained), attack(network)
    assert set(known) == set(LANGUAGE_ATTACKS)
    for name in ("greedy words", "extraction strength", "leak@8", "int8", "relearning"):
        assert known[name] > 0.9 > 0.2 > unknown[name], name
    assert known["Min-K"] == 1.0
