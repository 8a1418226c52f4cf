"""Reasoning sets: the grid at once equals a loop, the guarantee holds, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.reasoning import (
    JudgedChecker,
    Question,
    ReasoningSets,
    Signals,
    arithmetic_holds,
    equations,
    evaluate_grid,
    grid_of,
    read_questions,
    signals_of,
)
from sterling.reasoning.limits import Setting, chosen, losses
from sterling.reasoning.samples import canonical
from sterling.reasoning.sets import smallest_calibration
from sterling.reasoning.validity import evaluate

SHARED = Path(__file__).parents[3] / "shared" / "data" / "text"
CONFIDENCES = ("agreement", "max", "sum")


def simulated(seed: int, n: int, solutions: int = 16) -> Signals:
    """A sampler that solves a question with a probability drawn from Beta(2, 1.2)."""
    rng = np.random.default_rng(seed)
    solvable = rng.beta(2, 1.2, (n, 1))
    correct = rng.random((n, solutions)) < solvable
    valid = np.where(correct, rng.random(correct.shape) < 0.9, rng.random(correct.shape) < 0.3)
    quality = rng.normal(size=correct.shape) + 1.2 * (correct & valid)
    wrong = rng.integers(1, 5, correct.shape)
    similarity = rng.beta(2, 4, (n, solutions, solutions))
    similarity = (similarity + similarity.swapaxes(1, 2)) / 2
    similarity[:, np.arange(solutions), np.arange(solutions)] = 1
    return Signals(quality, similarity, np.where(correct, 0, wrong), correct, valid, True)


def loop(signals: Signals, setting: Setting, confidence: str, row: int) -> tuple[list[int], int]:
    """The rule as it is described, one question and one solution at a time."""
    kept: list[int] = []
    for k in range(signals.solutions):
        good = signals.quality[row, k] >= setting.quality
        new = all(signals.similarity[row, k, j] <= setting.diversity for j in kept)
        if good and new:
            kept.append(k)
        answers = signals.answer[row, kept].tolist()
        reached = {
            "agreement": max((answers.count(one) for one in answers), default=0),
            "max": max(signals.quality[row, kept].tolist(), default=-np.inf),
            "sum": float((1 / (1 + np.exp(-signals.quality[row, kept]))).sum()),
        }[confidence]
        if reached >= setting.stop:
            break
    return kept, k + 1


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize("loss", ["valid", "answer"])
def test_the_grid_at_once_equals_a_loop(confidence: Any, loss: Any) -> None:
    signals = simulated(1, 25, solutions=6)
    grid = grid_of(signals, points=4, confidence=confidence)
    found = evaluate_grid(signals, grid, confidence=confidence, loss=loss)
    settings = grid.settings()
    right = signals.correct & signals.valid if loss == "valid" else signals.correct
    lost = losses(signals, settings, confidence=confidence, loss=loss)
    for index, setting in enumerate(settings):
        sets = [loop(signals, setting, confidence, row) for row in range(25)]
        wrong = [not right[row, kept].any() for row, (kept, _) in enumerate(sets)]
        assert found.risk.ravel()[index] == pytest.approx(np.mean(wrong))
        assert found.size.ravel()[index] == pytest.approx(np.mean([len(s) for s, _ in sets]))
        assert found.drawn.ravel()[index] == pytest.approx(np.mean([d for _, d in sets]))
        assert lost[:, index].tolist() == wrong
        held = chosen(signals, setting, confidence)
        assert [np.flatnonzero(one).tolist() for one in held] == [kept for kept, _ in sets]


def exceedance(
    calibrate: Callable[[Signals, int], Setting | None], resplits: int = 60, n: int = 250
) -> tuple[int, int, list[float]]:
    """Number of resplits whose setting has a true risk above 0.2, of those with a setting."""
    world = simulated(0, 5000)
    rng = np.random.default_rng(5)
    exceeded, settled, risks = 0, 0, []
    for seed in range(resplits):
        rows = rng.choice(5000, n, replace=False)
        setting = calibrate(world.rows(rows), seed)
        if setting is not None:
            settled += 1
            risk = float(losses(world, [setting]).mean())
            risks.append(risk)
            exceeded += risk > 0.2
    return exceeded, settled, risks


def test_the_risk_is_rarely_exceeded_and_without_a_test_it_often_is() -> None:
    def certified(signals: Signals, seed: int) -> Setting | None:
        return ReasoningSets(0.2, 0.05, points=5, seed=seed).calibrate_signals(signals).setting

    def plain(signals: Signals, _seed: int) -> Setting | None:
        grid = grid_of(signals, 8)
        outcome = evaluate_grid(signals, grid)
        cost = np.where(outcome.risk <= 0.2, outcome.size + outcome.drawn, np.inf).ravel()
        return grid.settings()[int(cost.argmin())]

    exceeded, settled, risks = exceedance(certified)
    assert settled > 40
    assert stats.binom.sf(exceeded - 1, settled, 0.05) > 0.01  # no more than one in twenty
    assert np.mean(risks) > 0.05  # it does use what it is allowed
    exceeded, settled, _ = exceedance(plain)
    assert stats.binom.sf(exceeded - 1, settled, 0.05) < 1e-3


def test_nothing_is_promised_where_nothing_is_certified() -> None:
    hopeless = simulated(2, 300)
    hopeless = replace(hopeless, valid=np.zeros_like(hopeless.valid))
    sets = ReasoningSets(0.1, 0.1, points=4).calibrate_signals(hopeless)
    assert sets.setting is None
    assert sets.guarantee is not None
    assert sets.guarantee.statement.startswith("No setting is certified at eps 0.1")
    answer = sets.predict([Question("1 + 1?", ("1 + 1 = 2",), ("2",))])[0]
    assert answer.abstained
    assert answer.traces == ()


def test_failures_are_told_apart() -> None:
    signals = simulated(3, 1000)
    unreasoned = replace(signals, valid=np.zeros_like(signals.valid) | ~signals.correct)
    half = np.arange(1000) < 500
    mixed = replace(signals, valid=np.where(half[:, None], True, unreasoned.valid))
    sets = ReasoningSets(0.7, 0.1, points=4).calibrate_signals(mixed)
    assert sets.fails is not None
    assert sets.fails.reasoning.value == pytest.approx(0.5, abs=0.08)
    assert sets.fails.answer.value < 0.5


def questions(n: int, seed: int = 0) -> list[Question]:
    """Sums with six solutions each, of which some err."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        a, b = rng.integers(2, 50, 2).tolist()
        wrong = (rng.random(6) < 0.3) * rng.integers(1, 4, 6)
        traces = tuple(f"We add {a} + {b} = {a + b + e}" for e in wrong.tolist())
        answers = tuple(str(a + b + e) for e in wrong.tolist())
        quality = tuple((1.0 - 0.5 * (wrong > 0) + rng.normal(0, 0.1, 6)).tolist())
        made.append(Question(f"{a} plus {b}?", traces, answers, quality, str(a + b)))
    return made


