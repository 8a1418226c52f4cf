"""Pose-adaptive margin of PoseFace (arXiv 2107.11721): profiles get a wider one than frontal faces.

head = PoseAdaptiveArcFace(dimension=128, identities=1000)
loss = F.cross_entropy(head(features, labels, pose_ratio(yaw, pitch)), labels)
"""

import math

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.recognition.heads import ArcFace, with_angular_margin


def pose_ratio(yaw: Tensor, pitch: Tensor) -> Tensor:
    """Ratio r = clip(1 - cos yaw · cos pitch, 0, 1): 0 for a frontal face, 1 for a full profile.

    The paper computes r in [0, 1] from Euler angles; its formula is not established and this one
    is ours.

    Args:
        yaw: Degrees, (N,).
        pitch: Degrees, (N,).

    Examples:
        >>> pose_ratio(torch.tensor([0.0, 60.0, -90.0]), torch.zeros(3)).round(decimals=3)
        tensor([0.0000, 0.5000, 1.0000])
    """
    return (1 - torch.deg2rad(yaw).cos() * torch.deg2rad(pitch).cos()).clamp(0, 1)


def yaw_ratio(yaw: Tensor) -> Tensor:
    """Ratio r = clip(|yaw| / 90, 0, 1), linear in the angle; ours, as `pose_ratio`.

    Args:
        yaw: Degrees, (N,).

    Examples:
        >>> yaw_ratio(torch.tensor([0.0, -45.0, 90.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return (yaw.abs() / 90).clamp(0, 1)


class PoseAdaptiveArcFace(ArcFace):
    """ArcFace with margin m_b + r Δm of each picture (PoseFace, pose-adaptive margin).

    The ratio r of a picture is 0 for a frontal face and 1 for a profile. Δm = 0 is `ArcFace`, to
    the bit.

    Args:
        dimension: Dimension of embeddings.
        identities: Number of identities.
        scale: Scale s of logits.
        margin: Base margin m_b, radians.
        extra: Additional margin Δm at r = 1, radians; m_b + Δm below π. 0.1 is ours.

    Raises:
        InputError: A margin is out of range.
    """

    def __init__(
        self,
        dimension: int,
        identities: int,
        *,
        scale: float = 64.0,
        margin: float = 0.4,
        extra: float = 0.1,
    ) -> None:
        super().__init__(dimension, identities, scale=scale, margin=margin)
        if not (margin >= 0 and extra >= 0 and margin + extra < math.pi):
            raise InputError(
                f"margin {margin:g}, extra {extra:g}: 0 or more each, together below π"
            )
        self.extra = extra

    def forward(
        self, embeddings: Tensor, labels: Tensor | None = None, ratio: Tensor | None = None
    ) -> Tensor:
        """Logits (N, identities).

        Args:
            embeddings: (N, D).
            labels: Identities int64 (N,); None gives scaled cosines.
            ratio: Ratio r in [0, 1], (N,); None takes every face for frontal.

        Raises:
            InputError: There are not as many ratios as embeddings, or one is out of range.
        """
        if ratio is None or labels is None:
            return super().forward(embeddings, labels)
        if ratio.shape != labels.shape or not bool(((ratio >= 0) & (ratio <= 1)).all()):
            raise InputError(
                f"ratio {tuple(ratio.shape)}: give one number from 0 to 1 for each of "
                f"{len(labels)} pictures"
            )
        cosines = self.cosines(embeddings)
        own = cosines.gather(1, labels[:, None])[:, 0]
        margins = self.margin + self.extra * ratio.double()
        return self._with_target(cosines, labels, with_angular_margin(own, margins))
