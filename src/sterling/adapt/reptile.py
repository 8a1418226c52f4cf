"""Reptile (Nichol, Achiam and Schulman, 2018): move the start towards where tasks end."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt.episodes import Task
from sterling.adapt.functional import FunctionalModel
from sterling.adapt.inner_loop import Trajectory, inner_loop


@dataclass(frozen=True, eq=False)
class Reptile:
    """Adapts by gradient descent; the outer loss ½ ‖θ - θ_adapted‖² has Reptile's gradient.

    Attributes:
        model: Its parameters are the start.
        rate: Of the inner loop.
        steps: Of training.
        test_steps: Of evaluation.
    """

    model: FunctionalModel
    rate: float = 0.01
    steps: int = 5
    test_steps: int = 10

    def parts(self) -> Mapping[str, nn.Module]:
        """The model."""
        return {"model": self.model.module}

    def _path(self, items: Tensor, labels: Tensor, steps: int) -> Trajectory:
        return inner_loop(
            self.model,
            lambda forward: F.cross_entropy(forward(items), labels),
            self.rate,
            steps,
            order="first",
        )

    def outer_loss(self, task: Task) -> Tensor:
        """Half the squared distance to where support and queries together end."""
        items = torch.cat([task.support, task.query])
        labels = torch.cat([task.support_labels, task.query_labels])
        end = self._path(items, labels, self.steps).states[-1]
        start = self.model.parameters()
        apart = [(start[name] - end[name].detach()).square().sum() for name in end]
        return torch.stack(apart).sum() / 2

    def predict(self, task: Task) -> Tensor:
        """Logits of the queries after `test_steps` on the support."""
        path = self._path(task.support, task.support_labels, self.test_steps)
        return path.after()(task.query).detach()

    def logits_by_step(self, task: Task) -> Tensor:
        """Logits before adaptation and after each of `test_steps`, (steps + 1, queries, ways)."""
        path = self._path(task.support, task.support_labels, self.test_steps)
        with torch.no_grad():
            return torch.stack([path.after(step)(task.query) for step in range(len(path.states))])
