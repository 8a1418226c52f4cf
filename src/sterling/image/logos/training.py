"""Training of `LogoNetwork`: margin losses on subject, background and joint, and two adversaries.

The published losses could not be established; both readings of "adversarial" are ours and can be
switched: "erasing" hides the places attended to most, so that a second branch must find other
evidence; "min-max" trains the attention against a classifier of the background, so that evidence of
the brand leaves the background.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Level, Positive, Share, Weight, check_fields
from sterling.errors import InputError
from sterling.image.logos.network import LogoFeatures, LogoNetwork, weighted_mean
from sterling.image.logos.render import LogoPictures

Adversary = Literal["none", "erasing", "min-max"]


@dataclass(frozen=True)
class LogoTraining:
    """Settings of the training; the weights are the build specification's.

    Attributes:
        steps: Steps of AdamW, whose rate warms up and falls.
        batch: Pictures of a step.
        rate: Highest learning rate.
        scale: Scale s of the margin softmax.
        margin: Margin m that the true brand's cosine is lessened by.
        background: Weight of the background's loss.
        mask: Weight of the cross-entropy between attention and the logo's box.
        adversary: Form of the adversary.
        adversarial: Weight of the adversary, reached linearly over the first half.
        erased: Share of the places that "erasing" hides.
    """

    steps: Count = 300
    batch: Count = 64
    rate: Positive = 0.01
    scale: Positive = 16.0
    margin: Share = 0.2
    background: Weight = 0.5
    mask: Weight = 0.1
    adversary: Adversary = "none"
    adversarial: Weight = 0.1
    erased: Level = 0.25

    def __post_init__(self) -> None:
        check_fields(self)


class MarginSoftmax(nn.Module):
    """Cross-entropy of scaled cosines, the true class's lessened by a margin (CosFace, CVPR 2018).

    Args:
        dimension: Dimension of the vectors.
        classes: Number of classes.
        scale: Scale s of the cosines.
        margin: Margin m; with 0 it is a softmax on cosines.
    """

    def __init__(self, dimension: int, classes: int, scale: float, margin: float) -> None:
        super().__init__()
        self.scale, self.margin = scale, margin
        self.weight = nn.Parameter(torch.empty(classes, dimension))
        nn.init.normal_(self.weight)

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of vectors (N, D) of classes int64 (N,)."""
        cosines = F.linear(F.normalize(vectors), F.normalize(self.weight))
        taken = self.margin * F.one_hot(labels, len(self.weight))
        return F.cross_entropy(self.scale * (cosines - taken), labels)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: float) -> Tensor:
        """The values themselves."""
        ctx.weight = weight
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient with its sign turned, times the weight."""
        return -ctx.weight * gradients[0], None


def reverse_gradient(values: Tensor, weight: float) -> Tensor:
    """Return the values, whose gradient is turned and weighted (Ganin and Lempitsky, 2015)."""
    reversed_values: Tensor = _Reversed.apply(values, weight)  # type: ignore[no-untyped-call]
    return reversed_values


def erase_attended(maps: Tensor, attention: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Hide the places attended to most.

    Args:
        maps: (N, C, h, w).
        attention: (N, 1, h, w).
        share: Share of the places to hide, in (0, 1).

    Returns:
        The maps with these places zero, and 1 where a place was kept, (N, 1, h, w).
    """
    flat = attention.detach().flatten(1)
    hidden = flat.topk(max(1, round(share * flat.shape[1])), dim=1).indices
    kept = torch.ones_like(flat).scatter(1, hidden, 0.0).view_as(attention)
    return maps * kept, kept


