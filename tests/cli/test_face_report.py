"""Evaluations of detectors as claims, tables and figures."""

import numpy as np
from tests.face.evaluation.test_bounded_threshold import scores

from sterling.cli._face_report import bpcer_claim, rates_table
from sterling.cli._face_robustness import robustness_figures, robustness_table
from sterling.face.evaluation.bounded_threshold import Promise, bounded_threshold
from sterling.face.evaluation.evaluate import SystemScores
from sterling.face.evaluation.robustness import STRENGTHS, Point
from sterling.measure import Scores, Threshold, clustered_interval, evaluate


def scored(n: int, rng: np.random.Generator, threshold: Threshold) -> SystemScores:
    test = scores(rng, n, "t")
    return SystemScores("detector", test, evaluate(test, threshold))


def test_the_claim_is_decided_by_test_captures_only_when_they_can() -> None:
    rng = np.random.default_rng(3)
    threshold, guarantee = bounded_threshold(
        scores(rng, 400, "d"), Promise(0.1, 0.95), source="dev"
    )
    verdicts = [bpcer_claim(guarantee, scored(n, rng, threshold)).verdict for n in (20, 20_000)]
    assert verdicts == ["undecided", "holds"]
    strict = bounded_threshold(scores(rng, 400, "d"), Promise(0.3, 0.95), source="dev")[0]
    assert bpcer_claim(guarantee, scored(900, rng, strict)).verdict == "does not hold"


def test_robustness_has_one_row_per_point_and_one_figure_per_kind() -> None:
    rng = np.random.default_rng(0)
    threshold, _ = bounded_threshold(scores(rng, 80, "d"), Promise(0.1, 0.9), source="dev")
    points = []
    for kind, strengths in [*STRENGTHS.items(), ("crop scale", (1.0, 1.5))]:
        for strength in strengths:
            one = scored(50, rng, threshold)
            points.append(Point(kind, strength, one.scores, one.errors))
    table, figures = robustness_table(points), robustness_figures(points)
    assert len(table.rows) == len(points)
    assert [figure.data["x"] for figure in figures[:-1]] == [list(s) for s in STRENGTHS.values()]
    assert figures[-1].data["x_label"] == "side of the crop over that of training"
    first = points[0].errors
    assert table.rows[0][2] == first.apcer_max.value
    assert table.rows[0][5] == figures[0].data["series"]["BPCER"][0] == first.bpcer.value


def test_the_claim_and_a_table_take_subjects_as_the_unit() -> None:
    rng = np.random.default_rng(5)
    threshold, guarantee = bounded_threshold(
        scores(rng, 400, "d"), Promise(0.1, 0.95), source="dev"
    )
    test = scores(rng, 600, "t")
    known = Scores(
        test.values,
        test.label,
        item=test.item,
        # Rejected presentations belong to few people.
        subject=[f"{label}{value > threshold.value}{row % 4}" for row, (label, value) in
                 enumerate(zip(test.label, test.values, strict=True))],
        group=test.group,
    )  # fmt: skip
    system = SystemScores("detector", known, evaluate(known, threshold))
    claim = bpcer_claim(guarantee, system)
    plain = bpcer_claim(guarantee, scored(600, rng, threshold))  # one presentation of each subject
    assert "clustered by 8 subjects, 95 % interval" in claim.estimand
    assert "one of each of 600 subjects, exact, 95 % interval" in plain.estimand
    wrong, trials = system.errors.subjects["bona_fide"]
    table = rates_table(system)
    row = next(each for each in table.rows if each[0] == "BPCER")
    exact, clustered = system.errors.bpcer.interval(), clustered_interval(wrong, trials)
    assert row[3:9] == [system.errors.bpcer.value, exact.low, exact.high, 8,
                        clustered.low, clustered.high]  # fmt: skip
    assert (claim.low, claim.high) == (clustered.low, clustered.high)
    assert clustered.high > 2 * exact.high
