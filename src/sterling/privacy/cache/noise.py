"""Differential privacy's noise on a cache, the paper's baseline: clipped, then Gaussian.

The constants are the released code's (arXiv 2508.09442). At its epsilon of 1e8 the noise is far
below what a float tells, so that it protects little; that epsilon promises nothing.
"""

import math

import torch

from sterling.errors import InputError
from sterling.privacy.cache.snapshot import CacheSnapshot

EPSILON, DELTA, COMPOSITIONS = 1e8, 1e-5, 2


def cache_norm(stolen: CacheSnapshot) -> float:
    """Euclidean norm of all keys and values together."""
    squares = sum(float(one.double().square().sum()) for one in (*stolen.keys, *stolen.values))
    return math.sqrt(squares)


def noised(
    stolen: CacheSnapshot, clip: float, generator: torch.Generator, epsilon: float = EPSILON
) -> CacheSnapshot:
    """The cache scaled to a norm of at most ``clip``, with Gaussian noise on every entry.

    Args:
        stolen: A plain cache.
        clip: The released code takes the median norm of many caches.
        generator: Of the noise.
        epsilon: Privacy loss, shared equally by keys and values.

    Raises:
        InputError: ``clip`` or ``epsilon`` is not above 0.
    """
    if clip <= 0 or epsilon <= 0:
        raise InputError(f"clip {clip}, epsilon {epsilon}: both above 0")
    scale = min(1.0, clip / cache_norm(stolen))
    sigma = clip * math.sqrt(2 * math.log(1.25 / DELTA)) * COMPOSITIONS / epsilon

    def each(layers: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(
            scale * one + sigma * torch.randn(one.shape, generator=generator) for one in layers
        )

    return CacheSnapshot(each(stolen.keys), each(stolen.values))
