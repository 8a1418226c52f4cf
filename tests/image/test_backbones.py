"""Shapes, layers and independence of the few-shot networks."""

import pytest
import torch
import torch.nn.functional as F

from sterling.errors import InputError
from sterling.image import ConvBlock, ResidualBlock, conv4, resnet12


def test_conv4_is_the_published_network() -> None:
    network = conv4(5, channels=3, size=84, width=32)
    assert network(torch.rand(2, 3, 84, 84)).shape == (2, 5)
    assert network.get_parameter("head.weight").shape == (5, 32 * 5 * 5)
    convolutions = (3 * 9 + 1) * 32 + 3 * (32 * 9 + 1) * 32
    assert sum(one.numel() for one in network.parameters()) == (
        convolutions + 4 * 2 * 32 + (32 * 25 + 1) * 5
    )
    assert conv4(None, size=32, width=4)(torch.rand(2, 1, 32, 32)).shape == (2, 4, 2, 2)


def test_resnet12_has_twelve_convolutions_and_four_shortcuts() -> None:
    network = resnet12(5, size=32, width=4)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 5)
    assert network.get_parameter("head.weight").shape == (5, 32)
    kernels = [p.shape[-1] for n, p in network.named_parameters() if "norm" not in n and p.ndim > 2]
    assert sorted(kernels) == [1] * 4 + [3] * 12
    assert resnet12(None, size=32, width=4)(torch.rand(2, 3, 32, 32)).shape == (2, 32, 2, 2)


@pytest.mark.parametrize("block", [ConvBlock, ResidualBlock])
def test_blocks_against_torchs_own_normalisation(
    block: type[ConvBlock] | type[ResidualBlock],
) -> None:
    """The batch's statistics, as torch's functional form computes them in training."""
    torch.manual_seed(0)
    own = block(2, 3).double()
    x = torch.randn(4, 2, 7, 6, dtype=torch.float64)

    def norm(y: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(y, None, None, training=True)

    if isinstance(own, ConvBlock):
        expected = F.max_pool2d(F.relu(norm(own.conv(x))), 2)
    else:
        inner = F.relu(norm(own.conv2(F.relu(norm(own.conv1(x))))))
        expected = F.max_pool2d(F.relu(norm(own.conv3(inner) + own.shortcut(x))), 2)
    assert expected.shape == (4, 3, 3, 3)
    torch.testing.assert_close(own(x), expected, atol=1e-10, rtol=0)


def test_weights_come_from_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first, same, other = (
        conv4(2, width=2, seed=seed).get_parameter("head.weight") for seed in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("network", [conv4, resnet12])
def test_pictures_that_cannot_be_halved_four_times_are_refused(network: object) -> None:
    assert callable(network)
    with pytest.raises(InputError, match="size 15"):
        network(5, size=15)
