"""One way to the user's presentations: a manifest, a folder, or a public data set."""

import logging
from pathlib import Path

from sterling.errors import InputError
from sterling.face.data.datasets.registry import read_public
from sterling.face.data.folder import read_folder, says_labels
from sterling.face.data.manifest import Manifest
from sterling.face.data.split import hold_out_dev

logger = logging.getLogger("sterling")

FRAMES_OF_A_VIDEO = 8


def read_source(
    data: Path,
    protocol: str | None = None,
    *,
    subject_pattern: str | None = None,
    clips: bool = False,
) -> Manifest:
    """Read the rows of a manifest, of a public data set, or of a folder.

    A folder whose sub-folders are named after labels is read as such, unless a protocol is asked
    for. A public data set without development split gets one: a fifth of the training subjects, the
    same in every call.

    Args:
        data: A manifest (.csv, .parquet), a folder of a public data set, or a folder with
            ``live/`` and ``spoof/<species>/``.
        protocol: Official protocol of the public data set; None for its first one.
        subject_pattern: Regular expression on the path with a group ``subject``, for a folder.
        clips: Keep all frames of a video, of which clips are cut; else a few of each.

    Raises:
        InputError: A protocol is asked for and the folder is no public data set, or nothing can be
            read; the message says what and how to mend it.

    Examples:
        >>> manifest = read_source(Path("photos"))  # doctest: +SKIP
    """
    public = None
    asked = data.is_dir() and (protocol is not None or not says_labels(data))
    if asked and subject_pattern is None:
        public = read_public(data, protocol, frames=None if clips else FRAMES_OF_A_VIDEO)
    if public is not None:
        if not public.matches(split="train").any() or public.matches(split="dev").any():
            return public
        logger.warning("%s: no split dev; a fifth of the subjects of train stands in", data)
        return hold_out_dev(public)
    if protocol is not None:
        raise InputError(
            f"--protocol {protocol}: {data} is no folder of a public data set; see sterling face "
            "data check, or leave --protocol and --subject-pattern out"
        )
    if data.is_file():
        return Manifest.read(data)
    return read_folder(data, subject_pattern=subject_pattern)
