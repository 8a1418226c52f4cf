"""Real answers: does the parser read them, and what do the rewards make of near misses?"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sterling.errors import InputError, quoted
from sterling.measure import Rate
from sterling.policy.parsers import last_number
from sterling.runs import Row
from sterling.studies.policy.smooth_reward._rewards import SHAPES, SNRA, THRESHOLD
from sterling.study import row
from sterling.tables import read_lines

SOLUTIONS, QUESTIONS = "*solutions*.jsonl", "open-eqa*.json"
WRITTEN = set("one two three four five six seven eight nine ten eleven twelve".split())  # noqa: SIM905
NEAR = 0.15  # largest relative error of a near miss: three tolerances


@dataclass(frozen=True)
class Solution:
    """A model's solution of a problem of GSM8K.

    Attributes:
        number: Parsed answer; None without one.
        target: Parsed reference answer.
        correct: Whether the data call it correct.
    """

    number: float | None
    target: float
    correct: bool


def read_solutions(folder: Path) -> list[Solution]:
    """Read GSM8K's published model solutions: ground_truth, and solution with is_correct by model.

    Raises:
        InputError: A line is no such object, or its reference has no number.
    """
    return [one for path in sorted(folder.rglob(SOLUTIONS)) for one in _solutions(path)]


def read_numeric_answers(folder: Path) -> list[tuple[str, float | None]]:
    """Read OpenEQA's numeric answers, each with what the parser makes of it.

    An answer is numeric when it holds a digit or is one number word, which no parser of ours reads.

    Raises:
        InputError: A file is no list of objects with an answer.
    """
    found: list[tuple[str, float | None]] = []
    for path in sorted(folder.rglob(QUESTIONS)):
        try:
            items = json.loads("\n".join(read_lines(path)))
            answers = [str(item["answer"]) for item in items]
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise InputError(f"{path}: no list of questions with an answer") from error
        found += [
            (text, last_number(text))
            for text in answers
            if any(sign.isdigit() for sign in text) or text.lower().strip(" .") in WRITTEN
        ]
    return found


def answer_rows(folder: Path) -> list[Row]:
    """Measure parser and rewards on the answers in a folder.

    Raises:
        InputError: The folder holds neither kind of file.
    """
    solutions, answers = read_solutions(folder), read_numeric_answers(folder)
    if not solutions and not answers:
        raise InputError(f"{folder}: holds neither {SOLUTIONS} nor {QUESTIONS}")
    rows = [
        row(
            "numeric answers read",
            Rate(sum(value is not None for _, value in answers), len(answers)),
        )
        if answers
        else row("numeric answers read", None)
    ]
    if not solutions:
        return rows
    right = np.array([one.correct for one in solutions])
    targets = np.array([one.target for one in solutions])
    numbers = np.array([np.nan if one.number is None else one.number for one in solutions])
    equal = np.isclose(numbers, targets, rtol=1e-6, atol=1e-9)
    errors = np.nan_to_num(
        np.abs(numbers - targets) / np.maximum(np.abs(targets), 0.01), nan=np.inf
    )
    near = (errors > 1e-6) & (errors <= NEAR)
    rows += [
        row("verdicts as published", Rate(int((equal == right).sum()), len(right))),
        row("solutions read", Rate(int((~np.isnan(numbers)).sum()), len(right))),
        row("near misses among wrong", Rate(int((near & ~equal).sum()), int((~equal).sum()))),
    ]
    for name in (THRESHOLD, SNRA):
        schedule = SHAPES[name].sharpness(1)
        values = SHAPES[name](errors, schedule, 1)
        for kind, chosen in (("right", equal), ("near", near & ~equal), ("far", ~near & ~equal)):
            mean = float(values[chosen].mean()) if chosen.any() else None
            rows.append(row("reward of real answers", mean, reward=name, answers=kind))
    return rows


def _solutions(path: Path) -> Iterator[Solution]:
    for line, text in enumerate(read_lines(path), start=1):
        try:
            record: dict[str, Any] = json.loads(text)
            target = last_number(str(record["ground_truth"]))
            given = [one for one in record.values() if isinstance(one, dict)]
            pairs = [(last_number(one["solution"]), bool(one["is_correct"])) for one in given]
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise InputError(f"{path}, line {line}: {quoted(text)} is no solved problem") from error
        if target is None:
            raise InputError(f"{path}, line {line}: its ground_truth holds no number")
        yield from (Solution(number, target, correct) for number, correct in pairs)
