"""Small records, networks and generators that tests of privacy share."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from tests.draws import seeded
from torch import Tensor, nn

from sterling.privacy.data.records import simulated_records
from sterling.privacy.targets.convex import with_bias
from sterling.privacy.targets.models import initialise, mlp
from sterling.privacy.unlearning import Descent, Examples, Method

Records = tuple[Tensor, Tensor]


def examples(
    n: int,
    *,
    classes: int = 3,
    features: int = 6,
    separation: float = 2.0,
    seed: int = 0,
    first_id: int = 0,
) -> Examples:
    records = simulated_records(
        n, classes=classes, features=features, separation=separation, seed=seed
    )
    return Examples(
        torch.from_numpy(records.x), torch.from_numpy(records.y), first_id + torch.arange(n)
    )


def network(features: int = 6, classes: int = 3, width: int = 8, *, seed: int = 0) -> nn.Module:
    return initialise(lambda: mlp((features,), classes, width=width), [seed]).module(0)


def with_descent(method: Method, descent: Descent) -> Method:
    """The method with other steps and another rate."""
    unlearn: Any = method.unlearn
    return replace(method, unlearn=partial(unlearn, descent=descent))


def normal_records(n: int, classes: int, features: int, shift: float, seed: int) -> Records:
    """Normal features, of which the first grows with the label; float64."""
    rng = seeded(seed)
    y = torch.randint(classes, (n,), generator=rng)
    x = torch.randn(n, features, generator=rng, dtype=torch.float64)
    x[:, 0] += shift * y
    return x, y


def mixture(rng: np.random.Generator, n: int) -> Records:
    """Three classes in the plane, with quadratic features and a bias."""
    labels = rng.integers(3, size=n)
    centres = 2.0 * np.stack([np.cos(2.1 * np.arange(3)), np.sin(2.1 * np.arange(3))], 1)
    x = centres[labels] + rng.normal(size=(n, 2)) * 1.2
    quadratic = np.stack([x[:, 0], x[:, 1], x[:, 0] ** 2, x[:, 1] ** 2, x[:, 0] * x[:, 1]], 1)
    return with_bias(torch.from_numpy(quadratic / 2)), torch.from_numpy(labels)
