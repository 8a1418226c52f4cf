"""MAML and its relatives, Reptile and prototypical networks: learners that adapt to tasks."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt.episodes import Task
from sterling.adapt.functional import FunctionalModel, Parameters
from sterling.adapt.inner_loop import DivergedError, Order, Trajectory, inner_loop
from sterling.adapt.rates import LearnedRates
from sterling.errors import InputError

Criterion = Callable[[Tensor, Tensor], Tensor]
T = TypeVar("T", contravariant=True)


class MetaLearner(Protocol[T]):
    """A learner that `fit_meta` trains, from tasks of any kind."""

    def parts(self) -> Mapping[str, nn.Module]:
        """Return the modules with everything that is meta-learned, by name."""
        ...

    def outer_loss(self, task: T) -> Tensor:
        """Return a scalar whose gradient is the meta-gradient."""
        ...


@runtime_checkable
class BatchLearner(MetaLearner[T], Protocol[T]):
    """A learner that takes several tasks at once."""

    def outer_losses(self, tasks: Sequence[T]) -> Tensor:
        """Return `outer_loss` of each task."""
        ...


class Learner(MetaLearner[Task], Protocol):
    """A learner that `evaluate_tasks` can test."""

    def predict(self, task: Task) -> Tensor:
        """Return logits of the queries after adaptation, (queries, ways)."""
        ...


@dataclass(frozen=True, eq=False)
class GradientLearner:
    """Adaptation by gradient descent on the support, learned from the loss of the queries.

    Attributes:
        model: Model whose parameters are the start.
        rates: Learning rate: a constant, or a `LearnedRates` module.
        steps: Number of inner steps in training.
        test_steps: Number of inner steps in evaluation.
        order: Order of the meta-gradient.
        adapt: Groups that adapt; None: all.
        outer: Weight of the query loss after a step, by the step; 0 is before the first.
        criterion: Maps logits and labels to a scalar.
        clip: Bound ± of each number of the inner gradients.
        penalty: Maps the parameters to start from to a term of the outer loss.
    """

    model: FunctionalModel
    rates: float | LearnedRates
    steps: int = 5
    test_steps: int = 10
    order: Order = "second"
    adapt: Collection[str] | None = None
    outer: Mapping[int, float] = field(default_factory=lambda: {-1: 1.0})
    criterion: Criterion = F.cross_entropy
    clip: float | None = None
    penalty: Callable[[Parameters], Tensor] | None = None

    def parts(self) -> Mapping[str, nn.Module]:
        """Return the model, and the rates where they are learned."""
        learned = {"rates": self.rates} if isinstance(self.rates, LearnedRates) else {}
        return {"model": self.model.module, **learned}

    def adapted(self, task: Task, steps: int, order: Order | None = None) -> Trajectory:
        """Run the inner loop on a task's support."""
        return inner_loop(
            self.model,
            lambda forward: self.criterion(forward(task.support), task.support_labels),
            self.rates,
            steps,
            order=order or self.order,
            adapt=self.adapt,
            clip=self.clip,
        )

    def outer_loss(self, task: Task) -> Tensor:
        """Return the query losses after the steps of `outer`, weighted and summed."""
        path = self.adapted(task, self.steps)
        terms = [
            weight * self.criterion(path.after(step)(task.query), task.query_labels)
            for step, weight in self.outer.items()
        ]
        if self.penalty is not None:
            terms.append(self.penalty(self.model.parameters()))
        total: Tensor = sum(terms[1:], terms[0])
        return total

    def outer_losses(self, tasks: Sequence[Task]) -> Tensor:
        """Return `outer_loss` of several tasks of equal shapes at once, through ``torch.vmap``.

        Raises:
            InputError: Shapes differ.
            DivergedError: A loss is not finite; the message names the task.
        """
        fields = [
            [getattr(task, name) for task in tasks]
            for name in ("support", "support_labels", "query", "query_labels")
        ]
        shapes = {tuple(tuple(part.shape) for part in task) for task in zip(*fields, strict=True)}
        if len(shapes) > 1:
            raise InputError(f"tasks of shapes {sorted(shapes)}: give equal ones, or one at a time")
        stacked = [torch.stack(parts) for parts in fields]

        def one(support: Tensor, own: Tensor, query: Tensor, others: Tensor) -> Tensor:
            return self.outer_loss(Task(support, own, query, others, ()))

        losses: Tensor = torch.vmap(one)(*stacked)
        for number, loss in enumerate(losses.tolist()):
            if not math.isfinite(loss):
                raise DivergedError(
                    f"task {number} of {len(tasks)}: the outer loss is {loss}; lower the rates, or "
                    "clip the gradients"
                )
        return losses

    def predict(self, task: Task) -> Tensor:
        """Return logits of the queries after `test_steps`."""
        return self.adapted(task, self.test_steps, "first").after()(task.query).detach()

    def logits_by_step(self, task: Task) -> Tensor:
        """Return logits before adaptation and after each step, (steps + 1, queries, ways)."""
        path = self.adapted(task, self.test_steps, "first")
        with torch.no_grad():
            return torch.stack([path.after(step)(task.query) for step in range(len(path.states))])


