"""Videos written for a test."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def film(path: Path, frames: Iterable[NDArray[np.uint8]], rate: float = 25.0) -> Path:
    """Write frames, (H, W, 3) as BGR, and make the folder that the video lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = [np.ascontiguousarray(frame) for frame in frames]
    height, width = shown[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    for frame in shown:
        writer.write(frame)
    writer.release()
    return path


def grey(value: int, side: int) -> NDArray[np.uint8]:
    return np.full((side, side, 3), value, np.uint8)
