"""Pictures for few-shot tasks: an embedded set by name, or a folder of your own.

A folder holds one folder for each class, zipped or not, as Omniglot and CIFAR-10 do.
"""

import logging
from pathlib import Path, PurePosixPath
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.files import archive_names, is_hidden, not_read
from sterling.image.glyphs import ALPHABET, draw_glyphs
from sterling.image.labelled_images import LabelledImages, scan_digits
from sterling.pictures import SUFFIXES
from sterling.sandbox import Call, sandbox
from sterling.shown import shown

Embedded = Literal["glyphs", "digits"]

logger = logging.getLogger("sterling")

_LAYOUT = "the layout is <class>/<picture>, with one folder per class"
_SPLITS = frozenset({"dev", "test", "train", "val", "valid", "validation"})


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
    pictures, ink on white of one bit, become ink 1 on 0. Where the last folder has one name
    everywhere (tiny-imagenet's ``<class>/images/*.JPEG``), the one above it is the class. A class
    that is in several archives (CIFAR-10's train.zip and test.zip) is one class. Files that are no
    pictures are counted in a warning; hidden files, and those that a Mac adds, are left alone.

    Args:
        folder: Folder with the classes, or archives of them.
        size: Side that pictures are scaled to, pixels.

    Returns:
        Colour pictures as (N, 3, size, size), grey ones as (N, 1, size, size); classes in the order
        of their names.

    Raises:
        InputError: There is no picture, one lies in no class or cannot be read, all are of one
            class, or they are colour and grey mixed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with <class>/<picture> in it")
    files = _files(folder)
    if not files:
        raise InputError(
            f"{folder}: no <class>/<picture>.png or .jpg there or in a .zip; give another folder"
        )
    classes = _classes(folder, [inner for inner, _ in files])
    found: dict[str, list[NDArray[np.float32]]] = {}
    first: dict[bool, str] = {}  # a grey picture and a coloured one
    with sandbox() as box:
        answers = box.map(call for _, call in files)
        for name, (inner, _), answer in zip(classes, files, answers, strict=True):
            if isinstance(answer, InputError):
                raise answer
            pixels, bits = answer
            first.setdefault(bool(bits), str(folder / inner))
            if len(first) > 1:
                raise InputError(
                    f"{first[True]} is grey and {first[False]} coloured: colour and grey are "
                    "mixed; make them all alike"
                )
            found.setdefault(name, []).append(_scaled(pixels, int(bits[0]), size))
    names = sorted(found)
    return LabelledImages(
        torch.from_numpy(np.stack([one for name in names for one in found[name]])),
        np.repeat(np.arange(len(names)), [len(found[name]) for name in names]),
        tuple(names),
        f"pictures in {folder.name}",
    )


def _files(folder: Path) -> list[tuple[PurePosixPath, Call]]:
    """List path below the folder or in its archive, and call that decodes it, in a fixed order."""
    found: list[tuple[PurePosixPath, Call]] = []
    others: list[str] = []
    for path in sorted(folder.rglob("*")):
        inner = PurePosixPath(path.relative_to(folder).as_posix())
        if is_hidden(inner) or path.is_dir():
            continue
        suffix = path.suffix.lower()
        if suffix == ".zip":
            for name in sorted(archive_names(path)):
                entry = PurePosixPath(name)
                if entry.suffix.lower() in SUFFIXES:
                    call = Call("sterling.pictures:member_arrays", (str(path), name))
                    found.append((entry, call))
                else:
                    others.append(f"{inner}: {name}")
        elif suffix in SUFFIXES:
            found.append((inner, Call("sterling.pictures:picture_arrays", (str(path),))))
        else:
            others.append(str(inner))
    if line := not_read(others, "pictures of common formats"):
        logger.warning("%s: %s", shown(str(folder)), shown(line))
    return found


def _classes(folder: Path, files: list[PurePosixPath]) -> list[str]:
    """The class of each file: the last folder that has several names.

    Raises:
        InputError: A file lies in no folder, or there is one class in all.
    """
    for path in files:
        if not path.parent.name:
            raise InputError(f"{folder / path}: lies in no class; {_LAYOUT}")
    parts = [path.parent.parts for path in files]
    while len({one[-1] for one in parts}) == 1 and all(len(one) > 1 for one in parts):
        parts = [one[:-1] for one in parts]
    if len(parts[0]) < len(files[0].parent.parts) and (
        splits := sorted({one[-1] for one in parts if one[-1] in _SPLITS})
    ):
        raise InputError(
            f"{folder}: {splits[0]}/ holds no classes; {_LAYOUT}, or give {folder / 'train'}"
        )
    classes = [_class_of(PurePosixPath(*one)) for one in parts]
    if len(set(classes)) == 1:
        raise InputError(f"{folder}: all pictures are of one class, {classes[0]!r}; {_LAYOUT}")
    return classes


def _class_of(folder: PurePosixPath) -> str:
    own = folder.name
    return f"{folder.parent.name}/{own}" if own.startswith("character") else own


def _scaled(pixels: NDArray[np.uint8], bits: int, size: int) -> NDArray[np.float32]:
    """Scale (H, W, 3) to (channels, size, size) in [0, 1]; `bits` is 0 of a coloured one."""
    array = (pixels[:, :, 0] if bits else pixels).astype(np.float32) / 255
    ink = 1 - array if bits == 1 else array
    scaled = cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA)
    return np.atleast_3d(scaled).transpose(2, 0, 1).astype(np.float32)
