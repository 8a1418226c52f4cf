"""Residual networks of several modalities, fused by squeeze and excitation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.data import CHANNELS, Modality, require_modalities
from sterling.face.pad.networks.network import Network, Output, initialise

Fusion = Literal["halfway", "se", "multi_scale_se"]
Combine = Literal["concat", "add"]

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Basic blocks of res2 to res5 by the network's depth. 10 is ours, for small machines."""


@dataclass(frozen=True)
class FusionResNetConfig:
    """What is needed to build a `FusionResNet` again.

    Attributes:
        depth: 18 or 34 as published, or 10.
        width: Channels of the first stage; 64 is the published network.
        modalities: What is fused; one modality is an ordinary ResNet.
        fusion: "halfway" joins the streams after res3 as they are (NHF); "se" re-weighs each
            modality's channels there first (SEF); "multi_scale_se" keeps the streams apart and
            joins them after res3, res4 and res5 (MS-SEF).
        combine: "concat" or "add".
        reduction: Ratio of the excitation's bottleneck. Unknown in the paper; 16 is usual.
    """

    depth: int = 18
    width: int = 64
    modalities: tuple[Modality, ...] = ("rgb", "depth", "ir")
    fusion: Fusion = "multi_scale_se"
    combine: Combine = "add"
    reduction: int = 16

    def __post_init__(self) -> None:
        if self.depth not in BLOCKS:
            raise InputError(f"depth is {self.depth!r}: one of {tuple(BLOCKS)}")
        for name in ("width", "reduction"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)!r}: an integer of 1 or more")
        if self.fusion not in get_args(Fusion):
            raise InputError(f"fusion is {self.fusion!r}: one of {get_args(Fusion)}")
        if self.combine not in get_args(Combine):
            raise InputError(f"combine is {self.combine!r}: one of {get_args(Combine)}")


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
        width: Channels of the first stage.
        modalities: What is fused, in the order of the channels.
        fusion: "halfway", "se" or "multi_scale_se".
        combine: "concat" or "add".
        reduction: Ratio of the excitation's bottleneck.
        seed: Seed of the initial weights; the paper's ImageNet weights cannot be had here.

    Raises:
        InputError: An argument is outside its range.
    """

    name = "fusion_resnet"
    shrink = 32
    has_map = False
    flexible = True

    def __init__(
        self,
        depth: int = 18,
        width: int = 64,
        modalities: Collection[str] = ("rgb", "depth", "ir"),
        fusion: Fusion = "multi_scale_se",
        combine: Combine = "add",
        reduction: int = 16,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        self.logit_share = 1.0
        self.config = FusionResNetConfig(depth, width, self.modalities, fusion, combine, reduction)
        blocks, multi = BLOCKS[depth], fusion == "multi_scale_se"
        count = len(self.modalities)
        excite = fusion != "halfway"
        with torch.random.fork_rng(devices=[]):
            self.streams = nn.ModuleList(
                nn.ModuleList(
                    [
                        nn.Sequential(
                            residual_stem(CHANNELS[name], width),
                            residual_stage(width, width, blocks[0], 1),
                            residual_stage(width, 2 * width, blocks[1], 2),
                        ),
                        *(_deep_stages(2 * width, width, blocks) if multi else ()),
                    ]
                )
                for name in self.modalities
            )
            joins = [2, 4, 8] if multi else [2]
            self.fusions = nn.ModuleList(
                _Join(count, factor * width, combine, reduction if excite else None)
                for factor in joins
            )
            channels = [join.channels for join in self.fusions if isinstance(join, _Join)]
            self.shared = nn.Sequential(
                *(() if multi else _deep_stages(channels[0], width, blocks))
            )
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


class SqueezeExcitation(nn.Module):
    """Re-weigh channels by a gate in (0, 1) computed from their means.

        z = GAP(F);  g = σ(W2 φ(W1 z));  F' = g ⊙ F

    Args:
        channels: Channels of the features.
        reduction: The bottleneck has channels / reduction units, at least 1.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def gates(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the gates (N, C, 1, 1)."""
        means = features.mean(dim=(2, 3))
        gates: Tensor = self.excite(self.squeeze(means).relu()).sigmoid()
        return gates[:, :, None, None]

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.gates(features) * features


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


class _BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == channels
            else nn.Sequential(
                _EveryNth(stride),
                nn.Conv2d(in_channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.residual(x) + self.shortcut(x)
        return total.relu()


class _EveryNth(nn.Module):
    """Keep every n-th row and column: what the stride of a 1×1 convolution does.

    PyTorch 2.13's own strided 1×1 convolution corrupts memory on CPUs, for channels-last pictures
    of 2 to 6 channels.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :: self.n, :: self.n]


def residual_stem(in_channels: int, width: int) -> nn.Sequential:
    """(N, C, H, W) to (N, width, H/4, W/4)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    )


def residual_stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    """Basic blocks of one size; the first one has the stride."""
    first = _BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(_BasicBlock(channels, channels, 1) for _ in range(blocks - 1)))


def _deep_stages(
    in_channels: int, width: int, blocks: Sequence[int]
) -> tuple[nn.Sequential, nn.Sequential]:
    """The stages res4 and res5."""
    return (
        residual_stage(in_channels, 4 * width, blocks[2], 2),
        residual_stage(4 * width, 8 * width, blocks[3], 2),
    )
