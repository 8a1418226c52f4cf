"""Central difference convolution, always computed as one ordinary convolution.

For a window R of offsets p around a position p0 the operation of Yu et al., "Searching Central
Difference Convolutional Networks for Face Anti-Spoofing" (CVPR 2020), is

    y(p0) = θ Σ w(p) (x(p0 + p) - x(p0)) + (1 - θ) Σ w(p) x(p0 + p)
          = Σ w(p) x(p0 + p) - θ x(p0) Σ w(p).

The subtracted term reads the input only at the window's centre, so it is one more weight on the
centre tap: w'(centre) = w(centre) - θ Σ w. That holds at the zero-padded borders and for every
stride, dilation, group count and amount of padding. Folding is linear in w, so training through it
gives the gradients of the definition.
"""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sterling.errors import InputError

M = TypeVar("M", bound=nn.Module)


def _require(weight: Tensor, theta: float) -> None:
    if not 0.0 <= theta <= 1.0:
        raise InputError(f"theta is {theta}: the share of the difference term lies in [0, 1]")
    if weight.shape[-2] % 2 == 0 or weight.shape[-1] % 2 == 0:
        raise InputError(
            f"kernel size is {tuple(weight.shape[-2:])}: a central difference needs a centre tap, "
            "so choose odd sizes"
        )


def _folded_weight(weight: Tensor, theta: float) -> Tensor:
    """Weights (out, in/groups, k, k) of the equal ordinary convolution."""
    if theta == 0.0:
        return weight
    # One small matrix product, (I - θ·1·e_centreᵀ) from the right: several times faster, forward
    # and backward, than cloning the weights and writing into the centre tap. Products with 0 and 1
    # are exact, so the other taps keep their bits.
    taps = weight.shape[-2] * weight.shape[-1]
    mix = torch.eye(taps, dtype=weight.dtype, device=weight.device)
    mix[:, taps // 2] -= theta
    with torch.autocast(weight.device.type, enabled=False):
        return (weight.flatten(2) @ mix).view_as(weight)


class CentralDifferenceConv2d(nn.Conv2d):
    """Central difference convolution with the arguments and parameters of `torch.nn.Conv2d`.

    Shapes: (N, in_channels, H, W) to (N, out_channels, H', W'), H' and W' as for `nn.Conv2d`.
    With ``theta = 0`` it is that convolution, bit for bit. With ``theta = 1`` an output whose
    window lies inside the image does not change when a constant is added to the image.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd side of the square window.
        stride: Step between windows.
        padding: Zeros added at each border; by default ``dilation * (kernel_size - 1) / 2``, which
            keeps the size at stride 1.
        dilation: Distance between neighbouring taps.
        groups: Groups of channels that are convolved apart.
        bias: Whether to learn an offset per output channel. It is added once; the authors'
            released two-convolution form would subtract ``theta * bias`` from it again, but has no
            layer with a bias.
        theta: Share of the difference term, in [0, 1]. 0.7 is the paper's choice.

    Raises:
        InputError: `kernel_size` is even or `theta` outside [0, 1].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        theta: float = 0.7,
    ) -> None:
        same = dilation * (kernel_size - 1) // 2
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=same if padding is None else padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        _require(self.weight, theta)
        self.theta = theta

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in nn.Conv2d
        """Convolve (N, in_channels, H, W)."""
        weight = _folded_weight(self.weight, self.theta)
        output: Tensor = self._conv_forward(input, weight, self.bias)
        return output

    def extra_repr(self) -> str:
        """Return the arguments as `nn.Conv2d` prints them, and theta."""
        shared: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{shared}, theta={self.theta}"

    def plain(self) -> nn.Conv2d:
        """Return the equal `nn.Conv2d`, with copied, folded weights."""
        plain: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Conv2d,
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias is not None,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )
        with torch.no_grad():
            plain.weight.copy_(_folded_weight(self.weight, self.theta))
            if self.bias is not None and plain.bias is not None:
                plain.bias.copy_(self.bias)
        return plain.train(self.training)


def two_path(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    theta: float,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Central difference convolution by two convolutions: the definition, as released.

    A k×k convolution minus theta times a 1×1 convolution with the summed kernel. It is the
    yardstick for `CentralDifferenceConv2d`, in correctness and in cost. Two deviations from the
    release: the bias is added once, and any `padding` is right because the input is first cut, or
    padded, to the windows' centres.

    Args:
        x: (N, in, H, W).
        weight: (out, in / groups, k, k) with odd k.
        bias: (out,) or None.
        theta: Share of the difference term, in [0, 1].
        stride: Step between windows.
        padding: Zeros added at each border; by default the size is kept at stride 1.
        dilation: Distance between neighbouring taps.
        groups: Groups of channels that are convolved apart.

    Returns:
        (N, out, H', W').

    Raises:
        InputError: The kernel is even or `theta` outside [0, 1].
    """
    _require(weight, theta)
    same = [dilation * (k - 1) // 2 for k in weight.shape[-2:]]
    amount = same if padding is None else [padding, padding]
    window = F.conv2d(x, weight, bias, stride, amount, dilation, groups)
    if theta == 0.0:
        return window
    dy, dx = amount[0] - same[0], amount[1] - same[1]
    centres = x if dx == dy == 0 else F.pad(x, (dx, dx, dy, dy))
    summed = weight.sum(dim=(2, 3), keepdim=True)
    return window - theta * F.conv2d(centres, summed, None, stride, 0, 1, groups)


def fold(model: M) -> M:
    """Return an equal copy for inference: ordinary convolutions, batch norm folded into them.

    Every `CentralDifferenceConv2d` becomes an `nn.Conv2d`; where an `nn.Sequential` has a batch
    norm right behind a convolution, the two become one layer. The copy is in evaluation mode;
    `model` is left as it was. Layers that stay what they were hold parameters of their own on the
    same memory, as copying it would take longer than a small network's answer.

    Args:
        model: A network of such layers; one with batch norm should have been trained, because its
            running statistics are used.
    """
    folded = _on_the_same_memory(model, {}).eval()
    _replace(folded)
    return folded


def _on_the_same_memory(module: M, done: dict[int, nn.Module]) -> M:
    """A copy of the module tree; `done` holds the copies so far, as a module may occur twice."""
    if id(module) in done:
        return done[id(module)]  # type: ignore[return-value]
    twin = copy.copy(module)
    done[id(module)] = twin
    twin._parameters = {
        name: None if own is None else nn.Parameter(own.detach(), own.requires_grad)
        for name, own in module._parameters.items()
    }
    twin._buffers = dict(module._buffers)
    twin._modules = {
        name: None if child is None else _on_the_same_memory(child, done)
        for name, child in module._modules.items()
    }
    return twin


def _replace(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, CentralDifferenceConv2d):
            setattr(module, name, child.plain())
        else:
            _replace(child)
    if isinstance(module, nn.Sequential):
        for index in range(len(module) - 1):
            convolution, norm = module[index], module[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(convolution, norm)
                module[index + 1] = nn.Identity()
