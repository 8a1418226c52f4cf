"""The declared list keeps its false discovery rate, and every document has a verdict."""

import numpy as np
import pytest
from scipy import stats
from tests.text.number_detector import NumberDetector, numbers, trained_detector

from sterling.errors import InputError, NothingMeasuredError
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors import CalibratedDetector
from sterling.text.evaluation.declaration import CAUTION, declare_machine_written


def detector(direction: float = 1.0) -> CalibratedDetector:
    rng = np.random.default_rng(0)
    human, machine = (direction * rng.normal(mean, 1, 40) for mean in (0, 2))
    return trained_detector(human.tolist(), machine.tolist())


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_the_list_keeps_its_false_discovery_rate(direction: float) -> None:
    """Over draws of calibration and documents the mean false discovery proportion is at most q."""
    trained = detector(direction)
    rng = np.random.default_rng(1)
    q, proportions, found = 0.1, [], 0
    for _ in range(150):
        human = (direction * rng.normal(0, 1, 130)).tolist()
        machine = (direction * rng.normal(3, 1, 20)).tolist()
        documents = [*numbers("a", human[100:], 0), *numbers("b", machine, 1)]
        known = numbers("k", human[:100], 0)
        declared = declare_machine_written(trained, documents, known, fdr=q).declared
        false = sum(one.id.startswith("a") for one in declared)
        proportions.append(false / max(1, len(declared)))
        found += len(declared) - false
    mean, error = np.mean(proportions), stats.sem(proportions)
    assert mean <= q * 30 / 50 + 2.6 * error  # Benjamini-Hochberg: times the share of people
    assert found > 150 * 10


def test_every_document_has_a_verdict() -> None:
    trained = detector()
    known = numbers("k", np.random.default_rng(2).normal(0, 1, 99).tolist(), 0)
    documents = numbers("d", ["9.0", "0.0", "no number", "9.5 \u200b7\u202e"], 0)
    given = declare_machine_written(trained, documents, [*known, *numbers("x", ["?"], 0)], fdr=0.05)
    first, second, third, last = given.verdicts
    assert (first.declared, second.declared, third.declared, last.declared) == (
        *(True, False),
        *(False, True),
    )
    assert (third.score, third.probability, third.p_value) == (None, None, 1.0)
    assert third.not_scored == "no number"
    assert last.hidden == {"zero width": 1, "direction": 1}
    assert first.p_value == pytest.approx(1 / 100)
    assert all(one.caution == CAUTION for one in given.verdicts)
    assert given.calibration_not_scored == 1
    assert given.guarantee.n == 99


def test_what_may_not_calibrate_is_refused() -> None:
    trained = detector()
    documents = numbers("d", [1.0], 0)
    known = numbers("k", [0.0] * 40, 0)
    learned = numbers("z", np.random.default_rng(0).normal(0, 1, 40).tolist()[:1], 0)
    declare_machine_written(trained, documents, numbers("h", [0.0] * 40, 0))  # a name is no proof
    for calibration, message in (
        (numbers("m", [1.0], 1), "'m0' is a machine's"),
        (numbers("k", [1.0], 0), "'k0' is the document 'd0'"),
        ([*known, *learned], r"1 calibration texts begin like .*'z0'"),
        (known[:5], "can select nothing"),
    ):
        with pytest.raises(InputError, match=message):
            declare_machine_written(trained, documents, calibration)
    with pytest.raises(NothingMeasuredError, match="no document could be scored"):
        declare_machine_written(trained, numbers("d", ["?"], 0), known)
    with pytest.raises(NothingMeasuredError, match="no calibration text could be scored"):
        declare_machine_written(trained, documents, numbers("k", ["?"], 0))


def test_a_difference_that_only_declared_documents_make_is_undecided() -> None:
    rng = np.random.default_rng(0)

    def texts(name: str, score: float, words: int) -> list[TextRecord]:
        scores = rng.normal(score, 1, 60)
        return numbers(name, [f"{x} {'word ' * rng.integers(words, words + 9)}" for x in scores], 0)

    raw = NumberDetector()
    known, human = texts("k", 0, 20), texts("h", 0, 20)
    given = declare_machine_written(raw, [*human, *texts("m", 20, 90)], known, fdr=0.1)
    assert len(given.declared) >= 60
    assert given.shift_verdict == "undecided"
    assert "machines may write so" in (given.guarantee.assumptions[0].checked or "")
    other = declare_machine_written(raw, texts("o", 0, 90), known, fdr=0.1)
    assert other.shift_verdict == "refuted"
    assert declare_machine_written(raw, human, known, fdr=0.1).shift_verdict == "not refuted"
    everything = declare_machine_written(raw, texts("e", 20, 90), known, fdr=0.1)
    assert (everything.shift_verdict, everything.shift_of_rest) == ("undecided", ())