def test_predictions_are_the_sets_of_new_questions() -> None:
    sets = ReasoningSets(0.1, 0.1, points=5, confidence="max").calibrate(questions(300))
    assert sets.guarantee is not None
    assert "at most 0.1 of new questions" in sets.guarantee.statement
    new = questions(400, seed=1)
    predicted = sets.predict([replace(one, gold=None) for one in new])
    missed = [one.gold not in set_.answers for one, set_ in zip(new, predicted, strict=True)]
    assert np.mean(missed) < 0.1
    assert all(1 <= set_.drawn <= 6 for set_ in predicted)
    assert all(len(set_.traces) == len(set_.answers) <= set_.drawn for set_ in predicted)


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_a_set_does_not_depend_on_the_other_questions(confidence: Any, tmp_path: Path) -> None:
    sets = ReasoningSets(0.1, 0.1, points=5, confidence=confidence).calibrate(questions(300))
    new = questions(40, seed=2)
    together = sets.predict(new)
    assert together == [sets.predict([one])[0] for one in new]
    sets.save(tmp_path / "limits.json")
    assert ReasoningSets.load(tmp_path / "limits.json").predict(new) == together


def test_predictions_that_the_promise_does_not_cover_are_refused() -> None:
    sets = ReasoningSets(0.1, 0.1, points=5, confidence="max").calibrate(questions(300))
    (one,) = questions(1, seed=3)
    assert one.quality is not None
    fewer = replace(one, traces=one.traces[:3], answers=one.answers[:3], quality=one.quality[:3])
    with pytest.raises(InputError, match="has 3 solutions, 6 are asked for"):
        sets.predict([fewer])
    with pytest.raises(InputError, match="need scores or logprobs"):
        sets.predict([replace(one, quality=None)])
    blind = [replace(each, quality=None) for each in questions(200)]
    with pytest.raises(InputError, match=r"confidence sum.* need scores or logprobs"):
        ReasoningSets(0.1, 0.1, confidence="sum").calibrate(blind)


def test_a_judge_with_errors_is_named_in_the_guarantee() -> None:
    judge = JudgedChecker(arithmetic_holds, 0.05)
    sets = ReasoningSets(0.2, 0.1, points=4, checker=judge).calibrate(questions(200))
    assert sets.guarantee is not None
    assumed = " ".join(one.text for one in sets.guarantee.assumptions)
    assert "false accepts of 0.05 a trace" in assumed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 + 4 * 2", 11),
        ("(16 - 3) * $2.50", 32.5),
        ("1,200 / 4", 300),
        ("20% * 50", 10),
        ("-3 - -4", 1),
        ("6 × 7", 42),
        ("1 / 0", np.nan),
        ("2 ** 9999", np.nan),
        ("__import__('os')", np.nan),
        ("(" * 150 + "1" + ")" * 150, np.nan),
        ("", np.nan),
    ],
)
def test_expressions_are_evaluated_without_running_them(text: str, value: float) -> None:
    assert evaluate(text) == pytest.approx(value, nan_ok=True)


