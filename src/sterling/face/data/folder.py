"""Reading a folder of pictures and videos, sorted into sub-folders by what they show."""

import hashlib
import logging
import os
import re
from pathlib import Path, PurePosixPath

from sterling.errors import InputError
from sterling.face.data.images import IMAGE_SUFFIXES
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest
from sterling.face.data.media import MEDIA_SUFFIXES, files_below, warn_of_others
from sterling.face.data.video import (
    VIDEO_SUFFIXES,
    call_spread_numbers,
    is_video,
)
from sterling.files import open_regular
from sterling.sandbox import sandbox
from sterling.shown import shown

logger = logging.getLogger("sterling")

_BONA_FIDE_FOLDERS = frozenset({"live", BONA_FIDE})
_ATTACK_FOLDERS = frozenset({"spoof", ATTACK})
# Names that cameras, telephones and programs give, before what they count or the date.
_CAMERA_NAMES = re.compile(
    r"(?:mv)?(?:img|fb|imag|image|photo|picture|pic|frame|face|dsc|dscn|dscf|dscm|pxl|vid|video|mov|"
    r"movie|gopr|dji|cimg|pano|burst|selfie|scan|screenshot|screen shot|whatsapp|signal|"
    r"telegram|received|snapchat|resized|cam|camera|webcam|capture|snapshot|still|untitled)"
    r"(?:[\W\d].*)?|p1\d{6}|(?:19|20)\d{6}.*",
    re.IGNORECASE,
)
_LAYOUT = "live/ or bona_fide/, and spoof/<species>/ or spoof_<species>/ (or attack for spoof)"


def read_folder(
    path: str | os.PathLike[str], *, subject_pattern: str | None = None, frames: int = 8
) -> Manifest:
    r"""Read a folder whose sub-folders say what the pictures and videos show.

    Bona fide presentations lie in ``live/`` or ``bona_fide/``, attack presentations in
    ``spoof/<species>/``, ``attack/<species>/``, ``spoof_<species>/`` or ``attack_<species>/``.
    A picture or video of a kind that is not read (HEIC, AVIF, ...) has a row like any other, and is
    counted as unreadable when it is loaded. Other files are counted in a warning; hidden files, and
    those that a Mac adds, are left alone.

    The subject is what the group ``subject`` of `subject_pattern` matches in the path below the
    folder (with ``/``), or else the next sub-folder, or else, with a warning, the file name up to
    its first ``_``. A file that is named as cameras do (``IMG_0001``) is a subject of its own.
    The item's id is a digest of the file's bytes (BLAKE2b, 64 bits), so that it stays the same
    wherever the file goes. A video becomes one row per frame, with ``#`` and the frame's number
    behind the digest, and the digest as ``video``.

    Args:
        path: The folder.
        subject_pattern: Regular expression with a named group, such as
            ``r"(?P<subject>\d{4})_session"``.
        frames: Number of frames of each video, evenly spread; fewer where it has fewer. Our
            default.

    Returns:
        One row per picture or frame, sorted by path, without splits (see `split_by_subject`).

    Raises:
        InputError: The folder is missing or holds no pictures; a picture lies where its label is
            not told, or is there twice (the same bytes); the pattern is wrong or fails to match; a
            name is not in UTF-8.
    """
    folder = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that holds {_LAYOUT}")
    pattern = _compiled(subject_pattern)
    rows: list[dict[str, str | int]] = []
    seen: dict[str, Path] = {}
    guessed: list[str] = []
    for file in _pictures(folder):
        relative = PurePosixPath(file.relative_to(folder).as_posix())
        label, species, below = _label(folder, relative)
        item = _digest(file)
        if item in seen:
            raise InputError(f"{file}: the same picture as {seen[item]}; remove one of them")
        seen[item] = file
        subject = _subject(relative, below, pattern)
        if pattern is None and len(below) == 1:
            guessed.append(relative.stem)
        known: dict[str, str | int] = {
            "path": str(file),
            "label": label,
            "species": species,
            "subject": subject,
        }
        if is_video(file):
            rows += [
                {"item": f"{item}#{number}", **known, "video": item, "frame": number}
                for number in listed_frames(file, frames)
            ]
        else:
            rows.append({"item": item, **known, "video": "", "frame": 0})
    if not rows:
        kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise InputError(
            f"{folder}: no pictures or videos ({kinds}) in it; put them into {_LAYOUT}"
        )
    if guessed:
        logger.warning("%s", shown(_guess(folder, guessed)))
    return Manifest.from_rows(rows, str(folder))


