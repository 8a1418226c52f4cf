"""Figures of merit against independent ones, and nothing that could not be scored is dropped."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score
from tests.text.number_detector import numbers, trained_detector

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Scores
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector
from sterling.text.evaluation.effectiveness import (
    BREAKDOWNS,
    _calibration_error,
    area_under_risk_coverage,
    breakdown,
    effectiveness,
    judge_timed,
    risks,
    worst_case,
)


@pytest.fixture(scope="module")
def trained() -> CalibratedDetector:
    rng = np.random.default_rng(0)
    return trained_detector(rng.normal(0, 1, 60).tolist(), rng.normal(2, 1, 60).tolist())


def fresh(n: int = 150) -> list[TextRecord]:
    rng = np.random.default_rng(1)
    return [
        *numbers("th", rng.normal(0, 1, n).tolist(), 0, domain="news"),
        *numbers("tm", rng.normal(2, 1, n).tolist(), 1, domain="news", model="a"),
    ]


def test_figures_are_those_of_scikit_learn(trained: CalibratedDetector) -> None:
    judged = trained.judge(fresh())
    found = effectiveness(judged, trained.threshold.value, repetitions=50)
    y, p = judged.label, judged.probability
    area = roc_auc_score(y, p)
    estimates = {**found.drawn, "AUROC": found.auroc}
    expected = {
        "F1": f1_score(y, judged.machine),
        "AUROC": area,
        "AUPR": average_precision_score(y, p),
        "Brier score": brier_score_loss(y, p),
    }
    for name, value in expected.items():
        assert estimates[name].value == pytest.approx(value), name
        assert estimates[name].interval.contains(value), name
    assert found.accuracy.value == pytest.approx((judged.machine == y).mean())
    assert found.scored_only is not None
    assert found.scored_only[0].value == pytest.approx(area)
    assert found.not_scored == 0
    human = np.sort(judged.logit[~y])
    for rate, point in found.tpr.items():
        cut = human[-int(rate * len(human)) - 1]
        assert point.rate.value == pytest.approx((judged.logit[y] > cut).mean())


def test_a_detector_gains_nothing_by_failing(trained: CalibratedDetector) -> None:
    """A text on the wrong side is not left out: figures fall that dropping it would raise."""
    records = fresh()
    judged = trained.judge(records)
    wrong = judged.machine != judged.label
    failing = [
        TextRecord(one.id, "?", one.label, one.group) if bad else one
        for one, bad in zip(records, wrong, strict=True)
    ]
    before, after = (
        effectiveness(trained.judge(each), trained.threshold.value, repetitions=20)
        for each in (records, failing)
    )
    assert after.not_scored == int(wrong.sum()) > 5
    assert after.accuracy == before.accuracy
    assert after.auroc.value < before.auroc.value
    assert after.drawn["AUPR"].value < before.drawn["AUPR"].value
    for name in ("Brier score", "area under risk-coverage"):
        assert after.drawn[name].value > before.drawn[name].value
    assert after.scored_only is not None
    assert after.scored_only[0].value > before.auroc.value


def test_calibration_error_of_right_probabilities_falls_as_one_over_root_n() -> None:
    rng = np.random.default_rng(0)

    def error(n: int) -> float:
        logits = rng.normal(0, 2, n)
        return _calibration_error(Scores(logits, rng.random(n) < 1 / (1 + np.exp(-logits))))

    few, many = (np.mean([error(n) for _ in range(20)]) for n in (500, 50_000))
    assert few / many == pytest.approx(10, rel=0.3)
    assert many < 0.01


def test_risk_coverage_of_known_answers() -> None:
    scores = Scores([3.0, 2.0, 1.0, -1.0], [True, False, True, False])
    # Surest first: right, wrong, then two equally sure, both right.
    assert area_under_risk_coverage(scores, 0.0) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    tied = Scores([1.0, 1.0], [True, False])
    assert area_under_risk_coverage(tied, 0.0) == pytest.approx(0.5)
    assert risks(scores, 0.0)[-1] == pytest.approx(0.25)


def test_parts_have_their_own_figures(trained: CalibratedDetector) -> None:
    records = [
        *fresh(60),
        *numbers("x", [5.0, 6.0], 1, domain="law", model="b"),
        *numbers("y", ["0 " + "word " * 120], 0, domain="law"),
    ]
    judged = trained.judge(records)
    cut = trained.threshold.value
    law, news = breakdown(judged, "domain", cut)
    assert (law.part, news.part) == ("law", "news")
    assert law.texts == 3
    assert law.auroc is not None
    assert law.auroc.value == 1
    assert {one.part: one.texts for one in breakdown(judged, "model", cut)} == {"a": 121, "b": 63}
    lengths = breakdown(judged, "length", cut)
    assert [one.part for one in lengths] == ["0 to 49 words", "100 to 199 words"]
    assert lengths[1].auroc is None
    assert set(BREAKDOWNS) == {"domain", "language", "model", "length"}
    with pytest.raises(InputError, match="unknown breakdown 'topic'"):
        breakdown(judged, "topic", 0.0)


def test_nothing_scored_is_no_result(trained: CalibratedDetector) -> None:
    with pytest.raises(NothingMeasuredError, match="no number"):
        worst_case(trained.judge(numbers("x", ["?", "?"], 1)))
    one_class = trained.judge(numbers("x", [1.0, 2.0], 1))
    with pytest.raises(NothingMeasuredError):
        effectiveness(one_class, 0.0, repetitions=5)


def test_the_cost_of_scoring_is_measured(trained: CalibratedDetector) -> None:
    judged, spent = judge_timed(trained, fresh())
    assert len(judged.records) == spent.texts == 300
    assert spent.seconds > 0
    assert (spent.peak_mib or 0) > 50
