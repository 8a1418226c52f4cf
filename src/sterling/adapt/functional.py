"""Modules called with given parameters, so that parameters can be results of a computation."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor, nn
from torch.func import functional_call

from sterling.adapt.normalisation import refuse_running_statistics
from sterling.errors import InputError, unknown_name

Parameters = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class FunctionalModel:
    """A module whose parameters are given with each call, and their groups.

    Attributes:
        module: Module with the parameters to start from.
        groups: Name of the group of each parameter: of its layer by default ("conv1" of
            "conv1.weight"). Parameters that are given no group never adapt, but are meta-learned.

    Raises:
        InputError: The module normalises batches in a way that gives wrong gradients.
    """

    module: nn.Module
    groups: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_running_statistics(self.module)
        if not self.groups:
            by_layer = {name: name.rpartition(".")[0] for name, _ in self.module.named_parameters()}
            object.__setattr__(self, "groups", by_layer)

    def parameters(self) -> Parameters:
        """Return the module's own parameters, by name."""
        return dict(self.module.named_parameters())

    @cached_property
    def group_names(self) -> list[str]:
        """Names of the groups, in the order of the module."""
        return list(dict.fromkeys(self.groups.values()))

    def names_of(self, groups: Collection[str] | None) -> list[str]:
        """Return the names of the parameters of some groups; None takes all.

        Raises:
            InputError: There is no such group, or the groups hold no parameter.
        """
        for group in groups or ():
            if group not in self.group_names:
                raise unknown_name("group of parameters", group, self.group_names)
        names = [name for name, group in self.groups.items() if groups is None or group in groups]
        if not names:
            raise InputError(
                f"adapt {groups}: no parameter adapts; the module's groups are "
                f"{', '.join(self.group_names) or 'none, it has no parameter'}"
            )
        return names

    def __call__(self, parameters: Parameters, *inputs: Tensor) -> Tensor:
        """Return the module's output under other parameters."""
        output: Tensor = functional_call(self.module, parameters, inputs)
        return output


@dataclass(frozen=True, eq=False)
class Forward:
    """The model under the parameters of one step, as an inner loss sees it.

    Attributes:
        model: The model.
        parameters: Parameters of this step.
        auxiliary: Further variables that the inner loop adapts.
    """

    model: FunctionalModel
    parameters: Parameters
    auxiliary: Parameters = field(default_factory=dict)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the model's output."""
        return self.model(self.parameters, *inputs)


def attach(module: nn.Module, layer: str, transform: nn.Module) -> None:
    """Put a transform (attention, say) behind a layer of a module, in place.

    The transform becomes a part of the module, named ``<layer>_attached``, so its parameters are
    adapted and meta-learned like any other.

    Args:
        module: Module to change.
        layer: Name of one of its parts, as in ``named_modules``.
        transform: Maps the layer's output to the input of the next one.

    Raises:
        InputError: There is no such layer, something is attached to it, or it is deep inside a
            sequence, which would run the transform as its last part.
    """
    layers = dict(module.named_modules())
    if not layer or layer not in layers:
        raise unknown_name("layer", layer, (name for name in layers if name))
    name = f"{layer.replace('.', '_')}_attached"
    if name in layers:
        raise InputError(f"layer {layer}: a transform is attached already")
    if isinstance(module, nn.Sequential):
        _insert(module, layer, name, transform)
        return
    module.add_module(name, transform)
    layers[layer].register_forward_hook(_through(transform))


def _insert(sequence: nn.Sequential, layer: str, name: str, transform: nn.Module) -> None:
    if "." in layer:
        raise InputError(
            f"layer {layer}: the module is a sequence; attach to one of its own parts, "
            f"{', '.join(name for name, _ in sequence.named_children())}"
        )
    parts = list(sequence.named_children())
    after = [key for key, _ in parts].index(layer) + 1
    for key, _ in parts[after:]:
        delattr(sequence, key)
    for key, part in [(name, transform), *parts[after:]]:
        sequence.add_module(key, part)


def _through(transform: nn.Module) -> Callable[[nn.Module, object, Tensor], Tensor]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        changed: Tensor = transform(output)
        return changed

    return hook
