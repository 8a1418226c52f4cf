"""Shadow designs: the training records of a target, its shadow models, and the attacker."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.privacy.data.records import Records
from sterling.privacy.targets.models import ARCHITECTURES, Models, initialise
from sterling.privacy.targets.training import Recipe, balanced_membership, train_many
from sterling.runs import derive_seed


def random_half(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a random half of n records, bool (n,)."""
    return np.isin(np.arange(n), rng.permutation(n)[: n // 2])


@dataclass(frozen=True, eq=False)
class ShadowDesign:
    """One target and its shadows on one data set.

    Attributes:
        records: All records.
        target_members: Training records of the target, a random half, bool (records,).
        shadow_members: Training records of the shadows, in complementary pairs, (shadows, records).
        auxiliary: Records of the attacker, a random third, bool (records,).
        seed: Seed of the design and of the models.
    """

    records: Records
    target_members: NDArray[np.bool_]
    shadow_members: NDArray[np.bool_]
    auxiliary: NDArray[np.bool_]
    seed: int

    @classmethod
    def draw(cls, records: Records, shadows: int, seed: int) -> Self:
        """Draw memberships for an even number of shadows."""
        rng = np.random.default_rng((seed, 1))
        n = len(records)
        return cls(
            records,
            target_members=random_half(n, rng),
            shadow_members=balanced_membership(shadows, n, rng),
            auxiliary=np.isin(np.arange(n), rng.permutation(n)[: n // 3]),
            seed=seed,
        )

    def start(self, models: int, architecture: str, role: str, **size: Any) -> Models:
        """Return untrained models, their seeds derived from the role's name."""
        return initialise(
            lambda: ARCHITECTURES[architecture](self.records.shape, self.records.classes, **size),
            self._seeds(models, role),
        )

    def train(
        self, models: Models, members: NDArray[np.bool_], recipe: Recipe, role: str
    ) -> Models:
        """Train each model on its row of ``members``, (models, records)."""
        x, y = torch.from_numpy(self.records.x), torch.from_numpy(self.records.y)
        return train_many(models, x, y, members, recipe, seeds=self._seeds(len(members), role))

    def _seeds(self, models: int, role: str) -> list[int]:
        return [derive_seed(self.seed, role, row) % 2**31 for row in range(models)]
