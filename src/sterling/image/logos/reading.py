"""Files of logos and photographs as pixels, and the box of a logo; loads no torch.

Files are read in a child process that may not write, which loading torch would.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.image.logos.vectors import draw_svg
from sterling.pictures import read_picture

BACKDROP = 255  # grey that transparent logos are laid on
DARK_BACKDROP = 40  # the one for logos that are white themselves
PLAIN = 40  # difference from the border's colour that ink has at least, of 255
LARGEST = 1024  # longer side that pictures are scaled down to, pixels


def logo_pixels(path: str) -> NDArray[np.uint8]:
    """Read a logo, a picture or an SVG file, as uint8 (H, W, 3) on white.

    A transparent picture that shows nothing on white is laid on dark grey.

    Raises:
        InputError: The file cannot be read.
    """
    if path.lower().endswith(".svg"):
        return draw_svg(Path(path))
    light = scaled_down(read_picture(path, backdrop=BACKDROP).pixels)
    if np.ptp(light.reshape(-1, 3), axis=0).max() >= PLAIN:
        return light
    return scaled_down(read_picture(path, backdrop=DARK_BACKDROP).pixels)


def photograph_pixels(path: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read a photograph, upright, scaled down to at most 1024 pixels on its longer side.

    Returns:
        Pixels uint8 (H, W, 3), and height and width before they were scaled.

    Raises:
        InputError: The file cannot be read.
    """
    whole = read_picture(path, backdrop=BACKDROP).pixels
    return scaled_down(whole), np.array(whole.shape[:2], dtype=np.int64)


def scaled_down(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale a picture so that its longer side has at most 1024 pixels."""
    height, width = picture.shape[:2]
    scale = LARGEST / max(height, width)
    if scale >= 1:
        return picture
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, shape, interpolation=cv2.INTER_AREA), np.uint8)


def logo_box(picture: NDArray[np.uint8], where: str) -> NDArray[np.float64]:
    """Return the box of what differs from the colour at a picture's edge.

    A picture whose edge has no one colour is all logo.

    Args:
        picture: uint8 (H, W, 3).
        where: Name for messages.

    Returns:
        Left, top, right, bottom in pixels, (4,).

    Raises:
        InputError: The picture has one colour.
    """
    height, width = picture.shape[:2]
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(int)
    colour = np.median(edge, axis=0)
    if (np.abs(edge - colour).max(axis=1) >= PLAIN).mean() > 0.5:
        return np.array([0, 0, width, height], dtype=np.float64)
    ink = np.abs(picture.astype(int) - colour).max(axis=2) >= PLAIN
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        raise InputError(f"{where}: all of one colour, so that it shows no logo; give another file")
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
