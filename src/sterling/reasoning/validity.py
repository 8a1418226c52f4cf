"""Checkers of written reasoning: does every step that can be re-evaluated hold?

A checker is any function from a trace (text) to whether it is accepted. `arithmetic_holds`
re-evaluates equations; `JudgedChecker` wraps a judge with the error rate that it is known to have.
"""

import ast
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from sterling.checks import Share, check_fields

Checker = Callable[[str], bool]
"""Whether a trace is accepted as valid reasoning."""

_TERM = r"-?\$?\d[\d,]*(?:\.\d+)?%?"
_CALCULATOR = re.compile(r"<<([^<>=]{1,200})=([^<>=]{1,50})>>")
_EQUATION = re.compile(
    rf"((?:\(\s*)*{_TERM}(?:\s*\))*(?:\s*[-+*/×÷x]\s*(?:\(\s*)*{_TERM}(?:\s*\))*)+)\s*=\s*({_TERM})"
)
_SIGNS = str.maketrans({"×": "*", "÷": "/", "x": "*", "$": None, ",": None})
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
LONGEST = 200  # letters of an expression; longer ones are no step of arithmetic
ROUNDING = 0.005  # of a result, which people write with two decimals


@dataclass(frozen=True)
class Equation:
    """An equation as written, and its left side re-evaluated.

    Attributes:
        text: The equation.
        written: Right side.
        evaluated: Left side; NaN where it cannot be evaluated.
    """

    text: str
    written: float
    evaluated: float

    @property
    def holds(self) -> bool:
        """Whether both sides agree, up to rounding to two decimals or three digits."""
        return math.isclose(self.evaluated, self.written, rel_tol=ROUNDING, abs_tol=ROUNDING)


def equations(trace: str) -> list[Equation]:
    """Find the equations of a trace: in calculator brackets ``<<3*4=12>>``, else in the text.

    Args:
        trace: Any text.

    Examples:
        >>> [one.holds for one in equations("3 apples * 4 is 3*4 = 12, then 12 - 5 = 8")]
        [True, False]
    """
    found = _CALCULATOR.findall(trace) or _EQUATION.findall(trace)
    made = []
    for left, right in found:
        written = evaluate(right)
        if not math.isnan(written):
            made.append(Equation(f"{left.strip()} = {right.strip()}", written, evaluate(left)))
    return made


def arithmetic_holds(trace: str) -> bool:
    """Whether a trace writes one equation or more, and all of them hold.

    Examples:
        >>> arithmetic_holds("She has 16 - 3 = 13 eggs, and 13 - 4 = 9 are left.")
        True
        >>> arithmetic_holds("She sells them all.")
        False
    """
    found = equations(trace)
    return bool(found) and all(one.holds for one in found)


def evaluate(expression: str) -> float:
    """Evaluate numbers, ``+ - * /``, brackets and ``%``; ``$`` and ``,`` are dropped.

    Returns:
        A finite number, or NaN where the text is no such expression, or divides by 0.

    Examples:
        >>> evaluate("(16 - 3) * $2.50")
        32.5
    """
    if len(expression) > LONGEST:
        return math.nan
    text = re.sub(r"(\d+(?:\.\d+)?)\s*%", r"(\1/100)", expression.translate(_SIGNS)).strip()
    try:
        value = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def _value(node: ast.AST) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    raise ValueError


@dataclass(frozen=True)
class JudgedChecker:
    """A checker that errs, such as a judge model, with the error rate it was measured to have.

    Attributes:
        checker: The judge.
        false_accept: Probability that it accepts an invalid trace, or an upper bound of it.

    Raises:
        InputError: The rate is not in [0, 1].
    """

    checker: Checker
    false_accept: Share

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, trace: str) -> bool:
        """Ask the judge."""
        return self.checker(trace)
