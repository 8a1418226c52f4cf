"""Captures: what the sensors stored, with the truth beside it."""

from dataclasses import dataclass

from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Faces, Manifest

__all__ = ["Captures"]


@dataclass(frozen=True, eq=False)
class Captures:
    """N simulated presentations. With clips, every tensor has an axis of T frames after N.

    Attributes:
        manifest: N rows.
        rgb: uint8 (N, 3, S, S), sRGB.
        depth: The depth sensor's metres, float32 (N, S, S); 0 where it had no return.
        nir: The near-infrared camera's picture at 850 nm, uint8 (N, S, S).
        true_depth: The field's label: relief of bona fide faces in [0, 1], 1 nearest to the
            camera, 0 on background and on every attack; float32 (N, S, S).
        mask: The face, or the face pictured on an instrument, bool (N, S, S).
    """

    manifest: Manifest
    rgb: Tensor
    depth: Tensor
    nir: Tensor
    true_depth: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.manifest)

    def faces(self) -> Faces:
        """The colour pictures with their labels, as detectors take them.

        Raises:
            InputError: When these are clips.
        """
        if self.rgb.ndim != 4:
            raise InputError("captures: clips cannot become faces; simulate with frames=1")
        return Faces(self.manifest, self.rgb, self.true_depth, self.mask)
