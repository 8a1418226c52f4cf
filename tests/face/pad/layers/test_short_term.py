import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sterling.face.pad.layers.spatio_temporal import Cues, ShortTermBlock


def block(channels: int = 3, previous: int = 0, *, signed: bool, wide: bool) -> ShortTermBlock:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ShortTermBlock(channels, 2, previous, 5, signed=signed, wide=wide).eval()


def mixed(unit: ShortTermBlock, now: Cues, then: Cues, previous: Tensor | None = None) -> Tensor:
    """What the block concatenates, before it is levelled; the change in time stands last."""
    seen: list[Tensor] = []
    handles = [
        norm.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
        for norm in (unit.level_still, unit.level_change)
    ]
    unit(now, then, previous)
    for handle in handles:
        handle.remove()
    return torch.cat(seen, dim=1)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("signed", "wide"), [(True, False), (False, True)])
def test_parts_are_as_wide_as_stated(signed: bool, wide: bool) -> None:
    unit = block(3, 4, signed=signed, wide=wide)
    now, then = (unit.cues(noise(2, 3, 8, 8, seed=seed)) for seed in (0, 1))
    gradients = 4 if signed else 2
    assert now.gradients.shape[1] == gradients
    parts = mixed(unit, now, then, noise(2, 4, 8, 8))
    assert parts.shape[1] == 2 + 2 * gradients + 2 + (3 if wide else 0) + 4
    assert torch.equal(parts[:, :2], now.reduced)
    assert torch.equal(parts[:, 2 + gradients : 2 + 2 * gradients], then.gradients)
    assert torch.equal(parts[:, -6:-2], noise(2, 4, 8, 8))
    assert torch.equal(parts[:, -2:], then.reduced - now.reduced)
    assert unit(now, then, noise(2, 4, 8, 8)).shape == (2, 5, 8, 8)


@pytest.mark.parametrize(("signed", "wide"), [(True, False), (False, True)])
def test_equal_frames_have_no_temporal_gradient(signed: bool, wide: bool) -> None:
    unit = block(signed=signed, wide=wide)
    cues = unit.cues(noise(2, 3, 8, 8))
    assert bool((mixed(unit, cues, cues)[:, -2:] == 0).all())
    moved = mixed(unit, cues, unit.cues(noise(2, 3, 8, 8, seed=1)))[:, -2:]
    assert bool((moved != 0).any())


def test_the_change_in_time_has_ten_times_the_deviation_of_the_rest() -> None:
    unit = block(signed=False, wide=True).train()
    now = noise(8, 3, 8, 8)
    given = []
    unit.mix.register_forward_pre_hook(lambda _module, args: given.append(args[0]))
    unit(unit.cues(now), unit.cues(now + 0.01 * noise(8, 3, 8, 8, seed=1)), None)
    deviation = given[0].std(dim=(0, 2, 3))
    torch.testing.assert_close(deviation[:-2], torch.ones(len(deviation) - 2), atol=0.02, rtol=0)
    torch.testing.assert_close(deviation[-2:], torch.full((2,), 10.0), atol=0.5, rtol=0)


@pytest.mark.parametrize("velocity", [(0.2, 0.0), (0.0, -0.3), (-0.15, 0.25)])
def test_flow_can_be_read_off_the_signed_components(velocity: tuple[float, float]) -> None:
    """Brightness constancy: f_t = -(v_x f_x + v_y f_y), Sobel's factor 8 divided out."""
    unit = ShortTermBlock(1, 1, 0, 1, signed=True, wide=False).eval()
    layer, norm = unit.reduce
    assert isinstance(layer, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    norm.eps = 0.0  # running mean 0 and variance 1: the reduction does nothing
    with torch.no_grad():
        layer.weight.fill_(1.0)
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")

    def frame(t: float) -> Tensor:
        along, down = x - velocity[0] * t, y - velocity[1] * t
        return (torch.sin(0.21 * along + 0.1 * down) + torch.cos(0.26 * down - 0.05 * along))[
            None, None
        ]

    parts = mixed(unit, unit.cues(frame(0)), unit.cues(frame(1)))[0, :, 2:-2, 2:-2]
    _, right, down, right_then, down_then, change = parts.flatten(1).double().numpy(force=True)
    slopes = np.stack([(right + right_then) / 16, (down + down_then) / 16], axis=1)
    found, *_ = np.linalg.lstsq(slopes, -change, rcond=None)
    np.testing.assert_allclose(found, velocity, atol=0.01)
