"""Turn a score into one of three answers, each with a named reason."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from sterling.errors import InputError
from sterling.measure import Threshold


class Outcome(StrEnum):
    """The three answers to a presentation."""

    BONA_FIDE = "bona fide"
    ATTACK = "attack"
    CANNOT_TELL = "cannot tell"


class ScoringError(InputError):
    """A detector that is code of others raised, or did not answer with one score per crop.

    Attributes:
        crop: Index of the crop, or of the first of a batch.
    """

    def __init__(self, message: str, crop: int) -> None:
        super().__init__(message)
        self.crop = crop


@dataclass(frozen=True)
class Decision:
    """The answer to one presentation.

    Attributes:
        outcome: Bona fide, attack, or cannot tell.
        reason: "score" when the score decided; "near_threshold" or "not_finite" when it could not;
            "unfamiliar" when the detector's reference refused the crop; otherwise why there is no
            score, as the caller named it ("unreadable", "no_face", a reason of `Limits`, ...).
        score: Higher means bona fide; None without one.
        threshold: Threshold that the score was compared with.
    """

    outcome: Outcome
    reason: str
    score: float | None
    threshold: float


def decide(
    scores: Sequence[float | str], threshold: Threshold, *, margin: float = 0.0
) -> tuple[Decision, ...]:
    """Answer each presentation: bona fide iff score >= threshold, unless too close to tell.

    Args:
        scores: Per presentation a score (higher means bona fide), or the reason there is none.
        threshold: Must have direction "up".
        margin: Scores nearer to the threshold than this are not decided; 0 decides all.

    Raises:
        InputError: The threshold's direction is not "up", or `margin` is negative.
    """
    if threshold.direction != "up":
        raise InputError(f"threshold has direction {threshold.direction!r}: a liveness score is up")
    if not margin >= 0:
        raise InputError(f"margin is {margin}: it must be 0 or more")
    return tuple(_one(score, threshold.value, margin) for score in scores)


def _one(score: float | str, threshold: float, margin: float) -> Decision:
    if isinstance(score, str):
        return Decision(Outcome.CANNOT_TELL, score, None, threshold)
    if not math.isfinite(score):
        return Decision(Outcome.CANNOT_TELL, "not_finite", None, threshold)
    if abs(score - threshold) < margin:
        return Decision(Outcome.CANNOT_TELL, "near_threshold", score, threshold)
    outcome = Outcome.BONA_FIDE if score >= threshold else Outcome.ATTACK
    return Decision(outcome, "score", score, threshold)


def margin_for(dev_scores: ArrayLike, threshold: Threshold, *, share: float) -> float:
    """Return the margin that leaves about `share` of the development presentations undecided.

    The quantile of the distances between scores and threshold. Our own simple rule: it says how
    often the detector abstains, not how often it errs.

    Args:
        dev_scores: Finite scores (N,) of development presentations, N >= 1.
        threshold: The threshold in use.
        share: Share of development presentations to abstain on, in [0, 1).

    Raises:
        InputError: No scores, a score that is not finite, or `share` outside [0, 1).
    """
    values = np.asarray(dev_scores, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise InputError("dev_scores: at least one score is needed, and all must be finite")
    if not 0 <= share < 1:
        raise InputError(f"share is {share}: it lies in [0, 1)")
    if share == 0:
        return 0.0
    return float(np.quantile(np.abs(values - threshold.value), share))
