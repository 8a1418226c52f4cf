"""Finding faces in a picture with the CenterFace network that is shipped beside this file.

`FaceDetector.largest` finds the face that a liveness detector judges, `FaceDetector.detect` finds
every face, and `FaceDetector.follow` finds a face again in a camera's next frame::

    face = FaceDetector().largest(read_image("door.jpg"))

Source: Xu, Yan, Yang, Lin, Zhang and Liang, "CenterFace: Joint Face Detection and Alignment Using
Face as Point", arXiv:1911.03599. ``centerface.json`` says where the weights come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

MODEL = Path(__file__).with_name("centerface.onnx")
"""The network; ``tools/build_centerface.py`` makes it from the published file."""

_INPUT = "input.1"
_OUTPUTS = ("537", "538", "539", "540")  # confidence, scale, offset, landmarks
_STRIDE = 4  # pixels per cell of the network's output
_MULTIPLE = 32  # the network halves its input five times
_OVERLAP = 0.3  # intersection over union above which two boxes are one face
_LONG = 3  # times as long as wide: such a picture is searched in windows, too
_FOLLOW_REACH = 2.0  # side of the square in which a face is followed, over the box's longer side
_FOLLOW_SIDE = 160  # pixels to which that square is shrunk

# Coarse to fine; all of it our choice. Measured: docs/pad/deployment.md.
_COARSE = 160  # longer side of the picture in the coarse search
_CHEAP = 256  # longer side up to which the whole search takes no longer than the two small ones
_CANDIDATE = 0.3  # confidence from which something may be a face
_SURE = 0.6  # confidence from which the coarse search is believed
_RESOLVED = 20  # pixels of the coarse picture that a face must span
_RIVAL = 0.5  # area, over the largest face's, from which a second one might be the largest
_FINE_REACH = 1.6  # side of the square of the fine search, over the box's longer side
_FINE_SIDE = 96  # pixels to which that square is shrunk
_SAME = 0.3  # intersection over union from which two boxes are the same face


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
    """CenterFace, run by ONNX Runtime on the CPU. May be shared between threads.

    Attributes:
        longest_side: Larger pictures are scaled down to this many pixels before the search. Faces
            that are then below about 20 pixels are missed; half of it takes a quarter of the time.
            Our documented default.
        min_confidence: Faces below it are not reported. Our documented default.
        threads: Threads of the network. Two halve the time of `detect` where two cores are idle,
            and lengthen it where they are not.

    Raises:
        InputError: An attribute is out of range.
    """

    longest_side: Annotated[int, Range(_MULTIPLE)] = 640
    min_confidence: Level = 0.5
    threads: Annotated[int, Range(1, 1024)] = 1

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def name(self) -> str:
        """Name and settings of `largest`, to be kept with models trained on its crops.

        Models whose record says "CenterFace, longest side 640" without "coarse to fine" were
        trained on the boxes of `detect`.
        """
        return f"CenterFace, longest side {self.longest_side}, coarse to fine"

    def largest(self, image: Tensor | NDArray[np.uint8]) -> Face | None:
        """Find the largest face, at about a seventh of the cost of finding every face.

        The picture is searched shrunk to 160 pixels first. A face that is sure and large there is
        searched again in the square around it, shrunk to 96 pixels; its box, landmarks and
        confidence are those of that second search. The answer is that of `detect` where the coarse
        search finds nothing, something unsure or below 20 of its pixels, or two faces of similar
        size; where the second search loses the face; and in pictures of at most 256 pixels.

        It may miss a face larger than the one found, when the coarse search sees no trace
        of it (confidence below 0.3). Boxes differ a little from those of `detect`, since the
        network sees the face at another scale.

        Args:
            image: uint8 (3, H, W), RGB, upright.

        Returns:
            The face, in pixels of `image`; None when there is none.

        Raises:
            InputError: The image has another type or shape.
        """
        face = self._coarse_to_fine(image)
        return face or next(iter(self.detect(image)), None)

    def _coarse_to_fine(self, image: Tensor | NDArray[np.uint8]) -> Face | None:
        longer = max(image.shape[-2:], default=0)
        if min(longer, self.longest_side) <= _CHEAP:
            return None
        seen = self._search(image, _COARSE, min(_CANDIDATE, self.min_confidence))
        if not seen:
            return None
        face = seen[0]
        sure = face.confidence >= max(_SURE, self.min_confidence)
        resolved = face.side * _COARSE >= _RESOLVED * longer
        rivalled = any(_area(other) > _RIVAL * _area(face) for other in seen[1:])
        if not (sure and resolved) or rivalled:
            return None
        again = self._search_around(image, face, _FINE_REACH, _FINE_SIDE)
        best = max(again, key=lambda other: _shared(other.box, face.box), default=None)
        return best if best and _shared(best.box, face.box) >= _SAME else None

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
        found = self._search(image, self.longest_side, self.min_confidence)
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
            within = self._search(window, self.longest_side, self.min_confidence)
            faces += [_moved(face, shift) for face in within]
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
        near = self._search_around(image, before, _FOLLOW_REACH, _FOLLOW_SIDE)
        middle = _middle(before)
        return min(near, key=lambda face: float(np.hypot(*(_middle(face) - middle))), default=None)

    def _search_around(
        self, image: Tensor | NDArray[np.uint8], face: Face, reach: float, side: int
    ) -> list[Face]:
        """Search the square of `reach` times a face's box, shrunk to `side` pixels."""
        middle, half = _middle(face), reach * face.side / 2
        start = np.maximum(np.floor(middle - half), 0).astype(int)
        end = np.maximum(np.ceil(middle + half), 0).astype(int)
        window = image[..., start[1] : end[1], start[0] : end[0]]
        if 0 in window.shape:
            return []
        found = self._search(window, side, self.min_confidence)
        return [_moved(one, start) for one in found]

    def _search(
        self, image: Tensor | NDArray[np.uint8], longest_side: int, min_confidence: float
    ) -> tuple[Face, ...]:
        kind = str(image.dtype).removeprefix("torch.")
        if kind != "uint8" or image.ndim != 3 or len(image) != 3 or 0 in image.shape:
            raise InputError(
                f"image is {kind} {tuple(image.shape)}: faces are searched in uint8 (3, H, W), RGB"
            )
        height, width = image.shape[1:]
        pixels, shrink = _network_input(as_array(image), longest_side)
        found = _network(self.threads).run(_OUTPUTS, {_INPUT: pixels[None]})
        heat, scale, offset, points = (output[0] for output in found)
        boxes, landmarks, confidence = _decode(heat[0], scale, offset, points, min_confidence)
        kept = _best_of_each(boxes, confidence, min_confidence)
        faces = [
            Face(
                _within(boxes[i] / shrink[[0, 1, 0, 1]], width, height),
                tuple((float(x), float(y)) for x, y in landmarks[i] / shrink),
                min(float(confidence[i]), 1.0),
            )
            for i in kept
        ]
        return tuple(sorted(faces, key=_area, reverse=True))


@cache
def _network(threads: int) -> Any:
    """The network, read once per process and number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def _network_input(
    image: NDArray[np.uint8], longest_side: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Scale (3, H, W) down where needed and pad it to the right and below.

    Returns:
        The padded picture and the (x, y) factors by which it was shrunk.
    """
    height, width = image.shape[1:]
    factor = min(1.0, longest_side / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    padded = (size[1] + -size[1] % _MULTIPLE, size[0] + -size[0] % _MULTIPLE)
    pixels = np.zeros((3, *padded), dtype=np.float32)
    for channel, plane in zip(pixels, image, strict=True):
        if factor < 1:
            plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        channel[: size[1], : size[0]] = plane
    return pixels, np.array([size[0] / width, size[1] / height])


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


def _middle(face: Face) -> NDArray[np.float64]:
    left, top, right, bottom = face.box
    return np.array([left + right, top + bottom]) / 2


def _shared(
    box: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    union = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)) - both
    return both / union if union > 0 else 0.0


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
