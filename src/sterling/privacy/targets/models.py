"""Small target models, many at a time: one network and stacked parameters.

The networks hold no buffers and draw no random numbers in their forward pass, so that a model is a
pure function of its parameters and ``torch.func`` can map it over many parameter sets at once.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sterling.errors import InputError


def softmax_regression(shape: Sequence[int], classes: int) -> nn.Module:
    """Return multinomial logistic regression on flattened records.

    Args:
        shape: Shape of one record, such as (64,) or (1, 28, 28).
        classes: Number of classes; the outputs are logits (N, classes).
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(_size(shape), classes))


def mlp(shape: Sequence[int], classes: int, *, width: int = 64) -> nn.Module:
    """Return a network of one hidden layer of ``width`` rectified units on flattened records."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(_size(shape), width), nn.ReLU(), nn.Linear(width, classes)
    )


def cnn(shape: Sequence[int], classes: int, *, width: int = 8) -> nn.Module:
    """Return two 3×3 convolutions with max pooling and a linear layer, for images (C, H, W).

    Raises:
        InputError: A record is not an image, or is smaller than 4×4 pixels.
    """
    if len(shape) != 3 or min(shape[1:]) < 4:
        raise InputError(
            f"a CNN needs images (C, H, W) of 4×4 pixels or more, not records of shape "
            f"{tuple(shape)}; use 'mlp' or 'softmax'"
        )
    channels, height, across = shape
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (height // 4) * (across // 4), classes),
    )


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "softmax": softmax_regression,
    "mlp": mlp,
    "cnn": cnn,
}


def _size(shape: Sequence[int]) -> int:
    return int(torch.Size(shape).numel())


@dataclass(frozen=True, eq=False)
class Models:
    """Several models of one architecture.

    Attributes:
        network: Network that gives the structure; its own parameters are not used.
        parameters: Parameters by name, each stacked over the models: (models, ...).
    """

    network: nn.Module
    parameters: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the parameters."""
        return next(iter(self.parameters.values())).dtype

    def select(self, rows: Any) -> "Models":
        """Return some of the models, by slice, list of positions or bool mask."""
        return Models(self.network, {name: p[rows] for name, p in self.parameters.items()})

    def module(self, row: int) -> nn.Module:
        """Return one model as a module of its own, in evaluation mode; nothing is shared."""
        module = copy.deepcopy(self.network).to(self.dtype)
        module.load_state_dict({name: p[row] for name, p in self.parameters.items()})
        return module.eval()

    def logits(self, x: Tensor, *, batch_size: int = 1024) -> Tensor:
        """Return logits of every model on every record, (models, records, classes), detached.

        Args:
            x: Records, (records, *shape).
            batch_size: Number of records at a time, which bounds the memory for activations.
        """
        apply = vmap(lambda parameters, part: functional_call(self.network, parameters, part))
        with torch.no_grad():
            parts = [
                apply(self.parameters, part.expand(len(self), *part.shape))
                for part in torch.split(x.to(self.dtype), batch_size)
            ]
        return torch.cat(parts, dim=1)


def initialise(build: Callable[[], nn.Module], seeds: Sequence[int]) -> Models:
    """Return untrained models, one per seed.

    Args:
        build: Makes one network, such as ``lambda: mlp((64,), 10)``. Its random initial values
            come from the seed; the global generator is left as it was.
        seeds: Seeds of the models, one at least.

    Raises:
        InputError: There is no seed, or the network has buffers (batch normalisation), which
            would tie the records of a batch together.
    """
    if not seeds:
        raise InputError("seeds: name at least one")
    networks = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            networks.append(build())
    network = networks[0].eval()
    buffers = [name for name, _ in network.named_buffers()]
    if buffers:
        raise InputError(
            f"the network has buffers ({', '.join(buffers)}); use layers without running state"
        )
    stacked = {
        name: torch.stack([dict(each.named_parameters())[name].detach() for each in networks])
        for name, _ in network.named_parameters()
    }
    return Models(network, stacked)
