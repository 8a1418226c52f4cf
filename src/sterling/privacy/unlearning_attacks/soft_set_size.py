"""The size of conformal label sets as a smooth function of a model's weights.

A set holds every label whose score 1 − p lies at or below the conformal quantile q of calibration
scores under the same weights. Both steps of that are made smooth: belonging to the set is
σ((q − s) / T), and q is the quantile of Harrell and Davis (Biometrika, 1982), a mean of the order
statistics with the weights of a Beta law around the conformal rank.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from sterling.errors import InputError
from sterling.guarantee.quantiles import conformal_rank, needed_for


def smooth_quantile(scores: Tensor, alpha: float) -> Tensor:
    """A differentiable stand-in for the conformal quantile of scores (n,), a scalar.

    The mean of the order statistics, weighted by the Beta(k, n + 1 − k) law that the rank-k one
    has among uniform scores, k = ceil((n + 1)(1 − alpha)).

    Raises:
        InputError: Too few scores for a finite quantile.
    """
    n = len(scores)
    rank = conformal_rank(n, alpha)
    if rank > n:
        raise InputError(
            f"{n} calibration items are too few for alpha = {alpha:g}; give {needed_for(alpha)}"
        )
    law = stats.beta(rank, n + 1 - rank)
    weights = torch.from_numpy(np.diff(law.cdf(np.arange(n + 1) / n)))
    return torch.dot(weights.to(scores.dtype), scores.sort().values)


@dataclass(frozen=True, eq=False)
class SoftSetSize:
    """Sets calibrated anew under any weights.

    Attributes:
        features: Of the calibration items (n, D).
        labels: Theirs (n,).
        alpha: Error level of the sets.
        temperature: T; the smaller, the nearer to the size of the true sets.
    """

    features: Tensor
    labels: Tensor
    alpha: float = 0.1
    temperature: float = 0.05

    def __call__(self, logits: Callable[[Tensor], Tensor], targets: Tensor) -> Tensor:
        """Soft sizes of the targets' sets, (T,), from a model's map of features to logits."""
        own = logits(self.features).softmax(1).gather(1, self.labels[:, None])[:, 0]
        quantile = smooth_quantile(1 - own, self.alpha)
        scores = 1 - logits(targets).softmax(1)
        return torch.sigmoid((quantile - scores) / self.temperature).sum(1)
