"""What a search over prompts asks of the world: refinements and preferences, never a label."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sterling.lm import CallLedger


class Asked(NamedTuple):
    """Which answer to a question is better: that of the first prompt or of the second?"""

    first: str
    second: str
    question: int


class PromptTask(Protocol):
    """Questions without answers, a judge, and an optimiser that writes prompts."""

    @property
    def questions(self) -> int:
        """How many there are."""
        ...

    @property
    def ledger(self) -> CallLedger:
        """What was spent, and the budget."""
        ...

    def prefer(self, asked: Sequence[Asked]) -> list[float]:
        """For each, how sure the judge is that the first shown is better, in [0, 1].

        Raises:
            BudgetExhaustedError: The budget is used up.
        """
        ...

    def refine(self, prompt: str, lost: Sequence[int], count: int, seed: int) -> list[str]:
        """So many changed versions of a prompt; `lost` are questions where it did badly.

        Raises:
            BudgetExhaustedError: The budget is used up.
        """
        ...
