import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from tests.draws import normal, seeded
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.layers.spatio_temporal import (
    ConvGRUCell,
    Cues,
    GradientOrder,
    ShortTermBlock,
    SpatialGradientBlock,
    gradient_magnitude,
    sobel,
)


def block(channels: int = 3, previous: int = 0, *, signed: bool, wide: bool) -> ShortTermBlock:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ShortTermBlock(channels, 2, previous, 5, signed=signed, wide=wide).eval()


def mixed(unit: ShortTermBlock, now: Cues, then: Cues, previous: Tensor | None = None) -> Tensor:
    """Channels that the block concatenates, before it is levelled; the change in time is last."""
    seen: list[Tensor] = []
    handles = [
        norm.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
        for norm in (unit.level_still, unit.level_change)
    ]
    unit(now, then, previous)
    for handle in handles:
        handle.remove()
    return torch.cat(seen, dim=1)


@pytest.mark.parametrize(("signed", "wide"), [(True, False), (False, True)])
def test_parts_are_as_wide_as_stated(signed: bool, wide: bool) -> None:
    unit = block(3, 4, signed=signed, wide=wide)
    now, then = (unit.cues(normal(2, 3, 8, 8, seed=seed)) for seed in (0, 1))
    gradients = 4 if signed else 2
    assert now.gradients.shape[1] == gradients
    parts = mixed(unit, now, then, normal(2, 4, 8, 8))
    assert parts.shape[1] == 2 + 2 * gradients + 2 + (3 if wide else 0) + 4
    assert torch.equal(parts[:, :2], now.reduced)
    assert torch.equal(parts[:, 2 + gradients : 2 + 2 * gradients], then.gradients)
    assert torch.equal(parts[:, -6:-2], normal(2, 4, 8, 8))
    assert torch.equal(parts[:, -2:], then.reduced - now.reduced)
    assert unit(now, then, normal(2, 4, 8, 8)).shape == (2, 5, 8, 8)


@pytest.mark.parametrize(("signed", "wide"), [(True, False), (False, True)])
def test_equal_frames_have_no_temporal_gradient(signed: bool, wide: bool) -> None:
    unit = block(signed=signed, wide=wide)
    cues = unit.cues(normal(2, 3, 8, 8))
    assert bool((mixed(unit, cues, cues)[:, -2:] == 0).all())
    moved = mixed(unit, cues, unit.cues(normal(2, 3, 8, 8, seed=1)))[:, -2:]
    assert bool((moved != 0).any())


def test_the_change_in_time_has_ten_times_the_deviation_of_the_rest() -> None:
    unit = block(signed=False, wide=True).train()
    now = normal(8, 3, 8, 8)
    given = []
    unit.mix.register_forward_pre_hook(lambda _module, args: given.append(args[0]))
    unit(unit.cues(now), unit.cues(now + 0.01 * normal(8, 3, 8, 8, seed=1)), None)
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


def cell(inputs: int = 3, hidden: int = 2) -> ConvGRUCell:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ConvGRUCell(inputs, hidden).double()


def noise64(*shape: int, seed: int = 0) -> Tensor:
    return normal(*shape, seed=seed, dtype=torch.float64)


def hold(unit: ConvGRUCell, *, reset: float | None = None, update: float | None = None) -> None:
    """Fix gates at 0 (bias -1000) or 1 (bias 1000)."""
    with torch.no_grad():
        for row, gate in enumerate((reset, update)):
            if gate is not None:
                unit.gate_bias[row] = 1000 * (2 * gate - 1)


def test_a_closed_update_gate_keeps_the_state() -> None:
    unit = cell()
    hold(unit, update=0)
    state = noise64(2, 2, 5, 5).tanh()
    assert torch.equal(unit(noise64(2, 3, 5, 5, seed=1), state), state)


def test_with_update_open_and_reset_closed_only_the_input_counts() -> None:
    unit = cell()
    hold(unit, reset=0, update=1)
    x = noise64(2, 3, 5, 5)
    one, other = (
        unit(x, noise64(2, 2, 5, 5, seed=1)),
        unit(x, noise64(2, 2, 5, 5, seed=2)),
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, unit(-x, noise64(2, 2, 5, 5, seed=1)))


def test_the_state_counts_by_default() -> None:
    unit = cell()
    x = noise64(1, 3, 5, 5)
    assert not torch.equal(unit(x, noise64(1, 2, 5, 5)), unit(x, noise64(1, 2, 5, 5, seed=2)))


def test_on_one_pixel_with_open_reset_it_is_torchs_gru() -> None:
    unit, theirs = cell(), nn.GRUCell(3, 2).double()
    hold(unit, reset=1)
    # One pixel sees the kernels' centres only; PyTorch's z is the share that is kept, 1 - U.
    gates, candidate = (layer.weight[:, :, 1, 1] for layer in (unit.gates, unit.candidate))
    assert unit.candidate.bias is not None
    with torch.no_grad():
        unit.candidate.bias.copy_(torch.tensor([0.3, -0.4]))
        theirs.weight_hh.copy_(torch.cat([0 * gates[:2, :2], -gates[2:, :2], candidate[:, :2]]))
        theirs.weight_ih.copy_(torch.cat([0 * gates[:2, 2:], -gates[2:, 2:], candidate[:, 2:]]))
        theirs.bias_hh.zero_()
        theirs.bias_ih.copy_(
            torch.cat([torch.full((2,), 1000.0), -unit.gate_bias[1].flatten(), unit.candidate.bias])
        )
        x, state = noise64(4, 3, 1, 1), noise64(4, 2, 1, 1, seed=1)
        expected = theirs(x.flatten(1), state.flatten(1))
        torch.testing.assert_close(unit(x, state).flatten(1), expected)


