"""Changes of an unlearned model's weights that can bring back what was only hidden.

Relearning: Hu et al., "Unlearning or Obfuscating? Jogging the Memory of Unlearned LLMs via Benign
Relearning", ICLR 2025; a model that never saw the records learns them as it learns any new ones.
Rounding: Zhang et al., "Catastrophic Failure of LLM Unlearning via Quantization", ICLR 2025. The
benign adapter is LoRA's (Hu et al., ICLR 2022), W + B A with B = 0 at the start, here without its
scale, which a learning rate makes up for.
"""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent, draw_seed, learn
from sterling.privacy.unlearning.examples import Examples

M = TypeVar("M", bound=nn.Module)


def relearning_curve(
    model: nn.Module,
    lesson: Examples,
    measure: Callable[[nn.Module], float],
    rng: torch.Generator,
    descent: Descent,
    *,
    every: int = 5,
) -> list[float]:
    """Measure a model before, and after every few steps of, fine-tuning on a lesson.

    Args:
        model: Unlearned model; left as it is.
        lesson: Some of the forgotten records, or benign related ones.
        measure: Maps a model to a number, such as exact memorisation of the forgotten records.
        rng: Draws the order of the lesson.
        descent: Steps and rate.
        every: Number of steps between two measurements.
    """
    curve = [measure(model)]
    step = 0

    def look(student: nn.Module) -> None:
        nonlocal step
        step += 1
        if step % every == 0:
            with torch.no_grad():
                curve.append(measure(student))

    learn(model, lesson, rng, descent, after_step=look)
    return curve


def round_to_nearest(model: M, bits: int) -> M:
    """Copy a model with its matrices rounded to integers of `bits` bits times one step per row.

    Symmetric: a row's largest entry becomes ±(2^(bits−1) − 1). Vectors (biases, norms) stay.

    Args:
        model: Any module.
        bits: Number of bits, 2 to 16.
    """
    check_numbers(at_least=2, at_most=16, bits=bits)
    rounded = copy.deepcopy(model)
    largest = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for value in rounded.parameters():
            if value.ndim < 2:
                continue
            rows = value.flatten(1)
            step = rows.abs().amax(1, keepdim=True) / largest
            value.copy_((torch.round(rows / step.clamp_min(1e-12)) * step).view_as(value))
    return rounded


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
    """Copy the model with a low-rank update of its linear layers, fitted on benign data.

    Args:
        model: Any module with linear layers.
        benign: Training set of the adapter; none of it was to be forgotten.
        rank: Rank of each layer's update.
        rng: Draws A and the order of the data.
        descent: Steps and rate.

    Raises:
        InputError: On a rank below 1, or a model without a linear layer.
    """
    check_numbers(at_least=1, rank=rank)
    start = torch.Generator().manual_seed(draw_seed(rng))
    adapted = learn(
        _Adapted(model, rank, start),
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
