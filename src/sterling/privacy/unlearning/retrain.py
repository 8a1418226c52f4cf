"""Exact unlearning: train from scratch on what is retained. Others are compared with it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sterling.privacy.targets.models import Models
from sterling.privacy.targets.training import Recipe, train_many
from sterling.privacy.unlearning.descent import Descent, descend, draw_seed, reset
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss

Train = Callable[[nn.Module, Examples, int], nn.Module]
"""From an untrained network, examples and a seed, to the trained network."""


@dataclass(frozen=True)
class RetrainConfig:
    """How the model was trained.

    Attributes:
        train: The same training that the model to unlearn from went through.
    """

    train: Train


def train_by_recipe(recipe: Recipe) -> Train:
    """Training of a classifier as :func:`sterling.privacy.targets.training.train_many` does it."""

    def train(network: nn.Module, examples: Examples, seed: int) -> nn.Module:
        parameters = {name: value.detach()[None] for name, value in network.named_parameters()}
        everyone = torch.ones(1, len(examples), dtype=torch.bool).numpy()
        trained = train_many(
            Models(network, parameters),
            examples.inputs,
            examples.labels,
            everyone,
            recipe,
            seeds=[seed],
        )
        return trained.module(0)

    return train


def train_by_steps(descent: Descent) -> Train:
    """Training by Adam for a fixed number of steps, for language models too."""

    def train(network: nn.Module, examples: Examples, seed: int) -> nn.Module:
        def objective(student: nn.Module, batch: Examples, _same: Examples) -> Tensor:
            return mean_loss(student(batch.inputs), batch.labels)

        rng = torch.Generator().manual_seed(seed)
        return descend(network, objective, examples, examples, rng, descent)

    return train


def retrain(
    model: nn.Module,
    forget: Examples,  # noqa: ARG001 - one signature for all methods
    retain: Examples,
    rng: torch.Generator,
    config: RetrainConfig,
) -> nn.Module:
    """New initial weights, trained on the retained examples only."""
    return config.train(reset(model, rng), retain, draw_seed(rng))
