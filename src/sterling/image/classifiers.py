"""Classifiers of small pictures, trained here to be attacked."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt import BatchStatistics
from sterling.image.backbones import conv4, resnet12
from sterling.image.labelled_images import LabelledImages

Architecture = Literal["conv4", "resnet12"]


def train_classifier(
    data: LabelledImages,
    architecture: Architecture,
    *,
    width: int,
    epochs: int,
    seed: int,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    device: str = "cpu",
) -> nn.Module:
    """Train by Adam with a cosine schedule, and leave it in evaluation mode.

    Args:
        data: Pictures (N, C, S, S) and their classes.
        architecture: Architecture of the network.
        width: Channels of its first block.
        epochs: Number of passes over the data.
        seed: Seed of weights and order.
        batch_size: Pictures per step.
        learning_rate: Learning rate at the start.
        device: Device of the network.
    """
    build = conv4 if architecture == "conv4" else resnet12
    _, channels, size, _ = data.images.shape
    plain = build(len(data.names), channels=channels, size=size, width=width, seed=seed)
    network = _normalised_by_torch(plain).to(device).train()
    images: Tensor = data.images.to(device)
    labels = torch.from_numpy(data.labels).to(device)
    draw = np.random.default_rng(seed)
    batches = max(1, len(data) // batch_size)
    steps = torch.optim.Adam(network.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(steps, epochs * batches)
    for _ in range(epochs):
        order = torch.from_numpy(draw.permutation(len(data))).to(device)
        for rows in order.tensor_split(batches):
            steps.zero_grad()
            torch.autograd.backward(F.cross_entropy(network(images[rows]), labels[rows]))
            steps.step()
            schedule.step()
    return network.eval()


def _normalised_by_torch(module: nn.Module) -> nn.Module:
    """Replace every `BatchStatistics` by torch's batch normalisation, in place.

    It gathers its statistics while it trains, so that answers to one picture do not depend on
    others afterwards.
    """
    for name, child in module.named_children():
        if isinstance(child, BatchStatistics):
            assert child.weight is not None
            setattr(module, name, nn.BatchNorm2d(len(child.weight), child.epsilon))
        else:
            _normalised_by_torch(child)
    return module
