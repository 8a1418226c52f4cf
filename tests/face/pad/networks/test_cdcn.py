from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
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


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 64), (8, 8)])
def test_map_is_an_eighth_of_the_image(height: int, width: int) -> None:
    with torch.no_grad():
        assert CDCN(4).eval()(torch.zeros(2, 3, height, width)).maps.shape == (
            2,
            height // 8,
            width // 8,
        )


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


def test_seed_alone_decides_the_weights() -> None:
    def weights(seed: int, noise: int) -> list[Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(noise)
            return list(CDCN(4, seed=seed).state_dict().values())

    same = zip(weights(3, 0), weights(3, 1), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    assert not torch.equal(weights(3, 0)[0], weights(4, 0)[0])


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 3, 30, 32), "30×32"), ((1, 1, 32, 32), "cdcn takes"), ((3, 32, 32), "cdcn takes")],
)
def test_wrong_images_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CDCN(4)(torch.zeros(shape))


@pytest.mark.parametrize(
    "arguments", [{"width": 0}, {"width": 2.5}, {"modalities": ()}, {"theta": 2.0}]
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(arguments))):
        CDCN(**arguments)
