"""Files of folders and archives that somebody else may have filled."""

import io
import os
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath

from sterling.errors import InputError

MAX_BYTES = 1 << 29
"""Bytes of a file, or of an entry of an archive once it is unpacked, at most."""


def is_hidden(path: PurePath) -> bool:
    """Whether a file is hidden, or of those that a Mac adds to folders and archives.

    Args:
        path: Relative to the folder or archive that is read.
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def not_read(names: Iterable[str], kind: str) -> str:
    """Say in one line which files of a folder are not read; ``""`` if there are none.

    Args:
        names: The files.
        kind: Kind of file that is read, for people.

    Examples:
        >>> not_read(["a.heic", "b.txt"], "JPEG and PNG")
        '2 files are not read, only JPEG and PNG are: a.heic, b.txt'
    """
    listed = sorted(names)
    if not listed:
        return ""
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    files = "file is" if len(listed) == 1 else "files are"
    return f"{len(listed)} {files} not read, only {kind} are: {', '.join(listed[:5])}{more}"


def open_regular(path: Path, kind: str, *, largest: int | None = MAX_BYTES) -> io.BufferedReader:
    """Open a file for reading; a device or a pipe, which may never end, is refused.

    Args:
        path: The file.
        kind: Name of its kind in messages, such as "manifest".
        largest: Bytes of the largest file; None for any.

    Raises:
        InputError: There is no such file, it cannot be read, is no regular file, or is too large.
    """
    try:
        # Opening a pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such {kind}; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: no such {kind} that can be read ({reason})") from error
    state = os.fstat(descriptor)
    if stat.S_ISREG(state.st_mode) and (largest is None or state.st_size <= largest):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(state.st_mode):
        raise InputError(f"{path}: no such {kind}; it is a folder")
    if stat.S_ISREG(state.st_mode):
        raise InputError(f"{path}: {state.st_size:,} bytes, too many for a {kind}; leave it out")
    raise InputError(f"{path}: a device or a pipe, no {kind}; give a file")


def archive_names(path: Path) -> list[str]:
    """Names of the files in a zip archive, in its order, without hidden ones and those of a Mac.

    Raises:
        InputError: It is no zip archive.
    """
    try:
        with open_regular(path, "archive", largest=None) as file, zipfile.ZipFile(file) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except InputError:
        raise
    except Exception as error:  # zipfile raises struct.error, NotImplementedError, ... as well
        raise InputError(f"{path}: no zip archive ({error}); copy it again") from error
    return [name for name in names if not is_hidden(PurePosixPath(name))]


def within(folder: Path, name: str) -> Path:
    """Return a file of a folder by its relative name, which may come from a stranger.

    Raises:
        InputError: The name leads out of the folder, through a link as well.
    """
    try:
        path = folder / name
        found = path.resolve()
        endless = found.is_symlink()  # before Python 3.13 resolve() raises
    except (OSError, ValueError, RuntimeError):  # an endless link, a zero byte
        endless = True
    if endless:
        raise InputError(f"{folder}: names a file {name!r} that cannot be followed")
    inside = found.is_relative_to(folder.resolve())
    if not inside:
        raise InputError(
            f"{folder}: names the file {name!r}, which lies outside it and is not read"
        )
    return path
