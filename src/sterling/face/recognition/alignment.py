"""Alignment templates that differ in crop size and vertical shift, and canvases to cut them from.

A face is aligned once, to a canvas larger than every template. A template is then a square of that
canvas, resized, so that trying many costs a crop each and no further warp.

    canvas = AlignmentCanvas(crop=176, shift=16)
    canvases = canvas.align(photographs, landmarks)
    faces = canvas.cut(canvases, AlignmentTemplate(crop=128, shift=8))
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sterling.checks import Range, check_fields
from sterling.errors import InputError
from sterling.face.recognition.template import SIDE, TEMPLATE, similarity_transform


@dataclass(frozen=True, order=True)
class AlignmentTemplate:
    """The square of the base template that a recogniser sees.

    Store it with a model: the same template has to be used in training and in use.

    Attributes:
        crop: Side c of the square in pixels of the base template, 112 wide: more shows more of
            hair, chin and background at a lower resolution.
        shift: Distance v in the same pixels by which the square lies below the base template's.
        size: Side S of the picture in pixels.

    Raises:
        InputError: A number is out of range.

    Examples:
        >>> bool((AlignmentTemplate().points == TEMPLATE).all())
        True
    """

    crop: Annotated[float, Range(16, 448)] = SIDE
    shift: Annotated[float, Range(-112, 112)] = 0.0
    size: Annotated[int, Range(8, 1024)] = SIDE

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def points(self) -> NDArray[np.float64]:
        """Places of the five landmarks: (t - (56, 56 + v)) S / c + S / 2, float64 (5, 2)."""
        middle = np.array([SIDE / 2, SIDE / 2 + self.shift])
        return np.asarray((TEMPLATE - middle) * (self.size / self.crop) + self.size / 2)

    def align(self, image: NDArray[np.uint8], landmarks: ArrayLike) -> NDArray[np.uint8]:
        """Bring a face to the template, uint8 (S, S, channels), black beyond the picture.

        Args:
            image: uint8 (H, W, channels).
            landmarks: Eyes, nose, corners of the mouth in pixels, (5, 2), left in the picture
                first.

        Raises:
            InputError: There are not five landmarks, or they are all in one place.
        """
        five = np.asarray(landmarks, dtype=float)
        if five.shape != (5, 2):
            raise InputError(f"landmarks {five.shape}: give five points, x and y")
        matrix = similarity_transform(five, self.points)
        return np.asarray(cv2.warpAffine(image, matrix, (self.size, self.size)), dtype=np.uint8)


def template_grid(
    crops: Iterable[float], shifts: Iterable[float], size: int = SIDE
) -> list[AlignmentTemplate]:
    """Every combination of some crops and shifts, crop by crop.

    Examples:
        >>> [one.shift for one in template_grid([112], [-8, 0, 8])]
        [-8, 0, 8]
    """
    shifts = list(shifts)
    return [AlignmentTemplate(crop, shift, size) for crop in crops for shift in shifts]


@dataclass(frozen=True)
class AlignmentCanvas:
    """A large aligned picture that holds every template up to some crop and shift.

    Attributes:
        crop: Largest crop of a template.
        shift: Largest absolute shift of one.
        density: Pixels of the canvas for each pixel of the base template.

    Raises:
        InputError: A number is out of range.
    """

    crop: Annotated[float, Range(16, 448)] = 176.0
    shift: Annotated[float, Range(0, 112)] = 16.0
    density: Annotated[float, Range(0.1, 8)] = 2.0

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def holding(
        cls, candidates: Iterable[AlignmentTemplate], density: float = 2.0
    ) -> "AlignmentCanvas":
        """Make the smallest canvas that holds some templates."""
        known = list(candidates)
        return cls(max(one.crop for one in known), max(abs(one.shift) for one in known), density)

    @property
    def template(self) -> AlignmentTemplate:
        """Template of the canvas itself."""
        side = self.crop + 2 * self.shift
        return AlignmentTemplate(side, 0.0, round(side * self.density))

    def align(self, images: Iterable[NDArray[np.uint8]], landmarks: ArrayLike) -> Tensor:
        """Bring faces to the canvas.

        Args:
            images: uint8 (H, W, channels) each.
            landmarks: Five landmarks of each face in its pixels, (N, 5, 2).

        Returns:
            uint8 (N, channels, K, K).

        Raises:
            InputError: Landmarks are not five for each picture, or all in one place.
        """
        own = self.template
        points = np.asarray(landmarks, dtype=float)
        faces = [
            own.align(image, five).reshape(own.size, own.size, -1).transpose(2, 0, 1)
            for image, five in zip(images, points, strict=True)
        ]
        return torch.from_numpy(np.stack(faces))

    def cut(self, canvases: Tensor, template: AlignmentTemplate) -> Tensor:
        """Cut a template out of canvases and resize it, anti-aliased.

        Args:
            canvases: (N, channels, K, K), uint8 or float32.
            template: Template that the canvas holds.

        Returns:
            float32 (N, channels, S, S), in the range of the canvases.

        Raises:
            InputError: The template reaches beyond the canvas, or these are canvases of another
                size.
        """
        own = self.template
        if canvases.shape[-2:] != (own.size, own.size):
            raise InputError(
                f"canvases {tuple(canvases.shape)}: this canvas has sides of {own.size} pixels"
            )
        if template.crop + 2 * abs(template.shift) > own.crop + 1e-9:
            raise InputError(
                f"template with crop {template.crop:g} and shift {template.shift:g}: reaches "
                f"beyond a canvas for crops up to {self.crop:g} and shifts up to {self.shift:g}"
            )
        scale = own.size / own.crop
        left = (own.crop - template.crop) / 2 * scale
        top = left + template.shift * scale
        columns, across = _resampling(left, template.crop * scale, own.size, template.size)
        rows, down = _resampling(top, template.crop * scale, own.size, template.size)
        return down @ canvases[..., rows, columns].float() @ across.T


@dataclass(frozen=True, eq=False)
class CanvasFaces:
    """Aligned canvases of people.

    Attributes:
        canvas: Canvas that the pictures are on.
        images: uint8 (N, channels, K, K).
        person: Person in each, int64 (N,).

    Raises:
        InputError: Pictures and people differ in number.
    """

    canvas: AlignmentCanvas
    images: Tensor
    person: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.person):
            raise InputError(
                f"{len(self.images)} canvases of {len(self.person)} people named: name one for each"
            )

    def cut(self, template: AlignmentTemplate, rows: Tensor | None = None) -> Tensor:
        """Faces at a template, float32 (N, channels, S, S) in [-1, 1]; of some rows, or of all."""
        images = self.images if rows is None else self.images[rows]
        return self.canvas.cut(images, template) / 127.5 - 1

    def of(self, people: NDArray[np.int64]) -> "CanvasFaces":
        """Faces of some people."""
        rows = np.isin(self.person, people)
        return CanvasFaces(self.canvas, self.images[torch.from_numpy(rows)], self.person[rows])


@cache
def _resampling(start: float, length: float, pixels: int, size: int) -> tuple[slice, Tensor]:
    """Pixels of a row that a stretch of it needs, and weights (size, needed) that resize it.

    The resampling is bilinear and anti-aliased: its kernel is a triangle as wide as a new pixel, or
    as an old one where that is wider. Pixels have their centres at integers, as landmarks and
    `AlignmentTemplate.points` count them.
    """
    step = length / size
    centres = start + np.arange(size) * step
    apart = np.abs(np.arange(pixels) - centres[:, None]) / max(step, 1.0)
    weights = np.clip(1 - apart, 0, None)
    weights /= weights.sum(1, keepdims=True)
    used = np.flatnonzero(weights.any(0))
    needed = slice(int(used[0]), int(used[-1]) + 1)
    return needed, torch.from_numpy(weights[:, needed].astype(np.float32))
