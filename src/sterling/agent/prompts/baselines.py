"""Baselines of UPA at the same budget: the chain, random search and best of N.

All three spend until the budget of the task's ledger is used up.
"""

from collections.abc import Callable

import numpy as np

from sterling.agent.prompts.comparison import PromptTask, compare
from sterling.errors import InputError
from sterling.lm import Budget, BudgetExhaustedError


def greedy_chain(task: PromptTask, start: str, *, questions: int = 3, seed: int = 0) -> str:
    """Refine the best prompt so far and compare each refinement with it.

    Like SPO (Xiang et al., 2025): the order of the answers is drawn once for each comparison.

    Args:
        task: Task with judge and optimiser.
        start: The first prompt.
        questions: Number of questions of each comparison.
        seed: Seed of questions, orders and refinements.

    Raises:
        InputError: The budget has no end.
    """
    return _search(task, start, questions, seed, chain=True, swap=False)


def random_search(task: PromptTask, start: str, *, questions: int = 4, seed: int = 0) -> str:
    """Refine the start alone and compare each refinement with the best so far, in both orders.

    Arguments and errors as for :func:`greedy_chain`.
    """
    return _search(task, start, questions, seed)


def best_of_n(task: PromptTask, start: str, *, questions: int = 4, seed: int = 0) -> str:
    """Refine the start, compare each refinement once with it, and keep the one that won most.

    Arguments and errors as for :func:`greedy_chain`.
    """
    return _search(task, start, questions, seed, against_start=True)


BASELINES: dict[str, Callable[..., str]] = {
    "greedy chain": greedy_chain,
    "random search": random_search,
    "best of N": best_of_n,
}


def _search(
    task: PromptTask,
    start: str,
    questions: int,
    seed: int,
    *,
    chain: bool = False,
    swap: bool = True,
    against_start: bool = False,
) -> str:
    if task.ledger.budget == Budget():
        raise InputError("ledger: a baseline spends its whole budget; give calls or tokens")
    draw = np.random.default_rng(seed)
    best, most, number = start, 0.5, 0
    lost: tuple[int, ...] = ()
    try:
        while True:
            for new in task.refine(best if chain else start, lost, 1, number):
                asked = draw.choice(task.questions, questions, replace=False).tolist()
                rival = start if against_start else best
                found = compare(task, new, rival, asked, swap=swap, draw=draw)
                won = float(np.mean(found.wins))
                if won > most:
                    best = new
                    most = won if against_start else most
                    lost = found.lost if chain else lost
            number += 1
    except BudgetExhaustedError:
        return best
