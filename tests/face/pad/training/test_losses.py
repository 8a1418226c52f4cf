import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.training.losses import ContrastiveDepthLoss, DepthLoss


def maps(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_convolution(predicted: Tensor, target: Tensor) -> Tensor:
    kernels = torch.zeros(8, 1, 9, dtype=predicted.dtype)
    kernels[:, 0, 4] = -1
    kernels[range(8), 0, [0, 1, 2, 3, 5, 6, 7, 8]] = 1
    kernels = kernels.view(8, 1, 3, 3)
    return F.mse_loss(
        F.conv2d(predicted.unsqueeze(1), kernels), F.conv2d(target.unsqueeze(1), kernels)
    )


@given(
    n=st.integers(1, 3), height=st.integers(3, 9), width=st.integers(3, 9), seed=st.integers(0, 99)
)
@settings(deadline=None, max_examples=30)
def test_shifted_differences_equal_eight_convolutions(
    n: int, height: int, width: int, seed: int
) -> None:
    target = maps(n, height, width, seed=seed + 1)
    gradients = []
    for loss in (ContrastiveDepthLoss(), by_convolution):
        predicted = maps(n, height, width, seed=seed).requires_grad_()
        value = loss(predicted, target)
        gradients.append((value, *torch.autograd.grad(value, predicted)))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_single_spike() -> None:
    spike, zero = torch.zeros(1, 32, 32), torch.zeros(1, 32, 32)
    spike[0, 16, 16] = 1.0
    assert ContrastiveDepthLoss()(spike, zero).item() == pytest.approx(16 / 7200)
    assert DepthLoss(0.0)(spike, zero).item() == pytest.approx(1 / 1024)
    assert DepthLoss(0.5)(spike, zero).item() == pytest.approx(1 / 1024 + 8 / 7200)


@given(shift=st.floats(-5, 5))
@settings(deadline=None, max_examples=20)
def test_a_constant_shift_costs_nothing_in_contrast(shift: float) -> None:
    predicted, target = maps(2, 8, 8, seed=0), maps(2, 8, 8, seed=1)
    contrast = ContrastiveDepthLoss()
    torch.testing.assert_close(contrast(predicted + shift, target), contrast(predicted, target))
    flat = torch.full((1, 8, 8), shift, dtype=torch.float64)
    assert contrast(flat, torch.zeros_like(flat)) == 0.0


@pytest.mark.parametrize(
    ("predicted", "target", "message"),
    [
        ((2, 8, 8), (2, 4, 4), "resize"),
        ((2, 2, 8), (2, 2, 8), "at least 3"),
        ((8, 8),) * 2 + ("N",),
    ],
)
def test_wrong_maps_are_refused(
    predicted: tuple[int, ...], target: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ContrastiveDepthLoss()(torch.zeros(predicted), torch.zeros(target))


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_wrong_weight_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match="cdl_weight"):
        DepthLoss(weight)
