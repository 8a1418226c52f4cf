"""Small records, networks and generators that tests of privacy share."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from sterling.privacy.data.records import simulated_records
from sterling.privacy.targets.models import initialise, mlp
from sterling.privacy.unlearning import Descent, Examples, Method


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


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
