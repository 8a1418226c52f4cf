import torch
from torch import nn

from sterling.face.pad.networks.cdcn import SpatialAttention
from sterling.face.pad.networks.cdcn_pp import CDCNpp, operation_channels


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_published_size_and_map() -> None:
    model = CDCNpp().eval()
    assert parameters(model) == 2_257_352
    with torch.no_grad():
        depth = model(torch.zeros(1, 3, 256, 256)).maps
    assert depth is not None
    assert depth.shape == (1, 32, 32)
    assert bool((depth >= 0).all())


def test_published_channels() -> None:
    levels = (CDCNpp().trunk.low, CDCNpp().trunk.mid, CDCNpp().trunk.high)
    channels = [
        [m.out_channels for m in level.modules() if isinstance(m, nn.Conv2d)] for level in levels
    ]
    assert channels == [[128, 204, 128], [153, 128, 179, 128], [128, 153, 128]]


def test_challenge_width_scales_the_ratios() -> None:
    assert operation_channels("cdc_2_1.6", 160) == [256, 160]  # the authors' challenge entry


def test_attention_weighs_positions_between_zero_and_one() -> None:
    attend = SpatialAttention(3)
    features = torch.randn(2, 5, 6, 6, generator=torch.Generator().manual_seed(0))
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
    features = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(attend(features), features / 2)
