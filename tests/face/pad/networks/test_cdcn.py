import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.face.pad.layers.cdc import CentralDifferenceConv2d, fold, two_path
from sterling.face.pad.networks.cdcn import CDCN


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def moved_statistics(model: CDCN, size: int = 32) -> CDCN:
    """Give batch norm running statistics that differ from their initial 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 3, size, size, generator=generator) * 2 + 0.5)
    return model.eval()


@pytest.mark.parametrize("theta", [0.0, 0.7, 1.0])
def test_published_size(theta: float) -> None:
    assert parameters(CDCN(theta=theta)) == 2_245_016


def test_published_map() -> None:
    with torch.no_grad():
        depth = fold(CDCN())(torch.zeros(1, 3, 256, 256)).maps
    assert depth.shape == (1, 32, 32)
    assert bool((depth >= 0).all())


def test_width_scales_the_channels() -> None:
    outputs = [m.out_channels for m in CDCN(16).modules() if isinstance(m, nn.Conv2d)]
    assert outputs == [16, 32, 49, 32, 32, 49, 32, 32, 49, 32, 32, 16, 1]


def test_two_path_one_path_and_folded_networks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    model = moved_statistics(CDCN(8))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))

    def released(self: CentralDifferenceConv2d, value: Tensor) -> Tensor:
        return two_path(value, self.weight, theta=self.theta)

    with torch.no_grad():
        one, folded = model(x).maps, fold(model)(x).maps
        monkeypatch.setattr(CentralDifferenceConv2d, "forward", released)
        two = model(x).maps
    assert one.abs().max() > 0.01
    torch.testing.assert_close(one, two, atol=1e-4, rtol=0)
    torch.testing.assert_close(one, folded, atol=1e-4, rtol=0)


def test_theta_zero_is_the_ordinary_network_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = moved_statistics(CDCN(4, theta=0.0))
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))

    def ordinary(self: CentralDifferenceConv2d, value: Tensor) -> Tensor:
        return F.conv2d(value, self.weight, padding=1)

    with torch.no_grad():
        ours = model(x).maps
        monkeypatch.setattr(CentralDifferenceConv2d, "forward", ordinary)
        assert torch.equal(ours, model(x).maps)


def test_first_layer_with_theta_one_ignores_brightness() -> None:
    stem = CDCN(4, theta=1.0).trunk.stem[0]
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        change = (stem(x + 2.0) - stem(x))[..., 1:-1, 1:-1]
    assert change.abs().max() < 1e-5
