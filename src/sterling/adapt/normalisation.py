"""Batch normalisation that adapts: from the batch alone, with gradients of every order.

torch's own module keeps running statistics, which inner loops of one task would leave to the next;
and under ``torch.vmap`` its second-order gradients are wrong though its values are right. The one
here keeps none, and is written in primitive operations there. Elsewhere it calls torch's fused
kernel, whose gradients of every order are right and which takes a half of the time.
"""

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

from sterling.errors import InputError

NATIVE = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class BatchStatistics(nn.Module):
    """Normalisation of each channel by mean and variance of this batch, in every mode.

    Args:
        channels: Number C of channels of inputs (N, C, ...).
        epsilon: Added to the variance.
        affine: Learn scale and shift.
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, channels: int, epsilon: float = 1e-5, *, affine: bool = True) -> None:
        super().__init__()
        self.channels, self.epsilon = channels, epsilon
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, ...); the shape stays."""
        if not inside_transform():
            cudnn = torch.backends.cudnn.enabled
            return torch.batch_norm(
                x, self.weight, self.bias, None, None, True, 0.0, self.epsilon, cudnn
            )
        others = [axis for axis in range(x.ndim) if axis != 1]
        centred = x - x.mean(others, keepdim=True)
        variance = centred.square().mean(others, keepdim=True)
        normalised = centred * (variance + self.epsilon).rsqrt()
        if self.weight is None or self.bias is None:
            return normalised
        shape = (1, -1, *(1 for _ in others[1:]))
        return normalised * self.weight.view(shape) + self.bias.view(shape)


def inside_transform() -> bool:
    """Return whether this runs inside ``torch.vmap`` or another transform of ``torch.func``."""
    return torch._C._are_functorch_transforms_active()


def with_batch_statistics(module: nn.Module) -> nn.Module:
    """Copy a module with every batch normalisation of torch replaced by `BatchStatistics`.

    Scale, shift and epsilon are kept; running statistics are given up.
    """
    if isinstance(module, NATIVE):
        own = BatchStatistics(module.num_features, module.eps, affine=module.affine)
        own.load_state_dict({name: value.detach() for name, value in module.named_parameters()})
        return own
    copy = deepcopy(module)
    for name, child in module.named_children():
        setattr(copy, name, with_batch_statistics(child))
    return copy


def with_running_statistics(module: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Copy a module for use after meta-training: an output depends on no other item.

    Every `BatchStatistics` becomes torch's normalisation of pictures, (N, C, H, W), with the mean
    statistics of some batches. The copy is in evaluation mode.

    Args:
        module: Module trained on batches by their own statistics.
        batches: Batches of its training items, in the form that the module takes.
    """
    copy = _replaced(deepcopy(module)).train()
    with torch.no_grad():
        for batch in batches:
            copy(batch)
    return copy.eval()


def _replaced(module: nn.Module) -> nn.Module:
    if isinstance(module, BatchStatistics):
        affine = module.weight is not None
        norm = nn.BatchNorm2d(module.channels, module.epsilon, momentum=None, affine=affine)
        for name, value in module.named_parameters():
            norm.get_parameter(name).data = value.detach()
            norm.to(value.device)
        return norm
    for name, child in module.named_children():
        setattr(module, name, _replaced(child))
    return module


def refuse_running_statistics(module: nn.Module) -> None:
    """Refuse modules whose statistics would carry over between tasks.

    Raises:
        InputError: There is a batch normalisation of torch; the message names it and the fix.
    """
    for name, child in module.named_modules():
        if isinstance(child, NATIVE):
            raise InputError(
                f"module {name or 'itself'}: {type(child).__name__} gives wrong gradients here (it "
                "keeps statistics from task to task, and its second order is wrong under vmap); "
                "use sterling.adapt.with_batch_statistics(module), or GroupNorm"
            )
