"""Store of computed signals: arrays addressed by their inputs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from sterling.storage import read_sealed, write_sealed


@dataclass(frozen=True)
class SignalStore:
    """Arrays on disk, addressed by content: the model, the data and the name of the signal.

    A signal is looked up before it is computed, so no model passes over the same text twice. A file
    that is damaged counts as missing and is written again. Files are safetensors and a digest.

    Attributes:
        folder: Folder of the files, created on first use. Files may be deleted at any time.
    """

    folder: Path

    def path(self, model: str, signal: str, data: bytes) -> Path:
        """Return the path of a signal.

        Args:
            model: Fingerprint of the model.
            signal: Name and settings of the computation.
            data: Input of the computation.
        """
        digest = hashlib.sha256()
        for part in (model.encode(), signal.encode(), data):
            digest.update(len(part).to_bytes(8, "little") + part)
        name = digest.hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.safetensors"

    def get(self, path: Path) -> dict[str, Tensor] | None:
        """Return the arrays at a path of this store, None where there are none."""
        try:
            arrays: dict[str, Tensor] = load(read_sealed(path))
        except (FileNotFoundError, ValueError):
            return None
        return arrays

    def put(self, path: Path, arrays: Mapping[str, Tensor]) -> None:
        """Write arrays, whole or not at all."""
        write_sealed(path, save({name: array.contiguous() for name, array in arrays.items()}))
