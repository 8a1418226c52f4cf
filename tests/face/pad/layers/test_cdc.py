import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.layers.cdc import CentralDifferenceConv2d, fold, two_path


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_definition(x: Tensor, weight: Tensor, theta: float) -> Tensor:
    """The sum over the window, tap by tap: stride 1, "same" zero padding."""
    k = weight.shape[-1]
    r = k // 2
    height, width = x.shape[-2:]
    padded = F.pad(x, (r, r, r, r))
    y = torch.zeros(x.shape[0], weight.shape[0], height, width, dtype=x.dtype)
    for dy in range(k):
        for dx in range(k):
            shifted = padded[..., dy : dy + height, dx : dx + width]
            mixed = theta * (shifted - x) + (1 - theta) * shifted
            y += torch.einsum("oc,nchw->nohw", weight[..., dy, dx], mixed)
    return y


def layer(theta: float, kernel: int = 3) -> CentralDifferenceConv2d:
    made = CentralDifferenceConv2d(2, 4, kernel, theta=theta).double()
    with torch.no_grad():
        made.weight.copy_(rand(*made.weight.shape, seed=7))
    return made


@given(kernel=st.sampled_from([1, 3, 5]), theta=st.floats(0, 1))
@settings(deadline=None, max_examples=25)
def test_equals_the_sum_that_defines_it(kernel: int, theta: float) -> None:
    conv, x = layer(theta, kernel), rand(2, 2, 7, 6)
    torch.testing.assert_close(conv(x), by_definition(x, conv.weight, theta))


@given(
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 3),
    padding=st.none() | st.integers(0, 5),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
    theta=st.floats(0, 1),
)
@settings(deadline=None, max_examples=60)
def test_one_convolution_equals_two_forward_and_backward(
    kernel: int,
    stride: int,
    padding: int | None,
    dilation: int,
    groups: int,
    bias: bool,
    theta: float,
) -> None:
    conv = CentralDifferenceConv2d(
        2, 4, kernel, stride, padding, dilation, groups, bias, theta
    ).double()
    results = []
    for path in ("one", "two"):
        x = rand(2, 2, 12, 11).requires_grad_()
        if path == "one":
            y = conv(x)
        else:
            y = two_path(
                x,
                conv.weight,
                conv.bias,
                theta=theta,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
            )
        leaves = (x, *conv.parameters())
        results.append((y, *torch.autograd.grad((y * rand(*y.shape, seed=1)).sum(), leaves)))
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two)


@given(theta=st.floats(0, 1), value=st.floats(-3, 3))
@settings(deadline=None, max_examples=20)
def test_constant_image_keeps_one_minus_theta_of_the_response(theta: float, value: float) -> None:
    conv = layer(theta)
    inside = conv(torch.full((1, 2, 6, 6), value, dtype=torch.float64))[..., 1:-1, 1:-1]
    expected = (1 - theta) * value * conv.weight.sum(dim=(1, 2, 3))
    torch.testing.assert_close(inside, expected.view(1, 4, 1, 1).expand_as(inside))


def test_theta_one_ignores_a_constant_shift_inside_the_image_only() -> None:
    conv, x = layer(1.0), rand(1, 2, 8, 8)
    change = conv(x + 5.0) - conv(x)
    assert change[..., 1:-1, 1:-1].abs().max() < 1e-12
    assert change[..., 0, :].abs().min() > 1e-6  # the zero-padded rim sees the shift


def test_theta_zero_is_the_ordinary_convolution_bit_for_bit() -> None:
    conv, x = layer(0.0), rand(2, 2, 9, 9)
    assert torch.equal(conv(x), F.conv2d(x, conv.weight, padding=1))


def test_kernel_of_one_scales_by_one_minus_theta() -> None:
    conv, x = layer(0.7, kernel=1), rand(2, 2, 5, 5)
    torch.testing.assert_close(conv(x), 0.3 * F.conv2d(x, conv.weight))


def test_bias_is_added_once() -> None:
    conv = CentralDifferenceConv2d(1, 1, bias=True, theta=0.7)
    assert conv.bias is not None
    torch.testing.assert_close(conv(torch.zeros(1, 1, 4, 4)), conv.bias.expand(1, 1, 4, 4))


def test_fold_gives_an_equal_plain_network_and_leaves_the_original() -> None:
    first = CentralDifferenceConv2d(2, 4, bias=True)
    second = CentralDifferenceConv2d(4, 3, stride=2)
    model = nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), nn.Sequential(second)).double()
    model(rand(4, 2, 8, 8) * 3 + 1)  # moves the running statistics
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded = fold(model)
    assert model.training
    assert not folded.training
    assert not any(isinstance(m, CentralDifferenceConv2d) for m in folded.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    x = rand(3, 2, 8, 8, seed=5)
    torch.testing.assert_close(folded(x), model.eval()(x))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    torch.testing.assert_close(fold(nn.Sequential(first))(x), first(x))


def test_what_is_done_to_the_folded_network_does_not_reach_the_original() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.BatchNorm1d(3), shared).train()
    weight, before = shared.weight, shared.weight.detach().clone()
    folded = fold(model).requires_grad_(False).double()
    assert folded[0] is folded[2]
    assert folded[0] is not shared
    assert shared.weight is weight
    assert shared.weight.requires_grad
    assert shared.weight.dtype == torch.float32
    assert torch.equal(shared.weight, before)
    assert model.training
    assert all(buffer.dtype != torch.float64 for buffer in model.buffers())


def test_folding_draws_no_random_numbers() -> None:
    conv = layer(0.7)
    state = torch.get_rng_state()
    fold(nn.Sequential(conv))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("theta", [-0.1, 1.1, float("nan")])
def test_theta_outside_its_range_is_refused(theta: float) -> None:
    with pytest.raises(InputError, match="theta"):
        CentralDifferenceConv2d(1, 1, theta=theta)
    with pytest.raises(InputError, match="theta"):
        two_path(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 3, 3), theta=theta)


def test_even_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="centre tap"):
        CentralDifferenceConv2d(1, 1, kernel_size=2)


def test_prints_theta() -> None:
    assert "theta=0.7" in repr(CentralDifferenceConv2d(1, 1))
