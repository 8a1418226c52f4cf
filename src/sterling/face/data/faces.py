"""Face crops held in memory together with their manifest and pixel-wise labels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data.manifest import SPLITS, Manifest

__all__ = ["Faces"]


@dataclass(frozen=True, eq=False)
class Faces:
    """Aligned face crops, one per row of the manifest.

    Attributes:
        manifest: N rows.
        images: uint8 (N, 3, S, S), RGB, 0 to 255.
        depth: float32 (N, H, W) in [0, 1], the face's relief with 1 nearest to the camera; all
            zeros on attacks and background. None where there is no such label.
        mask: bool (N, H, W), true on the face. None where there is no such label.

    Raises:
        InputError: When shapes, types or ranges differ from the above.
    """

    manifest: Manifest
    images: Tensor
    depth: Tensor | None = None
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.manifest)
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 4 or shape[:2] != (n, 3):
            raise InputError(
                f"images: {self.images.dtype} {shape}; expected uint8 ({n}, 3, S, S), one per row"
            )
        for name, labels, dtype in (
            ("depth", self.depth, torch.float32),
            ("mask", self.mask, torch.bool),
        ):
            if labels is None:
                continue
            if labels.dtype != dtype or labels.ndim != 3 or labels.shape[0] != n:
                raise InputError(
                    f"{name}: {labels.dtype} {tuple(labels.shape)}; expected {dtype} ({n}, H, W)"
                )
        if self.depth is None or n == 0:
            return
        low, high = self.depth.aminmax()
        if not (low >= 0 and high <= 1):
            raise InputError(f"depth: values from {low:g} to {high:g}; expected 0 to 1, no NaN")
        relief = self.depth.flatten(1).any(dim=1).numpy(force=True)
        raised = relief & ~self.manifest.bona_fide
        if raised.any():
            item = str(self.manifest.column("item")[raised.argmax()])
            raise InputError(f"depth: item {item!r} is an attack but its depth is not all zeros")

    def __len__(self) -> int:
        return len(self.manifest)

    def select(self, rows: ArrayLike) -> "Faces":
        """The faces where a bool mask (N,) is true, or those at integer positions."""
        rows = np.asarray(rows)
        manifest = self.manifest.select(rows)
        positions = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        index = torch.from_numpy(positions)
        return Faces(
            manifest,
            self.images[index],
            None if self.depth is None else self.depth[index],
            None if self.mask is None else self.mask[index],
        )

    def split(self, name: str) -> "Faces":
        """The faces of the split ``"train"``, ``"dev"`` or ``"test"``."""
        if name not in SPLITS:
            raise InputError(f"split {name!r} unknown; available: {', '.join(SPLITS)}")
        return self.select(self.manifest.matches(split=name))
