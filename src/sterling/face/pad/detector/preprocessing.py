"""What must happen to a picture before the network sees it; it travels with the weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.networks.network import Network

_FIXED = {"colour": "RGB", "dtype": "uint8", "normalisation": "(x - 127.5) / 128"}


def normalise(images: Tensor) -> Tensor:
    """Map pixel values 0 to 255, (N, [T,] C, H, W) of any dtype, to float (x - 127.5) / 128.

    Pictures are channels-last in memory then, in which convolutions are faster on CPUs and on GPUs;
    clips are when their frames are taken apart.
    """
    normalised = (images.float() - 127.5) / 128
    if images.ndim == 4:
        return normalised.contiguous(memory_format=torch.channels_last)
    return normalised


@dataclass(frozen=True)
class Preprocessing:
    """How the crops were made that a detector was trained on, and so what it accepts.

    Attributes:
        size: Side of the square crop in pixels.
        crop_scale: Side of the crop divided by the longer side of the face box; None when crops
            were not cut from a face box.
        face_detector: Name and version of what found the face box, "none" without one.
        alignment: How the face was turned or placed within the crop.

    Raises:
        InputError: `size` or `crop_scale` is out of range.
    """

    size: int
    crop_scale: float | None = None
    face_detector: str = "none"
    alignment: str = "none"

    def __post_init__(self) -> None:
        if type(self.size) is not int or self.size <= 0:
            raise InputError(f"size is {self.size!r}: a crop's side is a whole number of pixels")
        if self.crop_scale is not None and not self.crop_scale > 0:
            raise InputError(f"crop_scale is {self.crop_scale}: it must be above 0, or None")

    def require(self, images: Tensor, network: Network) -> None:
        """Check that `images` is uint8 (N, [T,] C, size, size) as `network` takes it.

        Raises:
            InputError: It is not.
        """
        self.require_shape(images, network.shape(self.size))

    def require_shape(self, images: Tensor, expected: tuple[int, ...]) -> None:
        """Check that `images` is uint8 (N, *expected).

        Raises:
            InputError: It is not.
        """
        shape = tuple(images.shape)
        if images.dtype != torch.uint8 or not shape or shape[1:] != expected:
            kind = str(images.dtype).removeprefix("torch.")
            wanted = ", ".join(["N", *map(str, expected)])
            raise InputError(
                f"images are {kind} {shape}: this detector takes uint8 ({wanted}); crop and resize "
                f"as it was trained ({self.describe()})"
            )

    def describe(self) -> str:
        """Return one phrase for people."""
        scale = "no face box" if self.crop_scale is None else f"{self.crop_scale:g} × face box"
        return f"{scale}, detector {self.face_detector}, alignment {self.alignment}"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object, with the fixed colour order and normalisation spelled out."""
        return {**asdict(self), **_FIXED}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Preprocessing":
        """Build from `to_dict`'s object.

        Raises:
            InputError: A field is missing, unknown or names another colour order or normalisation.
        """
        for name, value in _FIXED.items():
            if stored.get(name) != value:
                raise InputError(
                    f"preprocessing: {name} is {stored.get(name)!r}, but only {value!r} is known"
                )
        try:
            return cls(**{key: value for key, value in stored.items() if key not in _FIXED})
        except TypeError as error:
            raise InputError(f"preprocessing: {error}") from error
