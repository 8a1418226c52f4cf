"""Meta face recognition (MFR, Guo et al., CVPR 2020): learn so that learning helps the unseen.

One step on the source domains has to lower the loss of the held-out one. At test nothing adapts.
Published code has no method, so constants that the paper's text does not establish are ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt import Forward, FunctionalModel, inner_loop
from sterling.errors import InputError
from sterling.face.recognition.domain_sampling import DomainSplit, Pairs
from sterling.face.recognition.pair_losses import (
    domain_alignment_loss,
    hard_pair_loss,
    soft_classification_loss,
)


@dataclass(frozen=True)
class PairCriterion:
    """What is lost on gallery and probe pairs.

    Attributes:
        threshold: τ of `hard_pair_loss`.
        scale: s of `soft_classification_loss`.
        alignment: Weight of `domain_alignment_loss`; 1 in the paper.
    """

    threshold: float = 0.3
    scale: float = 16.0
    alignment: float = 1.0

    def of_domain(self, features: tuple[Tensor, Tensor]) -> Tensor:
        """Hard pairs and soft classification of one domain."""
        return hard_pair_loss(*features, self.threshold) + soft_classification_loss(
            *features, self.scale
        )

    def of_sources(self, forward: Forward, sources: Sequence[Pairs]) -> Tensor:
        """L_S: mean over domains, and their alignment."""
        features = [embedded(forward, pairs) for pairs in sources]
        loss = torch.stack([self.of_domain(one) for one in features]).mean()
        if not self.alignment:
            return loss
        return loss + self.alignment * domain_alignment_loss(features)


def embedded(forward: Forward, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Unit features of gallery and probe, (B, D) each."""
    both = F.normalize(forward(torch.cat([pairs.gallery, pairs.probe])), dim=1)
    return both[: len(pairs.gallery)], both[len(pairs.gallery) :]


@dataclass(frozen=True, eq=False)
class MFR:
    """Of each split, γ L_S(θ) + (1 - γ) L_T(θ - α ∇L_S(θ)), through the inner gradient.

    For `fit_meta`, with as many tasks an iteration as there are domains: a meta-batch.

    Attributes:
        encoder: From pictures to vectors.
        rate: α.
        balance: γ in (0, 1]; 1 has no held-out domain.
        criterion: The losses.

    Raises:
        InputError: The balance is out of range.
    """

    encoder: FunctionalModel
    rate: float = 0.05
    balance: float = 0.5
    criterion: PairCriterion = PairCriterion()

    def __post_init__(self) -> None:
        if not 0 < self.balance <= 1:
            raise InputError(f"balance {self.balance}: above 0 and at most 1")

    def parts(self) -> Mapping[str, nn.Module]:
        """The encoder."""
        return {"encoder": self.encoder.module}

    def outer_loss(self, task: DomainSplit) -> Tensor:
        """The loss of a split."""
        start = Forward(self.encoder, self.encoder.parameters())
        if self.balance == 1:
            return self.criterion.of_sources(start, task.sources)
        taken: list[Tensor] = []

        def source_loss(forward: Forward) -> Tensor:
            taken.append(self.criterion.of_sources(forward, task.sources))
            return taken[-1]

        after = inner_loop(self.encoder, source_loss, self.rate, 1).after()
        target = self.criterion.of_domain(embedded(after, task.target))
        return self.balance * taken[0] + (1 - self.balance) * target


@dataclass(frozen=True, eq=False)
class DomainAggregation:
    """The plain way: the same losses on the batch of all domains, without alignment.

    Attributes:
        encoder: From pictures to vectors.
        criterion: The losses; their alignment is not used.
    """

    encoder: FunctionalModel
    criterion: PairCriterion = PairCriterion()

    def parts(self) -> Mapping[str, nn.Module]:
        """The encoder."""
        return {"encoder": self.encoder.module}

    def outer_loss(self, task: Sequence[Pairs]) -> Tensor:
        """Mean over domains."""
        forward = Forward(self.encoder, self.encoder.parameters())
        losses = [self.criterion.of_domain(embedded(forward, pairs)) for pairs in task]
        return torch.stack(losses).mean()