def test_at_first_it_mostly_keeps_its_state() -> None:
    unit = cell()
    with torch.no_grad():
        unit.gates.weight.zero_()
        unit.candidate.weight.zero_()
        assert unit.candidate.bias is not None
        unit.candidate.bias.zero_()
        kept = unit(noise64(1, 3, 4, 4), torch.ones(1, 2, 4, 4, dtype=torch.float64))
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 + math.exp(-1))))


@given(st.integers(0, 2**16), st.floats(0.1, 30))
def test_a_state_within_bounds_stays_there(seed: int, size: float) -> None:
    unit = cell()
    state = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
    for step in range(4):
        state = unit(size * noise64(1, 3, 4, 4, seed=seed + step), state)
    assert bool((state.abs() <= 1).all())


ORDERS: tuple[GradientOrder, ...] = ("sobel_then_conv", "conv_then_sobel")


def filled(block: SpatialGradientBlock) -> SpatialGradientBlock:
    """Give every weight, and batch norm's statistics, values of their own."""
    generator = seeded(1)
    with torch.no_grad():
        for tensor in (*block.parameters(), *block.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return block.eval()


def test_a_ramp_of_slope_one_gives_eight() -> None:
    ramp = torch.arange(9.0).expand(1, 2, 7, 9)
    right, down = (part[..., 1:-1, 1:-1] for part in sobel(ramp))
    assert bool((right == 8).all())
    assert bool((down == 0).all())
    right, down = (part[..., 1:-1, 1:-1] for part in sobel(ramp.mT))
    assert bool((right == 0).all())
    assert bool((down == 8).all())


def test_sobel_agrees_with_scipy() -> None:
    x = normal(2, 3, 8, 11)
    for axis, ours in zip((-1, -2), sobel(x), strict=True):
        theirs = [ndimage.sobel(p, axis=axis, mode="constant") for p in x.flatten(0, 1).numpy()]
        np.testing.assert_allclose(ours.flatten(0, 1).numpy(), np.stack(theirs), atol=1e-5)


def test_magnitude_is_the_length_and_flat_regions_have_a_finite_slope() -> None:
    x = normal(1, 2, 6, 6)
    right, down = sobel(x)
    torch.testing.assert_close(gradient_magnitude(x), torch.hypot(right, down))
    torch.testing.assert_close(gradient_magnitude(x, root=False), torch.hypot(right, down).square())
    flat = torch.zeros(1, 1, 5, 5, requires_grad=True)
    (slope,) = torch.autograd.grad(gradient_magnitude(flat).sum(), flat)
    assert bool(torch.isfinite(slope).all())


def test_the_floor_survives_half_precision() -> None:
    with torch.autocast("cpu", dtype=torch.float16):
        found = gradient_magnitude(torch.zeros(1, 1, 5, 5))
        steep = gradient_magnitude(torch.full((1, 1, 5, 5), 100.0))  # squares beyond half's range
    torch.testing.assert_close(found, torch.full_like(found, 1e-4))
    assert bool(torch.isfinite(steep).all())


@pytest.mark.parametrize("order", ORDERS)
def test_without_its_gradient_path_it_is_convolution_norm_relu(order: GradientOrder) -> None:
    block = filled(SpatialGradientBlock(3, 5, order=order))
    inner = block.after[-1]
    assert isinstance(inner, nn.BatchNorm2d)
    with torch.no_grad():
        inner.weight.zero_()
        inner.bias.zero_()
        x = normal(2, 3, 8, 8)
        plain = nn.Sequential(block.convolution, block.norm, nn.ReLU())
        torch.testing.assert_close(block(x), plain(x))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("root", [True, False])
def test_block_is_the_stated_equation(order: GradientOrder, root: bool) -> None:
    block = filled(SpatialGradientBlock(3, 4, order=order, root=root))
    inner, point = block.after[-1], [*block.before, *block.after][0]
    assert isinstance(inner, nn.BatchNorm2d)
    assert isinstance(point, nn.Conv2d)
    x = normal(1, 3, 8, 8)

    def steep(values: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [[ndimage.sobel(p, axis=a, mode="constant") for a in (0, 1)] for p in values]
        squares: NDArray[np.float32] = np.square(parts).sum(axis=1)
        return np.sqrt(squares) if root else squares

    def normed(values: NDArray[np.float32], norm: nn.BatchNorm2d) -> NDArray[np.float32]:
        mean, var, scale, shift = (
            t.detach().numpy()[:, None, None]
            for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            if t is not None
        )
        shifted: NDArray[np.float32] = scale * (values - mean) / np.sqrt(var + norm.eps) + shift
        return shifted

    mix = point.weight.detach().numpy()[:, :, 0, 0]
    pixels = x[0].numpy()
    if order == "sobel_then_conv":
        residual = np.tensordot(mix, steep(pixels), axes=1)
    else:
        residual = steep(np.tensordot(mix, pixels, axes=1))
    learned = F.conv2d(x, block.convolution.weight, padding=1)[0].detach().numpy()
    expected = np.maximum(normed(learned + normed(residual, inner), block.norm), 0)
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_other_orders_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean sobel_then_conv"):
        SpatialGradientBlock(1, 1, order="sobel_then_con")  # type: ignore[arg-type]
