"""Baselines of UPA at the same budget: SPO, random search and best of N.

All three spend until the budget of the task's ledger is used up.
"""

from collections.abc import Callable

import numpy as np

from sterling.agent.prompts.comparison import Asked, PromptTask, compare
from sterling.errors import InputError
from sterling.lm import Budget, BudgetExhaustedError


def spo(
    task: PromptTask,
    start: str,
    *,
    questions: int = 3,
    repetitions: int = 4,
    together: bool = True,
    seed: int = 0,
) -> str:
    """Refine the best prompt so far, and adopt a refinement that wins more often than it loses.

    SPO (Xiang et al., 2025) as its released code does it: the answers to a few questions are judged
    together, several times, and each repetition draws which prompt is shown first. Where most
    repetitions are neutral the refinement is adopted, too.

    Args:
        task: Task with judge and optimiser.
        start: The first prompt.
        questions: Number of questions of a comparison, the same in all its repetitions.
        repetitions: Number of judgements of a comparison.
        together: Judge the questions of a repetition in one call, as released. Otherwise each
            question is a call, and the mean over questions decides the repetition.
        seed: Seed of questions, orders and refinements.

    Raises:
        InputError: The budget has no end.
    """
    _limited(task)
    draw = np.random.default_rng(seed)
    best, number = start, 0
    try:
        while True:
            for new in task.refine(best, (), 1, number):
                asked = tuple(draw.choice(task.questions, questions, replace=False).tolist())
                groups = [asked] if together else [(question,) for question in asked]
                orders = draw.integers(2, size=repetitions).tolist()
                sure = task.prefer(
                    [
                        Asked(best, new, group) if turned else Asked(new, best, group)
                        for turned in orders
                        for group in groups
                    ]
                )
                first = np.reshape(sure, (repetitions, len(groups))).mean(1)
                won = np.where(orders, 1 - first, first)
                neutral = (won == 0.5).sum() > repetitions / 2
                adopted = neutral or (won > 0.5).sum() > (won < 0.5).sum()
                best = new if adopted else best
            number += 1
    except BudgetExhaustedError:
        return best


def random_search(task: PromptTask, start: str, *, questions: int = 4, seed: int = 0) -> str:
    """Refine the start alone and compare each refinement with the best so far, in both orders.

    Args:
        task: Task with judge and optimiser.
        start: The first prompt.
        questions: Number of questions of each comparison.
        seed: Seed of questions and refinements.

    Raises:
        InputError: The budget has no end.
    """
    return _search(task, start, questions, seed)


def best_of_n(task: PromptTask, start: str, *, questions: int = 4, seed: int = 0) -> str:
    """Refine the start, compare each refinement once with it, and keep the one that won most.

    Arguments and errors as for :func:`random_search`.
    """
    return _search(task, start, questions, seed, against_start=True)


BASELINES: dict[str, Callable[..., str]] = {
    "SPO": spo,
    "random search": random_search,
    "best of N": best_of_n,
}


def _search(
    task: PromptTask, start: str, questions: int, seed: int, *, against_start: bool = False
) -> str:
    _limited(task)
    draw = np.random.default_rng(seed)
    best, most, number = start, 0.5, 0
    try:
        while True:
            for new in task.refine(start, (), 1, number):
                asked = draw.choice(task.questions, questions, replace=False).tolist()
                won = float(
                    np.mean(compare(task, new, start if against_start else best, asked).wins)
                )
                if won > most:
                    best = new
                    most = won if against_start else most
            number += 1
    except BudgetExhaustedError:
        return best


def _limited(task: PromptTask) -> None:
    if task.ledger.budget == Budget():
        raise InputError("ledger: a baseline spends its whole budget; give calls or tokens")
