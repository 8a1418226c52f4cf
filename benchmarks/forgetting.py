"""Extraction strength, gradients per record and inverse-Hessian products, beside the plain loops.

Run ``python benchmarks/forgetting.py``. Both sides get the same input and must give the same
numbers; each time is the least of several repetitions taken in turn.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.privacy.influence import (
    conjugate_gradient,
    flatten_parameters,
    hessian_matrix,
    hessian_product,
    per_record_gradients,
)
from sterling.privacy.unlearning_attacks import extraction_strength

REPETITIONS = 5


def _suffix_loop(logits: Tensor, labels: Tensor) -> np.ndarray:
    """The shortest prefix found by comparing suffix after suffix, as other code does."""
    strengths = []
    for said, truth in zip(logits.argmax(-1), labels, strict=True):
        length = len(truth)
        k = next(k for k in range(length + 1) if torch.equal(said[k:], truth[k:]))
        strengths.append(1 - k / length)
    return np.array(strengths)


def _gradient_loop(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    rows = []
    for one, label in zip(x, y, strict=True):
        loss = F.cross_entropy(network(one[None]), label[None])
        parts = torch.autograd.grad(loss, list(network.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def _least(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _compare(
    name: str, ours: Callable[[], object], plain: Callable[[], object], tolerance: float
) -> None:
    difference = float(np.abs(np.asarray(ours()) - np.asarray(plain())).max())
    if difference > tolerance:
        raise AssertionError(f"{name}: the two sides differ by {difference}")
    times = [[_least(function) for function in (ours, plain)] for _ in range(REPETITIONS)]
    fast, slow = (min(column) for column in zip(*times, strict=True))
    print(f"{name:44} ours {1e3 * fast:8.2f} ms  plain {1e3 * slow:8.2f} ms  x {slow / fast:.1f}")


def main() -> None:
    """Print one line per comparison."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(50, (64, 1024), generator=generator)
    said = torch.where(torch.rand(64, 1024, generator=generator) < 0.01, 0, labels)
    logits = F.one_hot(said, 50).float()
    _compare(
        "extraction strength, 64 texts of 1,024 tokens",
        lambda: extraction_strength(logits, labels),
        lambda: _suffix_loop(logits, labels),
        1e-12,
    )
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    x = torch.randn(500, 64, generator=generator)
    y = torch.randint(10, (500,), generator=generator)
    _compare(
        "500 record gradients of 2,410 weights",
        lambda: per_record_gradients(network, x, y),
        lambda: _gradient_loop(network, x, y),
        1e-5,
    )
    small = nn.Linear(64, 10).double()
    inputs, right = x.double(), torch.randn(650, generator=generator, dtype=torch.float64)
    assert len(flatten_parameters(small)) == 650

    def dense() -> Tensor:
        matrix = hessian_matrix(small, inputs, y, l2=0.1)
        solution: Tensor = torch.linalg.solve(matrix, right)
        return solution

    _compare(
        "one inverse-Hessian product, 650 weights",
        lambda: conjugate_gradient(
            hessian_product(small, inputs, y, l2=0.1), right, tolerance=1e-10
        ),
        dense,
        1e-6,
    )


if __name__ == "__main__":
    main()
