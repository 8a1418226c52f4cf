"""Scores of texts, and the contract that every detector keeps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sterling.errors import InputError

LEAST_TOKENS = 16  # ours: with fewer, no statistic of tokens says anything


@dataclass(frozen=True, eq=False)
class Scored:
    """One score per text.

    Attributes:
        values: float64 (N,), larger is more like a machine's text unless the detector's direction
            is learned; NaN where a text could not be scored.
        reasons: Reason why a text was not scored, "" where it was.
    """

    values: NDArray[np.float64]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, values: ArrayLike, reasons: Sequence[str]) -> "Scored":
        """Join scores and reasons; a value that is not finite counts as not scored."""
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
        """Name in the field's terms."""
        ...

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Learn from training texts, 1 for machine; most detectors have nothing to learn."""
        ...

    def score(self, texts: Sequence[str]) -> Scored:
        """Score every text; no text raises."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return the settings that a score depends on, as JSON."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what was learned, as tensors; empty where nothing is."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""
        ...


class TrainingFree:
    """Base of detectors that learn nothing."""

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Do nothing."""

    def state(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Do nothing."""


@dataclass(eq=False)
class FunctionDetector(TrainingFree):
    """A function of texts as a detector.

    Attributes:
        name: Name of the function.
        function: Maps a list of texts to one number each, larger is more like a machine's text.
            Empty texts and halves of surrogate pairs are not given to it.

    Examples:
        >>> letters = FunctionDetector("letters", lambda texts: [len(text) for text in texts])
        >>> letters.score(["a bee", ""]).values.tolist()
        [5.0, nan]
    """

    name: str
    function: Callable[[list[str]], ArrayLike]

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by the function.

        Raises:
            InputError: The function raised, or gave other than one number for each text.
        """
        reasons = [unreadable(text) for text in texts]
        asked = [text for text, reason in zip(texts, reasons, strict=True) if not reason]
        try:
            found = np.asarray(self.function(asked), dtype=np.float64) if asked else np.zeros(0)
        except Exception as error:  # foreign code raises anything
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"detector {self.name}: {told}") from error
        if found.shape != (len(asked),):
            raise InputError(
                f"detector {self.name}: gave an array {found.shape} for {len(asked)} texts; give "
                "one number a text"
            )
        values = np.full(len(texts), np.nan)
        values[[not reason for reason in reasons]] = found
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        """Return the name of the function."""
        return {"function": self.name}


def unreadable(text: str) -> str:
    """Return why a text cannot be tokenized: empty, or half of a surrogate pair; "" if it can.

    The cost does not depend on what an attacker puts into the text.
    """
    if not text.strip():
        return "empty"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"character {error.start} is half of a surrogate pair"
    return ""


def too_short(length: int, unit: str = "tokens", least: int = LEAST_TOKENS) -> str:
    """Return why a text of some length is too short to be scored; "" if it is not."""
    if length >= least:
        return ""
    return (
        f"too short: {length} {unit.removesuffix('s') if length == 1 else unit}, {least} are needed"
    )


def score_words(
    texts: Sequence[str],
    score: Callable[[str, list[str]], float],
    cut: Callable[[str], list[str]] = str.split,
) -> Scored:
    """Score texts one by one from their words; short and unreadable ones are not scored.

    Args:
        texts: Any texts.
        score: Maps a text and its words to the score.
        cut: Cuts a text into the words that count.
    """
    words = [cut(text) for text in texts]
    reasons = [
        unreadable(text) or too_short(len(own), "words")
        for text, own in zip(texts, words, strict=True)
    ]
    values = [
        np.nan if reason else score(text, own)
        for text, own, reason in zip(texts, words, reasons, strict=True)
    ]
    return Scored.of(values, reasons)
