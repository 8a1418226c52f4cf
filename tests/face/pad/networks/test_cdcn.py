import pytest
import torch
import torch.nn.functional as F
from tests.draws import normal
from tests.face.pad.lively import lively
from torch import Tensor, nn

from sterling.face.pad.layers.cdc import CentralDifferenceConv2d
from sterling.face.pad.networks.cdcn import CDCN, SpatialAttention
from sterling.face.pad.networks.cdcn_pp import CDCNpp, operation_channels


def test_width_scales_the_channels() -> None:
    outputs = [m.out_channels for m in CDCN(16).modules() if isinstance(m, nn.Conv2d)]
    assert outputs == [16, 32, 49, 32, 32, 49, 32, 32, 49, 32, 32, 16, 1]


def test_theta_zero_is_the_ordinary_network_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = lively(CDCN(4, theta=0.0)), normal(1, 3, 32, 32)

    def ordinary(self: CentralDifferenceConv2d, value: Tensor) -> Tensor:
        return F.conv2d(value, self.weight, padding=1)

    with torch.no_grad():
        ours = model(x).maps
        monkeypatch.setattr(CentralDifferenceConv2d, "forward", ordinary)
        assert torch.equal(ours, model(x).maps)


def test_published_channels() -> None:
    levels = (CDCNpp().trunk.low, CDCNpp().trunk.mid, CDCNpp().trunk.high)
    channels = [
        [m.out_channels for m in level.modules() if isinstance(m, nn.Conv2d)] for level in levels
    ]
    assert channels == [[128, 204, 128], [153, 128, 179, 128], [128, 153, 128]]


def test_challenge_width_scales_the_ratios() -> None:
    assert operation_channels("cdc_2_1.6", 160) == [256, 160]  # the authors' challenge entry


def test_attention_weighs_positions_between_zero_and_one() -> None:
    attend, features = SpatialAttention(3), normal(2, 5, 6, 6)
    with torch.no_grad():
        weights = attend(features) / features
        flat = attend(torch.ones(1, 4, 8, 8))
    assert float(weights.min()) > 0
    assert float(weights.max()) < 1
    torch.testing.assert_close(weights, weights[:, :1].expand_as(weights))  # one per position
    inside = flat[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))


def test_attention_of_zero_weights_halves() -> None:
    attend = SpatialAttention(5)
    nn.init.zeros_(attend.weigh.weight)
    features = normal(1, 3, 8, 8)
    torch.testing.assert_close(attend(features), features / 2)
