"""Comparisons of prompts, without labels and without position bias.

A search over prompts asks for refinements and preferences (`PromptTask`). A judge that likes the
first answer better says so in both orders, and half of each cancels: w = ½ (p(i first) + 1 -
p(j first)) falls to ½ by itself where the two orders contradict each other. (UPA, arXiv 2601.23273,
compares order-invariantly; this formula is ours.)

Under Bradley-Terry-Luce the logit of "the child beats its parent" is the difference of their
strengths, so strengths add up along a path of refinements. With a Beta posterior on each edge's
chance the logit has exact moments: E = ψ(a) - ψ(b), Var = ψ′(a) + ψ′(b). (UPA aggregates over
paths; prior and moments are ours.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from scipy import special

from sterling.lm import CallLedger


class Asked(NamedTuple):
    """A judgement to ask for: two prompts and the numbers of the questions it covers.

    Several questions are judged together and count as one call.
    """

    first: str
    second: str
    questions: tuple[int, ...]


class PromptTask(Protocol):
    """Questions without answers, a judge, and an optimiser that writes prompts."""

    @property
    def questions(self) -> int:
        """Number of questions."""
        ...

    @property
    def ledger(self) -> CallLedger:
        """Calls so far, with the budget."""
        ...

    def prefer(self, asked: Sequence[Asked]) -> list[float]:
        """Return how sure the judge is that the first shown is better, in [0, 1], for each.

        Raises:
            BudgetExhaustedError: The budget is used up.
        """
        ...

    def refine(self, prompt: str, lost: Sequence[int], count: int, seed: int) -> list[str]:
        """Return changed versions of a prompt; `lost` are questions where it did badly.

        Raises:
            BudgetExhaustedError: The budget is used up.
        """
        ...


@dataclass(frozen=True)
class Comparison:
    """Outcome of comparing two prompts on some questions.

    Attributes:
        wins: Share that the first prompt won of each question, in [0, 1].
        position_bias: Excess of the judge's confidence in whatever is shown first: mean of
            p(first) - ½. 0 where only one order was asked.
        lost: Questions where the first prompt won less than half.
    """

    wins: tuple[float, ...]
    position_bias: float
    lost: tuple[int, ...]


def compare(
    task: PromptTask,
    first: str,
    second: str,
    questions: Sequence[int],
    *,
    swap: bool = True,
) -> Comparison:
    """Compare two prompts on questions.

    Args:
        task: Task whose judge is asked.
        first: First prompt.
        second: Second prompt.
        questions: Numbers of questions.
        swap: Ask in both orders. Without it each question is asked once, the first prompt first.

    Raises:
        BudgetExhaustedError: The budget is used up.
    """
    ahead = [Asked(first, second, (question,)) for question in questions]
    if swap:
        behind = [Asked(second, first, (question,)) for question in questions]
        sure = task.prefer([*ahead, *behind])
        one, other = np.array(sure[: len(ahead)]), np.array(sure[len(ahead) :])
        wins = (one + 1 - other) / 2
        bias = float((one + other - 1).mean() / 2)
    else:
        wins = np.array(task.prefer(ahead))
        bias = 0.0
    lost = tuple(q for q, won in zip(questions, wins, strict=True) if won < 0.5)
    return Comparison(tuple(float(won) for won in wins), bias, lost)


@dataclass(frozen=True)
class EdgePosterior:
    """Beta posterior of the chance that a child is better than its parent.

    Attributes:
        won: Parameter a, 1 of the prior and the wins.
        lost: Parameter b, 1 of the prior and the losses.
    """

    won: float = 1.0
    lost: float = 1.0

    def after(self, wins: Iterable[float]) -> "EdgePosterior":
        """Return the posterior after further comparisons, each won by a share in [0, 1]."""
        every = list(wins)
        return EdgePosterior(self.won + sum(every), self.lost + len(every) - sum(every))

    @cached_property
    def mean(self) -> float:
        """Mean of the logit."""
        return float(special.digamma(self.won) - special.digamma(self.lost))

    @cached_property
    def variance(self) -> float:
        """Variance of the logit."""
        return float(special.polygamma(1, self.won) + special.polygamma(1, self.lost))
