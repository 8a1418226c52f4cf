from sterling.face.evaluation.prediction import Prediction
from sterling.face.pad.detector.decision import Decision, Outcome


def line(outcome: Outcome, reason: str, score: float | None) -> str:
    return Prediction("a.jpg", (1, 2, 3, 4), Decision(outcome, reason, score, 0.5)).line()


def test_a_line_says_the_score_once_and_why_there_is_no_answer() -> None:
    assert line(Outcome.BONA_FIDE, "score", 0.8) == "a.jpg: bona fide (score 0.8000)"
    near = line(Outcome.CANNOT_TELL, "near_threshold", 0.51)
    assert near == "a.jpg: cannot tell (near_threshold, score 0.5100)"
    assert line(Outcome.CANNOT_TELL, "no_face", None) == "a.jpg: cannot tell (no_face)"
