"""Multi-modal CDCN: one trunk per modality, fused where each has its features."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.errors import InputError
from sterling.face.data import CHANNELS, require_modalities
from sterling.face.pad.networks.cdcn import CdcTrunk, cdc_layer, cdcn_level, map_layer
from sterling.face.pad.networks.network import Network, Output, initialise


class CDCNMultimodal(Network):
    """Feature-level fusion of unshared CDCN trunks: Yu et al., CVPR workshops 2020, section 3.

    Each modality has a trunk of its own and a first head convolution of its own (6·width to
    2·width channels); those features are concatenated, fused by one CDC layer, and brought to one
    map. No weights are shared between modalities, as in the authors' release. There a wrong
    variable puts colour's middle features into depth's concatenation, which we do not follow.

    Where a modality is absent, a learned vector takes the place of its features, so that the fusion
    is told of it instead of having to guess it from zeros. (Ours; the paper has every modality.)

    Args:
        width: Channels of each stem; 64 is the published network.
        theta: Share of the difference term, in [0, 1].
        modalities: Two or more, in the order of the channels.
        seed: Seed of the initial weights.
    """

    name = "cdcn_multimodal"
    flexible = True

    def __init__(
        self,
        width: Count = 64,
        theta: Share = 0.7,
        modalities: Collection[str] = ("rgb", "depth", "ir"),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        if len(self.modalities) < 2:
            raise InputError(
                f"modalities are {self.modalities}: two or more are fused; for one take cdcn"
            )
        base, count = 2 * width, len(self.modalities)
        with torch.random.fork_rng(devices=[]):
            self.branches = nn.ModuleList(
                nn.Sequential(
                    CdcTrunk(CHANNELS[name], width, cdcn_level(width), theta),
                    cdc_layer(3 * base, base, theta),
                )
                for name in self.modalities
            )
            self.absent = nn.Embedding(count, base)
            self.head = nn.Sequential(cdc_layer(count * base, base, theta), map_layer(base, theta))
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Predict depth maps (N, H/8, W/8), 0 or more, of images (N, C, H, W): see `Network`."""
        self.require(images, present)
        pictures = zip(self.branches, self.split(images), strict=True)
        features = [branch(picture) for branch, picture in pictures]
        if present is not None:
            features = [
                torch.where(there[:, None, None, None], feature, vector[None, :, None, None])
                for feature, there, vector in zip(
                    features, present.unbind(dim=1), self.absent.weight, strict=True
                )
            ]
        depth: Tensor = self.head(torch.cat(features, dim=1))
        return Output(maps=depth.squeeze(1))
