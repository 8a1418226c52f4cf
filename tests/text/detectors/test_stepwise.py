"""Scores in steps are the scores of one call, are reported as they come, and are kept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.text.number_detector import NumberDetector

from sterling.errors import InputError
from sterling.lm import LocalModel, SignalStore, train_small
from sterling.text.detectors import CharacterNgrams, FunctionDetector, Scored, untrained_detector
from sterling.text.detectors.stepwise import score_in_steps

TEXTS = [f"{'the cat sat on the mat ' * (6 + row % 5)}{row}" for row in range(30)]


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return train_small(TEXTS, steps=2, width=16, context=128)


def test_steps_give_the_scores_of_one_call_and_report_each(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, store = untrained_detector("log_rank", model=model), SignalStore(tmp_path)
    told: list[tuple[int, int]] = []
    asked = [*TEXTS, "", "too short"]
    found = score_in_steps(detector, asked, store=store, report=lambda *n: told.append(n))
    whole = detector.score(asked)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-4)
    assert found.reasons == whole.reasons
    assert told[0] == (0, 32)
    assert told[-1] == (32, 32)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    seen: list[str] = []
    score = type(detector).score

    def counted(_self: object, texts: Sequence[str]) -> Scored:
        seen.extend(texts)
        return score(detector, texts)

    monkeypatch.setattr(type(detector), "score", counted)
    again = score_in_steps(detector, [*asked, "new " * 30], store=store)
    assert set(seen) == {"", "too short", "new " * 30}  # the other thirty were kept
    np.testing.assert_array_equal(again.values[:32], found.values)


def test_another_metric_truncation_or_fit_is_another_score(
    model: LocalModel, tmp_path: Path
) -> None:
    store = SignalStore(tmp_path)
    first = score_in_steps(untrained_detector("log_rank", model=model), TEXTS, store=store)
    other = score_in_steps(untrained_detector("likelihood", model=model), TEXTS, store=store)
    assert not np.allclose(first.values, other.values)
    learned = []
    for turned in (0, 1):
        detector = CharacterNgrams()
        detector.fit([*TEXTS, *(one.upper() for one in TEXTS)], np.repeat([turned, 1 - turned], 30))
        learned.append(score_in_steps(detector, TEXTS, store=store).values)
    assert not np.allclose(learned[0], learned[1])


def test_scores_of_code_from_outside_are_not_kept(tmp_path: Path) -> None:
    score_in_steps(NumberDetector(), ["1", "2"], store=SignalStore(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_function_is_a_detector_and_says_what_is_wrong() -> None:
    assert FunctionDetector("f", lambda texts: [2.0] * len(texts)).score(["a", " "]).values[0] == 2
    with pytest.raises(InputError, match=r"gave an array \(\) for 1 texts"):
        FunctionDetector("f", lambda _texts: 1.0).score(["a"])
    with pytest.raises(InputError, match="detector f: ZeroDivisionError"):
        FunctionDetector("f", lambda _texts: [1 / 0]).score(["a"])


@pytest.mark.parametrize("name", ["gltr", "entropy", "detect_gpt", "small_classifier"])
def test_a_detector_without_a_side_of_its_own_needs_training(name: str) -> None:
    with pytest.raises(InputError, match=f"detector {name}: needs training"):
        untrained_detector(name)
