"""Refusal of crops that a detector should not judge: too small, cut off, padded, dark, or grey.

A detector's `Limits` travel with it. Loading and prediction check each crop against them, and a
crop beyond one is answered "cannot tell" with the reason::

    cut = Cut(picture, face, detector.preprocessing.crop_spec())
    refusal = check_cut(cut, detector.limits or SIZE_ONLY)  # None: cut.crop is to be judged

Every measure is a pure function of pixels and of the place where they were cut. The default limits
are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from math import ceil
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.checks import Range, Share, check_fields
from sterling.errors import InputError
from sterling.face.data.align import CropSpec, crop_pixels, crop_window, resize_pixels
from sterling.face.data.detect import SMALLEST_FACE, Face

QualityReason = Literal[
    "too_small", "cut_off", "uniform_border", "dark", "overexposed", "grey", "blurred"
]

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in luminance (ITU-R BT.601)."""

_SAMPLED = 160  # pixels of a region's longer side that are looked at, at most
_SAME_COLOUR = 1  # levels by which a filled area may differ from its corner in each channel
_NEARLY_ALL = 0.9  # share of the face's pixels
_FILTER = np.array([0.25, 0.5, 0.25])  # keeps what is larger than two pixels of the crop

_Grey = Annotated[float, Range(0, 255)]


@dataclass(frozen=True)
class Limits:
    """Limits beyond which a crop is not judged. None: not checked. All defaults are ours.

    Attributes:
        smallest_face: Longer side of the face box in pixels of the picture; below: "too_small".
        most_outside: Share of the crop's square that lies outside the picture (see `outside`);
            above: "cut_off".
        most_filled: Share of the crop's square that one flat colour fills from its corners, as bars
            and turned pictures leave it (see `filled`); above: "uniform_border".
        darkest: Luminance, 0 to 255, below which nearly all (90 %) of the face lies: "dark".
        brightest: Luminance above which nearly all of the face lies: "overexposed".
        least_colour: Mean difference of a pixel's largest and smallest channel, 0 to 255; below:
            "grey". None for a detector of grey pictures.
        least_detail: Root mean square of the crop's luminance less its 3×3 binomial mean, in grey
            levels; below: "blurred". It depends on the crop's size. Noise is detail, too.

    Raises:
        InputError: A limit is out of range.
    """

    smallest_face: Annotated[float, Range(1)] | None = 48.0
    most_outside: Share | None = 0.5
    most_filled: Share | None = 0.3
    darkest: _Grey | None = 40.0
    brightest: _Grey | None = 220.0
    least_colour: _Grey | None = 3.0
    least_detail: _Grey | None = 1.2

    def __post_init__(self) -> None:
        check_fields(self)

    def to_dict(self) -> dict[str, float | None]:
        """Return a JSON object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Any) -> Limits:
        """Build from `to_dict`'s object.

        Raises:
            InputError: A field is missing, unknown or out of range.
        """
        if not isinstance(stored, Mapping):
            raise InputError(f"limits are {stored!r} and no object")
        # A default would change the answers.
        if odd := sorted(stored.keys() ^ {each.name for each in fields(cls)}):
            raise InputError(f"limits: fields are missing or unknown ({', '.join(odd)})")
        return cls(**stored)


SIZE_ONLY = Limits(float(SMALLEST_FACE), None, None, None, None, None, None)
"""Limits of a detector that has none, such as one saved before there were any."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A crop and where it was cut.

    Attributes:
        picture: uint8 (3, H, W), RGB.
        face: Place of the face; None if the picture is a face crop already.
        spec: Settings of the crop.
    """

    picture: NDArray[np.uint8]
    face: Face | None
    spec: CropSpec

    @cached_property
    def crop(self) -> NDArray[np.uint8]:
        """The crop, uint8 (3, size, size).

        Raises:
            InputError: The face box is empty.
        """
        if self.face is None:
            return resize_pixels(self.picture, self.spec.size)
        return crop_pixels(self.picture, self.face, self.spec)


@dataclass(frozen=True)
class Refusal:
    """Why a crop is not judged.

    Attributes:
        reason: Name of the reason.
        measured: The measure.
        limit: The limit that it lies beyond.
    """

    reason: QualityReason
    measured: float
    limit: float

    @property
    def detail(self) -> str:
        """Say in one line what was measured and what to do."""
        return _ADVICE[self.reason].format(measured=self.measured, limit=self.limit)


_ADVICE: Mapping[QualityReason, str] = {
    "too_small": "the face is {measured:.0f} pixels large, less than {limit:g}; take the picture "
    "nearer or at a higher resolution",
    "cut_off": "{measured:.0%} of the crop lies outside the picture, more than {limit:.0%}; keep "
    "the head and its surroundings within the picture",
    "uniform_border": "one flat colour fills {measured:.0%} of the crop from its corners, more "
    "than {limit:.0%}; give the camera's picture, without bars and not turned by a program",
    "dark": "nine tenths of the face are darker than {measured:.0f} of 255, and {limit:g} is the "
    "limit; light the face",
    "overexposed": "nine tenths of the face are brighter than {measured:.0f} of 255, and {limit:g} "
    "is the limit; expose less",
    "grey": "colour {measured:.1f}, less than {limit:g}; this detector needs a colour camera",
    "blurred": "detail {measured:.2f}, less than {limit:g}; focus, hold still, and do not enlarge",
}


def check_cut(cut: Cut, limits: Limits) -> Refusal | None:
    """Return the first reason not to judge a crop, or None.

    The order is that of `Limits`. The size of the face and its place are not checked in pictures
    that are crops already.
    """
    return next(_refusals(cut, limits), None)


def _refusals(cut: Cut, limits: Limits) -> Iterator[Refusal]:
    """Yield the reasons; one is measured only when the next is asked for."""
    face, picture = cut.face, cut.picture
    if face is not None:
        yield from _below("too_small", face.side, limits.smallest_face)
        if limits.most_outside is not None:
            share = outside(picture.shape, face, cut.spec)
            yield from _above("cut_off", share, limits.most_outside)
        if limits.most_filled is not None:
            share = filled(_window(picture, face, cut.spec))
            yield from _above("uniform_border", share, limits.most_filled)
    if limits.darkest is not None or limits.brightest is not None:
        low, high = luminance_range(picture if face is None else _box(picture, face))
        yield from _below("dark", high, limits.darkest)
        yield from _above("overexposed", low, limits.brightest)
    if limits.least_colour is not None:
        yield from _below("grey", colour(cut.crop), limits.least_colour)
    if limits.least_detail is not None:
        yield from _below("blurred", detail(cut.crop), limits.least_detail)


def _below(reason: QualityReason, measured: float, limit: float | None) -> Iterator[Refusal]:
    if limit is not None and measured < limit:
        yield Refusal(reason, measured, limit)


def _above(reason: QualityReason, measured: float, limit: float | None) -> Iterator[Refusal]:
    if limit is not None and measured > limit:
        yield Refusal(reason, measured, limit)


def outside(shape: tuple[int, ...], face: Face, spec: CropSpec) -> float:
    """Share of the crop's square that lies outside the picture, in [0, 1].

    An aligned crop's square is taken as if it were not turned. With the border "shift" the square
    is moved into the picture: the share is what a picture smaller than the square lacks.

    Args:
        shape: (3, H, W) of the picture.
        face: Place of the face.
        spec: Settings of the crop.
    """
    height, width = shape[-2:]
    column, row, side = crop_window(shape, face, spec)
    if spec.border == "shift":
        return 1 - (side / max(side, spec.scale * face.side)) ** 2
    columns = max(0, min(column + side, width) - max(column, 0))
    rows = max(0, min(row + side, height) - max(row, 0))
    return 1 - rows * columns / side**2


def filled(region: NDArray[np.uint8]) -> float:
    """Share of a region, (3, H, W), filled with one flat colour from its corners, in [0, 1].

    Counted are the pixels connected with a corner that differ from it by at most one level in each
    channel: sensors and compression leave no such areas, but bars around a picture, the corners of
    a turned one and backgrounds that were cut out are. So are areas where the sensor is saturated.
    Edges that were repeated, mirrored or blurred are not counted. Larger regions are sampled.
    """
    pixels = np.ascontiguousarray(_sampled(region).transpose(1, 2, 0))
    height, width = pixels.shape[:2]
    mask = np.zeros((height + 2, width + 2), dtype=np.uint8)
    levels = (_SAME_COLOUR,) * 3
    flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
    for x in (0, width - 1):
        for y in (0, height - 1):
            if not mask[y + 1, x + 1]:
                cv2.floodFill(pixels, mask, (x, y), (0, 0, 0), levels, levels, flags)
    return float(mask[1:-1, 1:-1].mean())


def luminance_range(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return two luminances, 0 to 255: nine tenths of (3, H, W) exceed one, and are below one."""
    low, high = np.quantile(luminance(_sampled(pixels)), (1 - _NEARLY_ALL, _NEARLY_ALL))
    return float(low), float(high)


