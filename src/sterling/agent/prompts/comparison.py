"""Comparing two prompts so that the place of an answer does not matter.

A judge that likes the first answer better says so in both orders, and half of each cancels:
w = ½ (p(i first) + 1 - p(j first)) falls to ½ by itself where the two orders contradict each other.
(UPA, arXiv 2601.23273, compares order-invariantly; this formula is ours.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sterling.agent.prompts.task import Asked, PromptTask


@dataclass(frozen=True)
class Comparison:
    """What comparing two prompts on some questions gave.

    Attributes:
        wins: For each question how much the first prompt won, in [0, 1].
        lean: How much surer the judge was of whatever stood first: mean of p(first) - ½. 0 where
            only one order was asked.
        lost: Questions where the first prompt won less than half.
    """

    wins: tuple[float, ...]
    lean: float
    lost: tuple[int, ...]


def compare(
    task: PromptTask,
    first: str,
    second: str,
    questions: Sequence[int],
    *,
    swap: bool = True,
    draw: np.random.Generator | None = None,
) -> Comparison:
    """Compare two prompts on questions.

    Args:
        task: Its judge is asked.
        first: A prompt.
        second: Another.
        questions: Numbers of questions.
        swap: Ask in both orders. Without it each question is asked once, in an order that `draw`
            chooses once for all of them, or with the first prompt first.
        draw: Chooses the order where `swap` is false.

    Raises:
        BudgetExhaustedError: The budget is used up.
    """
    ahead = [Asked(first, second, question) for question in questions]
    behind = [Asked(second, first, question) for question in questions]
    if swap:
        sure = task.prefer([*ahead, *behind])
        one, other = np.array(sure[: len(ahead)]), np.array(sure[len(ahead) :])
        wins = (one + 1 - other) / 2
        lean = float((one + other - 1).mean() / 2)
    else:
        turned = draw is not None and bool(draw.integers(2))
        sure = task.prefer(behind if turned else ahead)
        wins = 1 - np.array(sure) if turned else np.array(sure)
        lean = 0.0
    lost = tuple(q for q, won in zip(questions, wins, strict=True) if won < 0.5)
    return Comparison(tuple(float(won) for won in wins), lean, lost)
