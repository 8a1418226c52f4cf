"""Quantisation: rounding the weights can bring back what small weight changes had hidden.

Zhang et al., "Catastrophic Failure of LLM Unlearning via Quantization", ICLR 2025.
"""

import copy

import torch
from torch import nn

from sterling.errors import InputError


def round_to_nearest(model: nn.Module, bits: int) -> nn.Module:
    """A copy whose matrices hold integers of so many bits times one step per row.

    Symmetric: a row's largest entry becomes ±(2^(bits−1) − 1). Vectors (biases, norms) stay.

    Args:
        model: Any module.
        bits: From 2 to 16.
    """
    if not 2 <= bits <= 16:
        raise InputError(f"bits {bits}: give 2 to 16")
    rounded = copy.deepcopy(model)
    largest = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for value in rounded.parameters():
            if value.ndim < 2:
                continue
            rows = value.flatten(1)
            step = rows.abs().amax(1, keepdim=True) / largest
            value.copy_((torch.round(rows / step.clamp_min(1e-12)) * step).view_as(value))
    return rounded
