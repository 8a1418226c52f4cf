"""Parsers find an answer in a completion; they return None where there is none, and never raise.

A parser of a number is any function of a text that returns a finite float or None. `tagged`,
`in_unit` build parsers::

    parse = tagged("answer", in_unit("m"))
    parse("<answer>about 2 ft 6 in</answer>")  # 0.762
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from sterling.errors import InputError
from sterling.policy.units import UNITS, find_unit, unit_after

NumberParser = Callable[[str], float | None]

# Commas only between groups of three digits, and no number that starts in the middle of another.
_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.[0-9]+)?|(?<!\.)\.[0-9]+)"
_POWER = r"[eE]([-+]?[0-9]{1,4})(?![0-9])|\s?(?:×|\\times|\\cdot|\*)\s?10\^\{?([-+−]?[0-9]{1,4})\}?"
# A hyphen after a letter or digit joins words ("GPT-4") or ends of a range ("3-5"), and one before
# a space is a bullet point; they are no minus. The 2 of m^2, m2 and cm2 is no number.
_START = (
    r"(?<![0-9^])(?<![0-9]\.)(?<!\^\{)"
    r"(?<!(?<![A-Za-z])m)(?<!(?<![A-Za-z])[cdk]m)(?<!(?<![A-Za-z])ft)"
)
_NUMBER = re.compile(
    rf"(?:(?<![\w.)\]}}^])(?P<sign>[-−–])\$?)?"
    r"(?:\\[dt]?frac\{(?P<over>[0-9]+)\}\{(?P<under>[0-9]+)\}"
    rf"|{_START}(?P<value>{_DECIMAL})(?P<power>{_POWER})?"
    rf"(?:\^\{{?(?P<raised>[-−]?[0-9]{{1,4}})\}}?)?(?:\s?/\s?(?P<divisor>{_DECIMAL}))?)"
    r"(?P<percent>\s?\\?%)?"
)
_POINT = re.compile(r"[(\[]\s*([-−]?[0-9]+(?:\.[0-9]+)?)\s*,\s*([-−]?[0-9]+(?:\.[0-9]+)?)\s*[)\]]")
_OPERATORS = ("/", "×", "*", "\\times", "\\cdot")
_WORD_BEFORE = re.compile(r"([^\W\d]+|°)\s*$")
_OPENING = re.compile(r"[\[{]")
_OPENINGS = 1000  # places at which JSON may start: hostile text has too many to try


def last_number(text: str) -> float | None:
    r"""Return the last number of a text.

    Reads ``1,234.5``, ``-3`` and ``−3``, ``1.2e-3``, ``1.2 × 10^-3``, ``3/4``, ``\frac{3}{4}``.
    ``45 %`` is 0.45, and ``8/10`` is 0.8. Commas separate thousands only: ``3,5`` is two numbers.

    Args:
        text: Any text.

    Returns:
        A finite number, or None where there is none, as after a division by zero.

    Examples:
        >>> last_number("Between 3 and 5, so about 1,250.5 in total.")
        1250.5
    """
    last = _last_match(text)
    return None if last is None else _value(last)


def tagged(tag: str, inner: NumberParser = last_number) -> NumberParser:
    r"""Return a parser of the last ``<tag>…</tag>``; ``boxed`` also reads ``\boxed{…}``.

    Args:
        tag: Name of the tag, letters and digits.
        inner: Parser of what the tag encloses.

    Raises:
        InputError: The name of the tag is not one word.

    Examples:
        >>> tagged("answer")("I see 3 boxes. <answer>4</answer> Or 5?")
        4.0
    """
    if not re.fullmatch(r"\w+", tag):
        raise InputError(f"tag {tag!r}: give a name of letters and digits, without brackets")

    def parse(text: str) -> float | None:
        answer = tagged_text(text, tag)
        return None if answer is None else inner(answer)

    return parse


def tagged_text(text: str, tag: str) -> str | None:
    r"""Return what the last ``<tag>…</tag>`` encloses; for ``boxed`` also ``\boxed{…}``.

    Returns:
        The text without surrounding space, or None where no tag is opened and closed.

    Examples:
        >>> tagged_text("<answer> 4 m </answer>", "answer")
        '4 m'
    """
    end = text.rfind(f"</{tag}>")
    start = text.rfind(f"<{tag}>", 0, end) if end >= 0 else -1
    if start >= 0:
        return text[start + len(tag) + 2 : end].strip()
    return _boxed(text) if tag == "boxed" else None


def in_unit(unit: str) -> NumberParser:
    """Return a parser of the last quantity, converted to a unit.

    A number without a unit counts as given in `unit`. Neighbouring parts are added up
    (``5 ft 3 in``). A quantity of another kind, such as ``5 kg`` where metres are asked, is None.

    Args:
        unit: Unit of the result: of length (``m``, ``cm``, ``ft``, …), area (``m2``, …), angle
            (``deg``, ``rad``, …) or time (``s``, ``min``, …).

    Raises:
        InputError: The unit is not known.

    Examples:
        >>> in_unit("m")("It is 250 cm wide.")
        2.5
        >>> in_unit("m")("It is 90 degrees.") is None
        True
    """
    wanted = find_unit(unit)

    def parse(text: str) -> float | None:
        part = _last_match(text)
        if part is None:
            return None
        value, (own, _) = _value(part), unit_after(text, part.end())
        if value is None or own is None:
            return value
        if own.kind != wanted.kind:
            return None
        total = value * own.size
        for before in _parts_before(text, part):
            value, (larger, end) = _value(before), unit_after(text, before.end())
            if value is None or larger is None or text[end : part.start()].strip():
                break
            if larger.kind != wanted.kind or larger.size <= own.size:
                break
            total = value * larger.size + math.copysign(total, value)
            part, own = before, larger
        total /= wanted.size
        return total if math.isfinite(total) else None

    return parse


def points(text: str) -> list[tuple[float, float]]:
    """Return the points in a text, written as ``(x, y)`` or ``[x, y]``.

    Returns:
        The points in their order; an empty list where there are none.

    Examples:
        >>> points('{"points": [[10, 20], [30.5, -4]]}')
        [(10.0, 20.0), (30.5, -4.0)]
    """
    pairs = [(_float(x), _float(y)) for x, y in _POINT.findall(text)]
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def json_in(text: str) -> Any:
    """Return the last JSON object or array in a text, or None.

    ``NaN`` and ``Infinity`` are not JSON. At most 1,000 openings that lead nowhere are tried.

    Examples:
        >>> json_in('Here it is: {"count": 3}. Done.')
        {'count': 3}
    """
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    found, position, failures = None, 0, 0
    while failures < _OPENINGS:
        opening = _OPENING.search(text, position)
        if opening is None:
            break
        try:
            found, position = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            position, failures = opening.end(), failures + 1
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _last_match(text: str) -> re.Match[str] | None:
    """Return the last match of `_NUMBER`, without matching the whole text where possible."""
    end = max(map(text.rfind, "0123456789")) + 1
    words = text[:end].rsplit(None, 4)
    if not words:
        return None
    # A number goes across a space only around an operator: step back over those.
    start, index = end - len(words[-1]), len(words) - 1
    while index and (words[index].startswith(_OPERATORS) or words[index - 1].endswith(_OPERATORS)):
        index -= 1
        start = text.rfind(words[index], 0, start)
    if index == 0 and len(words) == 5:
        start = 0  # a long chain: read it from its beginning
    for first in (start, 0):  # from 0 where the last digit is a power, as in 20 m^2
        if matches := list(_NUMBER.finditer(text, first)):
            return matches[-1]
    return None


def _parts_before(text: str, part: re.Match[str]) -> Iterator[re.Match[str]]:
    """Yield the numbers before a number, backwards, where a unit stands right before it."""
    word = _WORD_BEFORE.search(text[: part.start()][-24:])
    if word is not None and word[1].lower() in UNITS:
        yield from reversed(list(_NUMBER.finditer(text, 0, part.start())))


def _value(match: re.Match[str]) -> float | None:
    """Return the value of a match of `_NUMBER`, or None where it is not finite."""
    sign, over, under, digits, power, exponent, exponent_of_ten, raised, divisor, percent = (
        match.groups()
    )
    if over is not None:
        digits, divisor = over, under
    if power is not None:
        digits += f"e{exponent or exponent_of_ten}"
    value = _float(digits)
    try:
        if value is not None and raised is not None:
            value **= int(raised.replace("−", "-"))
        if value is not None and divisor is not None:
            value /= _float(divisor) or 0.0
    except (OverflowError, ZeroDivisionError):
        return None
    if value is None or not math.isfinite(value):
        return None
    if percent is not None:
        value /= 100.0
    return -value if sign is not None else value


def _float(digits: str) -> float | None:
    value = float(digits.replace(",", "").replace("−", "-"))
    return value if math.isfinite(value) else None


def _boxed(text: str) -> str | None:
    r"""Return what the last ``\boxed{…}`` encloses, with braces in pairs."""
    opening = text.rfind("\\boxed{")
    if opening < 0:
        return None
    start, depth = opening + len("\\boxed{"), 1
    for position in range(start, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth == 0:
            return text[start:position].strip()
    return None
