"""Channels of keys and values in a secret order, as KV-Shield has it: a baseline.

One permutation per layer, head, keys and values, which a real system fuses into the weights. It
leaves every entry as it is, so that norms, and rows sorted by size, still tell the text.
"""

import torch
from torch import Tensor

from sterling.privacy.cache.snapshot import CacheSnapshot


def channels_permuted(stolen: CacheSnapshot, generator: torch.Generator) -> CacheSnapshot:
    """A plain cache with the channels of each head in an order of its own."""

    def each(layers: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(
            rows.gather(
                2,
                torch.rand(len(rows), 1, rows.shape[2], generator=generator)
                .argsort(dim=2)
                .expand(rows.shape),
            )
            for rows in layers
        )

    return CacheSnapshot(each(stolen.keys), each(stolen.values))
