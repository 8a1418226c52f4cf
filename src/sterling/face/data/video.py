"""Reading single frames, evenly spread over a video file or straight from a camera."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.files import open_regular
from sterling.sandbox import Call

if TYPE_CHECKING:
    from torch import Tensor

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})

OTHER_VIDEO_SUFFIXES = frozenset(
    [
        ".3g2",
        ".3gp",
        ".asf",
        ".f4v",
        ".flv",
        ".insv",
        ".m2ts",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".vob",
        ".wmv",
    ]
)
"""Suffixes of videos that are not read; readers of folders name or count these."""

SECONDS = 600.0
"""Time that one video may take to be decoded in a sandbox. Our default."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of one video.

    Attributes:
        images: uint8 (T, 3, H, W), RGB.
        numbers: Frame number of each, from 0; ascending.
    """

    images: Tensor
    numbers: tuple[int, ...]


def read_frames(source: str | os.PathLike[str] | int, *, count: int) -> Frames:
    """Read frames from a video file or a camera into a tensor; see `read_frame_pixels`."""
    import torch

    images = read_frame_pixels(source, count=count)
    return Frames(torch.from_numpy(np.stack(list(images.values()))), tuple(images))


def read_frame_pixels(
    source: str | os.PathLike[str] | int, *, count: int
) -> dict[int, NDArray[np.uint8]]:
    """Read frames from a video file, evenly spread over it, or the next ones from a camera.

    Each frame of a file is the middle one of `count` equal parts, counted over the frames that
    can be read. Files are turned upright as their metadata says.

    Args:
        source: A file, or the number of a camera (0 is the first).
        count: Number of frames; no more than the video has.

    Returns:
        uint8 (3, H, W), RGB, by frame number from 0, ascending.

    Raises:
        InputError: The file is missing, no video or damaged, the camera does not answer, `count`
            is below 1 or the video has fewer frames.
    """
    if count < 1:
        raise InputError(f"count is {count}: at least 1 frame is read")
    if isinstance(source, int):
        return _from_camera(source, count)
    return _from_file(_checked(source), count)


def read_spread_pixels(path: str | os.PathLike[str], *, count: int) -> dict[int, NDArray[np.uint8]]:
    """Read the frames of `spread_frames`: as `read_frame_pixels`, and all of a short video."""
    if count < 1:
        raise InputError(f"count is {count}: at least 1 frame is read")
    return _from_file(_checked(path), count, fewer=True)


def spread_frames(path: str | os.PathLike[str], *, count: int) -> tuple[int, ...]:
    """The numbers of `count` frames evenly spread over a video file, or of all if it has fewer.

    Raises:
        InputError: The file is missing, no video or damaged.
    """
    available = _available(_checked(path))
    return tuple(spread(available, min(count, available)))


def read_numbered_frames(path: str | os.PathLike[str], numbers: Sequence[int]) -> dict[int, Tensor]:
    """Read the frames of a video file with these numbers, in one pass.

    Returns:
        uint8 (3, H, W), RGB, by number; a frame that the video does not have is left out.

    Raises:
        InputError: The file is missing, no video or damaged.
    """
    import torch

    return {number: torch.from_numpy(image) for number, image in _numbered(path, numbers).items()}


def call_numbered(path: str, numbers: Sequence[int]) -> Call:
    """A sandbox's call of `read_numbered_frames`: the numbers, then each frame's pixels."""
    return Call("sterling.face.data.video:numbered_arrays", (path, list(numbers)), SECONDS)


def call_spread(path: str, count: int) -> Call:
    """A sandbox's call of `read_spread_pixels`: the numbers, then each frame's pixels."""
    return Call("sterling.face.data.video:spread_arrays", (path, count), SECONDS)


def call_count(path: str) -> Call:
    """A sandbox's call of `count_frames`."""
    return Call("sterling.face.data.video:count_arrays", (path,), SECONDS)


def call_spread_numbers(path: str, count: int) -> Call:
    """A sandbox's call of `spread_frames`."""
    return Call("sterling.face.data.video:spread_number_array", (path, count), SECONDS)


