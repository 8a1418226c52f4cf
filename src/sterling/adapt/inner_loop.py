"""Inner loops whose end is differentiable in their start and their rates."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sterling.adapt.functional import Forward, FunctionalModel, Parameters
from sterling.adapt.normalisation import inside_transform
from sterling.adapt.rates import LearnedRates
from sterling.adapt.recomputation import recomputed
from sterling.errors import InputError, unknown_name

Loss = Callable[[Forward], Tensor]
Order = Literal["second", "first", "mixed"]


class DivergedError(RuntimeError):
    """An inner loss is not finite: the rates are too large."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The parameters after every step, and the losses that the steps went down.

    Attributes:
        model: The model.
        states: Parameters before the first step, after it, and so on: steps + 1 of them.
        auxiliary: Auxiliary variables at the same times.
        losses: Inner loss before each step, numbers; none under ``torch.vmap``.
    """

    model: FunctionalModel
    states: list[Parameters]
    auxiliary: list[Parameters]
    losses: list[float]

    def after(self, step: int = -1) -> Forward:
        """Return the model after a number of steps; -1 is the end, 0 the start."""
        return Forward(self.model, self.states[step], self.auxiliary[step])


def inner_loop(
    model: FunctionalModel | nn.Module,
    loss: Loss,
    rates: float | LearnedRates,
    steps: int,
    *,
    order: Order = "second",
    second_order_steps: int | None = None,
    adapt: Collection[str] | None = None,
    start: Parameters | None = None,
    auxiliary: Mapping[str, Tensor] | None = None,
    clip: float | None = None,
    checkpointed: bool = False,
) -> Trajectory:
    """Descend a loss by its gradient: θ_{j+1} = θ_j - rate_j ∇loss(θ_j).

    The loss is taken as it is: one that sums over ways descends as many times as fast as its mean.

    Args:
        model: Model to adapt. A plain module is taken with its layers as groups.
        loss: Maps the model under a step's parameters to a scalar. Anything else it uses (weights
            of examples, a teacher's targets) is differentiable through the end with "second" and
            "mixed".
        rates: Learning rate: a constant, or a `LearnedRates` module, differentiable in every order.
        steps: Number of steps, 0 or more.
        order: "second" differentiates through the inner gradients. "first" takes them for
            constants. "mixed" takes the parameters inside them for constants, but not what else the
            loss sees.
        second_order_steps: Number of last steps of second order; the steps before are of first.
        adapt: Groups that adapt; the others stay. None adapts all.
        start: Parameters to begin with; the module's own by default.
        auxiliary: Further tensors that adapt; they need a constant rate.
        clip: Bound ± of each number of the inner gradients.
        checkpointed: Compute each step again in the outer backward pass, instead of keeping its
            graph: less memory for more time.

    Raises:
        InputError: No parameter adapts, or a value is unknown or out of range.
        DivergedError: An inner loss is not finite; the message names the step. Under
            ``torch.vmap`` it cannot be seen here.
    """
    if order not in get_args(Order):
        raise unknown_name("order", str(order), get_args(Order))
    if steps < 0:
        raise InputError(f"steps {steps}: 0 or more")
    if auxiliary and isinstance(rates, LearnedRates):
        raise InputError("auxiliary: learned rates are for the model's parameters; give a number")
    functional = model if isinstance(model, FunctionalModel) else FunctionalModel(model)
    names = functional.names_of(adapt)
    state = dict(functional.parameters() if start is None else start)
    extra = dict(auxiliary or {})
    states, beside, values = [state], [extra], []
    first_exact = steps - (steps if second_order_steps is None else second_order_steps)
    for step in range(steps):
        one = partial(
            _step,
            functional,
            loss,
            rates,
            step,
            order="first" if step < first_exact and order == "second" else order,
            names=names,
            clip=clip,
        )
        with torch.enable_grad():
            if checkpointed:
                state, extra, value = _checkpointed(one, state, extra)
            else:
                state, extra, value = one(state, extra)
        states.append(state)
        beside.append(extra)
        values.append(value)
    losses = [] if inside_transform() else _numbers(values)
    return Trajectory(functional, states, beside, losses)


def _step(
    model: FunctionalModel,
    loss: Loss,
    rates: float | LearnedRates,
    step: int,
    state: Parameters,
    extra: Parameters,
    *,
    order: Order,
    names: Sequence[str],
    clip: float | None,
) -> tuple[Parameters, Parameters, Tensor]:
    over = [state[name] for name in names] + list(extra.values())

    def of(*given: Tensor) -> Tensor:
        adapting = dict(zip(names, given, strict=False))
        beside = dict(zip(extra, given[len(names) :], strict=True))
        return loss(Forward(model, {**state, **adapting}, beside))

    gradients, value = (_by_transform if inside_transform() else _by_tape)(of, over, order)
    if clip is not None:
        gradients = [gradient.clamp(-clip, clip) for gradient in gradients]
    moved = dict(state)
    for name, gradient in zip(names, gradients, strict=False):
        rate = rates.rate(name, step) if isinstance(rates, LearnedRates) else rates
        moved[name] = state[name] - rate * gradient
    moved_beside = dict(extra)
    if not isinstance(rates, LearnedRates):
        for name, gradient in zip(extra, gradients[len(names) :], strict=True):
            moved_beside[name] = extra[name] - rates * gradient
    return moved, moved_beside, value


def _checkpointed(
    one: Callable[[Parameters, Parameters], tuple[Parameters, Parameters, Tensor]],
    state: Parameters,
    extra: Parameters,
) -> tuple[Parameters, Parameters, Tensor]:
    def step(*tensors: Tensor) -> tuple[list[Tensor], Tensor]:
        moved, beside, value = one(
            dict(zip(state, tensors, strict=False)),
            dict(zip(extra, tensors[len(state) :], strict=True)),
        )
        return [*moved.values(), *beside.values()], value

    outputs, value = recomputed(step, [*state.values(), *extra.values()])
    moved = dict(zip(state, outputs, strict=False))
    return moved, dict(zip(extra, outputs[len(state) :], strict=True)), value


def _by_tape(
    of: Callable[..., Tensor], over: Sequence[Tensor], order: Order
) -> tuple[list[Tensor], Tensor]:
    """Return gradients in `over` and the value, by autograd's own graph."""
    followed = [
        tensor.detach().requires_grad_() if order == "mixed" or not tensor.requires_grad else tensor
        for tensor in over
    ]
    value = of(*followed)
    # Parameters that the loss does not use have no gradient, which is a gradient of 0.
    given = torch.autograd.grad(value, followed, create_graph=order != "first", allow_unused=True)
    gradients = [
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(followed, given, strict=True)
    ]
    return gradients, value.detach()


def _by_transform(
    of: Callable[..., Tensor], over: Sequence[Tensor], order: Order
) -> tuple[list[Tensor], Tensor]:
    """Return the same inside ``torch.vmap``, whose tensors autograd's own graph does not see."""
    followed = [tensor if order == "second" else tensor.detach() for tensor in over]
    at = tuple(range(len(over)))
    given, value = torch.func.grad_and_value(of, argnums=at)(*followed)
    return [one.detach() if order == "first" else one for one in given], value.detach()


def _numbers(values: Sequence[Tensor]) -> list[float]:
    """Return inner losses as numbers, read once so that no step waits for a GPU."""
    numbers: list[float] = torch.stack(list(values)).tolist() if values else []
    for step, number in enumerate(numbers):
        if not math.isfinite(number):
            raise DivergedError(
                f"inner step {step}: the loss is {number}; lower the rates, or clip the gradients"
            )
    return numbers
