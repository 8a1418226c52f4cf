"""Exact unlearning bit for bit by SISA, and the updates that amnesiac unlearning takes back."""

import copy

import pytest
import torch
from tests.draws import seeded
from tests.privacy.small import examples, network

from sterling.errors import InputError
from sterling.privacy.influence import flatten_parameters as weights
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import (
    Descent,
    SisaConfig,
    amnesiac,
    fit_amnesiac,
    fit_sisa,
    sisa,
    split_deletion_request,
    train_by_recipe,
)

NO_REPAIR = Descent(steps=0)


@pytest.mark.parametrize("seed", range(3))
def test_sisa_after_deletion_equals_sisa_without_the_record_bit_for_bit(seed: int) -> None:
    config = SisaConfig(train_by_recipe(Recipe(epochs=3)), shards=4, slices=3, seed=seed)
    everything = examples(120)
    asked = torch.randperm(120, generator=torch.Generator().manual_seed(seed))[:3]
    forget, retain = split_deletion_request(everything, asked)
    full = fit_sisa(network(), everything, config)
    kept = copy.deepcopy(full)
    after = sisa(full, forget, retain, torch.Generator(), config=config)
    never = fit_sisa(network(), retain, config)
    assert torch.equal(weights(after), weights(never))
    assert not torch.equal(weights(after), weights(full))
    assert torch.equal(weights(full), weights(kept))
    # Shards without a removed record are as they were.
    affected = {config.place(int(record))[0] for record in forget.ids}
    for shard in set(range(4)) - affected:
        before, now = full.checkpoints()[shard][-1], after.get_submodule(f"shards.{shard}.3")
        assert torch.equal(weights(before), weights(now))


def test_sisa_answers_with_the_mean_posterior() -> None:
    config = SisaConfig(train_by_recipe(Recipe(epochs=2)), shards=3, slices=1)
    everything = examples(60)
    model = fit_sisa(network(), everything, config)
    with torch.no_grad():
        parts = [chain[-1](everything.inputs).softmax(1) for chain in model.checkpoints()]
        torch.testing.assert_close(
            model(everything.inputs).exp(), torch.stack(parts).mean(0), rtol=1e-5, atol=1e-6
        )


def test_sisa_refuses_other_models() -> None:
    config = SisaConfig(train_by_recipe(Recipe(epochs=1)), shards=2, slices=2)
    everything = examples(60)
    forget, retain = split_deletion_request(everything, [0])
    with pytest.raises(InputError, match="not in Sequential"):
        sisa(network(), forget, retain, torch.Generator(), config=config)
    ensemble = fit_sisa(network(), everything, config)
    other = SisaConfig(config.train, shards=2, slices=3)
    with pytest.raises(InputError, match="trained with others"):
        sisa(ensemble, forget, retain, torch.Generator(), config=other)
    with pytest.raises(InputError, match="shards is 0"):
        SisaConfig(config.train, shards=0)


def test_taking_back_every_step_gives_the_untrained_model() -> None:
    everything, start = examples(64), network()
    descent = Descent(steps=20, learning_rate=1e-2, batch_size=64)  # every batch holds every record
    model = fit_amnesiac(start, everything, everything.ids, descent, 0)
    forget, retain = split_deletion_request(everything, [3])
    after = amnesiac(model, forget, retain, seeded(), descent=NO_REPAIR)
    torch.testing.assert_close(weights(after), weights(start))
    assert not torch.allclose(weights(model), weights(start), atol=1e-3)


def test_only_steps_with_the_record_are_taken_back_and_each_once() -> None:
    everything = examples(64)
    descent = Descent(steps=16, learning_rate=1e-2, batch_size=16)  # 4 epochs of 4 batches
    model = fit_amnesiac(network(), everything, torch.tensor([3, 5]), descent, 0)
    requests = [split_deletion_request(everything, [asked]) for asked in (3, 5)]
    held = [torch.isin(batch, torch.tensor([3])).any() for batch in model.batches]
    assert sum(held) == 4, "once in every epoch"
    expected = weights(model) - sum(
        update for update, with_it in zip(model.updates, held, strict=True) if with_it
    )
    once = amnesiac(model, *requests[0], seeded(), descent=NO_REPAIR)
    torch.testing.assert_close(weights(once), expected)
    if len(model.updates) > 4:
        twice = amnesiac(once, *requests[1], seeded(), descent=NO_REPAIR)
        rest = [u for u, with_it in zip(model.updates, held, strict=True) if not with_it]
        torch.testing.assert_close(weights(twice), expected - sum(rest))
    with pytest.raises(InputError, match="no logged batch"):
        amnesiac(once, *requests[0], seeded(), descent=NO_REPAIR)


def test_watching_changes_the_log_and_not_the_weights() -> None:
    everything, descent = examples(64), Descent(steps=12, learning_rate=1e-2, batch_size=16)
    few = fit_amnesiac(network(), everything, torch.tensor([3]), descent, 0)
    many = fit_amnesiac(network(), everything, everything.ids, descent, 0)
    assert torch.equal(weights(few), weights(many))
    assert len(few.updates) == 3 < len(many.updates) == 12
    with pytest.raises(InputError, match="not Sequential"):
        amnesiac(network(), *split_deletion_request(everything, [3]), seeded(), descent=NO_REPAIR)