def spread_number_array(path: str, count: int) -> NDArray[np.int64]:
    """Answer `call_spread_numbers`."""
    return np.array(spread_frames(path, count=count))


def count_arrays(path: str) -> NDArray[np.int64]:
    """Answer `call_count`."""
    return np.array([count_frames(path)])


def numbered_arrays(path: str, numbers: Sequence[int]) -> list[NDArray[Any]]:
    """Answer `call_numbered`."""
    return _as_arrays(_numbered(path, numbers))


def spread_arrays(path: str, count: int) -> list[NDArray[Any]]:
    """Answer `call_spread`."""
    return _as_arrays(read_spread_pixels(path, count=count))


def _as_arrays(frames: dict[int, NDArray[np.uint8]]) -> list[NDArray[Any]]:
    return [np.array(list(frames), dtype=np.int64), *frames.values()]


def _numbered(path: str | os.PathLike[str], numbers: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    path = _checked(path)
    wanted = sorted(set(numbers))
    with _opened(str(path), _remedy(path)) as capture:
        return dict(zip(wanted, _read(capture, wanted), strict=False))


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video by its name."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def _checked(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    open_regular(path, "video", largest=None).close()
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        kinds = ", ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
        raise InputError(f"{path}: not a video by its name; videos end in {kinds}")
    return path


def _remedy(path: Path) -> str:
    return f"{path}: no video that can be read; copy it again or convert it to mp4"


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the frames of a video file that can be read.

    Raises:
        InputError: The file is missing, no video or damaged.
    """
    return _available(_checked(path))


def _available(path: Path) -> int:
    """Count the frames that can be read; containers may promise too many, or none."""
    with _opened(str(path), _remedy(path)) as capture:
        available = 0
        while capture.grab():
            available += 1
    if not available:
        raise InputError(_remedy(path))
    return available


def _from_file(path: Path, count: int, *, fewer: bool = False) -> dict[int, NDArray[np.uint8]]:
    with _opened(str(path), _remedy(path)) as capture:
        promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        numbers = spread(promised, count) if promised >= count else []
        images = _read(capture, numbers)
    if len(images) < count:
        available = _available(path)
        if available < count and not fewer:
            raise InputError(
                f"{path}: {available} frames can be read, {count} were asked for; ask for fewer"
            )
        numbers = spread(available, min(count, available))
        with _opened(str(path), _remedy(path)) as capture:
            images = _read(capture, numbers)
    return dict(zip(numbers, images, strict=True))


def _from_camera(number: int, count: int) -> dict[int, NDArray[np.uint8]]:
    remedy = f"camera {number}: does not answer; check its number, cable and permission"
    with _opened(number, remedy) as capture:
        images = _read(capture, range(count))
    if len(images) < count:
        raise InputError(f"camera {number}: stopped after {len(images)} of {count} frames; retry")
    return dict(enumerate(images))


@contextmanager
def _opened(source: str | int, remedy: str) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(source)
    try:
        if not capture.isOpened():
            raise InputError(remedy)
        yield capture
    except cv2.error as error:
        raise InputError(remedy) from error
    finally:
        capture.release()


def spread(available: int, count: int) -> list[int]:
    """The middle frames of `count` equal parts; distinct as long as count ≤ available."""
    return [(2 * k + 1) * available // (2 * count) for k in range(count)]


def _read(capture: cv2.VideoCapture, numbers: Sequence[int]) -> list[NDArray[np.uint8]]:
    """The frames with these ascending numbers, (3, H, W), as far as the stream goes.

    Every frame before is passed over one by one: seeking is inexact in many files.
    """
    images: list[NDArray[np.uint8]] = []
    position = 0
    for number in numbers:
        while position <= number and capture.grab():
            position += 1
        if position <= number:
            break
        readable, pixels = capture.retrieve()
        if not readable:
            break
        rgb = cv2.cvtColor(np.asarray(pixels, dtype=np.uint8), cv2.COLOR_BGR2RGB)
        images.append(np.ascontiguousarray(np.asarray(rgb, dtype=np.uint8).transpose(2, 0, 1)))
    return images
