"""Whether documents are like the calibration texts in what a detector does not look at.

The guarantee of a declared list asks that the documents which people wrote are like the calibration
texts. Nobody knows which they are, so the assumption itself cannot be tested. What can be tested is
whether all documents together are like the calibration texts in their length, their words and their
letters. If they are not, the machine-written ones may make the difference: then those that were not
declared should be like the calibration texts. No difference is no proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.guarantee.exchangeability import exchangeability_p_value
from sterling.guarantee.family_wise import holm_adjusted
from sterling.text.evaluation.unlike import letter_rarity, share_of_symbols

LEVEL = 0.01  # of all features together; ours, as for the other diagnostics of a shift
FIRST_WORDS = 100  # the vocabulary of a longer text is poorer for its length alone
FEATURES = (
    "words",
    "letters in a word",
    f"distinct words among the first {FIRST_WORDS}",
    "share of digits and symbols",
    "rarity of its letter groups",
)


@dataclass(frozen=True)
class FeatureShift:
    """One feature of the documents compared with the calibration texts.

    Attributes:
        feature: Name of the feature, one of `FEATURES`.
        documents: Median over the documents; None where it can be measured on none.
        calibration: Median over the calibration texts; None likewise.
        p_value: p-value of the two-sample Kolmogorov-Smirnov test, by Holm's procedure adjusted for
            the number of features.
    """

    feature: str
    documents: float | None
    calibration: float | None
    p_value: float

    @property
    def differs(self) -> bool:
        """Whether documents and calibration texts differ at `LEVEL`."""
        return self.p_value < LEVEL


def compare_features(
    documents: Sequence[str], calibration: Sequence[str]
) -> tuple[FeatureShift, ...]:
    """Compare every feature by a two-sample test.

    If all documents and calibration texts are exchangeable, the chance that any feature differs is
    at most `LEVEL`. Features that no model scores: words, letters per word, distinct words among
    the first 100 (texts with fewer are left out), share of digits and symbols, and mean negative
    log-frequency of groups of three letters, counted in every other calibration text and measured
    on the rest, which differs by language and kind.

    Args:
        documents: Documents in question, at least one.
        calibration: Texts of people, at least one.

    Examples:
        >>> short, long = ["a b c d e f"] * 40, ["a b c d e f g h i j k l"] * 40
        >>> [one.feature for one in compare_features(long, short) if one.differs][0]
        'words'
    """
    new, known = _features(documents, calibration)
    measured = [
        (
            new[:, column][np.isfinite(new[:, column])],
            known[:, column][np.isfinite(known[:, column])],
        )
        for column in range(len(FEATURES))
    ]
    p = [exchangeability_p_value(b, a) if len(a) and len(b) else 1.0 for a, b in measured]
    return tuple(
        FeatureShift(name, _median(a), _median(b), adjusted)
        for name, (a, b), adjusted in zip(
            FEATURES, measured, holm_adjusted(p).tolist(), strict=True
        )
    )


def _features(
    documents: Sequence[str], calibration: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    new, known = (
        np.array([[*_of_words(text), share_of_symbols(text), np.nan] for text in part])
        for part in (documents, calibration)
    )
    # Every other calibration text gives the frequencies: documents and the rest are treated alike.
    reference, rest = calibration[::2], calibration[1::2]
    rarity = letter_rarity([*documents, *rest], reference)
    new[:, -1] = rarity[: len(documents)]
    known[1::2, -1] = rarity[len(documents) :]
    return new, known


def _of_words(text: str) -> tuple[float, float, float]:
    words = text.lower().split()
    first = words[:FIRST_WORDS]
    letters = sum(map(len, words)) / max(1, len(words))
    distinct = float(len(set(first))) if len(first) == FIRST_WORDS else np.nan
    return float(len(words)), letters, distinct


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) else None
