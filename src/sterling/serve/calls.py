"""The two shapes that tasks of a worker share."""

from collections.abc import Mapping
from typing import Any, Protocol

Arguments = Mapping[str, Any]
"""Arguments of a task, as JSON."""


class Report(Protocol):
    """Function that a task calls while it works."""

    def __call__(self, done: int, total: int, step: str = "") -> None:
        """Report how many items of a step are done, of how many; 0 where that is unknown."""
