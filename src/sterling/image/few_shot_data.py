"""Pictures for few-shot tasks, by the name of an embedded set or from a folder."""

from pathlib import Path
from typing import Literal

from sterling.image.class_folders import read_class_folders
from sterling.image.glyphs import ALPHABET, draw_glyphs
from sterling.image.labelled_images import LabelledImages, scan_digits

Embedded = Literal["glyphs", "digits"]


def few_shot_data(
    source: Embedded | Path, *, size: int = 28, classes: int = len(ALPHABET), seed: int = 0
) -> LabelledImages:
    """Load pictures by class.

    Args:
        source: An embedded set, or a folder that `read_class_folders` reads.
        size: Side of the pictures, pixels.
        classes: Of glyphs.
        seed: Of glyphs.

    Raises:
        InputError: The folder cannot be read.
    """
    if isinstance(source, Path):
        return read_class_folders(source, size)
    if source == "digits":
        return scan_digits(size)
    return draw_glyphs(classes, size=size, seed=seed)
