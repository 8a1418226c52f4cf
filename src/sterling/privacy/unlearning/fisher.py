"""What each weight matters for a set: the diagonal of the empirical Fisher information."""

import torch
from torch import Tensor, nn

from sterling.privacy.influence import per_record_gradients
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import example_loss


def fisher_diagonal(model: nn.Module, examples: Examples, *, chunk: int = 64) -> Tensor:
    """Mean over examples of the squared gradient of each example's loss, (P,)."""
    total = torch.zeros(())
    for rows in torch.split(torch.arange(len(examples)), chunk):
        part = examples.select(rows)
        gradients = per_record_gradients(model, part.inputs, part.labels, loss=example_loss)
        total = total + gradients.square().sum(0)
    return total / len(examples)
