"""Defence: does a batch of deletion requests pull the model harder than a random batch would?

The alignment of a batch S is  sᵀ H⁻¹ s  with  s = Σ_{i∈S} ∇l_i: how far, in the model's own metric,
forgetting the batch moves the weights. A request that was chosen for an effect is made of gradients
that point one way; those of a random batch cancel. The z-score compares with random batches of the
same size. The definition is ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.targets.convex import ConvexModel


@dataclass(frozen=True, eq=False)
class RequestAuditor:
    """Scores batches of requests against one model.

    Attributes:
        gradients: L⁻¹ ∇l_i of each training record (N, P) with H = L Lᵀ, so that the alignment of
            a batch is the squared length of their sum.
        draws: Random batches that a batch is compared with.
        seed: Of these.
    """

    gradients: Tensor
    draws: int = 200
    seed: int = 0

    @classmethod
    def of(cls, model: ConvexModel, *, draws: int = 200, seed: int = 0) -> "RequestAuditor":
        """An auditor of a convex model."""
        if draws < 20:
            raise InputError(f"draws {draws}: a z-score needs 20 random batches or more")
        root = torch.linalg.cholesky(model.hessian())
        scaled = torch.linalg.solve_triangular(root, model.record_gradients().T, upper=False)
        return cls(scaled.T, draws, seed)

    def alignment(self, rows: Tensor) -> float:
        """sᵀ H⁻¹ s of the training records at some rows."""
        return float(self.gradients[rows].sum(0).square().sum())

    def z_score(self, rows: Tensor) -> float:
        """How many standard deviations above random batches of the same size; high is suspicious.

        Raises:
            InputError: On an empty batch or one of all records.
        """
        n = len(self.gradients)
        if not 1 <= len(rows) < n:
            raise InputError(f"{len(rows)} requests of {n} records: give 1 to {n - 1}")
        rng = torch.Generator().manual_seed(self.seed)
        drawn = torch.tensor(
            [
                self.alignment(torch.randperm(n, generator=rng)[: len(rows)])
                for _ in range(self.draws)
            ],
            dtype=torch.float64,
        )
        return float((self.alignment(rows) - drawn.mean()) / drawn.std())
