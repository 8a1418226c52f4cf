"""How alike two maps of embeddings are, position by position or every one with every other."""

import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError


def all_to_all(predicted: Tensor, embedded: Tensor) -> Tensor:
    """Minus the mean cosine between every position of one map and every one of the other.

    EPCR's dense loss, −(1/n²) Σ_i Σ_j cos(q_i, sg(z_j)) over n = H·W positions: it asks for no
    correspondence, as two views that were cropped differently have none. Computed as minus the
    inner product of the mean unit vectors, which is the same in O(n·C) instead of O(n²·C).

    Args:
        predicted: (N, C, H, W); gradients flow into it.
        embedded: (N, C, H', W'); a constant (stop-gradient).

    Returns:
        (N,), in [-1, 1]; -1 when all positions of both maps are parallel.

    Raises:
        InputError: The numbers of items or channels differ.
    """
    _require_channels(predicted, embedded)
    means = (_unit(one).flatten(2).mean(dim=2) for one in (predicted, embedded.detach()))
    first, second = means
    return -(first * second).sum(dim=1)


def position_to_position(predicted: Tensor, embedded: Tensor) -> Tensor:
    """Minus the mean cosine between equal positions of two maps of one size.

    The variant that views of different geometry do not suit. The released code sums over the
    width where the channels belong; this is the cosine.

    Args:
        predicted: (N, C, H, W); gradients flow into it.
        embedded: (N, C, H, W); a constant (stop-gradient).

    Returns:
        (N,), in [-1, 1].

    Raises:
        InputError: The shapes differ.
    """
    _require_channels(predicted, embedded)
    if predicted.shape != embedded.shape:
        raise InputError(
            f"maps have shapes {tuple(predicted.shape)} and {tuple(embedded.shape)}: equal "
            "positions need one size"
        )
    return -(_unit(predicted) * _unit(embedded.detach())).sum(dim=1).flatten(1).mean(dim=1)


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features, dim=1, eps=1e-12)


def _require_channels(predicted: Tensor, embedded: Tensor) -> None:
    if predicted.ndim != 4 or embedded.ndim != 4 or predicted.shape[:2] != embedded.shape[:2]:
        raise InputError(
            f"maps have shapes {tuple(predicted.shape)} and {tuple(embedded.shape)}: (N, C, H, W) "
            "of as many items and channels is needed"
        )
