"""Reading still pictures into tensors; the decoder is `sterling.pictures`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sterling.pictures import SUFFIXES
from sterling.pictures import read_pixels as read_pixels  # for __init__.pyi
from sterling.sandbox import Call

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_SUFFIXES = SUFFIXES


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Read one picture as RGB, upright, into a tensor; see `sterling.pictures.read_pixels`.

    Returns:
        uint8 (3, H, W), 0 to 255.
    """
    import torch

    return torch.from_numpy(read_pixels(path))


def call_picture(path: str) -> Call:
    """A sandbox's call of `read_pixels`."""
    return Call("sterling.pictures:read_pixels", (path,))
