"""Loss of a model by which it writes a misleading trace and the wrong answer that follows from it.

The upper level of the unlearning attack on reasoning models: what the retrained last layer should
do on the adversary's queries, as one differentiable number. `relaxed_forget_set` lowers it.

Source: arXiv 2604.04255 names a differentiable objective over answer, trace, quality and utility,
and the alignment of influential tokens; the equations and weights here are our choice.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError
from sterling.reasoning.forget_sets import Loss


@dataclass(frozen=True, eq=False)
class MisleadingTraces:
    """Traces that the adversary wants written, as the last layer sees them.

    Attributes:
        features: Inputs of the last layer from which each token is predicted, (Q, T, D).
        tokens: Misleading traces, their wrong answers included, (Q, T).
        answer: Place of the answer's token in a trace, 0 to T - 1.
        right: Token of the right answer, (Q,).
        weights: Weight of each token in the trace's loss, (Q, T), summing to 1 in each row.

    Raises:
        InputError: Shapes differ, or the place does not exist.
    """

    features: Tensor
    tokens: Tensor
    answer: int
    right: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.tokens.shape)
        given = (tuple(self.features.shape[:-1]), tuple(self.weights.shape), len(self.right))
        if len(shape) != 2 or given != (shape, shape, shape[0]):
            raise InputError(
                f"tokens {shape}, features {tuple(self.features.shape)}, weights {given[1]}, "
                f"right {tuple(self.right.shape)}; give (Q, T), (Q, T, D), (Q, T), (Q,)"
            )
        if not 0 <= self.answer < shape[1]:
            raise InputError(f"answer {self.answer}: places go from 0 to {shape[1] - 1}")

    def log_probabilities(self, weights: Tensor) -> Tensor:
        """Log-probability of each token of the traces under last-layer weights (V, D), (Q, T)."""
        logits = self.features @ weights.T
        return -F.cross_entropy(logits.flatten(0, 1), self.tokens.flatten(), reduction="none").view(
            self.tokens.shape
        )


def answer_loss(traces: MisleadingTraces, *, margin: float = 1.0) -> Loss:
    """Return the loss of wrong answers alone.

    ``-log p(ã) + max(0, margin + log p(a) - log p(ã))``, given the misleading trace; a is the right
    answer and ã the wrong one.
    """
    features = traces.features[:, traces.answer]
    wrong = traces.tokens[:, traces.answer]

    def loss(weights: Tensor) -> Tensor:
        scores = (features @ weights.T).log_softmax(-1)
        rows = torch.arange(len(wrong))
        ahead = scores[rows, traces.right] - scores[rows, wrong]
        result: Tensor = (F.relu(margin + ahead) - scores[rows, wrong]).mean()
        return result

    return loss


def misleading_loss(
    traces: MisleadingTraces,
    held_out: Tensor,
    before: Tensor,
    *,
    margin: float = 1.0,
    trace: float = 1.0,
    quality: float = 0.1,
    utility: float = 1.0,
) -> Loss:
    """Return the adversary's loss: answer, trace at weighted tokens, fluency, utility elsewhere.

    Args:
        traces: Traces that should be written on the queries.
        held_out: Features of other questions, on which nothing should change, (M, D).
        before: Last-layer weights of the model before any deletion, (V, D).
        margin: Margin of the answer's log-probability over the right one's.
        trace: Weight of the trace's loss.
        quality: Weight of the fall of the trace's log-probability below that before deletion.
        utility: Weight of the divergence KL(before | after) on `held_out`.

    Returns:
        Function from last-layer weights (V, D) to a number; lower is better for the adversary.
    """
    answers = answer_loss(traces, margin=margin)
    reference = (held_out @ before.T).log_softmax(-1).detach()
    fluent = traces.log_probabilities(before).mean().detach()

    def loss(weights: Tensor) -> Tensor:
        found = traces.log_probabilities(weights)
        aligned = -(traces.weights * found).sum(1).mean()
        stilted = F.relu(fluent - found.mean())
        after = (held_out @ weights.T).log_softmax(-1)
        changed = F.kl_div(after, reference, log_target=True, reduction="batchmean")
        return answers(weights) + trace * aligned + quality * stilted + utility * changed

    return loss


def committing_tokens(reached: Tensor) -> Tensor:
    """Weights of a trace's tokens by how much writing each one commits the model to the answer.

    Args:
        reached: Probability that the model, continuing freely after the first t tokens of the
            trace, gives the trace's answer, for t = 0 to T, (..., T + 1).

    Returns:
        Positive rises of that probability as shares of their sum, (..., T); equal weights where it
        never rises.

    Source: our choice. Gradients of the answer given the whole trace (`influential_tokens`) weigh
    tokens that the answer is copied or computed from, not those that decide which trace is written.

    Examples:
        >>> committing_tokens(torch.tensor([0.1, 0.1, 0.9, 0.9]))
        tensor([0., 1., 0.])
    """
    rises = F.relu(reached.diff(dim=-1))
    total = rises.sum(-1, keepdim=True)
    equal = torch.full_like(rises, 1 / rises.shape[-1])
    return torch.where(total > 0, rises / total.clamp(min=1e-30), equal)
