import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.layers.spatio_temporal import (
    GradientOrder,
    SpatialGradientBlock,
    gradient_magnitude,
    sobel,
)

ORDERS: tuple[GradientOrder, ...] = ("sobel_then_conv", "conv_then_sobel")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def filled(block: SpatialGradientBlock) -> SpatialGradientBlock:
    """Give every weight, and batch norm's statistics, values of their own."""
    generator = torch.Generator().manual_seed(1)
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
    x = noise(2, 3, 8, 11)
    for axis, ours in zip((-1, -2), sobel(x), strict=True):
        theirs = [ndimage.sobel(p, axis=axis, mode="constant") for p in x.flatten(0, 1).numpy()]
        np.testing.assert_allclose(ours.flatten(0, 1).numpy(), np.stack(theirs), atol=1e-5)


def test_magnitude_is_the_length_and_flat_regions_have_a_finite_slope() -> None:
    x = noise(1, 2, 6, 6)
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
        x = noise(2, 3, 8, 8)
        plain = nn.Sequential(block.convolution, block.norm, nn.ReLU())
        torch.testing.assert_close(block(x), plain(x))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("root", [True, False])
def test_block_is_the_stated_equation(order: GradientOrder, root: bool) -> None:
    block = filled(SpatialGradientBlock(3, 4, order=order, root=root))
    inner, point = block.after[-1], [*block.before, *block.after][0]
    assert isinstance(inner, nn.BatchNorm2d)
    assert isinstance(point, nn.Conv2d)
    x = noise(1, 3, 8, 8)

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