def maml(
    model: FunctionalModel, rate: float = 0.01, *, steps: int = 5, test_steps: int = 10
) -> GradientLearner:
    """Return MAML (Finn et al., ICML 2017), which differentiates through the inner gradients."""
    return GradientLearner(model, rate, steps, test_steps)


def fomaml(
    model: FunctionalModel, rate: float = 0.01, *, steps: int = 5, test_steps: int = 10
) -> GradientLearner:
    """Return first-order MAML, which takes inner gradients for constants."""
    return GradientLearner(model, rate, steps, test_steps, order="first")


def meta_sgd(model: FunctionalModel, rate: float = 0.01) -> GradientLearner:
    """Return Meta-SGD (Li et al., 2017): one step, with a learned rate for every number."""
    return GradientLearner(model, LearnedRates(model, "number", rate), steps=1, test_steps=1)


def anil(
    model: FunctionalModel, head: str, rate: float = 0.01, *, steps: int = 5, test_steps: int = 10
) -> GradientLearner:
    """Return ANIL (Raghu et al., ICLR 2020), in which only the group `head` adapts."""
    return GradientLearner(model, rate, steps, test_steps, adapt=(head,))


@dataclass(frozen=True, eq=False)
class Reptile(GradientLearner):
    """Reptile (Nichol, Achiam and Schulman, 2018): move the start towards the ends of tasks.

    The outer loss ½ ‖θ - θ_adapted‖² has Reptile's gradient.
    """

    order: Order = "first"

    def outer_loss(self, task: Task) -> Tensor:
        """Return half the squared distance to the end on support and queries together."""
        items = torch.cat([task.support, task.query])
        labels = torch.cat([task.support_labels, task.query_labels])
        end = self.adapted(replace(task, support=items, support_labels=labels), self.steps)
        start = self.model.parameters()
        apart = [
            (start[name] - value.detach()).square().sum() for name, value in end.states[-1].items()
        ]
        return torch.stack(apart).sum() / 2


@dataclass(frozen=True, eq=False)
class ProtoNet:
    """Prototypical networks (Snell, Swersky and Zemel, NeurIPS 2017): classes are mean embeddings.

    Logits are minus squared distances to the mean embedding of each class's support.

    Attributes:
        embedding: Maps items to vectors (N, D).
    """

    embedding: nn.Module

    def parts(self) -> Mapping[str, nn.Module]:
        """Return the embedding."""
        return {"embedding": self.embedding}

    def _logits(self, task: Task) -> Tensor:
        vectors = self.embedding(torch.cat([task.support, task.query]))
        support, query = vectors[: len(task.support)], vectors[len(task.support) :]
        member = F.one_hot(task.support_labels).to(vectors.dtype)
        prototypes = member.T @ support / member.sum(dim=0)[:, None]
        return -torch.cdist(query, prototypes).square()

    def outer_loss(self, task: Task) -> Tensor:
        """Return the cross-entropy of the queries."""
        return F.cross_entropy(self._logits(task), task.query_labels)

    def predict(self, task: Task) -> Tensor:
        """Return logits of the queries."""
        with torch.no_grad():
            return self._logits(task)
