"""Layers of clips: a recurrent cell, spatial gradients, and short-term motion between frames.

Where the brightness of a moving point stays, f_t = -(v_x f_x + v_y f_y): derivatives in space and
time side by side hold the optical flow v without its being estimated. (Wang et al., "Exploiting
temporal and depth information for multi-frame face anti-spoofing", 2018; Wang et al., CVPR 2020.)
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import unknown_name


class ConvGRUCell(nn.Module):
    """One step of a convolutional GRU.

    With H the state, X the input, ⊛ a 3×3 convolution and * the product of elements (Wang et al.,
    CVPR 2020, section 3.2):

        R = σ(K_r ⊛ [H, X] + b_r),  U = σ(K_u ⊛ [H, X] + b_u)
        Ĥ = tanh(K_h ⊛ [R * H, X] + b_h),  H' = (1 - U) * H + U * Ĥ

    A state within (-1, 1) stays there. The release writes U for 1 - U and starts both gate biases
    at 1; here that is b_r = 1 and b_u = -1: at first the cell mostly keeps its state.

    Args:
        in_channels: Channels of the input.
        hidden_channels: Channels of the state.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        both = in_channels + hidden_channels
        self.gates = nn.Conv2d(both, 2 * hidden_channels, 3, padding=1, bias=False)
        self.candidate = nn.Conv2d(both, hidden_channels, 3, padding=1)
        # Apart from the convolution, so that `initialise` leaves them.
        biases = torch.ones(2, hidden_channels, 1, 1)
        biases[1] = -1
        self.gate_bias = nn.Parameter(biases)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the next state (N, hidden, H, W).

        Args:
            x: (N, in_channels, H, W).
            state: (N, hidden_channels, H, W); zeros before the first step.
        """
        reset, update = self.gates(torch.cat([state, x], dim=1)).chunk(2, dim=1)
        reset_bias, update_bias = self.gate_bias.unbind(0)
        reset, update = torch.sigmoid(reset + reset_bias), torch.sigmoid(update + update_bias)
        candidate = torch.tanh(self.candidate(torch.cat([reset * state, x], dim=1)))
        return (1 - update) * state + update * candidate


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

    Wang et al., CVPR 2020, section 3.1: a convolution, and the gradient of its input by Sobel's
    operator, whose weights are fixed.

    With F a 3×3 and P a 1×1 convolution, N batch norm and m the gradient's magnitude:

    - ``"sobel_then_conv"``, as released: ReLU(N(F(x) + N(P(m(x)))));
    - ``"conv_then_sobel"``, the paper's equation: ReLU(N(F(x) + N(m(P(x))))).

    The paper's equation has the squared magnitude (``root=False``), the release its root. With the
    inner norm's weight and bias at 0 the block is convolution, batch norm, ReLU. Convolutions have
    no bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        order: Operation that comes first, Sobel or the 1×1 convolution.
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


CHANGE_WEIGHT = 10.0


class Cues(NamedTuple):
    """Input of a block from one frame, computed once though the frame is in two pairs.

    Attributes:
        reduced: The trunk's features in few channels, (N, R, H, W).
        gradients: Gradients of `reduced`, (N, R, H, W) magnitudes or (N, 2·R, H, W) components.
        feature: The trunk's features in full, (N, C, H, W), where the block takes them.
    """

    reduced: Tensor
    gradients: Tensor
    feature: Tensor | None

    def of(self, choose: Callable[[Tensor], Tensor]) -> "Cues":
        """The same of other frames, `choose` being applied to every tensor."""
        feature = None if self.feature is None else choose(self.feature)
        return Cues(choose(self.reduced), choose(self.gradients), feature)


class ShortTermBlock(nn.Module):
    """Features of two neighbouring frames to features of their motion, (N, out, H, W), 0 or more.

    A 1×1 convolution and batch norm reduce each frame's features. These are concatenated: the
    reduced features now, their gradients now and in the next frame, the difference of the reduced
    features in time, and the output of the block before. A 3×3 convolution, batch norm and ReLU
    make the output.

    Every channel is brought to mean 0 and deviation 1 before the convolution, and the difference in
    time then weighed by 10, which the papers do not: neighbouring frames differ by a hundredth of
    what their features are, and in trainings of minutes the convolution does not find so small an
    input. Ours; it has no parameters.

    - Optical-flow guided feature block (OFFB, 2018): the gradients' signed components.
    - Spatio-temporal short-term block (STSTB, 2020): their magnitude, and the frame's own features
      concatenated in full width as well. (The release of 2020 has the full width, and signed
      components.)

    Args:
        channels: Channels of the trunk's features.
        reduced: Channels they are reduced to; 32 in the release.
        previous: Channels of the output of the block before, 0 for the first block.
        out_channels: Channels of the output.
        signed: Whether gradients are signed components instead of magnitudes.
        wide: Whether the trunk's features are concatenated too.
        root: Whether magnitudes have their root.
    """

    def __init__(
        self,
        channels: int,
        reduced: int,
        previous: int,
        out_channels: int,
        *,
        signed: bool,
        wide: bool,
        root: bool = True,
    ) -> None:
        super().__init__()
        self.signed, self.wide, self.root = signed, wide, root
        self.reduce = nn.Sequential(
            nn.Conv2d(channels, reduced, 1, bias=False), nn.BatchNorm2d(reduced)
        )
        gradients = 2 * reduced if signed else reduced
        still = (channels if wide else 0) + reduced + 2 * gradients + previous
        self.level_still = nn.BatchNorm2d(still, affine=False)
        self.level_change = nn.BatchNorm2d(reduced, affine=False)
        self.mix = nn.Sequential(
            nn.Conv2d(still + reduced, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def cues(self, feature: Tensor) -> Cues:
        """Compute the cue of a frame from its features (N, channels, H, W)."""
        reduced = self.reduce(feature)
        gradients = (
            torch.cat(sobel(reduced), dim=1)
            if self.signed
            else gradient_magnitude(reduced, root=self.root)
        )
        return Cues(reduced, gradients, feature if self.wide else None)

    def forward(self, now: Cues, then: Cues, previous: Tensor | None) -> Tensor:
        """Mix the cues of a frame and of the next one.

        Args:
            now: Cue of the frame.
            then: Cue of the next frame.
            previous: Output of the block before for the same two frames, (N, previous, H, W);
                None for the first block.
        """
        parts = [now.reduced, now.gradients, then.gradients]
        if now.feature is not None:
            parts.append(now.feature)
        if previous is not None:
            parts.append(previous)
        still = self.level_still(torch.cat(parts, dim=1))
        change = CHANGE_WEIGHT * self.level_change(then.reduced - now.reduced)
        mixed: Tensor = self.mix(torch.cat([still, change], dim=1))
        return mixed
