"""Short-term motion: what two neighbouring frames differ in, beside their gradients in space.

Where the brightness of a moving point stays, f_t = -(v_x f_x + v_y f_y): derivatives in space and
time side by side hold the optical flow v without its being estimated. (Wang et al., "Exploiting
temporal and depth information for multi-frame face anti-spoofing", 2018; Wang et al., CVPR 2020.)
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sterling.face.pad.layers.spatial_gradient import gradient_magnitude, sobel

CHANGE_WEIGHT = 10.0


class Cues(NamedTuple):
    """What a block takes of one frame, computed once though the frame is in two pairs.

    Attributes:
        reduced: The trunk's features in few channels, (N, R, H, W).
        gradients: Of `reduced`, (N, R, H, W) magnitudes or (N, 2·R, H, W) signed components.
        feature: The trunk's features in full, (N, C, H, W), where the block takes them.
    """

    reduced: Tensor
    gradients: Tensor
    feature: Tensor | None

    def of(self, choose: Callable[[Tensor], Tensor]) -> "Cues":
        """The same of other frames, `choose` being applied to every tensor."""
        feature = None if self.feature is None else choose(self.feature)
        return Cues(choose(self.reduced), choose(self.gradients), feature)


class ShortTermBlock(nn.Module):
    """Features of two neighbouring frames to features of their motion, (N, out, H, W), 0 or more.

    A 1×1 convolution and batch norm reduce each frame's features. These are concatenated: the
    reduced features now, their gradients now and in the next frame, the difference of the reduced
    features in time, and the output of the block before. A 3×3 convolution, batch norm and ReLU
    make the output.

    Every channel is brought to mean 0 and deviation 1 before the convolution, and the difference in
    time then weighed by 10, which the papers do not: neighbouring frames differ by a hundredth of
    what their features are, and in trainings of minutes the convolution does not find so small an
    input. Ours; it has no parameters.

    - Optical-flow guided feature block (OFFB, 2018): the gradients' signed components.
    - Spatio-temporal short-term block (STSTB, 2020): their magnitude, and the frame's own features
      concatenated in full width as well. (The release of 2020 has the full width, and signed
      components.)

    Args:
        channels: Of the trunk's features.
        reduced: Channels they are reduced to; 32 in the release.
        previous: Channels of the output of the block before, 0 for the first block.
        out_channels: Channels of the output.
        signed: Whether gradients are signed components instead of magnitudes.
        wide: Whether the trunk's features are concatenated too.
        root: Whether magnitudes have their root.
    """

    def __init__(
        self,
        channels: int,
        reduced: int,
        previous: int,
        out_channels: int,
        *,
        signed: bool,
        wide: bool,
        root: bool = True,
    ) -> None:
        super().__init__()
        self.signed, self.wide, self.root = signed, wide, root
        self.reduce = nn.Sequential(
            nn.Conv2d(channels, reduced, 1, bias=False), nn.BatchNorm2d(reduced)
        )
        gradients = 2 * reduced if signed else reduced
        still = (channels if wide else 0) + reduced + 2 * gradients + previous
        self.level_still = nn.BatchNorm2d(still, affine=False)
        self.level_change = nn.BatchNorm2d(reduced, affine=False)
        self.mix = nn.Sequential(
            nn.Conv2d(still + reduced, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def cues(self, feature: Tensor) -> Cues:
        """What is needed of a frame with features (N, channels, H, W)."""
        reduced = self.reduce(feature)
        gradients = (
            torch.cat(sobel(reduced), dim=1)
            if self.signed
            else gradient_magnitude(reduced, root=self.root)
        )
        return Cues(reduced, gradients, feature if self.wide else None)

    def forward(self, now: Cues, then: Cues, previous: Tensor | None) -> Tensor:
        """Mix the cues of a frame and of the next one.

        Args:
            now: Of the frame.
            then: Of the next frame.
            previous: Output of the block before for the same two frames, (N, previous, H, W);
                None for the first block.
        """
        parts = [now.reduced, now.gradients, then.gradients]
        if now.feature is not None:
            parts.append(now.feature)
        if previous is not None:
            parts.append(previous)
        still = self.level_still(torch.cat(parts, dim=1))
        change = CHANGE_WEIGHT * self.level_change(then.reduced - now.reduced)
        mixed: Tensor = self.mix(torch.cat([still, change], dim=1))
        return mixed
