"""Training over several domains: gradient reversal, and domain adaptation without labels.

Li, Li, Cao, Wang, Zhang, Kot, "Unsupervised Domain Adaptation for Face Anti-Spoofing" (IEEE TIFS
2018) minimise the maximum mean discrepancy between a source with labels and a target without;
the discrepancy is that of Gretton et al. (JMLR 2012), in several widths at once as in Long et al.
(ICML 2015).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.checks import Range, Weight
from sterling.errors import InputError
from sterling.face.pad.networks.network import Network, Output
from sterling.face.pad.training.losses import bona_fide_of
from sterling.face.pad.training.objective import Batch, OneView

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
    """Return the values; the gradient that comes back is multiplied by minus `scale`.

    Ganin, Lempitsky, "Unsupervised Domain Adaptation by Backpropagation" (ICML 2015): the features
    become such that a discriminator learns nothing from them.
    """
    turned: Tensor = _Reversed.apply(values, scale)  # type: ignore[no-untyped-call]
    return turned


def reversal(step: int) -> float:
    """Scale of the reversed gradient at a step: from 0 towards 1."""
    return 2 / (1 + math.exp(-10 * step / RAMP)) - 1


WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # times the mean squared distance between the two samples


def squared_mmd(first: Tensor, second: Tensor, widths: Sequence[float] = WIDTHS) -> Tensor:
    """Squared maximum mean discrepancy between two samples; 0 is least.

    The kernel is the mean of Gaussians exp(-d² / (w · m)), with m the mean squared distance over
    all pairs of both samples, without gradient. The estimate is the biased one of Gretton et al.,
    equation 5, which is 0 for two samples with the same values.

    Args:
        first: (N, D), N of 1 or more.
        second: (M, D), M of 1 or more.
        widths: Widths of the Gaussians, above 0.

    Returns:
        A scalar, 0 to 2.

    Raises:
        InputError: A shape does not fit.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(
            f"samples are {tuple(first.shape)} and {tuple(second.shape)}: (N, D) and (M, D)"
        )
    if not len(first) or not len(second):
        raise InputError("a sample is empty: one item or more on each side")
    both = torch.cat([first, second])
    squares = (both[:, None] - both[None, :]).square().sum(dim=2)
    mean = squares.detach().mean().clamp(min=1e-12)
    kernel = torch.stack([(-squares / (width * mean)).exp() for width in widths]).mean(dim=0)
    n = len(first)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


@dataclass(frozen=True, eq=False)
class AcrossDomains(OneView):
    """Base of objectives that know the domain of each training item.

    Attributes:
        domains: int64 (N,), the domain of each training item, 0 to the network's number less 1.
    """

    domains: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.domains.dtype != torch.int64 or bool((self.domains < 0).any()):
            raise InputError("domains: int64 numbers of 0 or more, one per training item")

    def domains_of(self, batch: Batch) -> Tensor:
        """Domains of a batch, int64 (N,), on its device."""
        return self.domains[batch.rows].to(batch.images.device)


@dataclass(frozen=True, eq=False)
class DomainConfusion(OneView):
    """L = cross-entropy of items with labels + weight · squared MMD to items without.

    The network gives its embedding as the first of its training features: `SSDG` and `MADDG` do.
    Labels of the target are in the batch as in every other, and are not used.

    Attributes:
        labelled: bool (N,), whether each training item is of the source.
        weight: 0 or more; our default.
    """

    labelled: Tensor
    weight: Weight = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labelled.dtype != torch.bool:
            raise InputError("labelled: bool, one per training item")
        if bool(self.labelled.all()) or not bool(self.labelled.any()):
            raise InputError("labelled: items with labels and items without are both needed")

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:  # noqa: ARG002
        """See `OneView`."""
        assert output.logits is not None
        source = self.labelled[batch.rows].to(batch.images.device)
        wanted = bona_fide_of(batch.maps).to(output.logits.dtype)
        errors = F.binary_cross_entropy_with_logits(output.logits[:, -1], wanted, reduction="none")
        loss = (errors * source).sum() / source.sum().clamp(min=1)
        embedded = output.features[0]
        if bool(source.any()) and not bool(source.all()):
            loss = loss + self.weight * squared_mmd(embedded[source], embedded[~source])
        return loss
