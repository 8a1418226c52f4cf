"""Attacks on a language model's token statistics.

Min-K %: Shi et al., 2024; a text that was seen holds few tokens of large negative log-likelihood.
Min-K %++: Zhang et al., 2024; is the token a mode of the predicted distribution? zlib and
reference: Carlini et al., "Extracting Training Data from Large Language Models", 2021; the target
is compared with a compressor, or with another language model. Every score is higher for members,
(texts,).
"""

import math
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.lm import TokenStats

LEAST_VARIANCE = 1e-6


def min_k_score(tokens: TokenStats, *, share: float = 0.2) -> Tensor:
    """Return the mean of the lowest `share` of each text's token log-probabilities."""
    return mean_of_lowest(tokens.log_prob, tokens.mask, share)


def mean_of_lowest(values: Tensor, mask: Tensor, share: float) -> Tensor:
    """Return the mean of the floor(share × n) lowest of a row's n values, at least one, (texts,).

    Raises:
        InputError: A row without a value, or a share outside (0, 1].
    """
    check_numbers(above=0, at_most=1, share=share)
    count = mask.sum(dim=1)
    if (count == 0).any():
        raise InputError(f"text {int((count == 0).int().argmax())} has no token; leave it out")
    ordered = values.masked_fill(~mask, math.inf).sort(dim=1).values
    lowest = (count * share).floor().clamp_min(1)
    taken = torch.arange(values.shape[1]) < lowest[:, None]
    return ordered.masked_fill(~taken, 0).sum(dim=1) / lowest


def min_k_plus_score(tokens: TokenStats, *, share: float = 0.2) -> Tensor:
    """Return the mean of the lowest `share` of each text's (log p - μ) / σ.

    μ and σ are mean and standard deviation of log p under the predicted distribution.
    """
    deviation = tokens.variance.clamp_min(LEAST_VARIANCE).sqrt()
    return mean_of_lowest((tokens.log_prob + tokens.entropy) / deviation, tokens.mask, share)


def zlib_score(tokens: TokenStats, texts: Sequence[str]) -> Tensor:
    """Return minus the mean negative log-likelihood by the text's compressed length in bytes."""
    if len(texts) != len(tokens.log_prob):
        raise InputError(f"{len(texts)} texts for {len(tokens.log_prob)} rows; give one each")
    lengths = torch.tensor([len(zlib.compress(text.encode())) for text in texts])
    return mean_of_lowest(tokens.log_prob, tokens.mask, 1.0) / lengths


def reference_score(tokens: TokenStats, reference: TokenStats) -> Tensor:
    """Return the mean log-likelihood per token under the target minus that under a reference.

    The two may cut texts into different tokens.
    """
    own, other = (mean_of_lowest(each.log_prob, each.mask, 1.0) for each in (tokens, reference))
    if own.shape != other.shape:
        raise InputError(f"{len(own)} texts but {len(other)} under the reference; give the same")
    return own - other
