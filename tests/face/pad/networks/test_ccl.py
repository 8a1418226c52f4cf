"""CCL's target follows and never learns; its losses are those of the definition."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sterling.face.pad.networks.ccl import CCL, ContextContrast, contrast_loss
from sterling.face.pad.training.objective import Batch


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def confounded(n: int, *, agrees: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of noise: attacks have fine stripes, and light agrees with the class so often."""
    live = torch.arange(n) % 2 == 0
    bright = torch.where(torch.rand(n, generator=draws(n)) < agrees, live, ~live)
    images = torch.randint(60, 120, (n, 3, 32, 32), generator=draws(n + 1))
    stripes = 36 * ((torch.arange(32) // 2) % 2)
    images = images + torch.where(live[:, None, None, None], 18, stripes)
    images = images + torch.where(bright, 90, 0)[:, None, None, None]
    return images.to(torch.uint8), live, bright.long()[:, None]


def objective(n: int = 16, **changes: Any) -> tuple[ContextContrast, Batch]:
    images, live, contexts = confounded(n, agrees=0.8)
    maps = live.float()[:, None, None]
    found = ContextContrast(images, contexts, live, **changes)
    return found, Batch(images, maps, None, torch.arange(n))


def test_the_target_begins_equal_follows_and_gets_no_gradient() -> None:
    network = CCL(10, 4, seed=0).train()
    contrast, batch = objective(momentum=0.9)
    start = [parameter.clone() for parameter in network.target.parameters()]
    loss, scores = contrast(network, network, batch, draws())
    assert scores.shape == (16,)
    for before, after in zip(start, network.target.parameters(), strict=True):
        assert torch.allclose(before, after)  # it began as the online branch
    torch.autograd.backward(loss)
    assert all(parameter.grad is None for parameter in network.target.parameters())
    assert network.classify.weight.grad is not None
    assert next(network.encoder.parameters()).grad is not None
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.add_(1)
    network.follow(0.9)
    for before, after in zip(start, network.target[0].parameters(), strict=False):
        assert torch.allclose(after, before + 0.1, atol=1e-5)


def test_contrast_is_the_cross_entropy_of_the_own_positive() -> None:
    live = torch.tensor([True, False])
    cosines = torch.tensor([[0.9, 0.1, -0.2, 0.7], [0.4, 0.8, 0.3, -0.5]])
    # Anchor 0 is bona fide: of other class are the positive of 1 and the negative of 0.
    first = -math.log(math.exp(0.9) / (math.exp(0.9) + math.exp(0.1) + math.exp(-0.2)))
    second = -math.log(math.exp(0.8) / (math.exp(0.8) + math.exp(0.4) + math.exp(-0.5)))
    found = contrast_loss(cosines, live, 1.0)
    assert found.item() == pytest.approx((first + second) / 2)


def test_weights_of_zero_leave_the_cross_entropy() -> None:
    network = CCL(10, 4, seed=0).train()
    contrast, batch = objective(contrast_weight=0.0, similar_weight=0.0)
    plain = contrast(network, network, batch, draws())[0]
    full = objective()[0](network, network, batch, draws())[0]
    assert 0 < plain < full
