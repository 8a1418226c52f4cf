"""A toy task with a known cue, and a detector trained on it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.face.pad import CDCN, Detector, Preprocessing, Provenance, TrainConfig, train
from sterling.measure import Threshold

Task = tuple[Tensor, Tensor]


@pytest.fixture(scope="session")
def texture_task() -> Callable[[int, int], Task]:
    """Make (images, maps): smooth shading, and on every second item a fine grid (the attacks)."""

    def make(items: int, seed: int) -> Task:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:32, 0:32] / 31
        slopes = rng.uniform(-60, 60, (2, items, 1, 1, 1))
        pixels = rng.uniform(90, 160, (items, 3, 1, 1)) + slopes[0] * x + slopes[1] * y
        pixels += rng.normal(0, 4, (items, 3, 32, 32))
        grid = 12 * np.sin(np.pi * np.arange(32))[:, None] + 24 * ((np.arange(32) % 3) == 0)
        attack = np.arange(items) % 2 == 1
        pixels[attack] += grid
        images = torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))
        maps = torch.ones(items, 4, 4)
        maps[torch.from_numpy(attack)] = 0.0
        return images, maps

    return make


@pytest.fixture(scope="session")
def detector(texture_task: Callable[[int, int], Task]) -> Detector:
    images, maps = texture_task(64, 0)
    model = CDCN(8)
    history = train(model, images, maps, TrainConfig(epochs=12, learning_rate=3e-3, augment=False))
    return Detector(
        model,
        Preprocessing(size=32),
        Provenance("toy textures", True, "CC0-1.0", 0, history.items, history.digest),
        Threshold(0.5, "up", "fixed", "toy", 64, frozenset()),
        margin=0.05,
    )
