"""Tasks with answers, to measure how good a prompt is. A search never sees the answers."""

import json
import re
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sterling.errors import InputError, unknown_name
from sterling.tables import decode, read_bytes

ALTERNATIVES = ("possible_translations", "other_rhymes", "all_common_concepts", "synonyms")
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
WORDS = (
    "garden window silver market bridge planet winter doctor engine forest yellow finger dragon "
    "pencil rabbit castle island summer guitar butter pocket spider orange mirror candle ticket "
    "basket thunder village lantern"
)
START = {
    "second letter": "Write the second letter of the word.",
    "number in words": "Write the number in words.",
    "larger number": "Which number is larger?",
    "last word": "Write the last of these words.",
}
MADE_TASKS = tuple(START)


@dataclass(frozen=True)
class LabelledTask:
    """Questions with their right answers.

    Attributes:
        name: Name of the task.
        start: Plain instruction to begin with.
        questions: Texts of the questions.
        accepted: Right answers to each question.
    """

    name: str
    start: str
    questions: tuple[str, ...]
    accepted: tuple[tuple[str, ...], ...]


def made_task(name: str, count: int, seed: int) -> LabelledTask:
    """Make a task with questions of our own.

    Args:
        name: One of `MADE_TASKS`.
        count: Number of questions.
        seed: Seed of the questions.

    Raises:
        InputError: The name is unknown.
    """
    if name not in START:
        raise unknown_name("task", name, START)
    draw = np.random.default_rng(seed)
    pairs = [_made(name, draw) for _ in range(count)]
    return LabelledTask(
        name, START[name], tuple(question for question, _ in pairs), tuple((a,) for _, a in pairs)
    )


def _made(name: str, draw: np.random.Generator) -> tuple[str, str]:
    if name == "number in words":
        number = int(draw.integers(100))
        return str(number), _in_words(number)
    if name == "larger number":
        one, other = draw.choice(1000, 2, replace=False).tolist()
        return f"{one} or {other}", str(max(one, other))
    words = draw.choice(WORDS.split(), 4, replace=False).tolist()
    if name == "last word":
        return " ".join(words), words[-1]
    return words[0], words[0][1]


def _in_words(number: int) -> str:
    """Return a number from 0 to 99 in words."""
    ones = ONES.split()
    if number < len(ones):
        return ones[number]
    tens, rest = divmod(number, 10)
    return TENS.split()[tens - 2] + (f"-{ones[rest]}" if rest else "")


def read_task(path: Path) -> LabelledTask:
    """Read a task of instruction induction (Honovich et al., ACL 2023) or BIG-Bench Hard.

    Args:
        path: JSON file with ``{"examples": [...]}`` or ``{"examples": {"1": ...}}``, each with
            ``input`` and ``output`` or ``target``.

    Raises:
        InputError: The file holds no such task.
    """
    try:
        examples = json.loads(decode(path, read_bytes(path)))["examples"]
        rows = list(examples.values()) if isinstance(examples, dict) else list(examples)
        pairs = [(str(row["input"]), _accepted(row)) for row in rows]
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: no task in it ({type(error).__name__}: {error}); expected examples with "
            "input and output or target"
        ) from error
    if not pairs:
        raise InputError(f"{path}: holds no example")
    start = "Answer the question. Give the answer alone."
    return LabelledTask(path.stem, start, *zip(*pairs, strict=True))


def _accepted(row: dict[str, Any]) -> tuple[str, ...]:
    more: list[Any] = next((row[key] for key in ALTERNATIVES if key in row), [])
    return tuple(dict.fromkeys([str(row.get("output", row.get("target"))), *map(str, more)]))


def is_right(answer: str, accepted: tuple[str, ...]) -> bool:
    """Return whether the answer holds an accepted one as whole words, whatever the case.

    Longer answers are right more easily: compare prompts under the same limit of tokens.
    """
    words = f" {_plain(answer)} "
    return any(f" {_plain(one)} " in words for one in accepted)


def _plain(text: str) -> str:
    marks = re.escape(string.punctuation.replace("-", "").replace("[", "").replace("]", ""))
    return " ".join(re.sub(f"[{marks}]", " ", text.lower()).split())
