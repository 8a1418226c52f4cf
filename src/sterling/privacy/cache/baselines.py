"""Baseline defences of a cache: Gaussian noise, and channels in a secret order.

The noise is the paper's baseline with the released code's constants and accountant (arXiv
2508.09442): Rényi differential privacy of two Gaussian mechanisms, one for the keys and one for the
values, each with a norm of its own. An epsilon of 1e8 promises nothing in the sense of differential
privacy; only attacks tell what the noise hides. The channel permutation is KV-Shield's: one
per layer, head, keys and values, which a real system fuses into the weights. It leaves every entry
as it is, so that norms, and rows sorted by size, still tell the text.
"""

import math

import numpy as np
import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.privacy.cache.snapshot import CacheSnapshot

EPSILON, DELTA, COMPOSITIONS = 1e8, 1e-5, 2


# Orders of the Rényi divergence that the released accountant tries (Opacus' defaults).
ORDERS = (*(1 + np.arange(1, 100) / 10), *range(12, 64))


def cache_norms(stolen: CacheSnapshot) -> tuple[float, float]:
    """Return the Euclidean norms of all keys and of all values."""
    keys, values = (
        math.sqrt(sum(float(one.double().square().sum()) for one in rows))
        for rows in (stolen.keys, stolen.values)
    )
    return keys, values


def noise_multiplier(
    epsilon: float = EPSILON, delta: float = DELTA, compositions: int = COMPOSITIONS
) -> float:
    """Return the smallest deviation, as a multiple of the norm, that is (ε, δ)-private.

    Composed k times, the Gaussian mechanism has a Rényi divergence of k α / (2 σ²) at order α, so
    ε ≤ k α / (2 σ²) + ln((α - 1) / α) - (ln δ + ln α) / (α - 1) (Canonne, Kamath and Steinke, 2020,
    proposition 12). Solved for σ at each order; the best order counts.

    Args:
        epsilon: Privacy loss, above 0.
        delta: Probability outside the promise, in (0, 1).
        compositions: Number of mechanisms with this deviation.

    Raises:
        InputError: A number is out of range, or no order reaches this epsilon.

    Examples:
        >>> f"{noise_multiplier(1e8, 1e-5):.4e}"
        '1.0488e-04'
    """
    check_numbers(above=0, epsilon=epsilon, delta=delta, compositions=compositions)
    if delta >= 1:
        raise InputError(f"delta {delta}: give less than 1")
    orders = np.array(ORDERS)
    spent = np.log1p(-1 / orders) - (math.log(delta) + np.log(orders)) / (orders - 1)
    left = epsilon - spent
    if left.max() <= 0:
        raise InputError(f"epsilon {epsilon}: no order reaches it at delta {delta}; give more")
    squares = compositions * orders[left > 0] / (2 * left[left > 0])
    return float(np.sqrt(squares.min()))


def noised(
    stolen: CacheSnapshot,
    clips: tuple[float, float],
    generator: torch.Generator,
    epsilon: float = EPSILON,
) -> CacheSnapshot:
    """Scale keys and values to a norm of at most their clip and add Gaussian noise to every entry.

    Args:
        stolen: A plain cache.
        clips: Largest norm of the keys and of the values, each above 0; the released code takes the
            median norms of many caches.
        generator: Draws the noise.
        epsilon: Privacy loss of keys and values together, above 0.
    """
    check_numbers(above=0, clip=min(clips), epsilon=epsilon)
    multiplier = noise_multiplier(epsilon)
    keys, values = (
        tuple(
            min(1.0, clip / norm) * one
            + multiplier * clip * torch.randn(one.shape, generator=generator)
            for one in rows
        )
        for rows, clip, norm in zip(
            (stolen.keys, stolen.values), clips, cache_norms(stolen), strict=True
        )
    )
    return CacheSnapshot(keys, values)


def channels_permuted(stolen: CacheSnapshot, generator: torch.Generator) -> CacheSnapshot:
    """Return a plain cache with the channels of each head in an order of its own."""

    def permuted(rows: Tensor) -> Tensor:
        drawn = torch.rand(len(rows), 1, rows.shape[2], generator=generator)
        return rows.gather(2, drawn.argsort(dim=2).expand(rows.shape))

    return CacheSnapshot(tuple(map(permuted, stolen.keys)), tuple(map(permuted, stolen.values)))
