"""Pictures of people in one domain, and their division by person."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError


@dataclass(frozen=True, eq=False)
class Identities:
    """One domain: a camera, a region, an age.

    Attributes:
        domain: Its name.
        images: float32 (N, C, S, S), in [-1, 1].
        person: Who each picture shows, integers (N,).

    Raises:
        InputError: The two differ in length, or a person has a single picture.
    """

    domain: str
    images: Tensor
    person: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.person):
            raise InputError(
                f"domain {self.domain}: {len(self.images)} pictures of {len(self.person)} people "
                "named; name one for each"
            )
        people, counts = np.unique(self.person, return_counts=True)
        if len(people) and counts.min() < 2:
            raise InputError(
                f"domain {self.domain}: person {people[counts.argmin()]} has one picture; two or "
                "more are compared with each other"
            )

    @property
    def people(self) -> NDArray[np.int64]:
        """Everybody, sorted."""
        return np.unique(self.person)

    def of(self, people: NDArray[np.int64]) -> "Identities":
        """The pictures of some people."""
        rows = np.isin(self.person, people)
        return Identities(self.domain, self.images[torch.from_numpy(rows)], self.person[rows])

    def divide(self, share: float, seed: int) -> tuple["Identities", "Identities"]:
        """Two parts without a person in common, the first with a share of the people.

        Raises:
            InputError: A part would have fewer than two people.
        """
        people = np.random.default_rng(seed).permutation(self.people)
        count = round(share * len(people))
        if not 2 <= count <= len(people) - 2:
            raise InputError(
                f"domain {self.domain}: {len(people)} people, of whom a share of {share:g} leaves "
                "fewer than two on one side; add people or change the share"
            )
        return self.of(people[:count]), self.of(people[count:])
