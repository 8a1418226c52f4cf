"""What is taken back is what the watched batches added; and SCRUB's way back."""

import pytest
import torch
from torch import nn

from sterling.errors import InputError
from sterling.privacy.data.records import simulated_records
from sterling.privacy.influence import flatten_parameters
from sterling.privacy.targets.models import initialise, mlp
from sterling.privacy.unlearning import (
    AmnesiacConfig,
    Descent,
    Examples,
    amnesiac,
    fit_amnesiac,
    split_request,
)
from sterling.privacy.unlearning.scrub import ScrubConfig, scrub

REPAIR_NOTHING = AmnesiacConfig(Descent(steps=0))


def examples(n: int = 64) -> Examples:
    records = simulated_records(n, classes=3, features=6, seed=0)
    return Examples(torch.from_numpy(records.x), torch.from_numpy(records.y), torch.arange(n))


def network() -> nn.Module:
    return initialise(lambda: mlp((6,), 3, width=8), [0]).module(0)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_taking_back_every_step_gives_the_untrained_model() -> None:
    everything, start = examples(), network()
    descent = Descent(steps=20, learning_rate=1e-2, batch_size=64)  # every batch holds every record
    model = fit_amnesiac(start, everything, everything.ids, descent, 0)
    forget, retain = split_request(everything, [3])
    after = amnesiac(model, forget, retain, generator(), REPAIR_NOTHING)
    torch.testing.assert_close(flatten_parameters(after), flatten_parameters(start))
    assert not torch.allclose(flatten_parameters(model), flatten_parameters(start), atol=1e-3)


def test_only_steps_with_the_record_are_taken_back_and_each_once() -> None:
    everything = examples()
    descent = Descent(steps=16, learning_rate=1e-2, batch_size=16)  # 4 epochs of 4 batches
    model = fit_amnesiac(network(), everything, torch.tensor([3, 5]), descent, 0)
    requests = [split_request(everything, [asked]) for asked in (3, 5)]
    held = [torch.isin(batch, torch.tensor([3])).any() for batch in model.batches]
    assert sum(held) == 4, "once in every epoch"
    expected = flatten_parameters(model) - sum(
        update for update, with_it in zip(model.updates, held, strict=True) if with_it
    )
    once = amnesiac(model, *requests[0], generator(), REPAIR_NOTHING)
    torch.testing.assert_close(flatten_parameters(once), expected)
    if len(model.updates) > 4:
        twice = amnesiac(once, *requests[1], generator(), REPAIR_NOTHING)
        rest = [u for u, with_it in zip(model.updates, held, strict=True) if not with_it]
        torch.testing.assert_close(flatten_parameters(twice), expected - sum(rest))
    with pytest.raises(InputError, match="no logged batch"):
        amnesiac(once, *requests[0], generator(), REPAIR_NOTHING)


def test_watching_changes_the_log_and_not_the_weights() -> None:
    everything, descent = examples(), Descent(steps=12, learning_rate=1e-2, batch_size=16)
    few = fit_amnesiac(network(), everything, torch.tensor([3]), descent, 0)
    many = fit_amnesiac(network(), everything, everything.ids, descent, 0)
    assert torch.equal(flatten_parameters(few), flatten_parameters(many))
    assert len(few.updates) == 3 < len(many.updates) == 12
    with pytest.raises(InputError, match="not Sequential"):
        amnesiac(network(), *split_request(everything, [3]), generator(), REPAIR_NOTHING)


def test_rewinding_ends_at_the_last_step_nearest_to_the_validation_error() -> None:
    everything = examples(120)
    start = fit_amnesiac(network(), everything, torch.tensor([0]), Descent(150, 1e-2), 0).model
    forget, retain = split_request(everything, range(20))
    validation = examples(400).select(torch.arange(300, 400))

    def error(model: nn.Module, among: Examples) -> float:
        with torch.no_grad():
            return float((model(among.inputs).argmax(1) != among.labels).float().mean())

    def after(steps: int, among: Examples | None) -> nn.Module:
        config = ScrubConfig(
            ascents=3, validation=among, descent=Descent(steps, 0.1), note_step=noted.append
        )
        return scrub(start, forget, retain, generator(), config)

    noted: list[int] = []
    # A run of fewer steps passes the same weights: the oracle.
    moments = [after(steps, None) for steps in range(1, 13)]
    goal = error(moments[-1], validation)
    distances = [abs(error(moment, forget) - goal) for moment in moments]
    nearest = max(step for step, distance in enumerate(distances) if distance == min(distances))
    assert nearest < 11, "or there is nothing to rewind"
    rewound = after(12, validation)
    assert torch.equal(flatten_parameters(rewound), flatten_parameters(moments[nearest]))
    assert noted == [nearest + 1]
