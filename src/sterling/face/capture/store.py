"""Simulated captures on disk, so that systems, repetitions and studies render them once."""

import io
import json
import os
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from hashlib import blake2b
from importlib import metadata
from pathlib import Path

import numpy as np
import polars as pl
import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load, save

from sterling.errors import StorageError
from sterling.face.capture.protocols import Scale, find_protocol
from sterling.face.capture.simulate import Captures, simulate
from sterling.face.data import Manifest
from sterling.storage import read_sealed, write_sealed

LIMIT = 4 << 30
"""Bytes that the store may take; whatever was not asked for longest goes first."""

_PICTURES = ("rgb", "depth", "nir", "true_depth", "mask")
_RENDERERS = ("numpy", "torch", "opencv-python-headless")


def capture_store() -> Path:
    """Folder of the stored captures, in the user's cache; it may be deleted at any time."""
    return user_cache_path("sterling") / "captures"


def simulate_stored(
    protocol: str = "default",
    *,
    seed: int = 0,
    size: int = 128,
    frames: int = 1,
    rate: float = 25.0,
    scale: Scale | None = None,
    folder: Path | None = None,
    limit: int = LIMIT,
) -> Captures:
    """The captures that `simulate` renders from the same arguments, read where they are stored.

    What is stored is addressed by the arguments, the simulator's own files and the versions of the
    packages that it computes with: captures of another simulator are never read. A damaged file
    counts as missing, and where the store cannot be written the captures are returned all the same.

    Args:
        protocol: As in `simulate`.
        seed: As in `simulate`.
        size: As in `simulate`.
        frames: As in `simulate`.
        rate: As in `simulate`.
        scale: As in `simulate`.
        folder: Folder of the store; None for `capture_store()`.
        limit: Bytes that the store may take. Captures larger than that are not stored.

    Raises:
        InputError: As `simulate`.

    Examples:
        >>> few = Scale(subjects=(1, 1, 1), captures=(2, 2, 2))
        >>> len(simulate_stored(seed=3, size=32, scale=few))  # doctest: +SKIP
        6
    """
    chosen = scale or find_protocol(protocol).scale
    asked = json.dumps([protocol, seed, size, frames, rate, asdict(chosen), _simulator()])
    name = blake2b(asked.encode(), digest_size=16).hexdigest()
    path = (folder or capture_store()) / f"{name}.safetensors"
    try:
        found = _captures(read_sealed(path))
        with suppress(OSError):  # a store that may only be read
            os.utime(path)
    except (FileNotFoundError, ValueError, KeyError, SafetensorError, StorageError):
        found = simulate(protocol, seed=seed, size=size, frames=frames, rate=rate, scale=chosen)
        _keep(path, _content(found), limit)
    return found


@cache
def _simulator() -> str:
    """Digest of the simulator: its files, and versions of the packages that it computes with."""
    digest = blake2b(digest_size=16)
    source = Path(__file__).resolve().parent
    for path in sorted(path for path in source.iterdir() if path.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(json.dumps([metadata.version(name) for name in _RENDERERS]).encode())
    return digest.hexdigest()


def _content(captures: Captures) -> bytes:
    table = io.BytesIO()
    captures.manifest.table.write_parquet(table)
    rows = torch.from_numpy(np.frombuffer(table.getvalue(), dtype=np.uint8).copy())
    pictures = {name: getattr(captures, name).contiguous() for name in _PICTURES}
    content: bytes = save({"manifest": rows, **pictures})
    return content


def _captures(content: bytes) -> Captures:
    stored = load(content)
    table = pl.read_parquet(io.BytesIO(stored["manifest"].numpy().tobytes()))
    manifest = Manifest(table, "simulated captures")
    return Captures(manifest, *(stored[name] for name in _PICTURES))


def _keep(path: Path, content: bytes, limit: int) -> None:
    """Write one file, after the oldest ones have made room for it."""
    if len(content) > limit:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        others = [(one.stat(), one) for one in path.parent.glob("*.safetensors") if one != path]
        room = limit - len(content) - sum(stat.st_size for stat, _ in others)
        for stat, one in sorted(others, key=lambda each: each[0].st_mtime):
            if room >= 0:
                break
            one.unlink(missing_ok=True)
            room += stat.st_size
        write_sealed(path, content)
    except (OSError, StorageError):
        return  # the store saves time; without it everything works
