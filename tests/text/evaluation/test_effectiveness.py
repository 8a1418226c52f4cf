"""Figures of merit against independent ones, and nothing that could not be scored is dropped."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score
from tests.text.number_detector import NumberDetector, numbers

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Scores
from sterling.study import Metric
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Judged, train_detector
from sterling.text.evaluation.effectiveness import (
    BREAKDOWNS,
    area_under_risk_coverage,
    breakdown,
    effectiveness,
    judge_timed,
    risk_coverage,
    worst_case,
)


def detector(seed: int = 0) -> CalibratedDetector:
    rng = np.random.default_rng(seed)
    records = [
        *numbers("h", rng.normal(0, 1, 60).tolist(), 0),
        *numbers("m", rng.normal(2, 1, 60).tolist(), 1),
    ]
    return train_detector(NumberDetector(), records, records)


def fresh(seed: int = 1, n: int = 150) -> list[TextRecord]:
    rng = np.random.default_rng(seed)
    return [
        *numbers("th", rng.normal(0, 1, n).tolist(), 0, domain="news"),
        *numbers("tm", rng.normal(2, 1, n).tolist(), 1, domain="news", model="a"),
    ]


def by_name(metrics: list[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def test_figures_are_those_of_scikit_learn() -> None:
    trained = detector()
    judged = trained.judge(fresh())
    found = by_name(effectiveness(judged, trained.threshold.value, repetitions=50))
    y, p = judged.label, judged.probability
    expected = {
        "accuracy": (judged.machine == y).mean(),
        "F1": f1_score(y, judged.machine),
        "AUROC": roc_auc_score(y, p),
        "AUPR": average_precision_score(y, p),
        "Brier score": brier_score_loss(y, p),
        "AUROC, scored texts only": roc_auc_score(y, p),
    }
    for name, value in expected.items():
        metric = found[name]
        assert metric.value == pytest.approx(value), name
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low <= value <= metric.high, name
    assert found["not scored"].value == 0
    human = np.sort(judged.logit[~y])
    for rate in (0.01, 0.05, 0.1):
        cut = human[-int(rate * len(human)) - 1]
        name = next(one for one in found if one.startswith(f"TPR at {rate:.0%} FPR"))
        assert found[name].value == pytest.approx((judged.logit[y] > cut).mean())


def test_a_detector_gains_nothing_by_failing() -> None:
    """A text on the wrong side is not left out: figures fall that dropping it would raise."""
    trained = detector()
    records = fresh()
    judged = trained.judge(records)
    wrong = judged.machine != judged.label
    failing = [
        TextRecord(one.id, "?", one.label, one.group) if bad else one
        for one, bad in zip(records, wrong, strict=True)
    ]
    before, after = (
        by_name(effectiveness(trained.judge(each), trained.threshold.value, repetitions=20))
        for each in (records, failing)
    )
    assert after["not scored"].value == int(wrong.sum()) > 5

    def value(metrics: dict[str, Metric], name: str) -> float:
        found = metrics[name].value
        assert found is not None
        return found

    assert value(after, "accuracy") == value(before, "accuracy")
    for name in ("AUROC", "AUPR"):
        assert value(after, name) < value(before, name)
    for name in ("Brier score", "area under risk-coverage"):
        assert value(after, name) > value(before, name)
    assert value(after, "AUROC, scored texts only") > value(before, "AUROC")


def test_calibration_error_of_right_probabilities_falls_as_one_over_root_n() -> None:
    from sterling.text.evaluation.effectiveness import _calibration_error

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
    figure = risk_coverage({"number": (scores, 0.0)})
    assert figure.data["series"]["number"][-1] == pytest.approx(0.25)


def test_parts_have_their_own_figures() -> None:
    trained = detector()
    records = [
        *fresh(1, 60),
        *numbers("x", [5.0, 6.0], 1, domain="law", model="b"),
        *numbers("y", ["0 " + "word " * 120], 0, domain="law"),
    ]
    judged = trained.judge(records)
    table = breakdown(judged, "domain", trained.threshold.value)
    assert [row[0] for row in table.rows] == ["law", "news"]
    assert table.rows[0][1:3] == [3, 1.0]
    models = breakdown(judged, "model", trained.threshold.value)
    assert {row[0]: row[1] for row in models.rows} == {"a": 121, "b": 63}
    lengths = breakdown(judged, "length", trained.threshold.value)
    assert [row[0] for row in lengths.rows] == ["0 to 49 words", "100 to 199 words"]
    assert lengths.rows[1][2] is None
    assert set(BREAKDOWNS) == {"domain", "language", "model", "length"}
    with pytest.raises(InputError, match="unknown breakdown 'topic'"):
        breakdown(judged, "topic", 0.0)


def test_nothing_scored_is_no_result() -> None:
    trained = detector()
    with pytest.raises(NothingMeasuredError, match="no number"):
        worst_case(trained.judge(numbers("x", ["?", "?"], 1)))
    one_class = trained.judge(numbers("x", [1.0, 2.0], 1))
    with pytest.raises(NothingMeasuredError):
        effectiveness(one_class, 0.0, repetitions=5)


def test_what_judging_took_is_told() -> None:
    judged, spent = judge_timed(detector(), fresh())
    assert isinstance(judged, Judged)
    named = by_name(spent.metrics())
    assert math.isclose(named["speed"].value or 0, 300 / spent.seconds)
    assert spent.peak_mib > 50
