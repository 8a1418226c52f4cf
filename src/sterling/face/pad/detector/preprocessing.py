"""Preprocessing of crops: how they were made, and how pixels are normalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from sterling.checks import Range, check_fields
from sterling.errors import InputError
from sterling.face.data.align import Border, CropSpec

if TYPE_CHECKING:
    from torch import Tensor

    from sterling.face.pad.networks.interface import Interface
    from sterling.face.pad.networks.network import Network

_FIXED = {"colour": "RGB", "dtype": "uint8", "normalisation": "(x - 127.5) / 128"}


def normalise(images: Tensor) -> Tensor:
    """Map pixel values 0 to 255, (N, [T,] C, H, W) of any dtype, to float (x - 127.5) / 128.

    Pictures become channels-last in memory, which makes convolutions faster on CPUs and on GPUs;
    clips do once their frames are taken apart.
    """
    import torch

    normalised = (images.float() - 127.5) / 128
    if images.ndim == 4:
        return normalised.contiguous(memory_format=torch.channels_last)
    return normalised


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of a detector's training crops, and so of its input.

    Attributes:
        size: Side of the square crop in pixels.
        crop_scale: Side of the crop divided by the longer side of the face box; None when crops
            were not cut from a face box.
        face_detector: Name and version of the face detector, "none" without one.
        alignment: Rotation and position of the face within the crop.
        border: Handling of crops that leave the picture, see `CropSpec.border`.

    Raises:
        InputError: `size` or `crop_scale` is out of range, or `border` is unknown.
    """

    size: Annotated[int, Range(1, 4096)]
    crop_scale: Annotated[float, Range(0, 10, open_low=True)] | None = None
    face_detector: str = "none"
    alignment: str = "none"
    border: Border = "repeat"

    def __post_init__(self) -> None:
        check_fields(self)

    def crop_spec(self) -> CropSpec:
        """Return the settings of the crop; of pictures that are crops already the size alone."""
        if self.crop_scale is None:
            return CropSpec(self.size)
        return CropSpec(self.size, self.crop_scale, border=self.border)

    def crop_specs(self) -> tuple[CropSpec, ...]:
        """Return the settings of every crop of a face, which lie behind each other."""
        return (self.crop_spec(),)

    def scaled(self, factor: float) -> Self:
        """Return the same with crops that show `factor` times as much around the face."""
        if self.crop_scale is None:
            return self
        return replace(self, crop_scale=factor * self.crop_scale)

    def require(self, images: Tensor | NDArray[np.uint8], network: Network | Interface) -> None:
        """Check that `images` is uint8 (N, [T,] C, size, size) as `network` takes it.

        Raises:
            InputError: It is not.
        """
        self.require_shape(images, network.shape(self.size))

    def require_shape(self, images: Tensor | NDArray[np.uint8], expected: tuple[int, ...]) -> None:
        """Check that `images` is uint8 (N, *expected).

        Raises:
            InputError: It is not.
        """
        shape = tuple(images.shape)
        kind = str(images.dtype).removeprefix("torch.")
        if kind != "uint8" or not shape or shape[1:] != expected:
            wanted = ", ".join(["N", *map(str, expected)])
            raise InputError(
                f"images are {kind} {shape}: this detector takes uint8 ({wanted}); crop and resize "
                f"as it was trained ({self.describe()})"
            )

    def describe(self) -> str:
        """Return one phrase for people."""
        scale = "no face box" if self.crop_scale is None else f"{self.crop_scale:g} × face box"
        return (
            f"{scale}, detector {self.face_detector}, alignment {self.alignment}, "
            f"border {self.border}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object, with the fixed colour order and normalisation spelled out."""
        return {**asdict(self), **_FIXED}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Preprocessing:
        """Build from `to_dict`'s object; without ``border``, as before there was one, it repeats.

        Raises:
            InputError: A field is missing, unknown, out of range or names another colour order or
                normalisation.
        """
        if not isinstance(stored, Mapping):
            raise InputError(f"preprocessing is {stored!r} and no object")
        for name, value in _FIXED.items():
            if stored.get(name) != value:
                raise InputError(
                    f"preprocessing: {name} is {stored.get(name)!r}, but only {value!r} is known"
                )
        stored = {"border": "repeat", **stored}
        # Another default would change the crop, and with it the answers.
        known = {each.name for each in fields(cls)}
        if odd := sorted(stored.keys() ^ (known | _FIXED.keys())):
            raise InputError(f"preprocessing: fields are missing or unknown ({', '.join(odd)})")
        made = cls(**{name: stored[name] for name in known})
        if not isinstance(made.face_detector, str) or not isinstance(made.alignment, str):
            raise InputError("preprocessing: face_detector and alignment are names")
        if made.crop_scale is None and made.face_detector != "none":
            raise InputError(
                f"preprocessing: crop_scale is missing, but {made.face_detector} found the faces"
            )
        return made
