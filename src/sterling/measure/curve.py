"""Both errors at every threshold: the points of a ROC or DET curve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sterling.measure.scores import Scores


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """Operating points in order of growing strictness, one per distinct score and one beyond.

    The first point accepts every presentation, the last rejects every one.

    Attributes:
        threshold: float64 (M,), in the scores' own direction; a presentation at or beyond it is
            accepted. The last lies one float beyond every score.
        apcer: float64 (M,), share of attacks accepted (the ROC's false positive rate), falling.
        bpcer: float64 (M,), share of bona fides rejected (1 - true positive rate), rising.
    """

    threshold: NDArray[np.float64]
    apcer: NDArray[np.float64]
    bpcer: NDArray[np.float64]


def error_curve(scores: Scores, species: str = "pooled") -> ErrorCurve:
    """APCER and BPCER at every threshold that can be told apart.

    Args:
        scores: With at least one bona fide and one attack presentation.
        species: APCER over all attacks as one (``"pooled"``, the usual DET curve), of the worst
            species at each threshold (``"max"``), or of one named species.

    Raises:
        NothingMeasuredError: When bona fides or attacks are missing.
    """
    bona_fide = np.sort(scores.bona_fides())
    attacks = [np.sort(values) for values in scores.attacks(species).values()]
    cuts = np.unique(np.concatenate([bona_fide, *attacks]))
    bpcer = np.append(np.searchsorted(bona_fide, cuts, side="left"), len(bona_fide))
    apcer = np.zeros(len(cuts) + 1)
    for values in attacks:
        rejected = np.append(np.searchsorted(values, cuts, side="left"), len(values))
        np.maximum(apcer, (len(values) - rejected) / len(values), out=apcer)
    upward = np.append(cuts, np.nextafter(cuts[-1], np.inf))
    threshold = upward if scores.direction == "up" else -upward
    return ErrorCurve(threshold, apcer, bpcer / len(bona_fide))
