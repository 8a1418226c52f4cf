"""Residual spatial gradient block: a convolution, and beside it how steep its input is.

Wang et al., "Deep Spatial Gradient and Temporal Depth Learning for Face Anti-spoofing" (CVPR 2020),
section 3.1. Steepness is taken by Sobel's operator, whose weights are fixed.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import unknown_name

GradientOrder = Literal["sobel_then_conv", "conv_then_sobel"]

_ACROSS = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
_FLOOR = 1e-8  # below the root, so that its slope stays finite on flat regions; released code


def sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel derivatives of every channel, to the right and downwards.

    A ramp of slope 1 gives 8. The border is padded with zeros, as the release's is.

    Args:
        x: (N, C, H, W).

    Returns:
        Two tensors of the same shape.
    """
    channels = x.shape[1]
    across = _ACROSS.to(x)
    # Two depthwise convolutions: one with both kernels costs four times as much on a CPU.
    right, down = (
        F.conv2d(x, kernel.expand(channels, 1, 3, 3), padding=1, groups=channels)
        for kernel in (across, across.T)
    )
    return right, down


def gradient_magnitude(x: Tensor, *, root: bool = True) -> Tensor:
    """Length of the Sobel gradient of every channel, 0 or more; its square without `root`.

    Squares and root are taken in single precision at least, also under autocast: 1e-8 is 0 in half.

    Args:
        x: (N, C, H, W).
        root: Whether to take the root, of the sum of squares and 1e-8.

    Returns:
        The same shape.
    """
    precision = torch.promote_types(x.dtype, torch.float32)
    right, down = (part.to(precision) for part in sobel(x))
    squares = right.square() + down.square()
    return (squares + _FLOOR).sqrt() if root else squares


class SpatialGradientBlock(nn.Module):
    """Residual spatial gradient block (RSGB), (N, in, H, W) to (N, out, H, W), 0 or more.

    With F a 3×3 and P a 1×1 convolution, N batch norm and m the gradient's magnitude:

    - ``"sobel_then_conv"``, as released: ReLU(N(F(x) + N(P(m(x)))));
    - ``"conv_then_sobel"``, the paper's equation: ReLU(N(F(x) + N(m(P(x))))).

    The paper's equation has the squared magnitude (``root=False``), the release its root. With the
    inner norm's weight and bias at 0 the block is convolution, batch norm, ReLU. Convolutions have
    no bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        order: Which comes first, Sobel or the 1×1 convolution.
        root: Whether the magnitude has its root.

    Raises:
        InputError: `order` is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        order: GradientOrder = "sobel_then_conv",
        root: bool = True,
    ) -> None:
        super().__init__()
        if order not in get_args(GradientOrder):
            raise unknown_name("order of the gradient block", order, get_args(GradientOrder))
        self.order, self.root = order, root
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        norm = nn.BatchNorm2d(out_channels)
        # Side by side the two are one layer when the network is folded.
        before, after = ([], [pointwise, norm])
        if order == "conv_then_sobel":
            before, after = ([pointwise], [norm])
        self.before, self.after = nn.Sequential(*before), nn.Sequential(*after)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, in_channels, H, W)."""
        steepness = self.after(gradient_magnitude(self.before(x), root=self.root))
        activated: Tensor = F.relu(self.norm(self.convolution(x) + steepness))
        return activated
