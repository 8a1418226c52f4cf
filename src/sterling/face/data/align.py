"""Cutting a face out of a picture: how much of its surroundings, which size, levelled or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.checks import Count, Range, check_fields
from sterling.errors import InputError
from sterling.face.data.detect import Face
from sterling.face.data.pixels import as_array

if TYPE_CHECKING:
    from torch import Tensor

# Mean positions of eyes, nose and mouth corners, from the centre of the box in lengths of its
# longer side: the mean over the faces that the shipped detector found in 1,400 photographs of four
# public sets, made symmetric. An aligned crop thus shows as much as one that is not.
_TEMPLATE = np.array([-0.18 - 0.115j, 0.18 - 0.115j, 0.09j, -0.15 + 0.245j, 0.15 + 0.245j])

Border = Literal["repeat", "shift"]
"""Ways to crop where the square leaves the picture, see `CropSpec.border`."""

_LARGEST_SCALE = 20  # beyond, a crop is mostly repeated edge and needs much memory


@dataclass(frozen=True)
class CropSpec:
    """Settings of a crop; they belong to every detector that was trained on such crops.

    Attributes:
        size: Side of the crop in pixels.
        scale: Side of the crop, in the picture, over the longer side of the face box. 1.3 is the
            test-time value of the depth-supervised detectors of the CDCN family.
        align: Whether the face is turned level and centred by its five landmarks. Without, the
            crop keeps the picture's axes and is centred on the box.
        border: Handling of a square that leaves the picture. ``"repeat"``: the picture's edge
            pixels are repeated. ``"shift"``: the square is moved back into the picture, and one
            that is larger than the picture is shrunk to its shorter side first, so that every
            pixel of the crop was seen; Silent-Face-Anti-Spoofing and its descendants crop so.

    Raises:
        InputError: `size` or `scale` is out of range, `border` is unknown, or an aligned crop is
            to be shifted, which would take the face off its place.
    """

    size: Count
    scale: Annotated[float, Range(0, _LARGEST_SCALE, open_low=True)] = 1.3
    align: bool = False
    border: Border = "repeat"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.align and self.border == "shift":
            raise InputError("border 'shift' moves the face: an aligned crop takes border 'repeat'")

    @property
    def alignment(self) -> str:
        """Name of the alignment: ``"five landmarks"`` or ``"none"``."""
        return "five landmarks" if self.align else "none"


def crop_face(image: Tensor, face: Face, spec: CropSpec) -> Tensor:
    """Cut one face out of a tensor uint8 (3, H, W); see `crop_pixels`."""
    import torch

    return torch.from_numpy(crop_pixels(as_array(image), face, spec))


def crop_pixels(image: NDArray[np.uint8], face: Face, spec: CropSpec) -> NDArray[np.uint8]:
    """Cut one face out as a square.

    Where the square leaves the picture, `spec.border` says what is done. Crops larger than
    `spec.size` are shrunk by averaging areas, smaller ones enlarged linearly.

    Args:
        image: uint8 (3, H, W), the picture in which `face` was found.
        face: Place of the face.
        spec: Settings of the crop.

    Returns:
        uint8 (3, size, size).

    Raises:
        InputError: The box is empty, or the landmarks coincide though `spec.align` needs them.
    """
    if not 0 < face.side < math.inf:
        raise InputError(f"face box {face.box} is empty: it is left, top, right, bottom in pixels")
    square = _level(image, face, spec.scale) if spec.align else _upright(image, face, spec)
    return _resized(square, spec.size)


def landmark_places(scale: float) -> tuple[tuple[float, float], ...]:
    """Mean places of the five landmarks in an aligned crop of this `CropSpec.scale`.

    Returns:
        (x, y) of eye, eye, nose tip, mouth corner, mouth corner, in shares of the crop's side from
        its upper left corner.
    """
    return tuple((0.5 + point.real / scale, 0.5 + point.imag / scale) for point in _TEMPLATE)


def resize_crop(image: Tensor, size: int) -> Tensor:
    """Bring a tensor uint8 (3, H, W) that is a face crop to its size; see `resize_pixels`."""
    import torch

    return torch.from_numpy(resize_pixels(as_array(image), size))


def resize_pixels(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Bring a picture that is a face crop already to its size, without keeping its proportions.

    Args:
        image: uint8 (3, H, W).
        size: Side of the crop.

    Returns:
        uint8 (3, size, size).
    """
    return _resized(image, size)


