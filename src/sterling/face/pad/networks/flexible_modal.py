"""The flexible-modal benchmark's networks: three backbones, three fusions, any modality absent."""

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor, nn

from sterling.checks import Count
from sterling.errors import InputError
from sterling.face.data import CHANNELS, require_modalities
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.layers.resnet import SqueezeExcitation, residual_stage, residual_stem
from sterling.face.pad.layers.transformer import Patches, TransformerBlock
from sterling.face.pad.networks.cdcn import CdcTrunk, cdc_layer, cdcn_level, map_layer
from sterling.face.pad.networks.network import Network, Output, initialise

Backbone = Literal["cdcn", "resnet", "vit"]
FlexibleFusion = Literal["concat", "se", "cross_attention"]
Missing = Literal["token", "black"]

DROPOUT = 0.3
EPSILON = 1e-6  # of the transformer's norms


class FlexibleModal(Network):
    """One network for every set of modalities: Yu et al., CVPR workshops 2023.

    Per modality a backbone to features (N, D, h, w), a fusion of those, a head. The fusions:
    concatenation; squeeze and excitation of each, then concatenation; cross-attention, in which the
    first modality that is there is the anchor,

        h = h1 + Σ_m C(h1, h_m),   C(h1, h_m) = softmax(h_m h1ᵀ) h1

    over channels (`channel_attention`). Heads: "cdcn" fuses to a map; "resnet" continues with two
    shared stages, "vit" with dropout and one convolution, then pooling and a logit.

    Args:
        backbone: "cdcn", "resnet" or "vit".
        fusion: "concat", "se" or "cross_attention".
        width: Channels of the stem of "cdcn" and "resnet" (18 layers); a token of "vit", whose
            weights the modalities share as in the release, has 12 times as many (768 published).
        depth: Blocks of "vit"; the others ignore it, as they do `patch`.
        patch: Side of a patch of "vit"; divides `size`.
        size: Side of the pictures, a multiple of 32; "vit" is built for it.
        modalities: Modalities, in the order of the channels.
        missing: Stand-in for an absent modality: "token", a learned vector in a concatenation and
            nothing in an attention; or "black", a black picture, as in the release, from which the
            network must guess that nothing is there.
        seed: Seed of the initial weights.
    """

    name = "flexible_modal"
    shrink = 8
    flexible = True

    def __init__(
        self,
        backbone: Backbone = "cdcn",
        fusion: FlexibleFusion = "concat",
        width: Count = 64,
        depth: Count = 12,
        patch: Count = 16,
        size: Count = 256,
        modalities: Collection[str] = ("rgb", "depth", "ir"),
        missing: Missing = "token",
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        if size % 32 or size % patch:
            raise InputError(f"size is {size}: a multiple of 32 and of patch, {patch}")
        self.fusion, self.missing = fusion, missing
        self.has_map = backbone == "cdcn"
        self.logit_share = 0.0 if self.has_map else 1.0
        count = len(self.modalities)
        with torch.random.fork_rng(devices=[]):
            trunks = {"cdcn": _cdcn_trunk, "resnet": _resnet_trunk}
            self.trunks = (
                nn.ModuleList([_TokenMap(12 * width, depth, patch, size)])
                if backbone == "vit"
                else nn.ModuleList(trunks[backbone](CHANNELS[m], width) for m in self.modalities)
            )
            features = 12 * width if backbone == "vit" else 2 * width
            self.excite = (
                nn.ModuleList(SqueezeExcitation(features) for _ in self.modalities)
                if fusion == "se"
                else None
            )
            self.absent = (
                nn.Embedding(count, features)
                if missing == "token" and fusion != "cross_attention"
                else None
            )
            fused = features * (1 if fusion == "cross_attention" else count)
            self.head = _head(backbone, fused, features, width)
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Map (N, H/8, W/8) or log odds (N, 1) for images (N, C, H, W): see `Network`."""
        self.require(images, present)
        pictures = list(self.split(images))
        if present is not None and self.missing == "black":
            black = normalise(torch.zeros(1, 1, 1, 1, device=images.device)).to(images.dtype)
            pictures = [
                torch.where(present[:, m, None, None, None], picture, black)
                for m, picture in enumerate(pictures)
            ]
        features = torch.stack(
            [self.trunk(m)(picture) for m, picture in enumerate(pictures)], dim=1
        )
        answer: Tensor = self.head(self._fuse(features, present))
        return Output(maps=answer.squeeze(1)) if self.has_map else Output(logits=answer)

    def trunk(self, modality: int) -> nn.Module:
        """The backbone of a modality; "vit" has one for all."""
        return self.trunks[modality if len(self.trunks) > 1 else 0]

    def _fuse(self, features: Tensor, present: Tensor | None) -> Tensor:
        """(N, M, D, h, w) to (N, D', h, w)."""
        hidden = None if self.missing == "black" else present
        if self.fusion == "cross_attention":
            return _anchored(features, hidden)
        if self.excite is not None:
            parts = zip(self.excite, features.unbind(dim=1), strict=True)
            features = torch.stack([excite(x) for excite, x in parts], dim=1)
        if hidden is not None and self.absent is not None:
            stand_in = self.absent.weight[None, :, :, None, None]
            features = torch.where(hidden[:, :, None, None, None], features, stand_in)
        return features.flatten(1, 2)


def channel_attention(anchor: Tensor, other: Tensor) -> Tensor:
    """C(h1, h2) = softmax(h2 h1ᵀ) h1 over channels, without scaling, as released.

    With h2 = 0 every channel becomes the mean of h1's channels: an absent modality that is fed as
    zeros is not a term of zero.

    Args:
        anchor: h1, (N, D, P).
        other: h2, (N, D, P).

    Returns:
        (N, D, P).
    """
    return (other @ anchor.transpose(1, 2)).softmax(dim=-1) @ anchor


def _anchored(features: Tensor, present: Tensor | None) -> Tensor:
    flat = features.flatten(3)
    count = features.shape[1]
    there = (
        torch.ones(features.shape[0], count, dtype=torch.bool, device=features.device)
        if present is None
        else present
    )
    first = there.int().argmax(dim=1)
    chosen = torch.nn.functional.one_hot(first, count).to(flat.dtype)
    anchor = (flat * chosen[:, :, None, None]).sum(dim=1)
    total = anchor
    for m in range(count):
        counted = there[:, m] & (first != m)
        term = channel_attention(anchor, flat[:, m])
        total = total + torch.where(counted[:, None, None], term, 0.0)
    return total.view_as(features[:, 0])


def _cdcn_trunk(in_channels: int, width: int) -> nn.Module:
    return nn.Sequential(
        CdcTrunk(in_channels, width, cdcn_level(width), 0.7), cdc_layer(6 * width, 2 * width, 0.7)
    )


def _resnet_trunk(in_channels: int, width: int) -> nn.Module:
    return nn.Sequential(
        residual_stem(in_channels, width),
        residual_stage(width, width, 2, 1),
        residual_stage(width, 2 * width, 2, 2),
    )


class _TokenMap(nn.Module):
    """A vision transformer: pictures of any modality to (N, dim, g, g).

    The class token goes through all blocks and is dropped after them; no norm follows, as released.
    """

    def __init__(self, dim: int, depth: int, patch: int, size: int) -> None:
        super().__init__()
        self.side = size // patch
        heads = next(h for h in (12, 6, 4, 3, 2, 1) if (dim % h == 0 and dim // h >= 8) or h == 1)
        self.patches = Patches(3, dim, patch, size)
        self.class_token = nn.Embedding(2, dim)  # the token, and its position
        self.blocks = nn.Sequential(*(TransformerBlock(dim, heads, EPSILON) for _ in range(depth)))

    def forward(self, pictures: Tensor) -> Tensor:
        grey_or_colour = pictures.expand(-1, 3, -1, -1)
        patches = self.patches(grey_or_colour)
        first = self.class_token.weight.sum(dim=0).expand(patches.shape[0], 1, -1)
        tokens: Tensor = self.blocks(torch.cat([first, patches], dim=1))[:, 1:]
        return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, self.side, self.side)


def _head(backbone: Backbone, fused: int, features: int, width: int) -> nn.Module:
    if backbone == "cdcn":
        return nn.Sequential(cdc_layer(fused, 2 * width, 0.7), map_layer(2 * width, 0.7))
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if backbone == "resnet":
        stages = [
            residual_stage(fused, 4 * width, 2, 2),
            residual_stage(4 * width, 8 * width, 2, 2),
        ]
        return nn.Sequential(*stages, *pooled, nn.Linear(8 * width, 1))
    return nn.Sequential(
        nn.Dropout2d(DROPOUT),
        nn.Conv2d(fused, features, 3, padding=1, bias=False),
        nn.BatchNorm2d(features),
        nn.ReLU(),
        *pooled,
        nn.Dropout(DROPOUT),
        nn.Linear(features, 1),
    )
