"""The gradient's sign and size, and the ramp."""

import pytest
import torch

from sterling.face.pad.training.domains import reversal, reverse_gradient


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
    assert reversal(100_000) == pytest.approx(1)
