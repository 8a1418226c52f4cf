"""Meta face recognition (MFR, Guo et al., CVPR 2020): learn so that learning helps the unseen.

One step on the source domains has to lower the loss of the held-out one. At test nothing adapts.
Published code has no method, so constants that the paper's text does not establish are ours.
Features in losses are unit vectors (B, D), row i of gallery and of probe from the same person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.adapt import Forward, FunctionalModel, inner_loop
from sterling.checks import Range, check_fields
from sterling.errors import InputError
from sterling.face.recognition.identities import Identities
from sterling.runs import derive_seed


def hard_pair_loss(gallery: Tensor, probe: Tensor, threshold: float = 0.3) -> Tensor:
    """Draw hard pairs of one person together and push those of two apart.

    With M = F_g F_pᵀ, hard are pairs of one person with M_ii < τ, and of two with M_ij > τ. The
    loss is the mean of ½‖F_g,i - F_p,i‖² over the former, less that of ½‖F_g,i - F_p,j‖² over the
    latter; of unit vectors that is 1 - cosine. Without hard pairs of a kind its term is 0.

    Args:
        gallery: (B, D), unit rows.
        probe: (B, D), unit rows.
        threshold: τ, in [-1, 1]; whether positives have one of their own is not established.
    """
    cosines = gallery @ probe.T
    same = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    apart = 1 - cosines
    return _mean_where(apart, same & (cosines < threshold)) - _mean_where(
        apart, ~same & (cosines > threshold)
    )


def soft_classification_loss(gallery: Tensor, probe: Tensor, scale: float = 16.0) -> Tensor:
    """Cross-entropy of every feature against the people of the batch.

    The weight of a person is the normalised mean of both features. Gradients pass through it
    (ours: whether the paper's do is not established).

    Args:
        gallery: (B, D), unit rows.
        probe: (B, D), unit rows.
        scale: s of the logits.
    """
    weights = F.normalize(gallery + probe, dim=1)
    people = torch.arange(len(weights), device=weights.device)
    return (
        F.cross_entropy(scale * gallery @ weights.T, people)
        + F.cross_entropy(scale * probe @ weights.T, people)
    ) / 2


def domain_alignment_loss(features: Sequence[tuple[Tensor, Tensor]], scale: float = 1.0) -> Tensor:
    """Mean squared distance of the domains' mean features to the mean of these.

    Args:
        features: Gallery and probe of each domain, (B, D) each; one domain or more.
        scale: s, by which the distances are multiplied.
    """
    centres = torch.stack([(gallery + probe).mean(dim=0) / 2 for gallery, probe in features])
    apart: Tensor = (scale * (centres - centres.mean(dim=0))).square().sum(dim=1).mean()
    return apart


def _mean_where(values: Tensor, wanted: Tensor) -> Tensor:
    """The mean over some entries, 0 where there are none."""
    return (values * wanted).sum() / wanted.sum().clamp(min=1)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two pictures of each of B people of one domain.

    Attributes:
        domain: Its name.
        gallery: The first picture, (B, C, S, S).
        probe: The second, (B, C, S, S).
        rows: Rows of both in the domain, (B, 2).
    """

    domain: str
    gallery: Tensor
    probe: Tensor
    rows: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class DomainSplit:
    """One task of meta-learning.

    Attributes:
        sources: Pairs of every domain but one.
        target: Pairs of that one.
    """

    sources: tuple[Pairs, ...]
    target: Pairs


class DomainSampling:
    """Batches and splits by number, in which each domain in turn is the unseen one.

    The same number gives the same batch.

    Args:
        domains: Two or more.
        people: B of a batch; a domain with fewer gives all it has (ours).
        seed: Seed of all draws.

    Raises:
        InputError: There are fewer domains, or B is below 2.
    """

    def __init__(self, domains: Sequence[Identities], people: int, seed: int = 0) -> None:
        if len(domains) < 2 or people < 2:
            raise InputError(
                f"{len(domains)} domains, people {people}: give two domains or more to hold one "
                "out, and two people or more to tell apart"
            )
        self.domains, self.people, self.seed = tuple(domains), people, seed

    def batch(self, number: int) -> tuple[Pairs, ...]:
        """Pairs of every domain."""
        draw = np.random.default_rng(derive_seed(self.seed, "batch", number))
        return tuple(self._pairs(domain, draw) for domain in self.domains)

    def split(self, number: int) -> DomainSplit:
        """Return the split of batch number ÷ n in which domain number mod n is the target.

        So n numbers on end are a meta-batch, in which every domain is the target once.
        """
        batch, held = divmod(number, len(self.domains))
        pairs = self.batch(batch)
        return DomainSplit(pairs[:held] + pairs[held + 1 :], pairs[held])

    def _pairs(self, domain: Identities, draw: np.random.Generator) -> Pairs:
        people = domain.people
        chosen = draw.choice(people, min(self.people, len(people)), replace=False)
        rows = np.stack(
            [
                draw.choice(np.flatnonzero(domain.person == one), 2, replace=False)
                for one in chosen.tolist()
            ]
        )
        gallery, probe = (domain.images[torch.from_numpy(rows[:, side])] for side in (0, 1))
        return Pairs(domain.domain, gallery, probe, rows)


@dataclass(frozen=True)
class PairCriterion:
    """Loss on gallery and probe pairs.

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
    """γ L_S(θ) + (1 - γ) L_T(θ - α ∇L_S(θ)) of each split, through the inner gradient.

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
    balance: Annotated[float, Range(0, 1, open_low=True)] = 0.5
    criterion: PairCriterion = PairCriterion()

    def __post_init__(self) -> None:
        check_fields(self)

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
