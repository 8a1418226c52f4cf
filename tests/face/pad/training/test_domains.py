"""The discrepancy's closed forms, and that the target's labels are never looked at."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.draws import normal, pixels, seeded

from sterling.errors import InputError
from sterling.face.pad.networks.ssdg import SSDG
from sterling.face.pad.training.domains import (
    DomainConfusion,
    reversal,
    reverse_gradient,
    squared_mmd,
)
from sterling.face.pad.training.objective import Batch


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 4))
def test_a_sample_is_not_apart_from_itself_in_any_order(seed: int, n: int, d: int) -> None:
    values = normal(n, d, seed=seed).double()
    assert abs(squared_mmd(values, values.flip(0)).item()) < 1e-12


def test_two_points_have_a_closed_form() -> None:
    # Squared distances 0, 9, 9, 0: their mean is 4.5, so that 9 is twice it.
    found = squared_mmd(torch.tensor([[0.0]]), torch.tensor([[3.0]]), widths=(1.0, 2.0))
    wanted = 2 - 2 * (math.exp(-2) + math.exp(-1)) / 2
    assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_it_grows_with_the_shift_and_pulls_together() -> None:
    first, second = normal(2, 200, 2).double()
    shifts = [squared_mmd(first, second + shift).item() for shift in (0.0, 0.5, 1.0, 2.0)]
    assert shifts == sorted(shifts)
    moved = (second + 1).requires_grad_()
    torch.autograd.backward(squared_mmd(first, moved))
    assert moved.grad is not None
    assert bool((moved.grad.mean(dim=0) > 0).all())  # downhill is towards the first


def test_labels_of_the_target_do_not_matter() -> None:
    images = pixels(8, 3, 32, 32)
    labelled = torch.arange(8) < 4
    losses = []
    for target in ([1.0] * 4, [0.0, 1.0, 0.0, 1.0]):
        maps = torch.tensor([1.0, 0.0, 1.0, 0.0, *target]).view(8, 1, 1)
        network = SSDG(10, 4, seed=0).train()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            loss, _ = DomainConfusion(labelled)(
                network,
                network,
                Batch(images, maps, None, torch.arange(8)),
                seeded(1),
            )
        losses.append(loss.item())
    assert losses[0] == losses[1]


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        squared_mmd(torch.zeros(0, 2), torch.zeros(1, 2))
    with pytest.raises(InputError, match=r"\(N, D\)"):
        squared_mmd(torch.zeros(1, 2), torch.zeros(1, 3))


def test_values_stay_and_the_gradient_turns_round() -> None:
    values = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    turned = reverse_gradient(values, 0.25)
    assert torch.equal(turned, values)
    torch.autograd.backward((turned * torch.tensor([1.0, 2.0, 4.0])).sum())
    assert values.grad is not None
    assert values.grad.tolist() == [-0.25, -0.5, -1.0]


def test_the_ramp_starts_at_nothing_and_ends_near_one() -> None:
    assert reversal(0) == 0
    assert reversal(400) == pytest.approx(0.46212, abs=1e-5)  # tanh(1/2)
    assert 0 < reversal(100) < reversal(1000) < 1
    assert reversal(100_000) == pytest.approx(1)
