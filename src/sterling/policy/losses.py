"""Policy losses as pure functions of log-probabilities.

All of them take log-probabilities of the sampled tokens, (B, T), a mask that is true for the tokens
of a completion, and one advantage for each completion, (B,), or each token, (B, T). Masked tokens
may hold anything, NaN included. With `old_log_probs` None the policy is the one that sampled, the
ratio is 1, and a loss without a divergence is about minus the mean advantage: a logged loss of
zero is what GRPO looks like when it works, and its gradient is not zero.
"""

import torch
from torch import Tensor

from sterling.checks import Count, Share, Weight, check_values
from sterling.errors import InputError


def k3_divergence(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """Return the k3 estimate of KL(π ‖ π_ref) for each token, exp(d) − d − 1, d = ln π_ref − ln π.

    Args:
        log_probs: ln π of the sampled tokens, any shape.
        reference_log_probs: ln π_ref of the same tokens.

    Returns:
        0 or more, of the same shape; unbiased for tokens sampled from π.

    Examples:
        >>> k3_divergence(torch.tensor([-1.0]), torch.tensor([-1.0])).tolist()
        [0.0]
    """
    difference = reference_log_probs - log_probs
    return torch.exp(difference) - difference - 1.0


def grpo_loss(
    log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    old_log_probs: Tensor | None = None,
    clip: Share = 0.2,
    beta: Weight = 0.0,
    reference_log_probs: Tensor | None = None,
) -> Tensor:
    """Return the GRPO loss: the mean over completions of the mean over their tokens.

    Args:
        log_probs: ln π of the sampled tokens, (B, T), with a gradient.
        advantages: (B,) or (B, T).
        mask: True for tokens of the completion, (B, T). A completion without tokens counts as 0
            in the mean; leave it out, and give its reward as None.
        old_log_probs: ln π of the policy that sampled, (B, T); the same policy by default.
        clip: Ratios are clipped to [1 − clip, 1 + clip].
        beta: Weight of the divergence from the reference.
        reference_log_probs: ln π_ref, (B, T); needed where `beta` is not 0.

    Returns:
        The loss to minimise, a scalar.

    Raises:
        InputError: Shapes do not fit, a number is out of its range, or the reference is missing.

    Source: arXiv 2402.03300, equation 3.

    Examples:
        >>> log_probs = torch.zeros(2, 3)
        >>> mask = torch.tensor([[True, True, True], [True, False, False]])
        >>> grpo_loss(log_probs, torch.tensor([1.0, -3.0]), mask).item()
        1.0
    """
    check_values({"clip": clip, "beta": beta}, grpo_loss)
    loss = _clipped(log_probs, advantages, mask, old_log_probs, clip, clip)
    if beta:
        if reference_log_probs is None:
            raise InputError("reference_log_probs is missing: beta above 0 needs a reference")
        _check_shapes(log_probs, mask, reference_log_probs)
        reference = torch.where(mask.bool(), reference_log_probs, 0.0)
        loss = loss + beta * k3_divergence(torch.where(mask.bool(), log_probs, 0.0), reference)
    return _sequence_means(loss, mask).mean()


def dapo_loss(
    log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    old_log_probs: Tensor | None = None,
    clip_low: Share = 0.2,
    clip_high: Weight = 0.28,
) -> Tensor:
    """Return the DAPO loss: asymmetric clipping, the mean over all tokens, no divergence.

    Args:
        log_probs: ln π of the sampled tokens, (B, T), with a gradient.
        advantages: (B,) or (B, T); of the completions that `Advantages.kept` marks.
        mask: True for tokens of the completion, (B, T).
        old_log_probs: ln π of the policy that sampled, (B, T); the same policy by default.
        clip_low: Ratios are clipped from below to 1 − clip_low.
        clip_high: Ratios are clipped from above to 1 + clip_high.

    Raises:
        InputError: Shapes do not fit, or a number is out of its range.

    Source: arXiv 2503.14476, equation 8.

    Examples:
        >>> mask = torch.tensor([[True, True, True], [True, False, False]])
        >>> dapo_loss(torch.zeros(2, 3), torch.tensor([1.0, -1.0]), mask).item()
        -0.5
    """
    check_values({"clip_low": clip_low, "clip_high": clip_high}, dapo_loss)
    loss = _clipped(log_probs, advantages, mask, old_log_probs, clip_low, clip_high)
    return loss.sum() / mask.sum().clamp(min=1)


def dr_grpo_loss(
    log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    length: Count,
    old_log_probs: Tensor | None = None,
    clip: Share = 0.2,
) -> Tensor:
    """Return the Dr. GRPO loss: the sum over tokens, over a constant length, averaged over B.

    Args:
        log_probs: ln π of the sampled tokens, (B, T), with a gradient.
        advantages: (B,) or (B, T), of the kind ``dr_grpo``.
        mask: True for tokens of the completion, (B, T).
        length: Tokens of the longest completion that may be sampled, the same in every step.
        old_log_probs: ln π of the policy that sampled, (B, T); the same policy by default.
        clip: Ratios are clipped to [1 − clip, 1 + clip].

    Raises:
        InputError: Shapes do not fit, or a number is out of its range.

    Source: arXiv 2503.20783.

    Examples:
        >>> mask = torch.tensor([[True, True, True], [True, False, False]])
        >>> dr_grpo_loss(torch.zeros(2, 3), torch.tensor([1.0, -1.0]), mask, length=4).item()
        -0.25
    """
    check_values({"length": length, "clip": clip}, dr_grpo_loss)
    loss = _clipped(log_probs, advantages, mask, old_log_probs, clip, clip)
    return loss.sum() / (loss.shape[0] * length)


def gspo_loss(
    log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    old_log_probs: Tensor | None = None,
    clip_low: Share = 3e-4,
    clip_high: Weight = 4e-4,
) -> Tensor:
    """Return the GSPO loss: one ratio for each completion, the geometric mean of its tokens'.

    Args:
        log_probs: ln π of the sampled tokens, (B, T), with a gradient.
        advantages: (B,).
        mask: True for tokens of the completion, (B, T).
        old_log_probs: ln π of the policy that sampled, (B, T); the same policy by default.
        clip_low: Ratios are clipped from below to 1 − clip_low.
        clip_high: Ratios are clipped from above to 1 + clip_high.

    Raises:
        InputError: Shapes do not fit, or a number is out of its range.

    Source: arXiv 2507.18071, equation 5; the clip widths are recalled.

    Examples:
        >>> gspo_loss(torch.zeros(2, 3), torch.tensor([1.0, -3.0]), torch.ones(2, 3)).item()
        1.0
    """
    check_values({"clip_low": clip_low, "clip_high": clip_high}, gspo_loss)
    if advantages.shape != log_probs.shape[:1]:
        raise InputError(
            f"advantages {tuple(advantages.shape)} for {len(log_probs)} completions: GSPO takes "
            "one for each completion"
        )
    change = _sequence_means(_log_ratio(log_probs, mask, old_log_probs), mask)
    # A completion without tokens has the ratio 1, but nothing to learn from.
    surrogate = _surrogate(change, advantages, clip_low, clip_high)
    return torch.where(mask.sum(dim=1) > 0, surrogate, 0.0).mean()


def _clipped(
    log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    old_log_probs: Tensor | None,
    low: float,
    high: float,
) -> Tensor:
    """Return the loss of each token, (B, T); 0 for masked tokens."""
    change = _log_ratio(log_probs, mask, old_log_probs)
    each = advantages.unsqueeze(1) if advantages.ndim == 1 else advantages
    if each.shape[0] != log_probs.shape[0] or each.shape[1] not in (1, log_probs.shape[1]):
        raise InputError(
            f"advantages {tuple(advantages.shape)} for log-probabilities "
            f"{tuple(log_probs.shape)}: give (B,) or (B, T)"
        )
    return torch.where(mask.bool(), _surrogate(change, each, low, high), 0.0)


def _surrogate(log_ratio: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    ratio = torch.exp(log_ratio)
    return -torch.minimum(ratio * advantages, ratio.clamp(1.0 - low, 1.0 + high) * advantages)


def _log_ratio(log_probs: Tensor, mask: Tensor, old_log_probs: Tensor | None) -> Tensor:
    """Return ln π − ln π_old, (B, T); 0 for masked tokens, whose gradient is 0 too."""
    old = log_probs.detach() if old_log_probs is None else old_log_probs
    _check_shapes(log_probs, mask, old)
    inside = mask.bool()
    return torch.where(inside, log_probs, 0.0) - torch.where(inside, old, 0.0)


def _sequence_means(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _check_shapes(log_probs: Tensor, mask: Tensor, other: Tensor) -> None:
    if log_probs.ndim != 2 or mask.shape != log_probs.shape or other.shape != log_probs.shape:
        raise InputError(
            f"log-probabilities {tuple(log_probs.shape)} and {tuple(other.shape)}, mask "
            f"{tuple(mask.shape)}: give (B, T) for each"
        )
