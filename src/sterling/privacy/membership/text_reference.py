"""Text attacks that ask whether the target is surer than something else is.

Carlini et al., "Extracting Training Data from Large Language Models", 2021: the something else is
a compressor, or another language model.
"""

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import TokenStats
from sterling.privacy.membership.min_k import mean_of_lowest


def zlib_score(tokens: TokenStats, texts: Sequence[str]) -> Tensor:
    """Minus the mean negative log-likelihood by the compressed length in bytes, (texts,).

    Higher = more member.

    Args:
        tokens: Of the texts under the target.
        texts: The texts themselves.
    """
    if len(texts) != len(tokens.log_prob):
        raise InputError(f"{len(texts)} texts for {len(tokens.log_prob)} rows; give one each")
    lengths = torch.tensor([len(zlib.compress(text.encode())) for text in texts])
    return mean_of_lowest(tokens.log_prob, tokens.mask, 1.0) / lengths


def reference_score(tokens: TokenStats, reference: TokenStats) -> Tensor:
    """Mean log-likelihood per token under the target minus that under a reference, (texts,).

    The two may cut texts into different tokens. Higher = more member.
    """
    own, other = (mean_of_lowest(each.log_prob, each.mask, 1.0) for each in (tokens, reference))
    if own.shape != other.shape:
        raise InputError(f"{len(own)} texts but {len(other)} under the reference; give the same")
    return own - other
