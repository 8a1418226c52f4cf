"""All attacks at once: no leak where nothing differs, a leak where it was planted."""

import numpy as np
import pytest
import torch
from tests.draws import seeded
from torch import nn

from sterling.errors import InputError
from sterling.lm.small_transformer import SmallTransformer
from sterling.privacy.data.author_facts import author_facts
from sterling.privacy.data.author_texts import AuthorTexts
from sterling.privacy.targets.training import balanced_membership
from sterling.privacy.unlearning import Descent, train_by_steps
from sterling.privacy.unlearning_attacks import (
    CLASSIFIER_ATTACKS,
    LANGUAGE_ATTACKS,
    LanguageTarget,
    attack_classifiers,
    attack_language_model,
    steer_language_model,
)


def test_planted_leaks_are_found_and_their_absence_is_not() -> None:
    rng = np.random.default_rng(0)
    inside = balanced_membership(8, 60, rng)
    labels = rng.integers(4, size=100)  # the last 40 stand for the population
    before = rng.normal(size=(8, 100, 4))
    alone = np.arange(60)
    blank = attack_classifiers(before, rng.normal(size=(8, 100, 4)), labels, inside, alone)
    learned = np.concatenate([inside, np.zeros((8, 40), dtype=bool)], axis=1)
    mark = 3 * learned[..., None] * np.eye(4)[labels]
    planted = attack_classifiers(before, before + mark, labels, inside, alone)
    for attack in CLASSIFIER_ATTACKS:
        assert abs(blank[attack] - 0.5) < 0.1, attack
    for attack in ("loss", "U-LiRA", "RMIA"):
        assert planted[attack] > 0.9, attack
    assert planted["output difference"] == 0.0  # confidence rose, on forgotten records alone
    assert planted["two-model"] > 0.6
    assert planted["TPR at 1 % FPR"] > 0.2 > 0.05 > blank["TPR at 1 % FPR"]
    assert planted["DegCount"] > 0.6 > 0.55 > blank["DegCount"]
    assert planted["U-LiRA, group"] == planted["U-LiRA"], "each record is its own group"


def test_a_group_tells_more_than_its_records() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(20), 5)
    inside = balanced_membership(8, 20, rng)[:, group]
    labels = rng.integers(4, size=140)
    after = rng.normal(size=(8, 140, 4))
    after[:, :100] += 0.6 * inside[..., None] * np.eye(4)[labels[:100]]
    areas = attack_classifiers(after, after, labels, inside, group)
    assert areas["U-LiRA, group"] > areas["U-LiRA"] + 0.05 > 0.55


def test_a_trained_model_says_what_an_untrained_one_does_not() -> None:
    texts = AuthorTexts(author_facts(8, seed=0))
    torch.manual_seed(0)
    network = SmallTransformer(len(texts.vocabulary), context=texts.context, width=32)
    gone, unseen = (texts.facts.of(torch.arange(a, a + 4)) for a in (0, 4))
    rng = seeded()
    chatter = texts.ask(gone, texts.chatter(len(gone), rng))
    target = LanguageTarget(
        before=network,
        forget=texts.ask(gone),
        never_seen=texts.ask(unseen),
        groups=torch.cat([texts.facts.author[facts.ids] for facts in (gone, unseen)]),
        asked={"behind chatter": chatter},
        benign=texts.ask(gone),
        layers=("blocks.0",),
        prompt=texts.prompt,
    )
    trained = train_by_steps(Descent(120, 5e-3))(network, texts.ask(gone), 0)

    def steer(model: nn.Module, *, research_use: bool) -> dict[str, float]:
        return steer_language_model(
            model,
            target,
            texts.prefixes(),
            research_use=research_use,
            descent=Descent(10, 1e-2),
            seed=0,
        )

    def attack(model: nn.Module) -> dict[str, float]:
        told = attack_language_model(model, target, relearn=Descent(5, 1e-3), seed=0)
        return told | steer(model, research_use=True)

    known, unknown = attack(trained), attack(network)
    assert {*LANGUAGE_ATTACKS, "behind chatter"} < set(known)
    for name in ("greedy words", "leak@8", "int8", "relearning", "benign adapter", "soft prompt"):
        assert known[name] > 0.9 > 0.3 > unknown[name], name
    assert known["Min-K"] == known["Min-K++"] == 1.0
    # The loss of what was learned fell: the area of rising losses is 0, and 1/2 without a change.
    assert known["output difference"] == 0.0
    assert unknown["output difference"] == 0.5
    with pytest.raises(InputError, match="research_use false"):
        steer(trained, research_use=False)
