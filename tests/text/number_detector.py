"""A detector for tests: the text says its own score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Scored, train_detector


class NumberDetector:
    """Scores a text by the number that it is; a text that is none is not scored."""

    name = "number"

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Nothing."""

    def score(self, texts: Sequence[str]) -> Scored:
        values, reasons = [], []
        for text in texts:
            try:
                values.append(float(text.split()[0]))
                reasons.append("")
            except (ValueError, IndexError):
                values.append(np.nan)
                reasons.append("no number")
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        return {}

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing."""


def trained_detector(human: Sequence[float], machine: Sequence[float]) -> CalibratedDetector:
    """A detector trained and calibrated on texts that are these numbers."""
    records = [*numbers("h", human, 0), *numbers("m", machine, 1)]
    return train_detector(NumberDetector(), records, records)


def numbers(
    name: str, values: Sequence[float | str], label: int, *, domain: str = "", model: str = "human"
) -> list[TextRecord]:
    """One record per value."""
    return [
        TextRecord(f"{name}{row}", str(value), label, f"{name}{row}", domain=domain, model=model)
        for row, value in enumerate(values)
    ]
