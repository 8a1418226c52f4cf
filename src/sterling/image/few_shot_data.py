"""Pictures for few-shot tasks: an embedded set by name, or a folder of your own.

A folder holds one folder for each class, zipped or not, as Omniglot and CIFAR-10 do.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError
from sterling.image.glyphs import ALPHABET, draw_glyphs
from sterling.image.labelled_images import LabelledImages, scan_digits

Embedded = Literal["glyphs", "digits"]
SUFFIXES = (".png", ".jpg", ".jpeg")


def few_shot_data(
    source: Embedded | Path, *, size: int = 28, classes: int = len(ALPHABET), seed: int = 0
) -> LabelledImages:
    """Load pictures by class.

    Args:
        source: An embedded set, or a folder that `read_class_folders` reads.
        size: Side of the pictures, pixels.
        classes: Number of classes of glyphs.
        seed: Seed of the glyphs.

    Raises:
        InputError: The folder cannot be read.
    """
    if isinstance(source, Path):
        return read_class_folders(source, size)
    if source == "digits":
        return scan_digits(size)
    return draw_glyphs(classes, size=size, seed=seed)


def read_class_folders(folder: Path, size: int = 28) -> LabelledImages:
    """Read every ``<class>/<picture>`` of a folder and of the zip archives in it.

    Omniglot's ``<alphabet>/characterNN/*.png`` are classes named "alphabet/characterNN"; its
    pictures, ink on white of one bit, become ink 1 on 0. A class that is in several archives
    (CIFAR-10's train.zip and test.zip) is one class.

    Args:
        folder: Folder with the classes, or archives of them.
        size: Side that pictures are scaled to, pixels.

    Returns:
        Colour pictures as (N, 3, size, size), grey ones as (N, 1, size, size); classes in the order
        of their names.

    Raises:
        InputError: There is no picture, one cannot be read, or they are colour and grey mixed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with <class>/<picture> in it")
    found: dict[str, list[NDArray[np.float32]]] = {}
    for name, where, content in _files(folder):
        found.setdefault(name, []).append(_picture(content, where, size))
    if not found:
        raise InputError(
            f"{folder}: no <class>/<picture>.png or .jpg there or in a .zip; give another folder"
        )
    names = sorted(found)
    pictures = [one for name in names for one in found[name]]
    if len({one.shape for one in pictures}) > 1:
        raise InputError(f"{folder}: colour and grey pictures are mixed; make them all alike")
    return LabelledImages(
        torch.from_numpy(np.stack(pictures)),
        np.repeat(np.arange(len(names)), [len(found[name]) for name in names]),
        tuple(names),
        f"pictures in {folder.name}",
    )


def _files(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield class, name for messages, and content of every picture, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".zip":
            try:
                with zipfile.ZipFile(path) as archive:
                    for name in sorted(archive.namelist()):
                        if name.lower().endswith(SUFFIXES):
                            where = f"{path}: {name}"
                            yield _class_of(PurePosixPath(name)), where, archive.read(name)
            except zipfile.BadZipFile as error:
                raise InputError(f"{path}: no zip archive ({error}); copy it again") from error
        elif path.suffix.lower() in SUFFIXES:
            name = _class_of(PurePosixPath(path.relative_to(folder).as_posix()))
            yield name, str(path), path.read_bytes()


def _class_of(path: PurePosixPath) -> str:
    own = path.parent.name
    return f"{path.parent.parent.name}/{own}" if own.startswith("character") else own


def _picture(content: bytes, where: str, size: int) -> NDArray[np.float32]:
    """Read a picture (channels, size, size) in [0, 1]."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            ink = image.mode == "1"
            grey = image.mode in ("1", "L")
            array = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32) / 255
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: cannot be read ({error}); remove or replace it") from error
    scaled = cv2.resize(1 - array if ink else array, (size, size), interpolation=cv2.INTER_AREA)
    return np.atleast_3d(scaled).transpose(2, 0, 1).astype(np.float32)
