"""Statistics of every token by one pass over the logits.

Membership attacks on language models, detectors of machine-made text and perplexity all need a few
of the same numbers per token. Computed together, in slices, no copy of the whole logits is made.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sterling.errors import InputError

SLICE = 1 << 20  # logits at a time: 4 MiB in float32, which a core's cache holds


@dataclass(frozen=True, eq=False)
class TokenStats:
    """One value per position; positions that hold no token have a false mask and value 0.

    Attributes:
        log_prob: log p of the token that came, in nats, float32 (texts, tokens).
        rank: 1 + the number of tokens that were more probable, int64 (texts, tokens).
        entropy: Entropy of the predicted distribution p, in nats. -entropy is E_p[log p].
        variance: Var_p[log p], in nats².
        mask: True for positions that hold a token.
    """

    log_prob: Tensor
    rank: Tensor
    entropy: Tensor
    variance: Tensor
    mask: Tensor

    @property
    def top1(self) -> Tensor:
        """True where no token was more probable, bool (texts, tokens)."""
        return (self.rank == 1) & self.mask


def token_stats(logits: Tensor, labels: Tensor, mask: Tensor | None = None) -> TokenStats:
    """Return statistics of the tokens that came.

    Args:
        logits: (texts, tokens, vocabulary), any floating-point type; ``logits[:, t]`` predicts
            ``labels[:, t]``, so shift before calling.
        labels: Token ids, (texts, tokens).
        mask: True for positions that hold a token, bool (texts, tokens); all by default. Other ids
            and logits are ignored.

    Raises:
        InputError: Shapes that do not fit, an id outside the vocabulary, or a logit that is not a
            number.
    """
    mask = torch.ones_like(labels, dtype=torch.bool) if mask is None else mask
    if logits.ndim != 3 or labels.shape != logits.shape[:2] or mask.shape != labels.shape:
        raise InputError(
            f"logits {tuple(logits.shape)}, labels {tuple(labels.shape)}, mask "
            f"{tuple(mask.shape)}: give (texts, tokens, vocabulary) and twice (texts, tokens)"
        )
    vocabulary = logits.shape[-1]
    chosen = labels[mask]
    if chosen.numel() and (int(chosen.min()) < 0 or int(chosen.max()) >= vocabulary):
        raise InputError(f"labels: token ids lie between 0 and {vocabulary - 1}")
    flat, ids = logits.reshape(-1, vocabulary), labels.where(mask, 0).reshape(-1)
    rows = max(1, SLICE // vocabulary)
    pairs = zip(torch.split(flat, rows), torch.split(ids, rows), strict=True)
    parts = [_statistics(z, label) for z, label in pairs]
    log_prob, rank, entropy, variance = (torch.cat(column) for column in zip(*parts, strict=True))
    if log_prob[mask.reshape(-1)].isnan().any():
        raise InputError("logits: a value is not a number; leave that text out")

    def shaped(values: Tensor) -> Tensor:
        return values.reshape(labels.shape).masked_fill(~mask, 0)

    return TokenStats(shaped(log_prob), shaped(rank), shaped(entropy), shaped(variance), mask)


def _statistics(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    z = logits.float()
    z = z - z.amax(dim=-1, keepdim=True)
    own = z.gather(-1, labels[:, None])
    rank = 1 + (z > own).sum(dim=-1)
    weight = z.exp()
    total = weight.sum(dim=-1)
    log_total = total.log()
    # A token of probability 0 adds nothing, though its logit may be -infinity.
    z = z.masked_fill(weight == 0, 0)
    mean = torch.linalg.vecdot(weight, z) / total
    variance = torch.linalg.vecdot(weight, (z - mean[:, None]).square_()) / total
    return own[:, 0] - log_total, rank, log_total - mean, variance