def colour(pixels: NDArray[np.uint8]) -> float:
    """Mean difference of the largest and smallest channel of pixels (3, H, W): 0 in grey."""
    return float((pixels.max(axis=0) - pixels.min(axis=0)).mean())


def detail(pixels: NDArray[np.uint8]) -> float:
    """Root mean square of the luminance of (3, H, W) less its 3×3 binomial mean, 0 to 255."""
    light = luminance(pixels)
    smooth = cv2.sepFilter2D(light, -1, _FILTER, _FILTER, borderType=cv2.BORDER_REFLECT_101)
    return float(np.sqrt(np.mean((light - smooth) ** 2)))


def luminance(pixels: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Luminance of a picture (3, H, W), as (H, W), 0 to 255."""
    return np.tensordot(LUMA, pixels, axes=1)


def _sampled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every n-th pixel, at most `_SAMPLED` a side: values stay as they are."""
    step = max(1, ceil(max(pixels.shape[-2:]) / _SAMPLED))
    return pixels[:, ::step, ::step]


def _window(picture: NDArray[np.uint8], face: Face, spec: CropSpec) -> NDArray[np.uint8]:
    """The part of the crop's square that lies within the picture."""
    column, row, side = crop_window(picture.shape, face, spec)
    return picture[:, max(row, 0) : row + side, max(column, 0) : column + side]


def _box(picture: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """The face box, of whole pixels."""
    left, top, right, bottom = (int(side) for side in face.box)
    return picture[:, top : bottom + 1, left : right + 1]
