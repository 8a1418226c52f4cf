"""RMU: steer the hidden activations of the forget set to one random direction.

Li et al., "The WMDP Benchmark: Measuring and Reducing Malicious Use with Unlearning", ICML 2024.
The paper steers layer 7 of a large model; by default ours steers what the last linear layer reads.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name
from sterling.privacy.unlearning.descent import Descent, minimise
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.losses import counted_mean


def hidden_activations(model: nn.Module, layer: str) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return a function that runs a model of this architecture and returns a layer's activations.

    Args:
        model: The architecture.
        layer: Name of the module whose output is taken; "" takes the last linear layer's input.
    """
    modules = dict(model.named_modules())
    if layer and layer not in modules:
        raise unknown_name("layer", layer, [name for name in modules if name])
    linear = [name for name, part in modules.items() if isinstance(part, nn.Linear)]
    if not layer and not linear:
        raise InputError("layer: the model has no linear layer; name the module to steer")
    name = layer or linear[-1]

    def run(network: nn.Module, inputs: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def hook(_part: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            seen.append(output if layer else arguments[0])

        handle = dict(network.named_modules())[name].register_forward_hook(hook)
        try:
            network(inputs)
        finally:
            handle.remove()
        return seen[0]

    return run


def _mean_square(difference: Tensor, labels: Tensor) -> Tensor:
    """Mean over examples, or over the positions that count when activations are per position."""
    return counted_mean(difference.square().flatten(labels.ndim).mean(-1), labels)


def rmu(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    layer: str = "",
    scale: float = 2.0,
    hold_weight: float = 1.0,
    trained: tuple[str, ...] = ("",),
    descent: Descent,
) -> nn.Module:
    """Minimise ‖h(forget) − c u‖² + α ‖h(retain) − h_before(retain)‖², u a fixed unit vector.

    Constants:
        layer: Name of the module whose output h is steered; "" takes the last linear layer's input.
        scale: Length c of the vector to steer to; 2 in OpenUnlearning.
        hold_weight: Weight α of the retain set's activations.
        trained: Prefixes of the names of the parameters to train; the paper trains the
            down-projections of three layers. ``("",)`` trains all that the layer depends on.
        descent: Steps and rate.

    Raises:
        InputError: When the layer does not exist, or no trained parameter lies before it.
    """
    run = hidden_activations(model, layer)
    sample = run(model, forget.inputs[:1])
    if not sample.requires_grad:
        raise InputError("layer: no parameter lies before it; name a hidden layer")
    direction = torch.rand(sample.shape[-1], generator=rng, dtype=sample.dtype)
    goal = scale * direction / direction.norm()

    def steered(student: nn.Module, _before: nn.Module, gone: Examples) -> Tensor:
        return _mean_square(run(student, gone.inputs) - goal, gone.labels)

    def held(student: nn.Module, before: nn.Module, kept: Examples) -> Tensor:
        difference = run(student, kept.inputs) - run(before, kept.inputs)
        return _mean_square(difference, kept.labels)

    return minimise(
        model,
        forget,
        retain,
        rng,
        forget_loss=steered,
        retain_loss=held,
        retain_weight=hold_weight,
        descent=descent,
        trained=lambda name: name.startswith(trained),
    )
