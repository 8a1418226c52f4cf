"""Face crops held in memory, with their manifest and pixel-wise labels."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data.manifest import SPLITS, Manifest
from sterling.face.data.modality import (
    CHANNELS,
    Modality,
    channels_of,
    require_modalities,
    stack,
)


@dataclass(frozen=True, eq=False)
class Faces:
    """Aligned face crops or clips of them, one per row of the manifest.

    Attributes:
        manifest: N rows.
        images: uint8 (N, C, S, S), or (N, T, C, S, S) for clips of T frames, 0 to 255: the
            modalities stacked along C (see `stack`), and several crops behind each other.
        depth: float32 (N, [T,] H, W) in [0, 1], the face's relief with 1 nearest to the camera; all
            zeros on attacks and background. A label, not an input. None where there is none.
        mask: bool (N, [T,] H, W), true on the face. None where there is no such label.
        modalities: Recorded modalities, in the order of the channels.
        present: bool (N, M), which of the M modalities there are; None: all.
        crops: Number of crops of each face, cut at different scales, in the order of the channels.

    Raises:
        InputError: When shapes, types or ranges differ from the above.
    """

    manifest: Manifest
    images: Tensor
    depth: Tensor | None = None
    mask: Tensor | None = None
    modalities: tuple[Modality, ...] = ("rgb",)
    present: Tensor | None = None
    crops: int = 1

    def __post_init__(self) -> None:
        n = len(self.manifest)
        channels = self.crops * channels_of(require_modalities(self.modalities))
        shape = tuple(self.images.shape)
        fits = len(shape) in (4, 5) and (shape[0], shape[-3]) == (n, channels)
        if self.images.dtype != torch.uint8 or not fits:
            raise InputError(
                f"images: {self.images.dtype} {shape}; expected uint8 ({n}, [T,] {channels}, S, S),"
                f" one per row, the channels of {', '.join(self.modalities)}"
            )
        for name, labels, dtype in (
            ("depth", self.depth, torch.float32),
            ("mask", self.mask, torch.bool),
        ):
            if labels is None:
                continue
            if labels.dtype != dtype or labels.shape[:-2] != shape[:-3]:
                lead = ", ".join(map(str, shape[:-3]))
                raise InputError(
                    f"{name}: {labels.dtype} {tuple(labels.shape)}; expected {dtype} ({lead}, H, W)"
                )
        if self.present is not None:
            self._require_present(self.present, (n, len(self.modalities)))
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

    def _require_present(self, present: Tensor, shape: tuple[int, int]) -> None:
        if present.dtype != torch.bool or tuple(present.shape) != shape:
            raise InputError(
                f"present: {present.dtype} {tuple(present.shape)}; expected bool {shape}"
            )
        nothing = ~present.any(dim=1).numpy(force=True)
        if nothing.any():
            item = str(self.manifest.column("item")[nothing.argmax()])
            raise InputError(f"present: item {item!r} has no modality; remove the row")

    def __len__(self) -> int:
        return len(self.manifest)

    def select(self, rows: ArrayLike) -> "Faces":
        """The faces where a bool mask (N,) is true, or those at integer positions."""
        rows = np.asarray(rows)
        positions = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        index = torch.from_numpy(positions)
        present = None if self.present is None else self.present[index]
        manifest = self.manifest.select(rows)
        return self._changed(lambda tensor: tensor[index], manifest=manifest, present=present)

    def only(self, modalities: Collection[str]) -> "Faces":
        """The same presentations in some of their modalities.

        Raises:
            InputError: A modality was not recorded, or an item has none of those asked for.
        """
        wanted = require_modalities(modalities)
        if wanted == self.modalities:
            return self
        for name in wanted:
            if name not in self.modalities:
                raise InputError(
                    f"{self.manifest.source}: has no modality {name!r}, only "
                    f"{', '.join(self.modalities)}"
                )
        channels = [CHANNELS[name] for name in self.modalities]
        parts = dict(zip(self.modalities, torch.split(self.images, channels, dim=-3), strict=True))
        columns = [self.modalities.index(name) for name in wanted]
        return replace(
            self,
            images=stack({name: parts[name] for name in wanted}),
            modalities=wanted,
            present=None if self.present is None else self.present[:, columns],
        )

    def first_frame(self) -> "Faces":
        """The first frame of every clip, as single pictures."""
        return self if self.images.ndim == 4 else self._changed(lambda clips: clips[:, 0])

    def still(self) -> "Faces":
        """The same clips without motion: every frame is the first one."""
        return self._changed(lambda clips: clips[:, :1].expand_as(clips).contiguous())

    def _changed(self, change: Callable[[Tensor], Tensor], **others: Any) -> "Faces":
        """The same faces with pictures and label maps changed alike, and with other attributes."""
        depth, mask = (None if one is None else change(one) for one in (self.depth, self.mask))
        return replace(self, images=change(self.images), depth=depth, mask=mask, **others)

    def split(self, name: str) -> "Faces":
        """The faces of the split ``"train"``, ``"dev"`` or ``"test"``."""
        if name not in SPLITS:
            raise InputError(f"split {name!r} unknown; available: {', '.join(SPLITS)}")
        return self.select(self.manifest.matches(split=name))
