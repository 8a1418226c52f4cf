"""Prototypical networks (Snell, Swersky and Zemel, NeurIPS 2017): classes are mean embeddings."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt.episodes import Task


@dataclass(frozen=True, eq=False)
class ProtoNet:
    """Logits are minus squared distances to the mean embedding of each class's support.

    Attributes:
        embedding: From items to vectors (N, D).
    """

    embedding: nn.Module

    def parts(self) -> Mapping[str, nn.Module]:
        """The embedding."""
        return {"embedding": self.embedding}

    def _logits(self, task: Task) -> Tensor:
        vectors = self.embedding(torch.cat([task.support, task.query]))
        support, query = vectors[: len(task.support)], vectors[len(task.support) :]
        member = F.one_hot(task.support_labels).to(vectors.dtype)
        prototypes = member.T @ support / member.sum(dim=0)[:, None]
        return -torch.cdist(query, prototypes).square()

    def outer_loss(self, task: Task) -> Tensor:
        """Cross-entropy of the queries."""
        return F.cross_entropy(self._logits(task), task.query_labels)

    def predict(self, task: Task) -> Tensor:
        """Logits of the queries."""
        with torch.no_grad():
            return self._logits(task)
