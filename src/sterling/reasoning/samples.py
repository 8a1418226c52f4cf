"""Sampled solutions of questions: traces, answers, and what is known of each.

One question is a line of JSON::

    {"question": "...", "gold": "9", "traces": ["...", ...], "answers": ["9", ...],
     "logprobs": [[-0.1, ...], ...], "scores": [0.8, ...], "difficulty": "easy"}

``answers`` may be left out: then the last number of each trace is its answer. ``logprobs`` (of the
trace's tokens) or ``scores`` (higher is better, of a reward model, say) give the quality.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError, quoted
from sterling.policy import last_number
from sterling.reasoning.validity import Checker, arithmetic_holds
from sterling.tables import read_lines

WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Question:
    """A question with the solutions that a model drew for it, in their order.

    Attributes:
        text: The question.
        traces: Written reasoning of each solution.
        answers: Answer of each.
        quality: Score of each, higher is better; None where nothing is known.
        gold: The right answer; None for a question to be answered.
        group: Such as its difficulty; "" where unknown.
    """

    text: str
    traces: tuple[str, ...]
    answers: tuple[str, ...]
    quality: tuple[float, ...] | None = None
    gold: str | None = None
    group: str = ""


@dataclass(frozen=True, eq=False)
class Signals:
    """Material of the sets, for n questions with K solutions each.

    Attributes:
        quality: (n, K); all 0 where nothing is known.
        similarity: Similarity of solutions k and j of a question, in [0, 1], (n, K, K).
        answer: Number of the answer within its question, (n, K): solutions agree in it.
        correct: Whether the answer equals the gold one, (n, K).
        valid: Whether the checker accepts the trace, (n, K).
        named: Whether a quality is known.
    """

    quality: NDArray[np.float64]
    similarity: NDArray[np.float64]
    answer: NDArray[np.int64]
    correct: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    named: bool

    def __len__(self) -> int:
        return len(self.quality)

    @property
    def solutions(self) -> int:
        """K, the number of solutions of each question."""
        return int(self.quality.shape[1])

    def rows(self, index: Any) -> "Signals":
        """Some of the questions."""
        return Signals(
            self.quality[index],
            self.similarity[index],
            self.answer[index],
            self.correct[index],
            self.valid[index],
            self.named,
        )


def read_questions(path: Path, *, gold: bool = True) -> list[Question]:
    """Read questions with sampled solutions from JSONL.

    Args:
        path: One JSON object a line, with the fields that the module describes.
        gold: Whether every question must have its right answer.

    Raises:
        InputError: A line is no such object, a question has no solution, fields differ in length,
            or a number is none. The message names the line.

    Examples:
        >>> read_questions(Path("samples.jsonl"))
    """
    questions = []
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            questions.append(_question(line, f"{path}, line {number}", gold=gold))
    if not questions:
        raise InputError(f"{path} holds no question; write one JSON object a line")
    named = [one.quality is not None for one in questions]
    if any(named) and not all(named):
        raise InputError(
            f"{path}: question {named.index(False) + 1} has neither scores nor logprobs, others "
            "do; write them for all, or for none"
        )
    return questions


def signals_of(
    questions: Sequence[Question],
    *,
    solutions: int | None = None,
    checker: Checker = arithmetic_holds,
) -> Signals:
    """Measure what sets are made of: quality, similarity, agreement, correctness, validity.

    Similarity of two traces is Jaccard's, of their words. Answers are equal if they are the same
    text or the same number.

    Args:
        questions: Questions with their solutions.
        solutions: Number of solutions of each question that are used, the first ones; by default as
            many as the question with the fewest has.
        checker: Whether a trace is valid reasoning.

    Raises:
        InputError: No question, one with too few solutions, or a checker that raises or answers
            with something else than yes or no.

    Examples:
        >>> signals_of(read_questions(Path("samples.jsonl"))).correct.mean()
    """
    if not questions:
        raise InputError("no question; give one or more")
    fewest = min(len(one.traces) for one in questions)
    kept = fewest if solutions is None else solutions
    if not 1 <= kept <= fewest:
        index = min(range(len(questions)), key=lambda i: len(questions[i].traces))
        raise InputError(
            f"question {index + 1} ({quoted(questions[index].text)}) has {fewest} solutions, "
            f"{kept} are asked for; draw more, or use fewer"
        )
    shape = (len(questions), kept)
    quality, answer = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    similarity = np.zeros((*shape, kept))
    correct, valid = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for row, one in enumerate(questions):
        if one.quality is not None:
            quality[row] = one.quality[:kept]
        codes = [canonical(text) for text in one.answers[:kept]]
        known = {code: number for number, code in enumerate(dict.fromkeys(codes))}
        answer[row] = [known[code] for code in codes]
        if one.gold is not None:
            correct[row] = [code == canonical(one.gold) for code in codes]
        valid[row] = [_checked(checker, trace, row) for trace in one.traces[:kept]]
        similarity[row] = _jaccard(one.traces[:kept])
    named = questions[0].quality is not None
    return Signals(quality, similarity, answer, correct, valid, named)


def canonical(answer: str) -> str:
    """An answer by which equal ones are known: a number without its format, else lower case.

    Examples:
        >>> canonical("$1,200.00") == canonical("1200")
        True
    """
    text = answer.strip()
    number = last_number(text) if len(WORD.findall(text)) <= 4 else None
    return f"{number:.9g}" if number is not None else " ".join(text.lower().split())


def _jaccard(traces: Sequence[str]) -> NDArray[np.float64]:
    words = [set(WORD.findall(trace.lower())) for trace in traces]
    found = np.eye(len(words))
    for i, first in enumerate(words):
        for j in range(i):
            either = len(first | words[j])
            found[i, j] = found[j, i] = len(first & words[j]) / either if either else 1.0
    return found


def _checked(checker: Checker, trace: str, row: int) -> bool:
    try:
        accepted = checker(trace)
    except Exception as error:  # anybody's function
        raise InputError(
            f"question {row + 1}: the checker raised {type(error).__name__} ({error}); let it "
            "answer False where it cannot tell"
        ) from error
    if not isinstance(accepted, bool | np.bool_):
        raise InputError(
            f"question {row + 1}: the checker answered {accepted!r}; let it answer True or False"
        )
    return bool(accepted)


def _question(line: str, where: str, *, gold: bool) -> Question:
    try:
        stored = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: no JSON ({error}); write one object a line") from error
    if not isinstance(stored, dict):
        raise InputError(f"{where}: not an object with question and traces")
    text, traces = stored.get("question"), stored.get("traces")
    if not isinstance(text, str):
        raise InputError(f"{where}: no question; write its text")
    if not _texts(traces) or not traces:
        raise InputError(f"{where}: traces are {quoted(traces)}; write one text or more")
    answers = stored.get("answers")
    if answers is None:
        answers = ["" if (n := last_number(one)) is None else f"{n:g}" for one in traces]
    answers = [str(one) if isinstance(one, int | float) else one for one in answers]
    if not _texts(answers) or len(answers) != len(traces):
        raise InputError(
            f"{where}: {len(answers)} answers for {len(traces)} traces; write one each"
        )
    right = stored.get("gold")
    if isinstance(right, int | float) and not isinstance(right, bool):
        right = f"{right:g}" if math.isfinite(right) else None
    if gold and not isinstance(right, str):
        raise InputError(f"{where}: gold is {quoted(stored.get('gold'))}; write the right answer")
    group = stored.get("difficulty", "")
    return Question(
        text,
        tuple(traces),
        tuple(answers),
        _quality(stored, len(traces), where),
        right if isinstance(right, str) else None,
        str(group),
    )


def _quality(stored: dict[str, Any], count: int, where: str) -> tuple[float, ...] | None:
    """Scores, or the mean log-probability of each trace's tokens."""
    scores, logprobs = stored.get("scores"), stored.get("logprobs")
    if scores is None and logprobs is None:
        return None
    if scores is not None and logprobs is not None:
        raise InputError(f"{where}: scores and logprobs; write one of them")
    name = "scores" if logprobs is None else "logprobs"
    try:
        if logprobs is None:
            values = [float(one) for one in scores or ()]
        else:
            values = [math.fsum(one) / len(one) for one in logprobs]
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{where}: {name} are no numbers; write some for each trace") from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(
            f"{where}: {len(values)} {name} for {count} traces, all finite; write as many"
        )
    return tuple(values)


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)
