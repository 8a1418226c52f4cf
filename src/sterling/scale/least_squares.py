"""Linear regression in shards, a problem to try rules of waiting on.

It imports little, for the workers of a cluster.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Shards = list[tuple[Floats, Floats]]
Data = Literal["alike", "unlike"]

EXAMPLES = 30  # of each shard


def gradient(weights: Floats, shard: tuple[Floats, Floats]) -> tuple[Floats, float, int]:
    """Return gradient, loss and examples of half the mean squared error on a shard."""
    x, y = shard
    error = x @ weights - y
    return x.T @ error / len(y), float((error**2).mean() / 2), len(y)


def draw_shards(count: int, data: Data, seed: int) -> Shards:
    """Draw shards of one problem in `count` unknowns.

    "alike": each sees all of them. "unlike": each sees one, that no other sees.
    """
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=count)
    shards = []
    for worker in range(count):
        x = draw.normal(size=(EXAMPLES, count))
        if data == "unlike":
            x = x * (np.arange(count) == worker)
        shards.append((x, x @ truth + 0.1 * draw.normal(size=EXAMPLES)))
    return shards


def shard_losses(shards: Shards, weights: Floats) -> list[float]:
    """Return the loss of the same weights on each shard."""
    return [gradient(weights, shard)[1] for shard in shards]


def least_loss(shards: Shards) -> float:
    """Return the least loss of any weights."""
    x, y = (np.concatenate(parts) for parts in zip(*shards, strict=True))
    return float(np.mean(shard_losses(shards, np.linalg.lstsq(x, y)[0])))
