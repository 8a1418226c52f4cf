"""Reading still pictures: any common file in, RGB bytes out, or one line saying what is wrong."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sterling.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

_MAX_PIXELS = 100_000_000
_DIRECT_MODES = frozenset({"1", "CMYK", "HSV", "L", "RGB", "RGBX", "YCbCr"})
_ALPHA_MODES = frozenset({"La", "LA", "P", "PA", "RGBa", "RGBA"})


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Read one picture as RGB, upright, into a tensor; see `read_pixels`.

    Returns:
        uint8 (3, H, W), 0 to 255.
    """
    import torch

    return torch.from_numpy(read_pixels(path))


def read_pixels(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read one picture as RGB, upright.

    The EXIF orientation is applied. Grey becomes three equal channels, 16-bit grey is scaled to
    8 bits, CMYK and palettes are converted, transparency is dropped (the colours beneath it are
    kept), and of an animation the first frame is read.

    Args:
        path: The file. Its type is told from its content, not its name.

    Returns:
        uint8 (3, H, W), 0 to 255.

    Raises:
        InputError: The file is missing, is not a picture, is cut short, has more than 100
            megapixels, or holds pixels without a defined range (32-bit, Lab).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such picture; check the path")
    # Whatever Pillow only warns of (odd metadata, large pictures) is either harmless here or
    # checked below.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                _check_size(path, image.size)
                # Pillow scales a .pgm of more than 8 bits to 0 to 65535 and calls it 32-bit.
                sixteen_bit = image.mode.startswith("I;16") or (
                    image.mode == "I" and image.format == "PPM"
                )
                upright = ImageOps.exif_transpose(image)
                pixels = _from_16_bit(upright) if sixteen_bit else _rgb(path, upright)
        except InputError:
            raise
        except Image.DecompressionBombError as error:
            raise InputError(_too_large(path, "more than")) from error
        except UnidentifiedImageError as error:
            kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
            raise InputError(f"{path}: not a picture that can be read; use {kinds}") from error
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ...
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"{path}: damaged picture ({reason}); copy or export it again"
            ) from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check_size(path: Path, size: tuple[int, int]) -> None:
    """Refuse before decoding, so that a small file cannot ask for all memory."""
    width, height = size
    if width * height > _MAX_PIXELS:
        raise InputError(_too_large(path, f"{width}×{height} pixels, over"))


def _too_large(path: Path, found: str) -> str:
    return f"{path}: {found} {_MAX_PIXELS // 1_000_000} megapixels; scale the picture down first"


def _from_16_bit(image: Image.Image) -> NDArray[np.uint8]:
    """Decode 16-bit grey to uint8 (H, W, 3); 65535 becomes 255, rounded to nearest."""
    grey = (np.asarray(image).astype(np.uint32) + 128) // 257
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def _rgb(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    """Decode to uint8 (H, W, 3), writable."""
    if image.mode in _ALPHA_MODES:
        # By way of RGBA, so that palettes with transparency keep the colour beneath it.
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    elif image.mode not in _DIRECT_MODES:
        raise InputError(
            f"{path}: pixels of mode {image.mode!r} have no defined range; save as 8-bit RGB"
        )
    return np.array(image.convert("RGB"))
