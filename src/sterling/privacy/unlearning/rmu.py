"""RMU: steer the hidden activations of the forget set to one random direction.

Li et al., "The WMDP Benchmark: Measuring and Reducing Malicious Use with Unlearning", ICML 2024.
The paper steers layer 7 of a large model; by default ours steers what the last linear layer reads.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name
from sterling.privacy.unlearning.descent import Descent, descend, frozen
from sterling.privacy.unlearning.examples import IGNORED, Examples


@dataclass(frozen=True)
class RMUConfig:
    """Constants of RMU.

    Attributes:
        layer: Name of the module whose output is steered; "" takes the last linear layer's input.
        scale: c: length of the vector to steer to.
        hold_weight: α of the retain set's activations.
        trained: Parameters that are trained, by the beginning of their name; the paper trains the
            down-projections of three layers. ``("",)`` trains all that the layer depends on.
        descent: Steps and rate.
    """

    layer: str = ""
    scale: float = 5.0
    hold_weight: float = 1.0
    trained: tuple[str, ...] = ("",)
    descent: Descent = field(default_factory=Descent)


def hidden_activations(model: nn.Module, layer: str) -> Callable[[nn.Module, Tensor], Tensor]:
    """A function that runs a model of this architecture and gives a layer's activations.

    Args:
        model: The architecture.
        layer: A module's name, whose output is taken; "" for the last linear layer's input.
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
    squares = difference.square().flatten(labels.ndim).mean(-1)
    counts = labels != IGNORED
    return (squares * counts).sum() / counts.sum().clamp_min(1)


def rmu(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: RMUConfig
) -> nn.Module:
    """Minimise ‖h(forget) − c u‖² + α ‖h(retain) − h_before(retain)‖², u a fixed unit vector.

    Raises:
        InputError: When the layer does not exist, or no trained parameter lies before it.
    """
    run, reference = hidden_activations(model, config.layer), frozen(model)
    sample = run(model, forget.inputs[:1])
    if not sample.requires_grad:
        raise InputError("layer: no parameter lies before it; name a hidden layer")
    direction = torch.rand(sample.shape[-1], generator=rng, dtype=sample.dtype)
    goal = config.scale * direction / direction.norm()

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        steered = _mean_square(run(student, gone.inputs) - goal, gone.labels)
        before = run(reference, kept.inputs)
        held = _mean_square(run(student, kept.inputs) - before, kept.labels)
        return steered + config.hold_weight * held

    return descend(
        model,
        objective,
        forget,
        retain,
        rng,
        config.descent,
        trained=lambda name: name.startswith(config.trained),
    )
