"""Finding faces in a picture with the CenterFace network that is shipped beside this file.

Source: Xu, Yan, Yang, Lin, Zhang and Liang, "CenterFace: Joint Face Detection and Alignment Using
Face as Point", arXiv:1911.03599. ``centerface.json`` says where the weights come from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.checks import Level, Range, check_fields
from sterling.errors import InputError
from sterling.face.data.pixels import as_array

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_FACE = 32
"""Longer side of a face box, in pixels, below which the face is too small. Our default."""

_MODEL = Path(__file__).with_name("centerface.onnx")
_OUTPUTS = ("537", "538", "539", "540")  # confidence, scale, offset, landmarks
_STRIDE = 4  # pixels per cell of the network's output
_MULTIPLE = 32  # the network halves its input five times
_OVERLAP = 0.3  # intersection over union above which two boxes are one face
_LONG = 3  # times as long as wide: such a picture is searched in windows, too
_FOLLOW_REACH = 2.0  # side of the square in which a face is followed, over the box's longer side
_FOLLOW_SIDE = 160  # pixels to which that square is shrunk


@dataclass(frozen=True)
class Face:
    """One face found in a picture; coordinates in pixels, x to the right, y down.

    Attributes:
        box: Left, top, right, bottom; within the picture.
        landmarks: (x, y) of the eye, the other eye, nose tip, mouth corner, other mouth corner;
            of each pair first the one on the left of the picture when the face is upright. They
            may lie outside the picture.
        confidence: 0 to 1, higher is surer.
    """

    box: tuple[float, float, float, float]
    landmarks: tuple[tuple[float, float], ...]
    confidence: float

    @property
    def side(self) -> float:
        """Length of the longer side of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


