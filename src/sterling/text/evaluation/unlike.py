"""Documents of another kind than the calibration texts: another language, code, emoji.

A conformal p-value says how unlike the calibration texts a document is, not why. A German text
among English ones is unlike them whoever wrote it. Ours, as a guard before such a p-value is read.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

EXCESS = 1.0  # nats per three letters above the median of the calibration texts
EXCESS_SYMBOLS = 0.1  # share of characters above their median
SMOOTHING = 0.5
MAX_CHARACTERS = 20_000


def unlike_calibration(texts: Sequence[str], calibration: Sequence[str]) -> NDArray[np.bool_]:
    """Mark texts with rarer letters, or more symbols, than every calibration text.

    The rarity of a text is the mean negative log-frequency of its groups of three letters (lower
    case; what is no letter ends a word) in the calibration texts, of each of which the others give
    the frequency. Symbols are digits and what prose has no use for. For either, a text that is like
    n calibration texts exceeds all of them with a chance of about 1 in n + 1. A text is marked only
    if it also lies `EXCESS` or `EXCESS_SYMBOLS` above their median. These bars are ours: against
    100 passages of American presidents' addresses, fifteen languages in Latin letters lie 1.4 to
    3.8 nats above it, program code 1.1 to 1.6, English news, medicine and science 0.6 to 0.7, chat
    1.6.

    Args:
        texts: The documents.
        calibration: Texts of the kind that is expected, at least one.

    Returns:
        Whether each text is marked, bool (N,).
    """
    # Groups that no calibration text holds have a place in the counts, too.
    counts = _letter_groups([*calibration, *texts])
    known = counts[: len(calibration)]
    total = np.asarray(known.sum(axis=0), dtype=np.float64).ravel()
    seen = int((total > 0).sum()) + 1
    own = _rarity(known, total, seen, leave_out=True)
    asked = _rarity(counts[len(calibration) :], total, seen, leave_out=False)
    symbols, own_symbols = (
        np.array([share_of_symbols(one) for one in part]) for part in (texts, calibration)
    )
    marked: NDArray[np.bool_] = _above(asked, own, EXCESS)
    marked |= _above(symbols, own_symbols, EXCESS_SYMBOLS)
    return marked


def letter_rarity(texts: Sequence[str], reference: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean negative log-frequency of each text's groups of letters in others, (N,).

    Args:
        texts: Texts to measure.
        reference: Texts whose groups of letters are counted, none of them among `texts`.
    """
    counts = _letter_groups([*reference, *texts])
    total = np.asarray(counts[: len(reference)].sum(axis=0), dtype=np.float64).ravel()
    seen = int((total > 0).sum()) + 1
    return _rarity(counts[len(reference) :], total, seen, leave_out=False)


def _letter_groups(texts: Sequence[str]) -> sparse.csr_matrix:
    """Count the groups of three letters of each text, (texts, groups)."""
    counter = CountVectorizer(
        analyzer="char", ngram_range=(3, 3), lowercase=False, preprocessor=_letters
    )
    return counter.fit_transform(texts).tocsr()


def _above(
    asked: NDArray[np.float64], own: NDArray[np.float64], excess: float
) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = (asked > own.max()) & (asked > np.median(own) + excess)
    return above


def _letters(text: str) -> str:
    letters = re.sub(r"[\W\d_]", " ", text[:MAX_CHARACTERS].lower())
    return f"__{'_'.join(letters.split())}__"  # without any letter a group that is nowhere else


def share_of_symbols(text: str) -> float:
    """Share of characters that are neither letters nor the punctuation of prose."""
    marks = "".join(text[:MAX_CHARACTERS].split())
    odd = sum(not one.isalpha() and one not in ".,;:!?'\"()-–—‘’“”…" for one in marks)
    return odd / max(1, len(marks))


def _rarity(
    counts: sparse.csr_matrix, total: NDArray[np.float64], seen: int, *, leave_out: bool
) -> NDArray[np.float64]:
    """Mean negative log-frequency of each row's groups of letters, (N,)."""
    table = counts.tocoo()
    length = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    others, size = total[table.col], np.full(len(length), total.sum())
    if leave_out:
        others, size = others - table.data, size - length
    rare = -np.log((others + SMOOTHING) / (size[table.row] + SMOOTHING * seen))
    summed = np.bincount(table.row, weights=table.data * rare, minlength=len(length))
    return np.asarray(summed / np.maximum(length, 1))
