"""Min-K %++ (Zhang et al., 2024): is the token a mode of the predicted distribution?"""

from torch import Tensor

from sterling.lm import TokenStats
from sterling.privacy.membership.min_k import mean_of_lowest

LEAST_VARIANCE = 1e-6


def min_k_plus_score(tokens: TokenStats, *, share: float = 0.2) -> Tensor:
    """Mean of the lowest `share` of (log p - μ) / σ over the tokens, (texts,).

    μ and σ are mean and standard deviation of log p under the predicted distribution. Higher =
    more member.

    Args:
        tokens: Of texts with at least one token each.
        share: K, in (0, 1].
    """
    deviation = tokens.variance.clamp_min(LEAST_VARIANCE).sqrt()
    return mean_of_lowest((tokens.log_prob + tokens.entropy) / deviation, tokens.mask, share)
