"""Random tensors that are told by their shape and seed."""

import torch
from torch import Tensor


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype | None = None) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=dtype)


def uniform(*shape: int, seed: int = 0, dtype: torch.dtype | None = None) -> Tensor:
    return torch.rand(shape, generator=seeded(seed), dtype=dtype)


def pixels(*shape: int, seed: int = 0) -> Tensor:
    """Values from 0 to 255, uint8."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded(seed))
