"""Fisher forgetting: noise where the retained data does not hold the weights.

Golatkar, Achille and Soatto, "Eternal Sunshine of the Spotless Net: Selective Forgetting in Deep
Networks", CVPR 2020, with the diagonal of the Fisher information.
"""

from dataclasses import dataclass

import torch
from torch import nn

from sterling.privacy.influence import flatten_parameters, set_parameters
from sterling.privacy.unlearning.descent import frozen
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.fisher import fisher_diagonal


@dataclass(frozen=True)
class FisherForgettingConfig:
    """Constants of Fisher forgetting.

    Attributes:
        scale: s of the noise.
        floor: Added to the Fisher information, so that unused weights get finite noise. Ours.
    """

    scale: float = 0.02
    floor: float = 1e-6


def fisher_forgetting(
    model: nn.Module,
    forget: Examples,  # noqa: ARG001 - one signature for all methods
    retain: Examples,
    rng: torch.Generator,
    config: FisherForgettingConfig,
) -> nn.Module:
    """θ + s F_retain^(−1/4) · noise, noise standard normal."""
    student = frozen(model)
    spread = (fisher_diagonal(student, retain) + config.floor) ** -0.25
    noise = torch.randn(spread.shape, generator=rng, dtype=spread.dtype)
    set_parameters(student, flatten_parameters(student) + config.scale * spread * noise)
    return student.requires_grad_(True)
