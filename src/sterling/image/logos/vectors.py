"""Vector graphics as pictures: SVG files and path data, flattened and filled.

Shapes are painted in their order with their fills, by the non-zero rule unless the file asks for
the other one, and with their strokes. Gradients and patterns become grey; text, embedded pictures,
filters and style sheets' selectors of more than a class are not drawn.
"""

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError, quoted
from sterling.files import open_regular

Polylines = Sequence[NDArray[np.float64]]
"""Closed outlines of a shape, each (N, 2) as x, y."""

FINER = 4  # rows and columns of samples for each pixel
LARGEST = 2_000_000  # bytes of an SVG file
MOST = 2_000_000  # points of its outlines
_CURVE_STEPS, _ARC_STEP = 12, math.pi / 32
_GREY = (128, 128, 128)  # stands for gradients and patterns


def fill_outlines(outlines: Polylines, size: int, *, even_odd: bool = False) -> NDArray[np.uint8]:
    """Fill outlines on a square of pixels.

    Args:
        outlines: Closed outlines in pixels; parts outside of the square are cut off.
        size: Side of the square.
        even_odd: Fill by the even-odd rule; the default is the non-zero rule.

    Returns:
        Share of each pixel that is covered, 0 to 255, (size, size).

    Examples:
        >>> square = np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]])
        >>> int((fill_outlines([square], 4) == 255).sum())
        4
    """
    fine = size * FINER
    rows, columns, turns = _crossings(outlines, fine)
    steps = np.zeros((fine, fine + 1), np.int32)
    np.add.at(steps, (rows, columns), turns)
    winding = np.cumsum(steps, axis=1)[:, :fine]
    inside = winding % 2 == 1 if even_odd else winding != 0
    samples = np.where(inside, 255, 0).astype(np.uint8)
    return cv2.resize(samples, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _crossings(
    outlines: Polylines, fine: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Row, first column to the right, and direction of every edge at every row of samples."""
    starts = [one * FINER - 0.5 for one in outlines if len(one) > 2]
    if not starts:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    first = np.concatenate(starts)
    last = np.concatenate([np.roll(one, -1, axis=0) for one in starts])
    up = first[:, 1] > last[:, 1]
    low, high = np.where(up[:, None], last, first), np.where(up[:, None], first, last)
    top = np.clip(np.ceil(low[:, 1]), 0, fine).astype(np.int64)
    count = np.maximum(np.clip(np.ceil(high[:, 1]), 0, fine).astype(np.int64) - top, 0)
    edge = np.repeat(np.arange(len(count)), count)
    rows = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + top[edge]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (high[:, 0] - low[:, 0]) / (high[:, 1] - low[:, 1])
    at = low[edge, 0] + (rows - low[edge, 1]) * slope[edge]
    columns = np.clip(np.ceil(at), 0, fine).astype(np.int64)
    return rows, columns, np.where(up[edge], -1, 1)


def path_outlines(data: str) -> list[NDArray[np.float64]]:
    """Flatten SVG path data into closed outlines, in the path's own units.

    Raises:
        InputError: The text is no path data.
    """
    from svgelements import Path as SvgPath

    try:
        outlines = _flattened(SvgPath(data))
    except Exception as error:  # the parser raises ValueError, IndexError, TypeError, ...
        raise InputError(f"path data {quoted(data)}: cannot be parsed ({error})") from error
    if not outlines:
        raise InputError(f"path data {quoted(data)}: draws nothing")
    return outlines


def _flattened(segments: Iterable[Any]) -> list[NDArray[np.float64]]:
    from svgelements import Arc, Close, CubicBezier, Move, QuadraticBezier

    outlines: list[list[NDArray[np.float64]]] = []
    points = 0
    for segment in segments:
        if isinstance(segment, Move):
            outlines.append([_point(segment.end)])
        elif isinstance(segment, Close) or segment.end is None:
            continue
        elif isinstance(segment, Arc):
            steps = max(1, math.ceil(abs(segment.sweep) / _ARC_STEP))
            outlines[-1].append(segment.npoint(np.linspace(0, 1, steps + 1)[1:]))
        elif isinstance(segment, (CubicBezier, QuadraticBezier)):
            outlines[-1].append(segment.npoint(np.linspace(0, 1, _CURVE_STEPS + 1)[1:]))
        else:
            outlines[-1].append(_point(segment.end))
        points += len(outlines[-1][-1])
        if points > MOST:
            raise InputError(f"more than {MOST:,} points")
    joined = [np.concatenate(one) for one in outlines]
    if not all(np.isfinite(one).all() for one in joined):
        raise InputError("a coordinate is not finite")
    return joined


def _point(point: Any) -> NDArray[np.float64]:
    return np.array([[point.x, point.y]], dtype=np.float64)


def draw_svg(path: Path, size: int = 256) -> NDArray[np.uint8]:
    """Draw an SVG file on white.

    Args:
        path: The file.
        size: Side of the picture; the drawing's longer side fills nine tenths of it.

    Returns:
        uint8 (size, size, 3), RGB.

    Raises:
        InputError: The file cannot be read or parsed, or draws nothing.
    """
    from svgelements import SVG

    with open_regular(path, "SVG file", largest=LARGEST) as file:
        content = file.read()
    try:
        drawing = SVG.parse(io.BytesIO(content), reify=True, ppi=96)
        painted = [one for shape in drawing.elements() for one in _painted(shape)]
    except Exception as error:  # the parser raises ParseError, ValueError, RecursionError, ...
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be parsed as SVG ({reason}); export it again") from error
    corners = [one for outlines, *_ in painted for one in outlines if len(one)]
    if not corners:
        raise InputError(f"{path}: draws no shape; text must be turned into paths, export it again")
    every = np.concatenate(corners)
    low, span = every.min(axis=0), max(float(np.ptp(every, axis=0).max()), 1e-9)
    scale = 0.9 * size / span
    shift = (size - scale * np.ptp(every, axis=0)) / 2
    picture = np.full((size, size, 3), 255, np.uint8)
    for outlines, fill, stroke, width, even_odd in painted:
        placed = [(one - low) * scale + shift for one in outlines]
        if fill is not None:
            cover = fill_outlines(placed, size, even_odd=even_odd)[..., None] / 255
            picture = (cover * np.array(fill) + (1 - cover) * picture + 0.5).astype(np.uint8)
        if stroke is not None:
            lines = [np.round(one * 16).astype(np.int32) for one in placed]
            thick = max(1, round(width * scale))
            cv2.polylines(picture, lines, False, stroke, thick, cv2.LINE_AA, 4)
    return picture


_Painted = tuple[
    list[NDArray[np.float64]], tuple[int, int, int] | None, tuple[int, int, int] | None, float, bool
]


def _painted(shape: Any) -> list[_Painted]:
    """Outlines, fill, stroke, width of the stroke, and rule of one visible shape."""
    from svgelements import Path as SvgPath
    from svgelements import Shape

    if not isinstance(shape, Shape) or shape.values.get("display") == "none":
        return []
    fill = _colour(shape.fill, str(shape.values.get("fill") or ""), default=(0, 0, 0))
    stroke = _colour(shape.stroke, str(shape.values.get("stroke") or ""), default=None)
    outlines = _flattened(SvgPath(shape))
    if (fill is None and stroke is None) or not outlines:
        return []
    even_odd = shape.values.get("fill-rule") == "evenodd"
    return [(outlines, fill, stroke, float(shape.stroke_width or 1), even_odd)]


def _colour(
    colour: Any, written: str, default: tuple[int, int, int] | None
) -> tuple[int, int, int] | None:
    if written.startswith("url"):
        return _GREY
    if colour is None or colour.value is None:
        return None if written == "none" else default
    return None if colour.alpha == 0 else (colour.red, colour.green, colour.blue)
