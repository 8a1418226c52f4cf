import numpy as np
import pytest
import torch

from sterling.privacy.targets.convex import fit_convex
from sterling.studies.privacy.uncertainty_unlearning._effects import (
    EFFECTS,
    network_effects,
    sharded_posteriors,
    temperature,
)
from sterling.studies.privacy.uncertainty_unlearning._repetition import (
    Repetition,
    mixture_features,
    records_needed,
)


def drawn(seed: int = 0, records: int = 200) -> Repetition:
    rng = np.random.default_rng(seed)
    features, labels = mixture_features(records_needed(records), rng)
    return Repetition.of(features, labels, records=records, owned=0.1, ridge=1.0, rng=rng)


def test_deleting_nothing_changes_nothing() -> None:
    one = drawn()
    some, none = torch.arange(40), torch.zeros(0, dtype=torch.int64)
    # From other weights the same minimum is found, to the tolerance of Newton's method.
    moved = one.model.at(one.model.weights + 0.01)
    (change, unchanged), (again,) = (
        one.watched.effects(one.model, [some, none]),
        one.watched.effects(moved, [some]),
    )
    assert set(unchanged) == {*EFFECTS, "coverage after"}
    assert 0.8 < unchanged.pop("coverage after") <= 1
    assert set(unchanged.values()) == {0.0}
    assert change["confidence"] != 0
    assert again == pytest.approx(change, abs=1e-5)


def test_a_deleted_class_shows_in_every_figure_that_it_must() -> None:
    one = drawn()
    rows = (one.model.labels == 0).nonzero()[:, 0][:-2]
    (effect,) = one.watched.effects(one.model, [rows])
    after = one.model.without(rows)
    features, labels = one.watched.test
    accuracy = [
        float((model.logits(features).argmax(1) == labels).double().mean())
        for model in (one.model, after)
    ]
    assert effect["accuracy"] == pytest.approx(accuracy[1] - accuracy[0])
    assert effect["accuracy"] < -0.1
    assert effect["log-likelihood loss"] > 0.1
    answers = after.logits(one.watched.targets).argmax(1)
    assert effect["flips"] == int((answers != one.watched.labels).sum())


def test_the_temperature_undoes_a_known_sharpening() -> None:
    rng = np.random.default_rng(1)
    logits = torch.from_numpy(rng.normal(size=(20_000, 4)))
    generator = torch.Generator().manual_seed(0)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert temperature(3 * logits, labels) == pytest.approx(3, rel=0.05)


def test_shards_share_no_record_and_all_count() -> None:
    model = drawn().model
    x = model.features[:7]
    expected = torch.stack(
        [
            fit_convex(
                model.features[shard::3], model.labels[shard::3], model.classes, model.ridge
            ).posteriors(x)
            for shard in range(3)
        ]
    ).mean(0)
    none = torch.zeros(0, dtype=torch.int64)
    torch.testing.assert_close(sharded_posteriors(model, none, x, shards=3), expected)


def test_networks_are_compared_with_those_that_lost_nothing() -> None:
    one = drawn(records=120)
    none = torch.zeros(0, dtype=torch.int64)
    removals = {"nothing": none, "half": torch.arange(0, 120, 2)}
    effects = network_effects(one.model, one.watched, removals, members=2, seed=0)
    assert set(effects) == {"ensemble", "MC-dropout"}
    for kind in effects.values():
        assert set(kind) == {"nothing", "half"}
        assert kind["nothing"] == pytest.approx(0, abs=1e-6)
        assert kind["half"] != 0
