"""Files that are whole or absent, and JSON values that notice damage.

Every file of the package is written beside its place, flushed to the disk and then moved there. A
process that is killed meanwhile leaves at most a file ``.<random>.partial``, which `sweep` removes.
"""

import errno
import io
import json
import math
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sterling.errors import InputError, StorageError

if TYPE_CHECKING:
    import polars as pl

PARTIAL = ".partial"
SEAL = 16  # bytes of a digest at the end of a sealed file
SUMS = "SHA256SUMS"
SCHEMA_VERSION: Final = 1
"""Version of the form of every JSON document; a change that breaks a reader raises it."""
# The machine is at fault, not the place that was asked for.
_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE}


def versioned(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON document as it is shown: with the version of its form, and finite.

    Infinities and NaN, which JSON has no words for, become null.

    Example:
        >>> versioned({"p": [0.5, float("nan")]})
        {'schema_version': 1, 'p': [0.5, None]}
    """
    return {"schema_version": SCHEMA_VERSION, **_finite(document)}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file so that it is either whole or absent.

    A link stays a link: the file that it names is replaced. A device or a pipe, such as
    ``/dev/stdout``, is written to.

    Args:
        path: The file; its folder is made where it is missing.
        content: Text, as UTF-8, or bytes.
        mode: Permissions of a new file before the process's mask.

    Raises:
        InputError: The place cannot be written to; the message names it.
        StorageError: The disk is full or broken, or a limit of the system is reached.
    """
    data = content.encode() if isinstance(content, str) else content
    with _named(path):
        place = Path(os.path.realpath(path))
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if place.exists() and not place.is_file():
            place.write_bytes(data)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            mode = stat.S_IMODE(place.stat().st_mode)
        temporary = _written(place.parent, data, mode)
        try:
            temporary.replace(place)
            _flush_folder(place.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_new(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file that must not exist yet; of two writers one is told that it lost.

    Raises:
        InputError: The file exists, or its place cannot be written to.
        StorageError: As for `write_atomically`.
    """
    data = content.encode() if isinstance(content, str) else content
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _written(path.parent, data, mode)
        try:
            os.link(temporary, path)  # unlike a move, fails if the file exists
        except FileExistsError as error:
            raise InputError(f"{path} exists already and is not overwritten") from error
        finally:
            temporary.unlink()
        _flush_folder(path.parent)


def write_parquet(path: Path, table: "pl.DataFrame") -> None:
    """Write a table so that its file is either whole or absent."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_atomically(path, buffer.getvalue())


def write_checked(path: Path, value: Any) -> None:
    """Write a JSON value with its digest, so that `read_checked` notices damage.

    Raises:
        ValueError: The value holds NaN or an infinity.
        InputError, StorageError: As for `write_atomically`.
    """
    text = json.dumps(value, allow_nan=False)
    write_atomically(path, f'{{"blake2b": "{_digest(text)}",\n"value": {text}}}\n')


def read_checked(path: Path) -> Any:
    """Read a value that `write_checked` wrote.

    Raises:
        FileNotFoundError: There is none.
        ValueError: The file is damaged; the message names it.
        StorageError: The file cannot be read.
    """
    try:
        return parse_checked(_read(path))
    except ValueError as error:
        raise ValueError(f"{path} is damaged") from error


def parse_checked(content: bytes) -> Any:
    """Return the value in the content of a file that `write_checked` wrote.

    Raises:
        ValueError: The content is damaged.
    """
    try:
        stored = json.loads(content)
        value = stored["value"]
        if stored["blake2b"] == _digest(json.dumps(value)):
            return value
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("no value with its digest") from error
    raise ValueError("the value does not fit its digest")


def write_sealed(path: Path, content: bytes) -> None:
    """Write bytes followed by their digest, so that `read_sealed` notices damage."""
    write_atomically(path, content + _seal(content))


def read_sealed(path: Path) -> bytes:
    """Read bytes that `write_sealed` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged; the message names it.
        StorageError: The file cannot be read.
    """
    stored = _read(path)
    content = stored[:-SEAL]
    if stored[-SEAL:] != _seal(content):
        raise ValueError(f"{path} is damaged")
    return content


def _seal(content: bytes) -> bytes:
    return blake2b(content, digest_size=SEAL).digest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; start again") from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint_of(data: Path) -> str:
    """Fingerprint of data that a run reads, which changes when they do.

    A file is read whole. Of a folder, which may hold many gigabytes, the name, size and time of
    change of each file count.

    Raises:
        InputError: The data cannot be read.
    """
    if data.is_file():
        try:
            return digest_of(data)
        except OSError as error:
            raise InputError(f"{data}: cannot be read: {error.strerror}") from error
    digest = sha256()
    for path in sorted(data.rglob("*")):
        if path.is_file():
            state = path.stat()
            name = os.fsencode(path.relative_to(data))
            digest.update(name + f"\0{state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def write_sums(folder: Path, files: list[Path], **texts: str) -> None:
    """Write ``SHA256SUMS`` of a folder, which ``sha256sum -c`` reads.

    Args:
        folder: The folder.
        files: Files in it.
        texts: Content of further files that will be written, by name with "." as "_".
    """
    sums = {path.relative_to(folder).as_posix(): digest_of(path) for path in files}
    sums |= {
        name.replace("_", "."): sha256(text.encode()).hexdigest() for name, text in texts.items()
    }
    lines = (f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    write_atomically(folder / SUMS, "".join(lines))


def read_sums(folder: Path) -> dict[str, str]:
    """Digests of ``SHA256SUMS`` by the name of the file; empty if there is none."""
    path = folder / SUMS
    if not path.is_file():
        return {}
    pairs = (line.split("  ", 1) for line in path.read_text(errors="replace").splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def sweep(folder: Path) -> None:
    """Remove the files that interrupted writers left in a folder and below."""
    for path in folder.rglob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def _written(folder: Path, data: bytes, mode: int) -> Path:
    """Write a temporary file of a folder and flush it to the disk."""
    path = folder / f".{secrets.token_hex(6)}{PARTIAL}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _flush_folder(folder: Path) -> None:
    """Make a new name in a folder survive a loss of power."""
    if os.name == "nt":  # Windows opens no folder, and needs none
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have no such thing
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours, which name the file."""
    try:
        yield
    except OSError as error:
        if error.errno in _MACHINE:
            raise StorageError(
                f"cannot write {path}: {error.strerror}; make room and start again"
            ) from error
        raise InputError(
            f"cannot write {path}: {error.strerror}; choose another place for the output"
        ) from error


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
