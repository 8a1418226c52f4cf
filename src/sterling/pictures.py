"""The one decoder of still pictures: any common file in, RGB bytes or one line of refusal out.

`read_pixels` reads a file, `decode` bytes, `read_member` an entry of a zip archive. Pictures may
come from somebody who means harm: only the formats in `FORMATS` are tried, whatever the name says,
and the size that a file claims is checked before memory is taken. A folder is read in a child
process (`sterling.sandbox`), so that a file that breaks a decoder ends neither the folder nor us.

Examples:
    >>> from sterling.pictures import read_pixels
    >>> read_pixels("examples/photographs/astronaut.jpg").shape  # doctest: +SKIP
    (3, 512, 512)
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sterling.errors import InputError
from sterling.files import MAX_BYTES, open_regular

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are tried, by Pillow's names. EPS and PDF would start another program."""

SUFFIXES = frozenset(
    {
        *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"),
        *(".tif", ".tiff", ".webp"),
    }
)
"""Suffixes of the pictures that are read."""

OTHER_SUFFIXES = frozenset(
    {
        *(".apng", ".arw", ".avif", ".cr2", ".cr3", ".dng", ".eps", ".heic", ".heif", ".hif"),
        *(".ico", ".j2k", ".jp2", ".jxl", ".nef", ".orf", ".pcx", ".psd", ".raf", ".raw"),
        *(".rw2", ".svg", ".tga"),
    }
)
"""Suffixes of pictures that are not read; readers of folders name or count these."""

_MAX_PIXELS = 100_000_000
# A smaller picture may be as empty as it likes. A larger one is compressed at most this well: the
# limits of the formats lie below, but for pictures of one colour, which show nobody.
_FREE_PIXELS, _PIXELS_PER_BYTE = 16_000_000, 2_000
_DIRECT_MODES = frozenset({"1", "CMYK", "HSV", "L", "RGB", "RGBX", "YCbCr"})
_ALPHA_MODES = frozenset({"La", "LA", "P", "PA", "RGBa", "RGBA"})


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright.

    Attributes:
        pixels: uint8 (H, W, 3), 0 to 255.
        bits: Bits of a grey pixel as stored: 1, 8 or 16; 0 of a coloured picture.
    """

    pixels: NDArray[np.uint8]
    bits: int


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
        InputError: The file is missing or no regular one, is not a picture of `FORMATS`, is cut
            short, has more than 100 megapixels or more than its bytes can hold, or holds pixels
            without a defined range (32-bit, Lab).
    """
    return _channels_first(read_picture(path).pixels)


def read_picture(path: str | os.PathLike[str], *, backdrop: int | None = None) -> Picture:
    """Read one picture with the number of its bits; errors as for `read_pixels`.

    Args:
        path: The file.
        backdrop: Grey, 0 to 255, that transparent pixels are laid on; None drops transparency.
    """
    path = Path(path)
    with open_regular(path, "picture") as file:
        return _decode(file, os.fstat(file.fileno()).st_size, str(path), backdrop)


def decode(content: bytes, where: str) -> Picture:
    """Decode a picture in memory.

    Args:
        content: Bytes of a file.
        where: Name for messages.

    Raises:
        InputError: As for `read_pixels`.
    """
    return _decode(io.BytesIO(content), len(content), where)


def read_member(archive: str, name: str) -> Picture:
    """Read a picture of a zip archive, which stays open for the next one.

    Raises:
        InputError: The entry cannot be unpacked, or as for `read_pixels`.
    """
    where = f"{archive}: {name}"
    try:
        opened = _archive(archive)
        with opened.open(name) as entry:
            content = entry.read(MAX_BYTES + 1)
    except InputError:
        raise
    except Exception as error:  # zipfile raises zlib.error, RuntimeError, NotImplementedError, ...
        raise InputError(f"{where}: cannot be read ({error}); remove or replace it") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{where}: over {MAX_BYTES:,} bytes unpacked; remove it")
    return decode(content, where)


def member_arrays(archive: str, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels and number of bits of `read_member`, as a sandbox returns them."""
    return _as_arrays(read_member(archive, name))


def picture_arrays(
    path: str, backdrop: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels and number of bits of `read_picture`, as a sandbox returns them."""
    return _as_arrays(read_picture(path, backdrop=backdrop))


@lru_cache(maxsize=1)
def _archive(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(open_regular(Path(path), "archive", largest=None))


def _as_arrays(picture: Picture) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return picture.pixels, np.array([picture.bits])


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _decode(file: BinaryIO, size: int, where: str, backdrop: int | None = None) -> Picture:
    # Whatever Pillow only warns of (odd metadata, large pictures) is either harmless here or
    # checked below.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=FORMATS) as image:
                _check_size(where, image.size, size)
                # Pillow scales a .pgm of more than 8 bits to 0 to 65535 and calls it 32-bit.
                sixteen_bit = image.mode.startswith("I;16") or (
                    image.mode == "I" and image.format == "PPM"
                )
                bits = 16 if sixteen_bit else {"1": 1, "L": 8}.get(image.mode, 0)
                upright = ImageOps.exif_transpose(image)
                if sixteen_bit:
                    return Picture(_from_16_bit(upright), bits)
                return Picture(_rgb(where, upright, backdrop), bits)
        except InputError:
            raise
        except Image.DecompressionBombError as error:
            raise InputError(_too_large(where, "more than")) from error
        except UnidentifiedImageError as error:
            kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            raise InputError(f"{where}: not a picture that can be read; use {kinds}") from error
        except MemoryError as error:
            raise InputError(f"{where}: takes more memory than there is; scale it down") from error
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ...
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"{where}: damaged picture ({reason}); copy or export it again"
            ) from error


def _check_size(where: str, shape: tuple[int, int], size: int) -> None:
    """Refuse before decoding, so that a small file cannot ask for all memory."""
    width, height = shape
    pixels = width * height
    if pixels > _MAX_PIXELS:
        raise InputError(_too_large(where, f"{width}×{height} pixels, over"))
    if pixels > max(_FREE_PIXELS, _PIXELS_PER_BYTE * size):
        raise InputError(
            f"{where}: claims {width}×{height} pixels in {size:,} bytes, which hold no such "
            "picture; copy or export it again"
        )


def _too_large(where: str, found: str) -> str:
    return f"{where}: {found} {_MAX_PIXELS // 1_000_000} megapixels; scale the picture down first"


def _from_16_bit(image: Image.Image) -> NDArray[np.uint8]:
    """Decode 16-bit grey to uint8 (H, W, 3); 65535 becomes 255, rounded to nearest."""
    grey = (np.asarray(image).astype(np.uint32) + 128) // 257
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def _rgb(where: str, image: Image.Image, backdrop: int | None) -> NDArray[np.uint8]:
    """Decode to uint8 (H, W, 3), writable."""
    if backdrop is not None and image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, (backdrop, backdrop, backdrop, 255))
        image.alpha_composite(layer)
    if image.mode in _ALPHA_MODES:
        # RGBA first, so that palettes with transparency keep the colour beneath it.
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    elif image.mode not in _DIRECT_MODES:
        raise InputError(
            f"{where}: pixels of mode {image.mode!r} have no defined range; save as 8-bit RGB"
        )
    return np.array(image.convert("RGB"))
