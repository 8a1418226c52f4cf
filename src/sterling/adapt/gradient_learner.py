"""MAML and its relatives: learn where to start, at which rates, and what adapts."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
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
    """What `fit_meta` trains, from tasks of any kind."""

    def parts(self) -> Mapping[str, nn.Module]:
        """Modules with everything that is meta-learned, by name."""
        ...

    def outer_loss(self, task: T) -> Tensor:
        """A scalar; its gradient is the meta-gradient."""
        ...


@runtime_checkable
class BatchLearner(MetaLearner[T], Protocol[T]):
    """One that takes several tasks at once."""

    def outer_losses(self, tasks: Sequence[T]) -> Tensor:
        """`outer_loss` of each."""
        ...


class Learner(MetaLearner[Task], Protocol):
    """What `evaluate_tasks` judges besides."""

    def predict(self, task: Task) -> Tensor:
        """Logits of the queries after adaptation, (queries, ways)."""
        ...


@dataclass(frozen=True, eq=False)
class GradientLearner:
    """Adapts by gradient descent on the support, and learns from the loss of the queries.

    Attributes:
        model: Its parameters are the start.
        rates: One number, or learned ones.
        steps: Of training.
        test_steps: Of evaluation.
        order: Of the meta-gradient.
        adapt: Groups that adapt; None: all.
        outer: Weight of the query loss after a step, by the step; 0 is before the first.
        criterion: From logits and labels to a scalar.
        clip: Of the inner gradients.
        penalty: Of the parameters to start from; added to the outer loss.
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
        """The model, and rates where they are learned."""
        learned = {"rates": self.rates} if isinstance(self.rates, LearnedRates) else {}
        return {"model": self.model.module, **learned}

    def adapted(self, task: Task, steps: int, order: Order | None = None) -> Trajectory:
        """The inner loop on a task's support."""
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
        """Query losses after the steps of `outer`, weighted and summed."""
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
        """`outer_loss` of each of several tasks of equal shapes at once, through ``torch.vmap``.

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
        """Logits of the queries after `test_steps`."""
        return self.adapted(task, self.test_steps, "first").after()(task.query).detach()

    def logits_by_step(self, task: Task) -> Tensor:
        """Logits before adaptation and after each of `test_steps`, (steps + 1, queries, ways)."""
        path = self.adapted(task, self.test_steps, "first")
        with torch.no_grad():
            return torch.stack([path.after(step)(task.query) for step in range(len(path.states))])


def maml(
    model: FunctionalModel, rate: float = 0.01, *, steps: int = 5, test_steps: int = 10
) -> GradientLearner:
    """Finn, Abbeel and Levine, ICML 2017: the start is learned through the inner gradients."""
    return GradientLearner(model, rate, steps, test_steps)


def fomaml(
    model: FunctionalModel, rate: float = 0.01, *, steps: int = 5, test_steps: int = 10
) -> GradientLearner:
    """The same with inner gradients taken for constants."""
    return GradientLearner(model, rate, steps, test_steps, order="first")


def meta_sgd(model: FunctionalModel, rate: float = 0.01) -> GradientLearner:
    """Li et al., 2017: one step, with a learned rate for every number."""
    return GradientLearner(model, LearnedRates(model, "number", rate), steps=1, test_steps=1)


def anil(
    model: FunctionalModel, head: str, rate: float = 0.01, *, steps: int = 5, test_steps: int = 10
) -> GradientLearner:
    """Raghu et al., ICLR 2020: only the group `head` adapts."""
    return GradientLearner(model, rate, steps, test_steps, adapt=(head,))
