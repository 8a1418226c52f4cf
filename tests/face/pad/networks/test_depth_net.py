import pytest
import torch
from tests.draws import normal

from sterling.errors import InputError
from sterling.face.pad import DepthNet
from sterling.face.pad.networks.depth_net import Gradient

LAYERS = (
    [(3, 64)]
    + [(64, 128), (128, 192), (192, 128)]
    + 2 * [(128, 128), (128, 192), (192, 128)]
    + [(384, 128), (128, 64)]
)


def test_parameters_are_those_of_the_stated_layers() -> None:
    plain = sum(9 * a * b + 2 * b for a, b in LAYERS) + 9 * 64
    # A gradient block adds a 1×1 convolution and a norm to each of them.
    added = sum(a * b + 2 * b for a, b in LAYERS)
    extra: dict[Gradient, int] = {
        "none": 0,
        "sobel_then_conv": added,
        "conv_then_sobel": added,
    }
    for gradient, more in extra.items():
        found = sum(p.numel() for p in DepthNet(gradient=gradient).parameters())
        assert found == plain + more


def test_levels_are_the_whole_a_half_and_a_quarter() -> None:
    model = DepthNet(4).eval()
    levels = model.levels(normal(1, 3, 32, 48))
    assert [tuple(level.shape) for level in levels] == [
        (1, 8, 32, 48),
        (1, 8, 16, 24),
        (1, 8, 8, 12),
    ]
    assert torch.equal(model.depth(levels), model(normal(1, 3, 32, 48)).maps)


@pytest.mark.parametrize("gradient", ["none", "sobel_then_conv", "conv_then_sobel"])
@pytest.mark.parametrize("width", [2, 16])
def test_maps_begin_above_zero_for_every_seed(gradient: Gradient, width: int) -> None:
    for seed in range(8):
        maps = DepthNet(width, gradient, seed=seed).train()(normal(2, 3, 32, 32)).maps
        assert 0.02 < maps.mean() < 1
        assert (maps > 0).float().mean() > 0.4


def test_the_frames_of_a_clip_are_judged_one_by_one() -> None:
    clips = normal(2, 3, 3, 32, 32)
    single, model = DepthNet(4).eval(), DepthNet(4, frames=3).eval()
    output = model(clips)
    for frame in range(3):
        torch.testing.assert_close(output.maps[:, frame], single(clips[:, frame]).maps)
    torch.testing.assert_close(model.liveness(output), output.maps.mean(dim=(1, 2, 3)))
    with pytest.raises(InputError, match="with T = 3 frames"):
        model(clips[:, :2])
