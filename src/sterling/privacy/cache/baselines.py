"""Baseline defences of a cache: Gaussian noise, and channels in a secret order.

The noise is the paper's baseline with the released code's constants (arXiv 2508.09442). At its
epsilon of 1e8 the noise is far below a float's resolution, so that it protects little; that epsilon
promises nothing. The channel permutation is KV-Shield's: one per layer, head, keys and values,
which a real system fuses into the weights. It leaves every entry as it is, so that norms, and rows
sorted by size, still tell the text.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.privacy.cache.snapshot import CacheSnapshot

EPSILON, DELTA, COMPOSITIONS = 1e8, 1e-5, 2


def _each(stolen: CacheSnapshot, change: Callable[[Tensor], Tensor]) -> CacheSnapshot:
    keys, values = (tuple(map(change, rows)) for rows in (stolen.keys, stolen.values))
    return CacheSnapshot(keys, values)


def cache_norm(stolen: CacheSnapshot) -> float:
    """Return the Euclidean norm of all keys and values together."""
    squares = sum(float(one.double().square().sum()) for one in (*stolen.keys, *stolen.values))
    return math.sqrt(squares)


def noised(
    stolen: CacheSnapshot, clip: float, generator: torch.Generator, epsilon: float = EPSILON
) -> CacheSnapshot:
    """Scale the cache to a norm of at most ``clip`` and add Gaussian noise to every entry.

    Args:
        stolen: A plain cache.
        clip: Largest norm, above 0; the released code takes the median norm of many caches.
        generator: Draws the noise.
        epsilon: Privacy loss, above 0, shared equally by keys and values.
    """
    check_numbers(above=0, clip=clip, epsilon=epsilon)
    scale = min(1.0, clip / cache_norm(stolen))
    sigma = clip * math.sqrt(2 * math.log(1.25 / DELTA)) * COMPOSITIONS / epsilon
    return _each(
        stolen, lambda rows: scale * rows + sigma * torch.randn(rows.shape, generator=generator)
    )


def channels_permuted(stolen: CacheSnapshot, generator: torch.Generator) -> CacheSnapshot:
    """Return a plain cache with the channels of each head in an order of its own."""

    def permuted(rows: Tensor) -> Tensor:
        drawn = torch.rand(len(rows), 1, rows.shape[2], generator=generator)
        return rows.gather(2, drawn.argsort(dim=2).expand(rows.shape))

    return _each(stolen, permuted)
