"""The base of all presentation attack detection networks: inputs, answers, recorded arguments."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from functools import cache
from inspect import Signature, signature
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from sterling.checks import check_values
from sterling.errors import InputError
from sterling.face.data import CHANNELS, Modality, channels_of


class Output(NamedTuple):
    """A network's answer for N presentations.

    Attributes:
        maps: Liveness maps, 0 or more: (N, h, w), or (N, F, h, w) for the F scored frames of a
            clip. None for a network without.
        logits: Log odds of bona fide from K heads, (N, K); the last one is the network's answer,
            the others are trained with it. None for a network without.
        heads: Heads that count for each presentation, bool (N, K): a head of an absent modality
            does not. The last one always counts. None: all do.
        features: Further outputs that the network's own training objective uses; only while
            training.
        embedding: Features (N, D) that the last layer turns into the answer, by which a
            `Reference` tells what is unfamiliar. None for a network without.
    """

    maps: Tensor | None = None
    logits: Tensor | None = None
    heads: Tensor | None = None
    features: tuple[Tensor, ...] = ()
    embedding: Tensor | None = None


class Network(nn.Module, ABC):
    """Base of all networks: pictures of one or more modalities in, an `Output` out.

    A subclass states what its arguments may be in their annotations (see `sterling.checks`). They
    are checked and recorded before its `__init__` runs; collections are recorded as tuples.

    Class attributes:
        name: Name of the architecture in configuration files and on the command line.
        shrink: The picture's sides must be divisible by it, and are the map's times it.
        flexible: Whether the network accepts presentations in which a modality is absent.

    Attributes:
        arguments: Arguments that build the network again, all but the seed of its initial weights.
        modalities: Modalities of a picture, in the order of the channels.
        frames: Frames a presentation has; 1 for single pictures, without an axis.
        has_map: Whether the network answers with liveness maps.
        logit_share: The answer is this share of the probability of bona fide, and the rest of the
            mean map; in [0, 1]. 0 without logits, 1 without maps.

    Raises:
        InputError: An argument is not allowed.
    """

    name: ClassVar[str]
    shrink: ClassVar[int] = 8
    flexible: ClassVar[bool] = False

    arguments: dict[str, Any]
    modalities: tuple[Modality, ...] = ("rgb",)
    frames: int = 1
    has_map: bool = True
    logit_share: float = 0.0

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Check and record the arguments that `__init__` is about to get."""
        network = super().__new__(cls)
        # Partial: a copy is made without arguments, and gets those of the original afterwards.
        bound = _signature(cls).bind_partial(None, *given, **named)
        bound.apply_defaults()
        arguments = {
            name: _plain(value)
            for name, value in bound.arguments.items()
            if name not in ("self", "seed", "args", "kwargs")
        }
        check_values(arguments, cls.__init__)
        network.arguments = arguments
        return network

    @abstractmethod
    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Score N presentations.

        Args:
            images: (N, [T,] C, H, W) float, normalised (see `normalise`); the modalities stacked
                along C in the order of `modalities`.
            present: bool (N, M), which of the M modalities there are; None: all. The content of an
                absent modality's channels does not matter.

        Raises:
            InputError: The shape does not fit, or a modality is absent that the network needs.
        """

    @property
    def channels(self) -> int:
        """Channels of a picture with all modalities."""
        return channels_of(self.modalities)

    def shape(self, size: int) -> tuple[int, ...]:
        """Shape of one presentation whose pictures have sides of `size`."""
        return (*((self.frames,) if self.frames > 1 else ()), self.channels, size, size)

    def map_shape(self, size: int) -> tuple[int, ...]:
        """Shape of the label map of one presentation whose pictures have sides of `size`.

        A network without maps is trained on maps of one pixel: positive is bona fide.
        """
        side = size // self.shrink if self.has_map else 1
        return (*((self.frames,) if self.has_map and self.frames > 1 else ()), side, side)

    def liveness(self, output: Output) -> Tensor:
        """Return the scores (N,) of an output; higher means bona fide."""
        parts = []
        if output.maps is not None and self.logit_share < 1:
            parts.append((1 - self.logit_share) * output.maps.flatten(1).mean(dim=1))
        if output.logits is not None and self.logit_share > 0:
            parts.append(self.logit_share * output.logits[:, -1].sigmoid())
        return torch.stack(parts).sum(dim=0)

    def require(self, images: Tensor, present: Tensor | None) -> None:
        """Check the arguments of `forward`.

        Raises:
            InputError: As `forward`.
        """
        axes = "N, T" if self.frames > 1 else "N"
        expected = (*((self.frames,) if self.frames > 1 else ()), self.channels)
        if images.ndim != len(expected) + 3 or tuple(images.shape[1:-2]) != expected:
            raise InputError(
                f"images have shape {tuple(images.shape)}: {self.name} takes ({axes}, "
                f"{self.channels}, H, W)"
                + (f" with T = {self.frames} frames" if self.frames > 1 else "")
                + f", the channels of {', '.join(self.modalities)}"
            )
        height, width = images.shape[-2:]
        if height % self.shrink or width % self.shrink or not height or not width:
            raise InputError(
                f"image size is {height}×{width}: {self.name} needs sides divisible by "
                f"{self.shrink}"
            )
        if present is not None and not torch.compiler.is_exporting():
            self.require_present(present, images.shape[0])

    def require_present(self, present: Tensor, count: int) -> None:
        """Check which modalities are present.

        Raises:
            InputError: The shape is not (count, M), a presentation has none, or one is absent that
                the network needs.
        """
        shape = (count, len(self.modalities))
        if present.dtype != torch.bool or tuple(present.shape) != shape:
            raise InputError(
                f"present is {present.dtype} {tuple(present.shape)}: bool {shape}, one column for "
                f"each of {', '.join(self.modalities)}"
            )
        if not bool(present.any(dim=1).all()):
            raise InputError("a presentation has no modality: leave it out")
        if not self.flexible and not bool(present.all()):
            absent = self.modalities[int((~present).any(dim=0).int().argmax())]
            raise InputError(
                f"{absent} is absent in a presentation: {self.name} needs "
                f"{', '.join(self.modalities)}; complete it, or train a flexible-modal network"
            )

    def split(self, images: Tensor) -> tuple[Tensor, ...]:
        """Split stacked pictures into those of each modality, along the channels."""
        return torch.split(images, [CHANNELS[name] for name in self.modalities], dim=-3)

    def to_dict(self) -> dict[str, Any]:
        """Return name and arguments that build this network again, without its weights."""
        return {"name": self.name, **self.arguments}


@cache
def _signature(network: type[Network]) -> Signature:
    return signature(network.__init__)


def _plain(value: Any) -> Any:
    """Turn collections, which JSON gives as lists, into tuples, at every depth."""
    if isinstance(value, Collection) and not isinstance(value, str):
        return tuple(_plain(each) for each in value)
    return value


def initialise(network: nn.Module, seed: int) -> None:
    """Draw all weights anew from `seed` alone.

    Convolutions and linear layers get PyTorch's default distribution and biases of 0, embeddings
    (class tokens, positions) a normal one of deviation 0.02; norms keep 1 and 0.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
