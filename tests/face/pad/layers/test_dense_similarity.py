"""The dense losses against their definition, position by position."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.networks.epcr import all_to_all, position_to_position


def maps(seed: int, n: int = 2, channels: int = 5, height: int = 4, width: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, height, width, generator=generator, dtype=torch.float64)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
def test_all_to_all_is_the_mean_over_all_pairs(seed: int, channels: int, height: int) -> None:
    q, z = maps(seed, 2, channels, height), maps(seed + 1, 2, channels, height + 1)
    cosines = torch.nn.functional.cosine_similarity(
        q.flatten(2)[:, :, :, None], z.flatten(2)[:, :, None, :], dim=1
    )
    assert torch.allclose(all_to_all(q, z), -cosines.mean(dim=(1, 2)))
    assert bool((all_to_all(q, z).abs() <= 1 + 1e-12).all())


def test_all_parallel_positions_give_minus_one_and_nothing_else_does() -> None:
    direction = maps(0, 1, 5, 1, 1)
    lengths = torch.rand(1, 1, 4, 3, dtype=torch.float64) + 0.1
    parallel = direction * lengths
    assert all_to_all(parallel, 3 * parallel).item() == pytest.approx(-1)
    turned = parallel.clone()
    turned[..., 0, 0] = -turned[..., 0, 0]
    assert all_to_all(turned, parallel).item() > -1 + 1e-6


def test_of_identical_maps_positions_agree_with_themselves_and_less_with_others() -> None:
    q = maps(1)
    assert torch.allclose(position_to_position(q, q), -torch.ones(2, dtype=torch.float64))
    assert bool((all_to_all(q, q) > -1).all())


@pytest.mark.parametrize("loss", [all_to_all, position_to_position])
def test_no_gradient_flows_into_the_embedding(loss: object) -> None:
    assert callable(loss)
    q, z = maps(1).requires_grad_(), maps(2).requires_grad_()
    loss(q, z).sum().backward()
    assert z.grad is None
    assert q.grad is not None
    assert bool(q.grad.abs().sum() > 0)


def test_maps_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="as many items and channels"):
        all_to_all(maps(0), maps(0, channels=4))
    with pytest.raises(InputError, match="equal positions need one size"):
        position_to_position(maps(0), maps(0, height=5))