def test_arithmetic_is_evaluated_again() -> None:
    assert [one.holds for one in equations("<<16-3-4=9>> and 5 + 5 = 11 outside")] == [True]
    assert arithmetic_holds("10 / 3 = 3.33, then 3.33 * 3 = 9.99")
    assert not arithmetic_holds("10 / 3 = 3.4")
    assert not arithmetic_holds("no step at all")
    assert canonical("$1,200.00") == canonical(" 1200 ") != canonical("1201")
    assert canonical("The  Moon") == "the moon"


def written(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(one) for one in lines) + "\n")
    return path


def test_questions_are_read_with_what_is_known(tmp_path: Path) -> None:
    path = written(
        tmp_path / "s.jsonl",
        {
            "question": "q",
            "gold": 9,
            "traces": ["16 - 3 - 4 = 9", "so 8"],
            "logprobs": [[-1, -2], [-4]],
            "difficulty": "easy",
        },
    )
    (one,) = read_questions(path)
    assert one == Question("q", ("16 - 3 - 4 = 9", "so 8"), ("9", "8"), (-1.5, -4.0), "9", "easy")
    signals = signals_of([one])
    assert signals.correct.tolist() == [[True, False]]
    assert signals.valid.tolist() == [[True, False]]
    assert signals.named
    both = {"16", "3", "4", "9", "so", "8"}
    assert signals.similarity[0, 0, 1] == 0 / len(both)


GOOD = {"question": "q", "gold": "1", "traces": ["a", "b"], "answers": ["1", "2"]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"traces": ["a"]}, "no question"),
        (GOOD | {"traces": []}, "write one text or more"),
        (GOOD | {"answers": ["1"]}, "1 answers for 2 traces"),
        (GOOD | {"gold": None}, "gold is None"),
        (GOOD | {"scores": [0.1]}, "1 scores for 2 traces"),
        (GOOD | {"scores": ["x", 1]}, "scores are no numbers"),
        (GOOD | {"logprobs": [[], [1]]}, "logprobs are no numbers"),
        (GOOD | {"logprobs": [[1], [1]], "scores": [1, 1]}, "write one of them"),
    ],
)
def test_bad_lines_are_named(line: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read_questions(written(tmp_path / "s.jsonl", GOOD, line))
    assert "line 2" in str(refused.value)


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    some = questions(4)
    with pytest.raises(InputError, match="neither scores nor logprobs"):
        read_questions(written(tmp_path / "s.jsonl", GOOD | {"scores": [1, 2]}, GOOD))
    with pytest.raises(InputError, match="has 6 solutions, 7 are asked for"):
        signals_of(some, solutions=7)
    with pytest.raises(InputError, match="the checker raised ZeroDivisionError"):
        signals_of(some, checker=lambda _trace: bool(1 / 0))
    with pytest.raises(InputError, match="answered 'yes'"):
        signals_of(some, checker=lambda _trace: "yes")  # type: ignore[arg-type,return-value]
    with pytest.raises(InputError, match="need 58 or more"):
        ReasoningSets(0.1, 0.05).calibrate(some)
    with pytest.raises(InputError, match="question 1 has no gold answer"):
        ReasoningSets(0.1, 0.05).calibrate([replace(some[0], gold=None)])
    with pytest.raises(InputError, match="calibrate first"):
        ReasoningSets(0.1, 0.05).predict(some)
    with pytest.raises(InputError, match="eps"):
        ReasoningSets(0, 0.05)


@pytest.mark.parametrize(("eps", "delta"), [*product((0.05, 0.1, 0.3), (0.01, 0.1))])
def test_the_smallest_calibration_is_the_first_that_can_be_certified(
    eps: float, delta: float
) -> None:
    n = smallest_calibration(eps, delta)
    assert stats.binom.cdf(0, n, eps) <= delta < stats.binom.cdf(0, n - 1, eps)


@pytest.mark.skipif(not (SHARED / "gsm8k").exists(), reason="the GSM8K solutions are not here")
def test_real_solutions_of_grade_school_mathematics() -> None:
    made = []
    lines = (SHARED / "gsm8k" / "model_solutions_part.jsonl").read_text("utf-8").splitlines()
    agree = []
    for line in lines:
        one = json.loads(line)
        drawn = [one[name] for name in one if name not in ("question", "ground_truth")]
        traces = tuple(each["solution"] for each in drawn)
        answers = tuple(trace.rsplit("A:", 1)[-1].strip() for trace in traces)
        gold = one["ground_truth"].rsplit("A:", 1)[-1].strip()
        made.append(Question(one["question"], traces, answers, gold=gold))
        agree += [
            (canonical(answer) == canonical(gold)) == each["is_correct"]
            for answer, each in zip(answers, drawn, strict=True)
        ]
    assert np.mean(agree) > 0.99  # our reading of answers is that of the authors
    gold_steps = [arithmetic_holds(json.loads(line)["ground_truth"]) for line in lines]
    assert np.mean(gold_steps) > 0.9  # the authors' own solutions are valid
    sets = ReasoningSets(0.4, 0.1, points=5).calibrate(made)
    assert sets.setting is not None
    assert not signals_of(made).named
