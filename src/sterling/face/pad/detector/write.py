"""Writing a file so that it is never half written."""

import os
import tempfile
from pathlib import Path

from sterling.errors import InputError


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` at once: a reader sees the old file or the new one.

    Raises:
        InputError: The folder cannot be written to.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp's 0600 would hide the file from colleagues
        Path(temporary).replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
