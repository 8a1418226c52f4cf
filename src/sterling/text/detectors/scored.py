"""What a detector says about texts, and the contract that every detector keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

LEAST_TOKENS = 16  # ours: with fewer, no statistic of tokens says anything


@dataclass(frozen=True, eq=False)
class Scored:
    """One score per text.

    Attributes:
        values: float64 (N,), larger is more like a machine's text unless the detector's direction
            is learned; NaN where a text could not be scored.
        reasons: Why not, one per text, "" where it was scored.
    """

    values: NDArray[np.float64]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, values: ArrayLike, reasons: Sequence[str]) -> "Scored":
        """Scores with reasons; a value that is not finite becomes one that could not be scored."""
        array = np.array(values, dtype=np.float64)
        array[[bool(reason) for reason in reasons]] = np.nan
        array[~np.isfinite(array)] = np.nan
        filled = [
            reason or ("the score is not finite" if np.isnan(value) else "")
            for value, reason in zip(array, reasons, strict=True)
        ]
        return cls(array, tuple(filled))


class Detector(Protocol):
    """Tells texts of machines from texts of people by one number."""

    @property
    def name(self) -> str:
        """As the field names it."""
        ...

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Learn from training texts, 1 for machine; most detectors have nothing to learn."""
        ...

    def score(self, texts: Sequence[str]) -> Scored:
        """One score per text; no text raises."""
        ...

    def settings(self) -> dict[str, Any]:
        """What one must know to get the same score again, as JSON."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What was learned, as tensors; empty where nothing is."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        ...


def unreadable(text: str) -> str:
    """Why a text cannot be tokenized: it is empty or holds half of a surrogate pair; "" if it can.

    The cost does not depend on what an attacker puts into the text.
    """
    if not text.strip():
        return "empty"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"character {error.start} is half of a surrogate pair"
    return ""
