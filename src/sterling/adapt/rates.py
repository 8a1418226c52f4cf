"""Learned rates of the inner loop, from one for all to one for every number."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sterling.adapt.functional import FunctionalModel
from sterling.errors import InputError, unknown_name

Per = Literal["model", "layer", "tensor", "number"]


class LearnedRates(nn.Module):
    """Learned inner rates; their sign is free.

    One for each layer is LWAU's (IEEE SPL 2020), one for each number Meta-SGD's (2017), separate
    ones for each step MAML++'s (ICLR 2019), and ``decay`` is AIM-FAS's α γ^step (AAAI 2020).

    Args:
        model: Model whose parameters they are for.
        per: Unit with one rate: the whole "model", a "layer" (group), a "tensor" or a "number".
        start: Start of all rates.
        steps: Number of steps with separate rates; None shares them.
        decay: Multiply step j by γ^j, with γ learned from 1.

    Raises:
        InputError: A value is unknown or out of range.
    """

    def __init__(
        self,
        model: FunctionalModel,
        per: Per = "layer",
        start: float = 0.01,
        *,
        steps: int | None = None,
        decay: bool = False,
    ) -> None:
        super().__init__()
        if per not in get_args(Per):
            raise unknown_name("granularity of rates", str(per), get_args(Per))
        if steps is not None and steps < 1:
            raise InputError(f"steps {steps}: 1 or more, or None")
        self.per, self.steps = per, steps
        self._keys = {name: self._key(model, name) for name in model.groups}
        parameters = model.parameters()
        ahead = () if steps is None else (steps,)
        self.values = nn.ParameterDict()
        for name, key in self._keys.items():
            if key not in self.values:
                like = parameters[name]
                shape = (*ahead, *(like.shape if per == "number" else ()))
                self.values[key] = nn.Parameter(torch.full(shape, start, dtype=like.dtype))
        self.decay = nn.Parameter(torch.ones(())) if decay else None

    def _key(self, model: FunctionalModel, name: str) -> str:
        key = {"model": "all", "layer": model.groups[name]}.get(self.per, name)
        return key.replace(".", "/") or "module"  # names of parameters hold no dot

    def rate(self, name: str, step: int) -> Tensor:
        """Return the rate of a parameter at a step, a scalar or of the parameter's shape.

        Raises:
            InputError: There are separate rates for fewer steps.
        """
        value: Tensor = self.values[self._keys[name]]
        if self.steps is not None:
            if step >= self.steps:
                raise InputError(
                    f"step {step}: rates were learned for {self.steps} steps; take no more, or "
                    "share rates among steps (steps=None)"
                )
            value = value[step]
        return value if self.decay is None else value * self.decay**step

    def table(self) -> dict[str, Sequence[float]]:
        """Return the mean rate of every layer, tensor or of the whole model, one for each step."""
        return {
            key.replace("/", "."): (
                value.detach().reshape(self.steps or 1, -1).mean(dim=1).tolist()
            )
            for key, value in self.values.items()
        }
