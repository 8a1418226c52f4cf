"""Training an encoder with a margin head on the people of several domains at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.face.recognition.identities import Identities
from sterling.runs import derive_seed


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

    def outer_loss(self, task: LabelledBatch) -> Tensor:
        """Of one batch."""
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
