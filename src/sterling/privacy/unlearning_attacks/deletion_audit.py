"""Audit of deletion requests: does a batch pull the model harder than a random batch would?

The alignment of a batch S is  sᵀ H⁻¹ s  with  s = Σ_{i∈S} ∇l_i: how far, in the model's own metric,
forgetting the batch moves the weights. A deletion request that was chosen for an effect is made of
gradients that point one way; those of a random batch cancel. The z-score compares with random
batches of the same size. The definition is ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.privacy.targets.convex import ConvexModel


@dataclass(frozen=True, eq=False)
class DeletionAuditor:
    """Scores deletion requests against one model.

    Attributes:
        gradients: Scaled gradients L⁻¹ ∇l_i of the training records (N, P) with H = L Lᵀ, so that
            the alignment of a batch is the squared length of their sum.
        draws: Number of random batches that a batch is compared with.
        seed: Seed of the random batches.
    """

    gradients: Tensor
    draws: int = 200
    seed: int = 0

    @classmethod
    def of(cls, model: ConvexModel, *, draws: int = 200, seed: int = 0) -> "DeletionAuditor":
        """Make an auditor of a convex model; a z-score needs 20 draws or more."""
        check_numbers(at_least=20, draws=draws)
        root = torch.linalg.cholesky(model.hessian())
        scaled = torch.linalg.solve_triangular(root, model.record_gradients().T, upper=False)
        return cls(scaled.T, draws, seed)

    def alignment(self, rows: Tensor) -> float:
        """Return sᵀ H⁻¹ s of the training records at some rows."""
        return float(self.gradients[rows].sum(0).square().sum())

    def z_score(self, rows: Tensor) -> float:
        """Return the standard deviations above random batches of the size; high is suspicious.

        Raises:
            InputError: On an empty batch or one of all records.
        """
        n = len(self.gradients)
        check_numbers(at_least=1, below=n, deletions=len(rows))
        rng = torch.Generator().manual_seed(self.seed)
        drawn = torch.tensor(
            [
                self.alignment(torch.randperm(n, generator=rng)[: len(rows)])
                for _ in range(self.draws)
            ],
            dtype=torch.float64,
        )
        return float((self.alignment(rows) - drawn.mean()) / drawn.std())
