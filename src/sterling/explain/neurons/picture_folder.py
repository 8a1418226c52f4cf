"""Pictures of a folder, scaled to one size."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.files import is_hidden
from sterling.pictures import SUFFIXES
from sterling.sandbox import Call, sandbox


def read_pictures(folder: str | Path, size: int) -> tuple[Tensor, list[str], list[str]]:
    """Read every picture below a folder: its middle square, scaled.

    Grey pictures become three equal channels.

    Args:
        folder: Folder of pictures, with or without folders in it.
        size: Side in pixels.

    Returns:
        Pictures (N, 3, size, size) in [0, 1], their paths below the folder, and one line for each
        file that could not be read.

    Raises:
        InputError: There is no such folder, or no picture in it can be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with pictures")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not is_hidden(path.relative_to(folder))
    ]
    if not files:
        raise InputError(f"{folder}: holds no picture of a common format")
    found, names, refused = [], [], []
    with sandbox() as box:
        answers = box.map(Call("sterling.pictures:picture_arrays", (str(path),)) for path in files)
        for path, answer in zip(files, answers, strict=True):
            if isinstance(answer, InputError):
                refused.append(str(answer))
                continue
            pixels = answer[0]
            side = min(pixels.shape[:2])
            top, left = ((length - side) // 2 for length in pixels.shape[:2])
            square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
            found.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
            names.append(path.relative_to(folder).as_posix())
    if not found:
        raise InputError(f"{folder}: none of {len(files)} pictures can be read ({refused[0]})")
    pictures = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255
    return pictures, names, refused