class LogoLoss(nn.Module):
    """Everything a `LogoNetwork` is trained by.

    Args:
        network: The network, for its sizes and what it pools.
        classes: Number of brands.
        settings: Weights.
    """

    def __init__(self, network: LogoNetwork, classes: int, settings: LogoTraining) -> None:
        super().__init__()
        self.settings, self.parts = settings, network.design.parts

        def head(dimension: int) -> MarginSoftmax:
            return MarginSoftmax(dimension, classes, settings.scale, settings.margin)

        self.joint = head(network.design.dimension)
        self.subject = head(network.pooled)
        self.background = head(network.pooled)
        self.rival = head(network.pooled)

    def forward(self, seen: LogoFeatures, labels: Tensor, inner: Tensor, progress: float) -> Tensor:
        """Loss of a batch.

        Args:
            seen: The network's features.
            labels: Brands, int64 (N,), from 0.
            inner: Share of each cell within the logo's box, (N, h, w).
            progress: Share of the training done, in [0, 1]; ramps the adversary.
        """
        loss: Tensor = self.joint(seen.embedding, labels)
        if self.parts == "whole":
            return loss
        settings = self.settings
        loss = loss + self.subject(seen.subject, labels)
        if self.parts == "both":
            loss = loss + settings.background * self.background(seen.background, labels)
        loss = loss + settings.mask * F.binary_cross_entropy(seen.attention[:, 0], inner)
        weight = settings.adversarial * min(1.0, 2 * progress)
        if settings.adversary == "erasing":
            left, kept = erase_attended(seen.maps, seen.attention, settings.erased)
            loss = loss + weight * self.subject(weighted_mean(left, kept), labels)
        elif settings.adversary == "min-max":
            # The rival learns at full rate; only the attention feels it, turned and weighted.
            left_over = 1 - reverse_gradient(seen.attention, weight)
            loss = loss + self.rival(weighted_mean(seen.maps.detach(), left_over), labels)
        return loss


def train_logos(
    network: LogoNetwork,
    pictures: LogoPictures,
    settings: LogoTraining,
    *,
    seed: int,
    progress: Callable[[], None] | None = None,
) -> list[float]:
    """Train a network on crops of logos, in place.

    Args:
        network: The network; left in evaluation mode.
        pictures: Crops of at least two brands.
        settings: Settings.
        seed: Seed of the heads' weights and the batches.
        progress: Called after each step.

    Returns:
        Loss of each step.

    Raises:
        InputError: The crops are of one brand, or of another size than the network's.
    """
    names, labels = np.unique(pictures.brands, return_inverse=True)
    if len(names) < 2:
        raise InputError(f"{len(names)} brand(s) to train on: give two or more")
    if pictures.images.shape[-1] != network.design.size:
        raise InputError(
            f"crops of {pictures.images.shape[-1]} pixels for a network of {network.design.size}"
        )
    truth = torch.from_numpy(labels.astype(np.int64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loss = LogoLoss(network, len(names), settings)
    parameters = [*network.parameters(), *loss.parameters()]
    optimizer = torch.optim.AdamW(parameters, settings.rate, weight_decay=1e-3)
    schedule = warm_up_and_fall(optimizer, settings.steps)
    draw = np.random.default_rng(seed)
    network.train()
    losses = []
    for step, rows in enumerate(_batches(len(truth), settings, draw)):
        seen = network(pictures.images[rows])
        value = loss(seen, truth[rows], pictures.inner[rows], step / settings.steps)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(value.detach()))
        if progress is not None:
            progress()
    network.eval()
    return losses


def warm_up_and_fall(
    optimizer: torch.optim.Optimizer, steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Schedule of rates: up along a line over the first fifth, then down along a cosine to zero."""

    def share(step: int) -> float:
        done = (step + 1) / (steps + 1)
        return done / 0.2 if done < 0.2 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.2) / 0.8)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)


def _batches(count: int, settings: LogoTraining, draw: np.random.Generator) -> list[Tensor]:
    """Rows of every step; each picture comes once before any comes again."""
    wanted = settings.steps * settings.batch
    order = np.concatenate([draw.permutation(count) for _ in range(math.ceil(wanted / count))])
    return list(torch.split(torch.from_numpy(order[:wanted]), settings.batch))