@dataclass(frozen=True)
class FaceDetector:
    """CenterFace, run by OpenCV on the CPU. Not to be shared between threads.

    Attributes:
        longest_side: Larger pictures are scaled down to this many pixels before the search. Faces
            that are then below about 20 pixels are missed; half of it takes a quarter of the time.
            Our documented default.
        min_confidence: Faces below it are not reported. Our documented default.

    Raises:
        InputError: An attribute is out of range.
    """

    longest_side: Annotated[int, Range(_MULTIPLE)] = 640
    min_confidence: Level = 0.5
    _network: cv2.dnn.Net = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "_network", cv2.dnn.readNetFromONNX(str(_MODEL)))

    @property
    def name(self) -> str:
        """Name and settings of the detector, to be kept with models trained on its crops."""
        return f"CenterFace, longest side {self.longest_side}"

    def detect(self, image: Tensor | NDArray[np.uint8]) -> tuple[Face, ...]:
        """Find every face, largest box first.

        A picture more than three times as long as wide is also searched in overlapping windows.

        Args:
            image: uint8 (3, H, W), RGB, upright. Faces lying on their side are often missed.

        Raises:
            InputError: The image has another type or shape.
        """
        height, width = image.shape[-2:]
        longer, shorter = max(height, width), min(height, width)
        found = self._search(image, self.longest_side)
        if longer <= self.longest_side or longer < _LONG * shorter:
            return found
        # A panorama shrunk to fit has faces of a few pixels: windows of it are searched as well.
        side = max(self.longest_side, 2 * shorter)
        starts = sorted({*range(0, longer - side, side // 2), max(0, longer - side)})
        faces = [*found]
        for start in starts:
            rows, columns = slice(None), slice(start, start + side)
            shift = np.array([start, 0])
            if height > width:
                rows, columns, shift = columns, rows, shift[::-1]
            window = image[..., rows, columns]
            faces += [_moved(face, shift) for face in self._search(window, self.longest_side)]
        boxes = np.array([face.box for face in faces]).reshape(-1, 4)
        confidence = np.array([face.confidence for face in faces])
        kept = _best_of_each(boxes, confidence, self.min_confidence)
        return tuple(sorted((faces[i] for i in kept), key=_area, reverse=True))

    def shrinking(self, image: Tensor | NDArray[np.uint8]) -> str:
        """Say how far `detect` shrinks a picture (3, H, W); ``""`` if it does not."""
        height, width = image.shape[-2:]
        if max(height, width) <= self.longest_side:
            return ""
        return (
            f"searched at {self.longest_side} of {max(height, width)} pixels: a small face is "
            "found when the picture is cut nearer to it"
        )

    def follow(self, image: Tensor | NDArray[np.uint8], before: Face) -> Face | None:
        """Find a face again in a camera's next frame, near where it was, at a fraction of the cost.

        A square of twice the former box is searched, shrunk to 160 pixels, so that the face may
        move by half its size between frames; both are our documented defaults. Other faces are not
        looked for: search the whole frame when this finds nothing, and from time to time.

        Args:
            image: uint8 (3, H, W), RGB, upright: the next frame.
            before: Place of the face in the last frame.

        Returns:
            The face nearest to where it was, in pixels of `image`; None when there is none.

        Raises:
            InputError: The image has another type or shape.
        """
        left, top, right, bottom = before.box
        middle = np.array([left + right, top + bottom]) / 2
        reach = _FOLLOW_REACH * before.side / 2
        start = np.maximum(np.floor(middle - reach), 0).astype(int)
        end = np.ceil(middle + reach).astype(int)
        window = image[..., start[1] : end[1], start[0] : end[0]]
        if 0 in window.shape:
            return None
        near = [_moved(face, start) for face in self._search(window, _FOLLOW_SIDE)]
        return min(near, key=lambda face: _distance(face, middle), default=None)

    def _search(self, image: Tensor | NDArray[np.uint8], longest_side: int) -> tuple[Face, ...]:
        kind = str(image.dtype).removeprefix("torch.")
        if kind != "uint8" or image.ndim != 3 or len(image) != 3 or 0 in image.shape:
            raise InputError(
                f"image is {kind} {tuple(image.shape)}: faces are searched in uint8 (3, H, W), RGB"
            )
        height, width = image.shape[1:]
        pixels, shrink = _network_input(as_array(image).transpose(1, 2, 0), longest_side)
        self._network.setInput(cv2.dnn.blobFromImage(pixels))
        heat, scale, offset, points = (
            np.asarray(out)[0] for out in self._network.forward(_OUTPUTS)
        )
        boxes, landmarks, confidence = _decode(heat[0], scale, offset, points, self.min_confidence)
        kept = _best_of_each(boxes, confidence, self.min_confidence)
        faces = [
            Face(
                _within(boxes[i] / shrink[[0, 1, 0, 1]], width, height),
                tuple((float(x), float(y)) for x, y in landmarks[i] / shrink),
                min(float(confidence[i]), 1.0),
            )
            for i in kept
        ]
        return tuple(sorted(faces, key=_area, reverse=True))


def _network_input(
    pixels: NDArray[np.uint8], longest_side: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Scale (H, W, 3) down where needed and pad it to the right and below.

    Returns:
        The padded picture and the (x, y) factors by which it was shrunk.
    """
    height, width = pixels.shape[:2]
    factor = min(1.0, longest_side / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if factor < 1:
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    padded = np.pad(pixels, ((0, -size[1] % _MULTIPLE), (0, -size[0] % _MULTIPLE), (0, 0)))
    return padded, np.array([size[0] / width, size[1] / height])


def _decode(
    confidence: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    threshold: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read boxes off the network's maps.

    Args:
        confidence: (h, w), one cell per 4×4 pixels.
        scale: (2, h, w), log of the box's height and width in cells.
        offset: (2, h, w), of the box's centre from the cell's, y and x, in cells.
        landmarks: (10, h, w), five times y and x from the box's corner, in box heights and widths.
        threshold: Cells of at most this confidence hold no face.

    Returns:
        Boxes (n, 4) as left, top, right, bottom; landmarks (n, 5, 2) as x, y; confidence (n,).
    """
    cells = np.argwhere(confidence > threshold)  # (n, 2), y and x
    rows, columns = cells.T
    extent = _STRIDE * np.exp(scale[:, rows, columns].T.astype(np.float64))
    centre = _STRIDE * (cells + 0.5 + offset[:, rows, columns].T)
    corner = centre - extent / 2
    points = landmarks[:, rows, columns].T.reshape(-1, 5, 2).astype(np.float64)
    points = corner[:, None] + points * extent[:, None]
    boxes = np.concatenate([corner[:, ::-1], (corner + extent)[:, ::-1]], axis=1)
    return boxes, points[:, :, ::-1], confidence[rows, columns].astype(np.float64)


def _best_of_each(
    boxes: NDArray[np.float64], confidence: NDArray[np.float64], threshold: float
) -> list[int]:
    """Positions of the boxes that are left when each face keeps only its surest one."""
    if not len(boxes):
        return []
    corner_and_extent = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corner_and_extent.tolist(), confidence.tolist(), threshold, _OVERLAP)
    return [int(i) for i in kept]


def _within(box: NDArray[np.float64], width: int, height: int) -> tuple[float, float, float, float]:
    left, right = np.clip(box[[0, 2]], 0, width)
    top, bottom = np.clip(box[[1, 3]], 0, height)
    return float(left), float(top), float(right), float(bottom)


def _moved(face: Face, by: NDArray[np.int_]) -> Face:
    x, y = (float(shift) for shift in by)
    left, top, right, bottom = face.box
    return Face(
        (left + x, top + y, right + x, bottom + y),
        tuple((u + x, v + y) for u, v in face.landmarks),
        face.confidence,
    )


def _distance(face: Face, middle: NDArray[np.float64]) -> float:
    left, top, right, bottom = face.box
    return float(np.hypot(*((np.array([left + right, top + bottom]) / 2) - middle)))


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
