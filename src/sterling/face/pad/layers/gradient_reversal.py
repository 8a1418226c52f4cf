"""Gradient reversal: an identity whose gradient changes sign, against a domain discriminator.

Ganin, Lempitsky, "Unsupervised Domain Adaptation by Backpropagation" (ICML 2015).
"""

import math
from typing import Annotated, Any

import torch
from torch import Tensor

from sterling.checks import Range

Domains = Annotated[int, Range(2)]
"""Number of domains that a discriminator tells apart."""

RAMP = 4000  # steps over which the reversed gradient grows, as SSDG releases it


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradient, None


def reverse_gradient(values: Tensor, scale: float) -> Tensor:
    """The values as they are; the gradient that comes back is multiplied by minus `scale`."""
    turned: Tensor = _Reversed.apply(values, scale)  # type: ignore[no-untyped-call]
    return turned


def reversal(step: int) -> float:
    """By how much the discriminator's gradient is turned at a step: from 0 towards 1."""
    return 2 / (1 + math.exp(-10 * step / RAMP)) - 1
