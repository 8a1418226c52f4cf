"""Temporal depth: depth from optical-flow guided features of several frames."""

from collections.abc import Collection

from sterling.checks import Count, Share
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.networks.depth_net import DepthNet


class TemporalDepth(ClipDepth):
    """Multi-frame depth network of Wang et al., "Exploiting temporal and depth information", 2018.

    A `ClipDepth` whose trunk is the plain `DepthNet`, and whose short-term blocks (OFFB) hold the
    signed components of both frames' gradients. `w_single` is the paper's weight of the
    single-frame map.

    Our defaults, where no source was to be had: `w_multi` = 0.6 (so w_single = 0.4) and
    `logit_share` = 0.8 as in the successor, three blocks as in the successor's release.

    Args:
        width: Channels of the trunk's stem; 64 is the published network.
        frames: Frames of a clip.
        w_multi: Share of the multi-frame map in the refined map.
        memory: Whether the recurrent state is carried from frame to frame.
        logit_share: Share of the probability of bona fide in score and loss.
        modalities: What is stacked along the channels of every frame.
        seed: Seed of the initial weights.

    Raises:
        InputError: An argument is outside its range.
    """

    name = "temporal_depth"

    def __init__(
        self,
        width: Count = 64,
        frames: Count = 5,
        w_multi: Share = 0.6,
        memory: bool = True,
        logit_share: Share = 0.8,
        modalities: Collection[str] = ("rgb",),
        *,
        seed: int = 0,
    ) -> None:
        single = DepthNet(width, modalities=modalities, seed=seed)
        super().__init__(
            single,
            frames=frames,
            w_multi=w_multi,
            memory=memory,
            logit_share=logit_share,
            signed=True,
            wide=False,
            seed=seed,
        )
