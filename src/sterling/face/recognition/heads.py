"""Classification on the sphere with a margin (CosFace, ArcFace, AdaFace), and training by it.

Each takes embeddings and identities to logits for a cross-entropy. Only the logit of the true
identity carries the margin; without labels logits are scaled cosines. Angles are computed in
float32 whatever the embeddings' type.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.recognition.identities import Identities
from sterling.runs import derive_seed

EDGE = 1e-7  # cosines keep so far from ±1, where the angle has no derivative


class _Identities(nn.Module):
    """Unit directions of the identities."""

    def __init__(self, dimension: int, identities: int, scale: float, margin: float) -> None:
        super().__init__()
        if dimension < 1 or identities < 2:
            raise InputError(
                f"dimension {dimension}, identities {identities}: one or more, two or more"
            )
        if not scale > 0:
            raise InputError(f"scale {scale}: above 0")
        self.scale, self.margin = scale, margin
        self.weight = nn.Parameter(torch.empty(identities, dimension))
        nn.init.normal_(self.weight, std=0.01)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosine of every embedding with every identity, float32 (N, identities)."""
        plain = F.normalize(embeddings.float()) @ F.normalize(self.weight.float()).T
        cosines: Tensor = plain.clamp(-1 + EDGE, 1 - EDGE)
        return cosines

    def _with_target(self, cosines: Tensor, labels: Tensor | None, target: Tensor) -> Tensor:
        if labels is None:
            return self.scale * cosines
        return self.scale * cosines.scatter(1, labels[:, None], target[:, None])


def _own(cosines: Tensor, labels: Tensor | None) -> Tensor:
    """The cosine with the true identity, (N,); without labels anything of that shape."""
    return cosines[:, 0] if labels is None else cosines.gather(1, labels[:, None])[:, 0]


class CosFace(_Identities):
    """The true identity's cosine less a margin (Wang et al., CVPR 2018).

    Args:
        dimension: Dimension of embeddings.
        identities: Number of identities.
        scale: Scale s of logits.
        margin: Margin m. 0.35 in the paper, 0.4 in common code.
    """

    def __init__(
        self, dimension: int, identities: int, *, scale: float = 64.0, margin: float = 0.4
    ) -> None:
        super().__init__(dimension, identities, scale, margin)

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N, identities) of embeddings (N, D) and identities int64 (N,)."""
        cosines = self.cosines(embeddings)
        return self._with_target(cosines, labels, _own(cosines, labels) - self.margin)


class ArcFace(_Identities):
    """The true identity's angle plus a margin (Deng et al., CVPR 2019).

    Where angle and margin together pass π the cosine would rise again; there the logit keeps
    falling as cos - m sin(π - m).

    Args:
        dimension: Dimension of embeddings.
        identities: Number of identities.
        scale: Scale s of logits.
        margin: Margin m, radians.
    """

    def __init__(
        self, dimension: int, identities: int, *, scale: float = 64.0, margin: float = 0.5
    ) -> None:
        super().__init__(dimension, identities, scale, margin)

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N, identities) of embeddings (N, D) and identities int64 (N,)."""
        cosines = self.cosines(embeddings)
        own = _own(cosines, labels)
        margins = torch.tensor(self.margin, dtype=torch.float64, device=own.device)
        return self._with_target(cosines, labels, with_angular_margin(own, margins))


def with_angular_margin(cosines: Tensor, margins: Tensor) -> Tensor:
    """Cosines of angles widened by margins, monotone beyond π, shape and type of `cosines`.

    Args:
        cosines: In (-1, 1), (N,).
        margins: Radians in [0, π), float64, (N,) or one for all.
    """
    narrow = (math.pi - margins).cos().to(cosines.dtype)
    fall = (margins * (math.pi - margins).sin()).to(cosines.dtype)
    wider = (cosines.acos() + margins.to(cosines.dtype)).cos()
    return torch.where(cosines > narrow, wider, cosines - fall)


class AdaFace(_Identities):
    """Margins by quality, which the embedding's length stands for (Kim, Jain and Liu, CVPR 2022).

    ẑ = clip(h (z - mean) / deviation, -1, 1) of lengths z, and the true identity's logit is
    s (cos(θ - m ẑ) - m (1 + ẑ)). Mean and deviation run over batches.

    Args:
        dimension: Dimension of embeddings.
        identities: Number of identities.
        scale: Scale s of logits.
        margin: m.
        concentration: h.
        momentum: Share of each new batch in the running statistics.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        dimension: int,
        identities: int,
        *,
        scale: float = 64.0,
        margin: float = 0.4,
        concentration: float = 0.333,
        momentum: float = 0.01,
    ) -> None:
        super().__init__(dimension, identities, scale, margin)
        self.concentration, self.momentum = concentration, momentum
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("deviation", torch.tensor(100.0))

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (N, identities) of embeddings (N, D), not normalised, and identities (N,)."""
        cosines = self.cosines(embeddings)
        quality = self._quality(embeddings)
        angle = _own(cosines, labels).acos() - self.margin * quality
        wider = angle.clamp(EDGE, math.pi - EDGE).cos()
        target = wider - self.margin * (1 + quality)
        return self._with_target(cosines, labels, target)

    def _quality(self, embeddings: Tensor) -> Tensor:
        lengths = embeddings.detach().float().norm(dim=1).clamp(1e-3, 100)
        if self.training and len(lengths) > 1:
            self.mean.lerp_(lengths.mean(), self.momentum)
            self.deviation.lerp_(lengths.std(), self.momentum)
        relative = (lengths - self.mean) / (self.deviation + 1e-3)
        quality: Tensor = (self.concentration * relative).clamp(-1, 1)
        return quality


class Labelled(Protocol):
    """A batch with pictures (B, C, S, S) and whom they show, int64 (B,)."""

    @property
    def images(self) -> Tensor:
        """Pictures."""
        ...

    @property
    def labels(self) -> Tensor:
        """Identities."""
        ...


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Pictures (B, C, S, S) and whom they show, int64 (B,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Classification:
    """Cross-entropy of a margin head, for `fit_meta`.

    Attributes:
        encoder: From pictures to vectors.
        head: From vectors and labels to logits.
    """

    encoder: nn.Module
    head: nn.Module

    def parts(self) -> Mapping[str, nn.Module]:
        """Encoder and head."""
        return {"encoder": self.encoder, "head": self.head}

    def outer_loss(self, task: Labelled) -> Tensor:
        """Loss of one batch."""
        return F.cross_entropy(self.head(self.encoder(task.images), task.labels), task.labels)


def number_people(domains: Sequence[Identities]) -> LabelledBatch:
    """All pictures of some domains; people of different domains are different people."""
    labels, first = [], 0
    for domain in domains:
        labels.append(np.searchsorted(domain.people, domain.person) + first)
        first += len(domain.people)
    images = torch.cat([domain.images for domain in domains])
    return LabelledBatch(images, torch.from_numpy(np.concatenate(labels)).to(images.device))


def draw_labelled(everything: LabelledBatch, size: int, seed: int, number: int) -> LabelledBatch:
    """Batch of that number: so many pictures, each at most once."""
    draw = np.random.default_rng(derive_seed(seed, "labelled", number))
    count = len(everything.labels)
    rows = torch.from_numpy(draw.choice(count, min(size, count), replace=False))
    return LabelledBatch(everything.images[rows], everything.labels[rows])
