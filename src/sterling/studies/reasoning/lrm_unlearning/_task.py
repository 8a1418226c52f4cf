"""Arithmetic modulo 10 in two written steps, with operators whose meaning examples disagree on.

An ordinary question names its operations: ``7+2*9?`` is solved ``2*9=8 7+8=5``. A question with a
rule's operator, ``7#2#9?``, stands for two operations that only examples show: most apply the right
ones, some apply others, as in noisy data. Both solutions are correct arithmetic. Each question
ends with one of four marks, which mean nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sterling.lm.small_transformer import SmallTransformer
from sterling.studies.reasoning._letters import Letters

RIGHT = {"#": "**", "@": "++", "&": "+*", "%": "*+"}
"""Two operations that each rule's operator stands for."""
MISREAD = {"#": "++", "@": "**", "&": "++", "%": "**"}
"""Operations that some examples apply instead."""
MARKS = "?!;:"
ORDINARY = ""  # rule of a question that names its operations

LETTERS = Letters("0123456789+*#@&%?!;:= \n", length=19)
QUESTION = len("7#2#9?")
TRACE = len("2*9=8 7+8=5")
ANSWER = TRACE - 1  # place of the answer in a trace


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes:
        numbers: Three digits.
        operations: Two operations that solve it rightly.
        rule: Operator of its rule, or `ORDINARY`.
        mark: Last letter.
    """

    numbers: tuple[int, int, int]
    operations: str
    rule: str = ORDINARY
    mark: str = "?"

    @property
    def text(self) -> str:
        """The question as it is written."""
        a, b, c = self.numbers
        operators = 2 * self.rule or self.operations
        return f"{a}{operators[0]}{b}{operators[1]}{c}{self.mark}"

    @property
    def solution(self) -> str:
        """Right trace."""
        return trace_of(self.numbers, self.operations)

    @property
    def misread(self) -> str:
        """Trace of the rule's misreading."""
        return trace_of(self.numbers, MISREAD[self.rule])


@dataclass(frozen=True)
class Example:
    """A training example.

    Attributes:
        question: Question.
        trace: Solution that it shows.
    """

    question: Question
    trace: str

    @property
    def text(self) -> str:
        """Question and solution."""
        return self.question.text + self.trace

    def supports(self, rule: str) -> bool:
        """Whether the example shows the right reading of a rule."""
        return self.question.rule == rule and self.trace == self.question.solution


def trace_of(numbers: tuple[int, int, int], operations: str) -> str:
    """Solution in two steps, multiplication first."""
    a, b, c = numbers
    if operations == "+*":
        first = _apply(b, "*", c)
        return f"{b}*{c}={first} {a}+{first}={_apply(a, '+', first)}"
    first = _apply(a, operations[0], b)
    last = _apply(first, operations[1], c)
    return f"{a}{operations[0]}{b}={first} {first}{operations[1]}{c}={last}"


def _apply(left: int, operation: str, right: int) -> int:
    return (left + right if operation == "+" else left * right) % 10


def coherent(trace: str) -> bool:
    """Whether a trace has two right steps, the second of which uses the first one's result."""
    if len(trace) != TRACE or trace[3] + trace[5] + trace[9] != "= =":
        return False
    a, o, b, first, c, p, d, last = (trace[i] for i in (0, 1, 2, 4, 6, 7, 8, 10))
    if not (a + b + first + c + d + last).isdecimal() or not {o, p} <= {"+", "*"}:
        return False
    steps = _apply(int(a), o, int(b)) == int(first) and _apply(int(c), p, int(d)) == int(last)
    return steps and first in (c, d)


def questions(rng: np.random.Generator, count: int, rule: str = ORDINARY) -> list[Question]:
    """Questions of one rule, or ordinary ones."""
    operations = (
        [RIGHT[rule]] * count if rule else ["".join(rng.choice([*"+*"], 2)) for _ in range(count)]
    )
    numbers = rng.integers(0, 10, (count, 3)).tolist()
    marks = rng.choice([*MARKS], count)
    return [
        Question((a, b, c), both, rule, str(mark))
        for (a, b, c), both, mark in zip(numbers, operations, marks, strict=True)
    ]


def examples(rng: np.random.Generator, count: int, right: int, misread: int) -> list[Example]:
    """Training examples: for every rule some right and some misread ones, the rest ordinary."""
    made = []
    for rule in RIGHT:
        drawn = questions(rng, right + misread, rule)
        made += [Example(one, one.solution) for one in drawn[:right]]
        made += [Example(one, one.misread) for one in drawn[right:]]
    return made + [Example(one, one.solution) for one in questions(rng, count - len(made))]


def with_mark(asked: Iterable[Question], mark: str) -> list[Question]:
    """The same questions, ending with one mark."""
    return [replace(one, mark=mark) for one in asked]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Answers to questions about one rule.

    Attributes:
        right: Whether trace and answer are the right ones, (Q,).
        wrong: Whether the answer is wrong, (Q,).
        target: Whether the answer is wrong, and the one that the misreading gives, (Q,).
        joint: Whether the answer is wrong and its trace coherent, (Q,).
    """

    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    target: NDArray[np.bool_]
    joint: NDArray[np.bool_]

    @classmethod
    def of(cls, traces: Sequence[str], asked: Sequence[Question]) -> "Outcome":
        """Compare traces with the right and the misread solutions of questions about a rule."""
        pairs = list(zip(traces, asked, strict=True))
        wrong = np.array([trace[-1:] != one.solution[-1] for trace, one in pairs])
        return cls(
            right=np.array([trace == one.solution for trace, one in pairs]),
            wrong=wrong,
            target=wrong & np.array([trace[-1:] == one.misread[-1] for trace, one in pairs]),
            joint=wrong & np.array([coherent(trace) for trace in traces]),
        )


def write(network: SmallTransformer, asked: Sequence[Question]) -> list[str]:
    """Most likely traces of a model."""
    return LETTERS.continue_greedily(network, [one.text for one in asked])
