"""Domain-level sampling (MFR, Guo et al., CVPR 2020): each domain in turn stands for the unseen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.recognition.identities import Identities
from sterling.runs import derive_seed


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two pictures of each of B people of one domain.

    Attributes:
        domain: Its name.
        gallery: The first picture, (B, C, S, S).
        probe: The second, (B, C, S, S).
        rows: Where both stand in the domain, (B, 2).
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
    """Batches and splits by number: the same number gives the same.

    Args:
        domains: Two or more.
        people: B of a batch; a domain with fewer gives all it has (ours).
        seed: Of all draws.

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
        """Of batch number ÷ n the split in which domain number mod n is the target.

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
