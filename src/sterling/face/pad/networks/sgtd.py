"""SGTD: depth from spatial gradients, refined over time."""

from collections.abc import Collection

from sterling.checks import Count, Share
from sterling.face.pad.layers.spatial_gradient import GradientOrder
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.networks.depth_net import DepthNet


class SGTD(ClipDepth):
    """Spatial gradient and temporal depth network of Wang et al., CVPR 2020.

    A `ClipDepth` whose trunk is made of residual spatial gradient blocks, and whose short-term
    blocks (STSTB) compare gradient magnitudes. With the two recurrent cells they are the paper's
    spatio-temporal propagation module. `w_multi` is its α = 0.6, `logit_share` its β = 0.8; it
    takes 5 frames, every third of a video.

    Args:
        width: Channels of the trunk's stem; 64 is the published network.
        frames: Frames of a clip.
        w_multi: Share of the multi-frame map in the refined map.
        memory: Whether the recurrent state is carried from frame to frame.
        logit_share: Share of the probability of bona fide in score and loss.
        modalities: What is stacked along the channels of every frame.
        gradient: Order within the residual spatial gradient blocks.
        root: Whether all gradient magnitudes have their root.
        seed: Seed of the initial weights.

    Raises:
        InputError: An argument is outside its range.
    """

    name = "sgtd"

    def __init__(
        self,
        width: Count = 64,
        frames: Count = 5,
        w_multi: Share = 0.6,
        memory: bool = True,
        logit_share: Share = 0.8,
        modalities: Collection[str] = ("rgb",),
        gradient: GradientOrder = "sobel_then_conv",
        root: bool = True,
        *,
        seed: int = 0,
    ) -> None:
        single = DepthNet(width, gradient, root, modalities, seed=seed)
        super().__init__(
            single,
            frames=frames,
            w_multi=w_multi,
            memory=memory,
            logit_share=logit_share,
            signed=False,
            wide=True,
            root=root,
            seed=seed,
        )
