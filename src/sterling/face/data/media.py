"""The pictures and videos of a folder, and what lies beside them."""

import logging
from pathlib import Path

from sterling.face.data.images import IMAGE_SUFFIXES
from sterling.face.data.video import OTHER_VIDEO_SUFFIXES, VIDEO_SUFFIXES
from sterling.files import is_hidden, not_read
from sterling.pictures import OTHER_SUFFIXES
from sterling.shown import shown

logger = logging.getLogger("sterling")

MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES | OTHER_SUFFIXES | OTHER_VIDEO_SUFFIXES
"""Suffixes of pictures and videos, whether or not they are read."""


def files_below(folder: Path, suffixes: frozenset[str]) -> tuple[list[Path], list[Path]]:
    """List the files of a folder and its sub-folders, in order: those of some suffixes, and others.

    Hidden files, and those that a Mac adds, are in neither list. What has such a suffix and is no
    regular file, such as a pipe, is in the first one: whoever reads it is told.
    """
    wanted: list[Path] = []
    others: list[Path] = []
    for file in sorted(folder.rglob("*")):
        if is_hidden(file.relative_to(folder)) or file.is_dir():
            continue
        (wanted if file.suffix.lower() in suffixes else others).append(file)
    return wanted, others


def warn_of_others(folder: Path, others: list[Path]) -> None:
    """Name files that are neither pictures nor videos."""
    names = (file.relative_to(folder).as_posix() for file in others)
    if line := not_read(names, "pictures and videos"):
        logger.warning("%s: %s", shown(str(folder)), shown(line))
