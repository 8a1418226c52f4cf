"""AUROC and TPR before and after an attack, on the same texts."""

import numpy as np
import pytest
from scipy import stats
from tests.text.number_detector import numbers, trained_detector

from sterling.errors import InputError
from sterling.measure import Rate
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector, Judged
from sterling.text.evaluation.attack_effect import attack_effects


@pytest.fixture(scope="module")
def trained() -> CalibratedDetector:
    return trained_detector([-1.0, -2.0, 0.5], [1.0, 2.0, -0.5])


def attacked(parent: str, *values: float | str, attack: str = "typo") -> list[TextRecord]:
    return [
        TextRecord(f"{parent}~{row}", str(value), 1, parent, parent=parent, attack=attack)
        for row, value in enumerate(values)
    ]


def originals(detector: CalibratedDetector, human: list[float], machine: list[float]) -> Judged:
    return detector.judge([*numbers("h", human, 0), *numbers("m", machine, 1)])


def test_areas_and_rates_are_those_of_a_hand_count(trained: CalibratedDetector) -> None:
    judged = originals(trained, [0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 2.5])
    copies = [
        *attacked("m0", 0.5),  # above one human text of four
        *attacked("m1", 9.0, "no number"),  # the copy that is not scored counts
        *attacked("m2", 7.0),
        *attacked("m3", 3.5),  # now found
    ]
    found = attack_effects(judged, trained.judge(copies), 0.25)["typo"]
    assert (found.human, found.machine) == (4, 4)
    assert found.auroc.before.value == pytest.approx((4 + 4 + 4 + 3) / 16)
    assert found.auroc.after.value == pytest.approx((1 + 0 + 4 + 4) / 16)
    assert found.auroc.difference.value == pytest.approx(-6 / 16)
    # One human text of four may lie at or above the threshold: it lies above 2.
    assert found.point.realised == Rate(1, 4)
    assert found.tpr.before.value == 1.0
    assert found.tpr.after.value == 0.5
    lost, gained = Rate(2, 4).interval(0.975), Rate(0, 4).interval(0.975)
    limits = found.tpr.difference.interval
    assert (limits.low, limits.high) == pytest.approx(
        (gained.low - lost.high, gained.high - lost.low)
    )


def test_copies_like_their_parents_change_nothing_and_are_no_proof(
    trained: CalibratedDetector,
) -> None:
    values = np.arange(20.0)
    judged = originals(trained, values.tolist(), (values + 30).tolist())
    same = [one for row in range(20) for one in attacked(f"m{row}", row + 30.0)]
    found = attack_effects(judged, trained.judge(same), 0.05)["typo"]
    for change in (found.auroc, found.tpr):
        assert change.difference.value == 0
        assert change.before.value == change.after.value == 1
        assert change.difference.interval.low < 0 < change.difference.interval.high


def test_attacks_are_apart_and_texts_that_were_not_attacked_are_left_out(
    trained: CalibratedDetector,
) -> None:
    judged = originals(trained, [0.0, 1.0], [2.0, 3.0, -5.0])
    copies = [*attacked("m0", -1.0, attack="homo"), *attacked("m1", 4.0)]
    found = attack_effects(judged, trained.judge(copies), 0.1)
    assert list(found) == ["homo", "typo"]
    assert [one.machine for one in found.values()] == [1, 1]
    assert found["homo"].auroc.before.value == 1  # without m2
    assert found["homo"].auroc.after.value == 0
    assert not found["homo"].point.resolved
    with pytest.raises(InputError, match="'q~0': its parent 'q' is no machine text"):
        attack_effects(judged, trained.judge(attacked("q", 1.0)), 0.1)


def test_intervals_of_the_difference_hold_the_truth(trained: CalibratedDetector) -> None:
    """More than 8 of 50 exact 95 % intervals miss with a probability of 0.0008."""
    rng = np.random.default_rng(0)
    before, after = (stats.norm.cdf(shift / np.sqrt(2)) for shift in (1.5, 0.5))
    missed = 0
    for _ in range(50):
        human, machine = rng.normal(0, 1, 60), rng.normal(1.5, 1, 60)
        judged = originals(trained, human.tolist(), machine.tolist())
        copies = [one for row in range(60) for one in attacked(f"m{row}", machine[row] - 1.0)]
        change = attack_effects(judged, trained.judge(copies), 0.1, repetitions=100)["typo"].auroc
        limits = change.difference.interval
        missed += not limits.low <= after - before <= limits.high
    assert missed <= 8