def says_labels(path: str | os.PathLike[str]) -> bool:
    """Whether every sub-folder names its label, as `read_folder` wants it."""
    names = [
        entry.name.lower()
        for entry in Path(path).iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "__MACOSX"))
    ]
    known = _BONA_FIDE_FOLDERS | _ATTACK_FOLDERS
    return bool(names) and all(
        name in known or name.partition("_")[0] in _ATTACK_FOLDERS for name in names
    )


def listed_frames(file: Path, count: int) -> tuple[int, ...]:
    """The numbers of `count` frames evenly spread over a video, or 0 if it cannot be read."""
    with sandbox() as box:
        answer = next(box.map([call_spread_numbers(str(file), count)]))
    if isinstance(answer, InputError):
        return (0,)  # loading it will name what is wrong, without stopping at the first such file
    return tuple(answer[0].tolist())


def _pictures(folder: Path) -> list[Path]:
    found, others = files_below(folder, MEDIA_SUFFIXES)
    for file in found:
        name = str(file)
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise InputError(
                f"{file}: its name is not in UTF-8, as tables need it; rename it "
                "(convmv -f latin1 -t utf8 renames whole folders)"
            )
    warn_of_others(folder, others)
    return found


def _guess(folder: Path, stems: list[str]) -> str:
    """Say which subjects were guessed from the names of files."""
    by_camera = sorted(stem for stem in stems if _is_camera_name(stem))
    line = f"{folder}: the subjects of {len(stems)} files are guessed from their names"
    if by_camera:
        line += (
            f"; {len(by_camera)} are named as cameras do ({by_camera[0]}) and count as one subject "
            "each, so that a person may be in several splits"
        )
    return f"{line}; sort the files into one sub-folder per person, or give --subject-pattern"


def _is_camera_name(stem: str) -> bool:
    return _CAMERA_NAMES.fullmatch(stem.split("_")[0]) is not None


def _label(folder: Path, relative: PurePosixPath) -> tuple[str, str, tuple[str, ...]]:
    """Label, species, and the parts of the path below the folder that told them."""
    top, *below = relative.parts
    kind, _, species = top.partition("_")
    if below and top.lower() in _BONA_FIDE_FOLDERS:
        return BONA_FIDE, BONA_FIDE, tuple(below)
    if len(below) > 1 and top.lower() in _ATTACK_FOLDERS:
        return ATTACK, below[0], tuple(below[1:])
    if below and kind.lower() in _ATTACK_FOLDERS and species:
        return ATTACK, species, tuple(below)
    raise InputError(f"{folder / relative}: the folders do not say what it shows; use {_LAYOUT}")


def _subject(
    relative: PurePosixPath, below: tuple[str, ...], pattern: re.Pattern[str] | None
) -> str:
    if pattern is None:
        if len(below) > 1:
            return below[0]
        return relative.stem if _is_camera_name(relative.stem) else relative.stem.split("_")[0]
    match = pattern.search(str(relative))
    subject = match["subject"] if match else None
    if not subject:
        raise InputError(
            f"{relative}: subject pattern {pattern.pattern!r} finds no subject in it; change either"
        )
    return subject


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"subject pattern {pattern!r} is not a regular expression ({error})"
        ) from error
    if "subject" not in compiled.groupindex:
        raise InputError(
            f"subject pattern {pattern!r} has no group named subject; write (?P<subject>...)"
        )
    return compiled


def _digest(file: Path) -> str:
    try:
        with open_regular(file, "picture or video", largest=None) as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); check it") from error
