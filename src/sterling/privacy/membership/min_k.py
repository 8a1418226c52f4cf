"""Min-K % (Shi et al., 2024): a text that was seen holds few very surprising tokens."""

import math

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import TokenStats


def min_k_score(tokens: TokenStats, *, share: float = 0.2) -> Tensor:
    """Mean of the lowest `share` of the token log-probabilities, (texts,); higher = more member.

    Args:
        tokens: Of texts with at least one token each.
        share: K, in (0, 1].
    """
    return mean_of_lowest(tokens.log_prob, tokens.mask, share)


def mean_of_lowest(values: Tensor, mask: Tensor, share: float) -> Tensor:
    """Mean over the floor(share × n) lowest of a row's n values, at least one, (texts,).

    Raises:
        InputError: A row without a value, or a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise InputError(f"share {share}: give a number above 0, at most 1, such as 0.2")
    count = mask.sum(dim=1)
    if (count == 0).any():
        raise InputError(f"text {int((count == 0).int().argmax())} has no token; leave it out")
    ordered = values.masked_fill(~mask, math.inf).sort(dim=1).values
    lowest = (count * share).floor().clamp_min(1)
    taken = torch.arange(values.shape[1]) < lowest[:, None]
    return ordered.masked_fill(~taken, 0).sum(dim=1) / lowest
