import dataclasses

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.face.pad import Decision, Detector, Outcome, decide, margin_for
from sterling.measure import Threshold


@pytest.fixture
def threshold(detector: Detector) -> Threshold:
    assert detector.threshold is not None  # at 0.5
    return detector.threshold


def test_a_score_on_the_threshold_is_bona_fide(threshold: Threshold) -> None:
    below = float(np.nextafter(0.5, 0))
    outcomes = [answer.outcome for answer in decide([0.5, below], threshold)]
    assert outcomes == [Outcome.BONA_FIDE, Outcome.ATTACK]


def test_reasons(threshold: Threshold) -> None:
    answers = decide([0.9, 0.45, 0.4375, float("nan"), "too_small"], threshold, margin=0.0625)
    tell = Outcome.CANNOT_TELL
    assert answers == (
        Decision(Outcome.BONA_FIDE, "score", 0.9, 0.5),
        Decision(tell, "near_threshold", 0.45, 0.5),
        Decision(Outcome.ATTACK, "score", 0.4375, 0.5),  # the margin's edge is decided
        Decision(tell, "not_finite", None, 0.5),
        Decision(tell, "too_small", None, 0.5),
    )


def test_margin_leaves_the_stated_share_undecided(threshold: Threshold) -> None:
    scores = np.random.default_rng(0).uniform(0, 1, 1000)
    margin = margin_for(scores, threshold, share=0.1)
    answers = decide(scores.tolist(), threshold, margin=margin)
    undecided = sum(answer.outcome is Outcome.CANNOT_TELL for answer in answers)
    assert abs(undecided - 100) <= 1
    assert margin_for(scores, threshold, share=0.0) == 0.0


def test_wrong_input_is_refused(threshold: Threshold) -> None:
    with pytest.raises(InputError, match="margin"):
        decide([0.1], threshold, margin=-1.0)
    with pytest.raises(InputError, match="direction"):
        decide([0.1], dataclasses.replace(threshold, direction="down"))
    with pytest.raises(InputError, match="share"):
        margin_for([0.1], threshold, share=1.0)
    with pytest.raises(InputError, match="finite"):
        margin_for([np.nan], threshold, share=0.1)
    with pytest.raises(InputError, match="one score"):
        margin_for([], threshold, share=0.1)
