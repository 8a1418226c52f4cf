"""What UPA is held against, at the same budget: the chain, random search and best of N.

All three spend until the budget of the task's ledger is used up.
"""

from collections.abc import Callable, Iterator

import numpy as np

from sterling.agent.prompts.comparison import Comparison, compare
from sterling.agent.prompts.task import PromptTask
from sterling.errors import InputError
from sterling.lm import Budget, BudgetExhaustedError


def greedy_chain(task: PromptTask, start: str, *, questions: int = 3, seed: int = 0) -> str:
    """One prompt after another, each refined from the best so far and compared with it.

    Like SPO (Xiang et al., 2025): the order of the answers is drawn once for each comparison.

    Args:
        task: Judge and optimiser.
        start: The first prompt.
        questions: Of each comparison.
        seed: Of questions, orders and refinements.

    Raises:
        InputError: The budget has no end.
    """
    best = start
    lost: tuple[int, ...] = ()
    for number, draw in _rounds(task, seed):
        try:
            for new in task.refine(best, lost, 1, number):
                found = _compared(task, new, best, questions, draw, swap=False)
                if np.mean(found.wins) > 0.5:
                    best, lost = new, found.lost
        except BudgetExhaustedError:
            break
    return best


def random_search(task: PromptTask, start: str, *, questions: int = 4, seed: int = 0) -> str:
    """Refinements of the start alone, each against the best so far in both orders.

    Arguments and errors as for :func:`greedy_chain`.
    """
    best = start
    for number, draw in _rounds(task, seed):
        try:
            for new in task.refine(start, (), 1, number):
                if np.mean(_compared(task, new, best, questions, draw).wins) > 0.5:
                    best = new
        except BudgetExhaustedError:
            break
    return best


def best_of_n(task: PromptTask, start: str, *, questions: int = 4, seed: int = 0) -> str:
    """Refinements of the start, each judged once against it; the one that won most.

    Arguments and errors as for :func:`greedy_chain`.
    """
    best, most = start, 0.5
    for number, draw in _rounds(task, seed):
        try:
            for new in task.refine(start, (), 1, number):
                won = float(np.mean(_compared(task, new, start, questions, draw).wins))
                if won > most:
                    best, most = new, won
        except BudgetExhaustedError:
            break
    return best


BASELINES: dict[str, Callable[..., str]] = {
    "greedy chain": greedy_chain,
    "random search": random_search,
    "best of N": best_of_n,
}


def _rounds(task: PromptTask, seed: int) -> Iterator[tuple[int, np.random.Generator]]:
    if task.ledger.budget == Budget():
        raise InputError("ledger: a baseline spends its whole budget; give calls or tokens")
    draw = np.random.default_rng(seed)
    number = 0
    while True:
        yield number, draw
        number += 1


def _compared(
    task: PromptTask,
    new: str,
    old: str,
    questions: int,
    draw: np.random.Generator,
    *,
    swap: bool = True,
) -> Comparison:
    asked = draw.choice(task.questions, questions, replace=False).tolist()
    return compare(task, new, old, asked, swap=swap, draw=draw)
