"""A benign low-rank adapter, merged: fine-tuning on harmless data can bring back what was hidden.

The adapter is LoRA's (Hu et al., ICLR 2022): W + B A with B = 0 at the start; here without its
scale, which a learning rate makes up for.
"""

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent, descend, draw_seed
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss


class _Adapted(nn.Module):
    """A model whose linear layers have W + B A for weights; only A and B are its own."""

    def __init__(self, model: nn.Module, rank: int, rng: torch.Generator) -> None:
        super().__init__()
        self.model = model
        layers = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
        if not layers:
            raise InputError("model: it has no linear layer to adapt")
        self.names = [f"{name}.weight" for name in layers]
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        for name in self.names:
            out, into = model.get_parameter(name).shape
            self.down.append(torch.randn(rank, into, generator=rng) / into**0.5)
            self.up.append(torch.zeros(out, rank))

    def weights(self) -> dict[str, Tensor]:
        parts = zip(self.names, self.up, self.down, strict=True)
        return {name: self.model.get_parameter(name) + up @ down for name, up, down in parts}

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = functional_call(self.model, self.weights(), (inputs,))
        return outputs


def merge_benign_adapter(
    model: nn.Module, benign: Examples, *, rank: int, rng: torch.Generator, descent: Descent
) -> nn.Module:
    """A copy of the model with a low-rank update of its linear layers, fitted on benign data.

    Args:
        model: Any module with linear layers.
        benign: What the adapter learns; none of it was to be forgotten.
        rank: Of the update of each layer.
        rng: Draws A and the order of the data.
        descent: Steps and rate.

    Raises:
        InputError: On a rank below 1, or a model without a linear layer.
    """
    if rank < 1:
        raise InputError(f"rank {rank}: give 1 or more")
    start = torch.Generator().manual_seed(draw_seed(rng))
    adapted = descend(
        _Adapted(model, rank, start),
        lambda student, batch, _same: mean_loss(student(batch.inputs), batch.labels),
        benign,
        benign,
        rng,
        descent,
        trained=lambda name: not name.startswith("model."),
    )
    assert isinstance(adapted, _Adapted)
    merged = copy.deepcopy(model).eval()
    with torch.no_grad():
        for name, weight in adapted.weights().items():
            merged.get_parameter(name).copy_(weight)
    return merged
