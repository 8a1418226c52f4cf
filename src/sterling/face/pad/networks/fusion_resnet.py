"""FusionResNet: residual streams of several modalities, fused by squeeze and excitation."""

from collections.abc import Collection, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from sterling.checks import Count
from sterling.face.data import CHANNELS, require_modalities
from sterling.face.pad.layers.resnet import (
    BLOCKS,
    Depth,
    SqueezeExcitation,
    residual_layers,
    residual_stage,
)
from sterling.face.pad.networks.network import Network, Output, initialise

Fusion = Literal["halfway", "se", "multi_scale_se"]
Combine = Literal["concat", "add"]


class FusionResNet(Network):
    """The CASIA-SURF baselines of Zhang et al. (CVPR 2019; IEEE T-BIOM 2020), section 4.

    One stream of residual stages per modality and a binary classification of the pooled features.
    With fusion "halfway" and "se" the streams end with res3 and res4, res5 are shared; with
    "multi_scale_se" all stages are a modality's own, and the fused maps of three stages are pooled
    and concatenated.

    Where a modality is absent, its features are left out of an addition, and a learned vector takes
    their place in a concatenation. (Ours; the paper has every modality.)

    Args:
        depth: 18 or 34 as published, or 10.
        width: Channels of the first stage; 64 is the published network.
        modalities: Modalities to fuse, in the order of the channels; one is an ordinary ResNet.
        fusion: "halfway" joins the streams after res3 as they are (NHF); "se" re-weighs each
            modality's channels there first (SEF); "multi_scale_se" keeps the streams apart and
            joins them after res3, res4 and res5 (MS-SEF).
        combine: "concat" or "add".
        reduction: Ratio of the excitation's bottleneck. Unknown in the paper; 16 is usual.
        seed: Seed of the initial weights; the paper's ImageNet weights cannot be had here.
    """

    name = "fusion_resnet"
    shrink = 32
    has_map = False
    flexible = True
    logit_share = 1.0

    def __init__(
        self,
        depth: Depth = 18,
        width: Count = 64,
        modalities: Collection[str] = ("rgb", "depth", "ir"),
        fusion: Fusion = "multi_scale_se",
        combine: Combine = "add",
        reduction: Count = 16,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        multi, excite = fusion == "multi_scale_se", fusion != "halfway"
        count = len(self.modalities)
        with torch.random.fork_rng(devices=[]):
            self.streams = nn.ModuleList(
                _stream(CHANNELS[name], width, depth, deep=multi) for name in self.modalities
            )
            joins = [2, 4, 8] if multi else [2]
            self.fusions = nn.ModuleList(
                _Join(count, factor * width, combine, reduction if excite else None)
                for factor in joins
            )
            channels = [join.channels for join in self.fusions if isinstance(join, _Join)]
            self.shared = nn.Sequential(*(() if multi else _deep_stages(channels[0], width, depth)))
            self.classify = nn.Linear(sum(channels) if multi else 8 * width, 1)
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds (N, 1) of bona fide for images (N, C, H, W): see `Network`."""
        self.require(images, present)
        features = list(self.split(images))
        pooled = []
        for stage, join in enumerate(self.fusions):
            features = [
                stream[stage](x)  # type: ignore[index]
                for stream, x in zip(self.streams, features, strict=True)
            ]
            fused = self.shared(join(features, present))
            pooled.append(fused.mean(dim=(2, 3)))
        return Output(logits=self.classify(torch.cat(pooled, dim=1)))


def _stream(channels: int, width: int, depth: int, *, deep: bool) -> nn.ModuleList:
    """One modality's stem, res2 and res3 as one module; with `deep` also res4 and res5."""
    stem, res2, res3, res4, res5 = residual_layers(channels, width, depth)
    return nn.ModuleList([nn.Sequential(stem, res2, res3), *((res4, res5) if deep else ())])


def _deep_stages(in_channels: int, width: int, depth: int) -> tuple[nn.Sequential, nn.Sequential]:
    """The stages res4 and res5 of fused features."""
    return (
        residual_stage(in_channels, 4 * width, BLOCKS[depth][2], 2),
        residual_stage(4 * width, 8 * width, BLOCKS[depth][3], 2),
    )


class _Join(nn.Module):
    """Join the streams of all modalities at one stage."""

    def __init__(self, count: int, channels: int, combine: Combine, reduction: int | None) -> None:
        super().__init__()
        self.combine = combine
        self.channels = channels * (count if combine == "concat" else 1)
        self.excite = nn.ModuleList(
            nn.Identity() if reduction is None else SqueezeExcitation(channels, reduction)
            for _ in range(count)
        )
        self.absent = nn.Embedding(count, channels) if combine == "concat" else None

    def forward(self, features: Sequence[Tensor], present: Tensor | None) -> Tensor:
        weighed = [excite(x) for excite, x in zip(self.excite, features, strict=True)]
        if present is not None:
            there = present[:, :, None, None, None].unbind(dim=1)
            stand_ins = (
                [torch.zeros((), device=present.device)] * len(weighed)
                if self.absent is None
                else self.absent.weight[:, None, :, None, None].unbind(dim=0)
            )
            weighed = [
                torch.where(here, x, instead)
                for here, x, instead in zip(there, weighed, stand_ins, strict=True)
            ]
        if self.combine == "concat":
            return torch.cat(weighed, dim=1)
        return torch.stack(weighed).sum(dim=0)
