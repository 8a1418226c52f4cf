"""Paired attack success: what passes among what was detected."""

import numpy as np
import pytest
from tests.text.number_detector import numbers, trained_detector

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Rate
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector
from sterling.text.evaluation.robustness import attack_success, mean_success


@pytest.fixture(scope="module")
def trained() -> CalibratedDetector:
    return trained_detector([-1.0, -2.0, 0.5], [1.0, 2.0, -0.5])


def attacked(parent: str, attack: str, *values: float | str) -> list[TextRecord]:
    return [
        TextRecord(f"{parent}~{attack}~{row}", str(value), 1, parent, parent=parent, attack=attack)
        for row, value in enumerate(values)
    ]


def test_any_variant_that_passes_counts_once_and_undetected_parents_do_not(
    trained: CalibratedDetector,
) -> None:
    originals = trained.judge(numbers("p", [5.0, 5.0, 5.0, -5.0], 1))
    copies = [
        *attacked("p0", "typo", 5.0, -5.0, -5.0),
        *attacked("p1", "typo", 5.0, 5.0, 5.0),
        *attacked("p2", "typo", "unscorable", 5.0, 5.0),
        *attacked("p3", "typo", -5.0),
        *attacked("p0", "homo", 5.0),
    ]
    found = attack_success(originals, trained.judge(copies))
    assert found["typo"].rate == Rate(2, 3)
    assert (found["typo"].variants, found["typo"].not_scored) == (9, 1)
    assert found["homo"].rate == Rate(0, 1)
    assert mean_success(found) == pytest.approx((2 / 4, (2 / 3 + 0) / 2))


def test_no_attack_has_no_success(trained: CalibratedDetector) -> None:
    values = np.random.default_rng(0).normal(1, 2, 200).tolist()
    originals = numbers("p", values, 1)
    same = [copy for one in originals for copy in attacked(one.id, "identity", one.text)]
    found = attack_success(trained.judge(originals), trained.judge(same))
    assert found["identity"].rate.errors == 0
    assert found["identity"].rate.trials > 100


def test_orphans_and_nothing_detected_are_named(trained: CalibratedDetector) -> None:
    originals = trained.judge(numbers("p", [-5.0], 1))
    with pytest.raises(InputError, match="'q0' is no machine text among the originals"):
        attack_success(originals, trained.judge(attacked("q0", "typo", 1.0)))
    with pytest.raises(NothingMeasuredError, match="detected"):
        attack_success(originals, trained.judge(attacked("p0", "typo", 1.0)))
    with pytest.raises(NothingMeasuredError):
        mean_success({})
