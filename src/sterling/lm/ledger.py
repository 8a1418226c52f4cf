"""Costs of calls to language models, and their budget."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from threading import Lock


class BudgetExhaustedError(RuntimeError):
    """The budget of calls or tokens is used up; no further call was made."""


@dataclass(frozen=True)
class Budget:
    """Limits of spending; None is without limit.

    Attributes:
        calls: Largest number of prompts.
        tokens: Number of tokens of prompts and answers from which on calls are refused; the last
            call may go beyond.
    """

    calls: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Call:
    """One prompt and its answer.

    Attributes:
        purpose: Purpose of the call ("judge", "attack", ...), "" where none was given.
        model: Name of the model.
        prompt_tokens: Number of tokens of the prompt.
        new_tokens: Number of tokens of the answer.
        seconds: Wall time; where several prompts ran as one batch, each one's share.
    """

    purpose: str
    model: str
    prompt_tokens: int
    new_tokens: int
    seconds: float


@dataclass
class CallLedger:
    """Every call in order, and the budget. One ledger may serve several models and threads."""

    budget: Budget = field(default_factory=Budget)
    calls: list[Call] = field(default_factory=list)
    _reserved: int = field(default=0, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def tokens(self) -> int:
        """Tokens used so far, of prompts and answers."""
        return sum(call.prompt_tokens + call.new_tokens for call in self.calls)

    def require(self, calls: int) -> None:
        """Check that the budget holds a number of further calls, beside those that are reserved.

        Raises:
            BudgetExhaustedError: They are more than the budget leaves.
        """
        limit, taken = self.budget.calls, len(self.calls) + self._reserved
        if calls and limit is not None and taken + calls > limit:
            raise BudgetExhaustedError(
                f"{taken} of {limit} calls are made and {calls} more were asked for"
            )
        if self.budget.tokens is not None and self.tokens >= self.budget.tokens:
            raise BudgetExhaustedError(f"{self.tokens} of {self.budget.tokens} tokens are used")

    @contextmanager
    def reserve(self, calls: int) -> Iterator[Callable[[Iterable[Call]], None]]:
        """Set calls aside while they are made, so that no other thread spends them too.

        Yields:
            A function that enters calls as they are made; those that never are become free again.

        Raises:
            BudgetExhaustedError: They are more than the budget leaves; none is set aside.
        """
        with self._lock:
            self.require(calls)
            self._reserved += calls
        left = calls

        def enter(made: Iterable[Call]) -> None:
            nonlocal left
            entered = list(made)
            with self._lock:
                self.calls.extend(entered)
                self._reserved -= len(entered)
                left -= len(entered)

        try:
            yield enter
        finally:
            with self._lock:
                self._reserved -= left

    def add(self, calls: Iterable[Call]) -> None:
        """Enter calls that nobody reserved."""
        with self._lock:
            self.calls.extend(calls)

    def by_purpose(self) -> dict[str, dict[str, float]]:
        """Return sums by purpose: calls, prompt_tokens, new_tokens, seconds."""
        sums: dict[str, dict[str, float]] = {}
        for call in self.calls:
            row = sums.setdefault(
                call.purpose, {"calls": 0, "prompt_tokens": 0, "new_tokens": 0, "seconds": 0.0}
            )
            row["calls"] += 1
            row["prompt_tokens"] += call.prompt_tokens
            row["new_tokens"] += call.new_tokens
            row["seconds"] += call.seconds
        return sums

    def rows(self) -> list[dict[str, str | int | float]]:
        """Return the calls as plain rows, to be written as JSON or a table."""
        return [asdict(call) for call in self.calls]
