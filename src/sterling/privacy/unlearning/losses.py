"""Losses that unlearning methods are made of, for classifiers and language models alike.

Logits are (N, C) with labels (N,), or (N, T, V) with labels (N, T). Positions labelled ``IGNORED``
count in no loss; some published code averages over prompts and padding too.

A ``Loss`` takes the model being trained, a frozen copy of the model before, and a batch. Bind the
constants of a loss with `functools.partial`.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.privacy.unlearning.examples import IGNORED, Examples

Loss = Callable[[nn.Module, nn.Module, Examples], Tensor]
"""From the student, the model before (takes no gradient) and a batch to a scalar to minimise."""


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
    """Values (N, ...) or (N, T, ...) at the positions that count, (M, ...).

    Losses over a whole vocabulary skip the prompts this way.
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


def logit_margin_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of (largest logit − mean logit)²; 0 where the posterior is uniform."""
    return counted_mean((logits.amax(-1) - logits.mean(-1)).square(), labels)


def weighted_ascent_loss(
    logits: Tensor, labels: Tensor, *, saturation: float, importance: float
) -> Tensor:
    """−mean(p^a (1 − p)^b CE) over the positions that count; the weights take no gradient."""
    losses = position_losses(logits, labels)
    p = torch.exp(-losses.detach())
    return -counted_mean(p**saturation * (1 - p) ** importance * losses, labels)


def npo_loss(losses: Tensor, reference_losses: Tensor, *, beta: float) -> Tensor:
    """−(2/β) mean log σ(−β log(π_θ/π_ref)), from negative log-likelihoods of sequences (N,).

    (2/β) log 2 at the reference, where its gradient is that of −mean(losses): gradient ascent.
    """
    return -2 / beta * F.logsigmoid(beta * (losses - reference_losses)).mean()


def simnpo_loss(losses: Tensor, lengths: Tensor, *, beta: float, delta: float) -> Tensor:
    """−(2/β) mean log σ(β (NLL / length − δ))."""
    return -2 / beta * F.logsigmoid(beta * (losses / lengths - delta)).mean()


def preference_loss(
    winner: Tensor, winner_before: Tensor, loser: Tensor, loser_before: Tensor, *, beta: float
) -> Tensor:
    """−(2/β) mean log σ(β (winner's − loser's log-ratio)), from sequence losses (N,)."""
    margin = (winner_before - winner) - (loser_before - loser)
    return -2 / beta * F.logsigmoid(beta * margin).mean()


def _one_hot(labels: Tensor, logits: Tensor) -> Tensor:
    counted = labels.masked_fill(labels == IGNORED, 0)
    return F.one_hot(counted, logits.shape[-1]).to(logits)


def adjusted_target(before: Tensor, labels: Tensor, strength: float) -> Tensor:
    """UNDIAL's target: softmax(teacher's logits − strength · e_label)."""
    return (before - strength * _one_hot(labels, before)).softmax(-1)


def target_without_label(logits: Tensor, labels: Tensor) -> Tensor:
    """CE-U's target: the model's own softmax with the label's logit at −∞; takes no gradient."""
    label = _one_hot(labels, logits).bool()
    return logits.detach().masked_fill(label, -torch.inf).softmax(-1)


def generic_target(before: Tensor, reinforced: Tensor, strength: float) -> Tensor:
    """WHP's target: softmax(v_base − strength · ReLU(v_reinforced − v_base))."""
    return (before - strength * F.relu(reinforced - before)).softmax(-1)


def cross_entropy(student: nn.Module, _before: nn.Module, batch: Examples) -> Tensor:
    """Mean cross-entropy on the batch."""
    return mean_loss(student(batch.inputs), batch.labels)


def ascent(student: nn.Module, before: nn.Module, batch: Examples) -> Tensor:
    """Minus the cross-entropy: gradient ascent, without a bound."""
    return -cross_entropy(student, before, batch)


def divergence(student: nn.Module, before: nn.Module, batch: Examples) -> Tensor:
    """KL(before ‖ student)."""
    logits = student(batch.inputs)
    return mean_kl(before(batch.inputs), logits, batch.labels)


def weighted_ascent(
    student: nn.Module,
    _before: nn.Module,
    batch: Examples,
    *,
    saturation: float = 1.0,
    importance: float = 0.0,
) -> Tensor:
    """Gradient ascent weighted by p^saturation (1 − p)^importance, p the label's probability.

    Forgotten labels are pushed no further. (1, 0) is WGA: Wang et al., "Rethinking LLM
    Unlearning Objectives: A Gradient Perspective and Go Beyond", ICLR 2025. (5, 1) is SatImp: Yang
    et al., "Exploring Criteria of Loss Reweighting to Enhance LLM Unlearning", 2025.
    """
    return weighted_ascent_loss(
        student(batch.inputs), batch.labels, saturation=saturation, importance=importance
    )


def npo(student: nn.Module, before: nn.Module, batch: Examples, *, beta: float = 0.1) -> Tensor:
    """Negative preference optimisation; a class label counts as a sequence of one token.

    Zhang et al., "Negative Preference Optimization: From Catastrophic Collapse to Effective
    Unlearning", COLM 2024.
    """
    losses = sequence_losses(student(batch.inputs), batch.labels)
    return npo_loss(losses, sequence_losses(before(batch.inputs), batch.labels), beta=beta)


def simnpo(
    student: nn.Module,
    _before: nn.Module,
    batch: Examples,
    *,
    beta: float = 4.5,
    delta: float = 0.0,
) -> Tensor:
    """NPO of length-normalised losses without a reference model, with a margin δ.

    Fan et al., "Simplicity Prevails: Rethinking Negative Preference Optimization for LLM
    Unlearning", 2024.
    """
    losses = sequence_losses(student(batch.inputs), batch.labels)
    lengths = (batch.labels != IGNORED).reshape(len(batch), -1).sum(1)
    return simnpo_loss(losses, lengths, beta=beta, delta=delta)


def undial(
    student: nn.Module, before: nn.Module, batch: Examples, *, strength: float = 10.0
) -> Tensor:
    """Cross-entropy to the posterior before, with `strength` taken from the label's logit.

    Dong et al., "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning", NAACL 2025.
    """
    logits = student(batch.inputs)
    target = adjusted_target(before(batch.inputs), batch.labels, strength)
    return mean_soft_loss(target, logits, batch.labels)


def ce_u(student: nn.Module, _before: nn.Module, batch: Examples) -> Tensor:
    """Cross-entropy to the student's own posterior over the other labels.

    Yang, "CE-U: Cross Entropy Unlearning", 2025.
    """
    logits = student(batch.inputs)
    return mean_soft_loss(target_without_label(logits, batch.labels), logits, batch.labels)
