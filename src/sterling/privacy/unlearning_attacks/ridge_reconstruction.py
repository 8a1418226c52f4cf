"""Closed-form reconstruction of a record that was deleted from ridge regression.

Bertran et al., "Reconstruction Attacks on Machine Unlearning: Simple Models are Vulnerable",
NeurIPS 2024. With A = XᵀX + λI and A' = A − xxᵀ the weights before and after exact deletion differ
by

    θ − θ' = A'⁻¹ x (y − xᵀθ),

so that A'(θ − θ') is the record, times one number; a constant feature of 1 tells that number.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.research_use import require_research_use
from sterling.runs import derive_seed


def reconstruct_record(
    before: ArrayLike, after: ArrayLike, gram: ArrayLike, *, research_use: bool
) -> NDArray[np.float64]:
    """The deleted record's features (D,), the last of them 1.

    Args:
        before: Weights before the deletion, (D,), or (D, K) for K outputs.
        after: Weights after exact deletion; the last feature of every record is the constant 1.
        gram: A' = X'ᵀX' + λI of the retained records, (D, D). A covariance of public records of
            the same distribution, times their number, gives an approximation.
        research_use: Must be true.

    Raises:
        InputError: When ``research_use`` is false, or the weights did not change.
    """
    require_research_use(research_use)
    difference = np.asarray(before, dtype=np.float64) - np.asarray(after, dtype=np.float64)
    matrix = np.asarray(gram, dtype=np.float64)
    if difference.ndim not in (1, 2) or matrix.shape != (len(difference),) * 2:
        raise InputError(
            f"weights {difference.shape}, gram {matrix.shape}: give (D,) or (D, K), and (D, D)"
        )
    moved = matrix @ difference.reshape(len(difference), -1)  # x eᵀ, of rank one
    direction = np.linalg.svd(moved, full_matrices=False)[0][:, 0]
    if not moved.any() or direction[-1] == 0:
        raise InputError("weights: they did not change, so that nothing was deleted between them")
    return np.asarray(direction / direction[-1])


def reconstruction_errors(seed: int, *, repeats: int = 50) -> list[float]:
    """Largest error of a feature reconstructed from exact deletion, per simulated regression.

    Each has 80 records of 10 standard normal features and the constant, and λ = 1.
    """
    errors = []
    for repeat in range(repeats):
        rng = np.random.default_rng(derive_seed(seed, "ridge", repeat))
        x = np.column_stack([rng.normal(size=(80, 10)), np.ones(80)])
        y = x @ rng.normal(size=11) + rng.normal(size=80)
        gram = x.T @ x + np.eye(11)
        rest = gram - np.outer(x[0], x[0])
        before = np.linalg.solve(gram, x.T @ y)
        after = np.linalg.solve(rest, x[1:].T @ y[1:])
        found = reconstruct_record(before, after, rest, research_use=True)
        errors.append(float(np.abs(found - x[0]).max()))
    return errors
