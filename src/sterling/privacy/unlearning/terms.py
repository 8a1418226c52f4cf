"""Loss terms that unlearning methods are made of, for classifiers and language models alike.

Logits are (N, C) with labels (N,), or (N, T, V) with labels (N, T). Positions labelled
``IGNORED`` count in no term: where other code averages over prompts and padding too, ours differs.
"""

import torch.nn.functional as F
from torch import Tensor

from sterling.privacy.unlearning.examples import IGNORED


def position_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy at every position, in the shape of the labels; 0 where ignored."""
    flat = F.cross_entropy(
        logits.flatten(0, -2), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return flat.view(labels.shape)


def counted_mean(values: Tensor, labels: Tensor) -> Tensor:
    """Mean of values over the positions that count."""
    counts = labels != IGNORED
    return (values * counts).sum() / counts.sum().clamp_min(1)


def _counted(labels: Tensor, *values: Tensor) -> list[Tensor]:
    """Of values (N, ...) or (N, T, ...) those at the positions that count, (M, ...).

    Where a text is mostly prompt, the terms over a whole vocabulary then cost a part of it only.
    """
    counts = labels != IGNORED
    if labels.ndim == 1 and bool(counts.all()):
        return list(values)
    return [each[counts] for each in values]


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the positions that count."""
    logits, labels = _counted(labels, logits, labels)
    return F.cross_entropy(logits, labels, reduction="sum") / max(1, len(labels))


def sequence_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Negative log-likelihood of every example (N,): the sum over its positions."""
    losses = position_losses(logits, labels)
    return losses if labels.ndim == 1 else losses.sum(1)


def example_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Summed negative log-likelihood; with one example the loss of gradients per record."""
    return position_losses(logits, labels).sum()


def mean_kl(reference: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """KL(reference ‖ model) from logits, mean over the positions that count; 0 at best."""
    reference, logits = _counted(labels, reference, logits)
    return F.kl_div(
        logits.log_softmax(-1), reference.log_softmax(-1), reduction="sum", log_target=True
    ) / max(1, len(logits))


def mean_soft_loss(target: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy to target probabilities, mean over the positions that count."""
    target, logits = _counted(labels, target, logits)
    return -(target * logits.log_softmax(-1)).sum() / max(1, len(logits))
