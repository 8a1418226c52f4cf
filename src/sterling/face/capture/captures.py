"""Captures: what the sensors stored, with the truth beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from sterling.face.data import Faces, Manifest, Modality, depth_picture, require_modalities, stack


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

    def faces(self, modalities: Sequence[Modality] = ("rgb",)) -> Faces:
        """The pictures of the wanted modalities with their labels, as detectors take them.

        Raises:
            InputError: A modality is unknown or named twice.
        """
        modalities = require_modalities(modalities)
        pictures = {name: self._picture(name) for name in modalities}
        return Faces(self.manifest, stack(pictures), self.true_depth, self.mask, modalities)

    def _picture(self, modality: Modality) -> Tensor:
        match modality:
            case "rgb":
                return self.rgb
            case "depth":
                return depth_picture(self.depth)
            case "ir":
                return self.nir.unsqueeze(-3)
