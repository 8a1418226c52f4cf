"""FM-ViT: a transformer trained on several modalities and tested on any of them."""

import math
from collections.abc import Collection, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from sterling.checks import Count, Range
from sterling.errors import InputError
from sterling.face.data import CHANNELS, require_modalities
from sterling.face.pad.layers.transformer import Attention, Patches, TransformerBlock
from sterling.face.pad.networks.network import Network, Output, initialise


class FMViT(Network):
    """The flexible-modal vision transformer of Liu et al., IEEE TIFS 2023.

    A branch per modality with patches, a class token and transformer blocks of its own; a
    `CrossModalBlock` after every few of them lets the branches that are there tell each other which
    patches are informative, and gather what they say. Every class token has a head, and so has
    their mean, which is the answer. A branch whose modality is absent is not computed: with one
    modality the network is an ordinary transformer of that modality's branch.

    Placement of the cross-modal blocks, the rule that selects patches, whether blocks are shared
    between branches (the cross-modal ones are, here), head weights and all sizes are unknown from
    what is public: documented defaults of ours.

    Args:
        size: Side of the pictures.
        patch: Side of a patch; divides `size`.
        dim: Width of a token; a multiple of `heads`.
        depth: Transformer blocks of a branch.
        heads: Heads of every attention.
        every: Transformer blocks before each cross-modal block; divides `depth`.
        keep: Share of the patches that are informative, in (0, 1]; 1 selects none, so that mutual
            attention is ordinary attention.
        fusion: Whether class tokens attend to all modalities' patches (fusion attention).
        modalities: Modalities, in the order of the channels.
        seed: Seed of the initial weights.
    """

    name = "fm_vit"
    has_map = False
    flexible = True
    logit_share = 1.0

    def __init__(
        self,
        size: Count = 224,
        patch: Count = 16,
        dim: Count = 384,
        depth: Count = 12,
        heads: Count = 6,
        every: Count = 4,
        keep: Annotated[float, Range(0, 1, open_low=True)] = 0.5,
        fusion: bool = True,
        modalities: Collection[str] = ("rgb", "depth", "ir"),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.modalities = require_modalities(modalities)
        for whole, part in (("size", "patch"), ("dim", "heads"), ("depth", "every")):
            if self.arguments[whole] % self.arguments[part]:
                raise InputError(
                    f"{whole} is {self.arguments[whole]}: a multiple of {part}, "
                    f"{self.arguments[part]}"
                )
        self.size, self.depth, self.every = size, depth, every
        count = len(self.modalities)
        with torch.random.fork_rng(devices=[]):
            self.patches = nn.ModuleList(
                Patches(CHANNELS[name], dim, patch, size) for name in self.modalities
            )
            self.class_tokens = nn.Embedding(count, dim)
            self.blocks = nn.ModuleList(
                nn.ModuleList(TransformerBlock(dim, heads) for _ in range(depth))
                for _ in self.modalities
            )
            self.crossings = nn.ModuleList(
                CrossModalBlock(dim, heads, keep, fusion=fusion) for _ in range(depth // every)
            )
            self.norm = nn.LayerNorm(dim)
            self.heads = nn.ModuleList(nn.Linear(dim, 1) for _ in range(count + 1))
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds (N, M + 1) of bona fide for images (N, C, S, S): see `Network`.

        The heads are those of the modalities, then that of the mean class token.
        """
        self.require(images, present)
        if images.shape[-1] != self.size or images.shape[-2] != self.size:
            raise InputError(
                f"image size is {images.shape[-2]}×{images.shape[-1]}: this {self.name} was built "
                f"for {self.size}×{self.size}"
            )
        pictures = self.split(images)
        everything = torch.ones(
            images.shape[0], len(self.modalities), dtype=torch.bool, device=images.device
        )
        there = everything if present is None else present
        active = self._active(present)
        there = there[:, active]
        branches = [
            torch.cat([self._class_token(m, images.shape[0]), self.patches[m](pictures[m])], dim=1)
            for m in active
        ]
        for index in range(self.depth):
            branches = [
                self.blocks[m][index](x)  # type: ignore[index]
                for m, x in zip(active, branches, strict=True)
            ]
            if (index + 1) % self.every == 0:
                branches = self.crossings[index // self.every](branches, there)
        return self._answer([self.norm(x[:, 0]) for x in branches], active, there, everything)

    def _active(self, present: Tensor | None) -> list[int]:
        """The branches to compute: those of modalities that some presentation has."""
        modalities = range(len(self.modalities))
        if present is None or torch.compiler.is_exporting():
            return list(modalities)
        return [m for m in modalities if bool(present[:, m].any())]

    def _class_token(self, modality: int, count: int) -> Tensor:
        return self.class_tokens.weight[modality].expand(count, 1, -1)

    def _answer(
        self, tokens: Sequence[Tensor], active: Sequence[int], there: Tensor, everything: Tensor
    ) -> Output:
        stacked = torch.stack(list(tokens), dim=1)
        share = there.to(stacked.dtype)
        mean = (stacked * share[:, :, None]).sum(dim=1) / share.sum(dim=1, keepdim=True)
        silent = stacked.new_zeros(stacked.shape[0], 1)
        answers = [silent] * len(self.modalities)
        speaking = [torch.zeros_like(everything[:, 0])] * len(self.modalities)
        for position, m in enumerate(active):
            answers[m] = self.heads[m](tokens[position])
            speaking[m] = there[:, position]
        return Output(
            logits=torch.cat([*answers, self.heads[-1](mean)], dim=1),
            heads=torch.stack([*speaking, everything[:, 0]], dim=1),
        )


class CrossModalBlock(nn.Module):
    """Mutual attention, then fusion attention (the CMTB of the paper).

    Mutual attention: every branch's class token weighs the branch's patches; the weights, averaged
    over the modalities that are there and over heads, say which share of the patches is
    informative, the same for all branches. Each branch then attends to itself, its class token to
    informative patches only.

        a_m = softmax(q_cls K_mᵀ / √d);  w = 1[mean_m a_m among the largest];
        X_m ← X_m + MSA(X_m), the class token's scores outside w set to -∞

    Fusion attention: every class token attends to the patches of all modalities that are there.

        cls_m ← cls_m + MHA(cls_m, concat_n X_n)

    The abstract names both; their equations are ours, consistent with it. The weights are the same
    for all branches.

    Args:
        dim: Width of a token.
        heads: Heads of both attentions.
        keep: Share of the patches that are informative, in (0, 1].
        fusion: Whether fusion attention follows.
    """

    def __init__(self, dim: int, heads: int, keep: float, *, fusion: bool = True) -> None:
        super().__init__()
        self.keep = keep
        self.norm_mutual = nn.LayerNorm(dim)
        self.mutual = Attention(dim, heads)
        self.norm_fusion = nn.LayerNorm(dim) if fusion else None
        self.fusion = Attention(dim, heads) if fusion else None

    def forward(self, branches: Sequence[Tensor], there: Tensor) -> list[Tensor]:
        """Cross the branches.

        Args:
            branches: Per modality (N, 1 + P, dim), the class token first.
            there: bool (N, M), which modalities there are.

        Returns:
            Branches of the same shapes.
        """
        normed = [self.norm_mutual(x) for x in branches]
        allowed = self._allowed(normed, there)
        branches = [
            x + self.mutual(tokens, tokens, allowed)
            for x, tokens in zip(branches, normed, strict=True)
        ]
        if self.fusion is None or self.norm_fusion is None:
            return branches
        normed = [self.norm_fusion(x) for x in branches]
        patches = torch.cat([tokens[:, 1:] for tokens in normed], dim=1)
        visible = there.repeat_interleave(branches[0].shape[1] - 1, dim=1)[:, None, None]
        crossed = []
        for x, tokens in zip(branches, normed, strict=True):
            gathered = self.fusion(tokens[:, :1], patches, visible)
            crossed.append(torch.cat([x[:, :1] + gathered, x[:, 1:]], dim=1))
        return crossed

    def informative(self, normed: Sequence[Tensor], there: Tensor) -> Tensor:
        """Mark informative patches, bool (N, P): ceil(keep · P) of them, or more with ties."""
        weights = []
        for tokens in normed:
            query = self.mutual.apart(self.mutual.query(tokens[:, :1]))
            keys = self.mutual.apart(self.mutual.key(tokens[:, 1:]))
            scores = query @ keys.transpose(-2, -1) / math.sqrt(query.shape[-1])
            weights.append(scores.softmax(dim=-1).mean(dim=1).squeeze(1))
        share = there.to(weights[0].dtype)
        mean = (torch.stack(weights, dim=1) * share[:, :, None]).sum(dim=1) / share.sum(
            dim=1, keepdim=True
        )
        kept = math.ceil(self.keep * mean.shape[1])
        least = mean.topk(kept, dim=1).values[:, -1:]
        return mean >= least

    def _allowed(self, normed: Sequence[Tensor], there: Tensor) -> Tensor | None:
        """Mark positions open to mutual attention, bool (N, 1, 1 + P, 1 + P); None: all."""
        if self.keep == 1:
            return None
        informative = self.informative(normed, there)
        itself = torch.ones_like(informative[:, :1])
        row = torch.cat([itself, informative], dim=1)[:, None]
        others = torch.ones_like(row).expand(-1, informative.shape[1], -1)
        return torch.cat([row, others], dim=1)[:, None]