def _resized(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(3, H, W) to (3, size, size), a channel at a time: that saves turning the axes about."""
    way = cv2.INTER_AREA if max(pixels.shape[1:]) > size else cv2.INTER_LINEAR
    resized = np.empty((3, size, size), dtype=np.uint8)
    for small, plane in zip(resized, pixels, strict=True):
        small[:] = cv2.resize(np.ascontiguousarray(plane), (size, size), interpolation=way)
    return resized


def _upright(image: NDArray[np.uint8], face: Face, spec: CropSpec) -> NDArray[np.uint8]:
    """The square around the box, (3, side, side), at the picture's own resolution."""
    return _window(image, *crop_window(image.shape, face, spec))


def crop_window(shape: tuple[int, ...], face: Face, spec: CropSpec) -> tuple[int, int, int]:
    """Return column, row and side of the square that is cut around an upright face.

    Args:
        shape: (3, H, W) of the picture, which the square may leave.
        face: Place of the face.
        spec: Settings of the crop.
    """
    height, width = shape[-2:]
    left, top, right, bottom = face.box
    side = max(1, round(spec.scale * face.side))
    if spec.border == "shift":
        side = min(side, height, width)
    column, row = round((left + right - side) / 2), round((top + bottom - side) / 2)
    if spec.border == "shift":
        column, row = min(max(column, 0), width - side), min(max(row, 0), height - side)
    return column, row, side


def _level(image: NDArray[np.uint8], face: Face, scale: float) -> NDArray[np.uint8]:
    """The square turned by the landmarks, (3, side, side), at the picture's own resolution."""
    turn, centre = _similarity(face)
    extent = scale * abs(turn)
    side = max(1, round(extent))
    # A window that holds the square however it is turned, so that only it is resampled.
    reach = math.ceil(extent / math.sqrt(2)) + 2
    left, top = math.floor(centre.real) - reach, math.floor(centre.imag) - reach
    window = _window(image, left, top, 2 * reach)
    step = turn / abs(turn) * extent / side
    # Pixel centres are at half-integers: (u, v) of the square is centre + step × (u + vi - middle).
    start = centre - complex(left, top) - complex(0.5, 0.5) - step * complex(1, 1) * (side - 1) / 2
    to_window = np.array([[step.real, -step.imag, start.real], [step.imag, step.real, start.imag]])
    turned = cv2.warpAffine(
        np.ascontiguousarray(window.transpose(1, 2, 0)),
        to_window,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, dtype=np.uint8).transpose(2, 0, 1)


def _similarity(face: Face) -> tuple[complex, complex]:
    """Turn-and-scale, and shift, that bring the template nearest to the landmarks.

    The least-squares similarity without reflection: with points as complex numbers about their
    means, landmarks = turn × template + centre.
    """
    points = np.array([complex(x, y) for x, y in face.landmarks])
    if points.shape != _TEMPLATE.shape:
        raise InputError(f"the face has {len(points)} landmarks: alignment needs five")
    template = _TEMPLATE - _TEMPLATE.mean()
    turn = complex(np.vdot(template, points - points.mean()) / np.vdot(template, template).real)
    if not 0 < abs(turn) < math.inf:
        raise InputError(f"face landmarks {face.landmarks} coincide: the face cannot be aligned")
    return turn, complex(points.mean() - turn * _TEMPLATE.mean())


def _window(image: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    """A square of whole pixels, (3, side, side); outside the picture its edge is repeated."""
    height, width = image.shape[1:]
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        return image[:, top : top + side, left : left + side]
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return image[:, rows[:, None], columns]
