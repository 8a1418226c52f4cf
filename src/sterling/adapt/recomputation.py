"""Steps that are recomputed in the backward pass, so that their graphs need not be kept.

``torch.utils.checkpoint`` frees little here: the inner gradient is itself a backward pass, for
which it computes the step again while going forward and keeps most of that.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Step = Callable[..., tuple[Sequence[Tensor], Tensor]]
"""Maps tensors to as many, and one more that carries no gradient."""


def recomputed(step: Step, inputs: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor]:
    """Return the outputs of a step without its graph; gradients are those of the step.

    Args:
        step: Step that gives the same each time. Other tensors that it uses (rates, weights of
            examples) get gradients, too.
        inputs: Inputs of the step.
    """
    watched = _watched(inputs)
    outputs, beside = step(*watched)
    own = {id(tensor) for tensor in watched}
    seen = [leaf for leaf in _leaves(outputs) if id(leaf) not in own]
    values = [output.detach() for output in outputs]
    apply: Callable[..., Sequence[Tensor]] = _Recomputed.apply
    return apply(step, values, seen, *inputs, *seen), beside


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, step: Step, values: list[Tensor], seen: list[Tensor], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.step, ctx.seen = step, seen
        ctx.save_for_backward(*tensors[: len(tensors) - len(seen)])
        return tuple(values)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            inputs = _watched(ctx.saved_tensors)
            outputs, _ = ctx.step(*inputs)
            # Tensors that the step saw may have a history that other steps share.
            gradients = torch.autograd.grad(
                outputs, [*inputs, *ctx.seen], slopes, allow_unused=True, retain_graph=True
            )
        return (None, None, None, *gradients)


def _watched(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().requires_grad_() for tensor in tensors]


def _leaves(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the leaves of a graph that need gradients."""
    ahead: list[Any] = [output.grad_fn for output in outputs]
    known = set(ahead)
    found = []
    while ahead:
        node = ahead.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            found.append(node.variable)
        new = {one for one, _ in node.next_functions} - known
        known |= new
        ahead += new
    return found
