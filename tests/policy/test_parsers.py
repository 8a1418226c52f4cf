import json
import math
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.policy import in_unit, json_in, last_number, points, tagged, tagged_text
from sterling.policy.parsers import _NUMBER, _last_match

SYMBOLS = list('.,/×*-−–m^{}e%$a()[]° \n\u2003٣"')
WORDS = ["12", "3.5", "10", "10^-", " × 10^", "\\frac{1}{2}", "\\times", "1,234", "1e5", "NaN"]
OTHERS = ["1", "2", "6", "  ", "in", "ft", "\\boxed{", "<answer>", "</answer>"]
PIECES = st.sampled_from([*SYMBOLS, *WORDS, *OTHERS])
HOSTILE = st.one_of(st.text(), st.lists(PIECES, max_size=14).map("".join))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Between 3 and 5, about 4.", 4),
        ("1,234.5", 1234.5),
        ("12,345,678.9.", 12345678.9),
        ("-3", -3),
        ("\u22123.5", -3.5),  # the minus sign proper
        ("x = -3", -3),
        ("-$5", -5),
        ("$-5", -5),
        ("range 3-5", 5),
        ("range 3–5", 5),
        ("GPT-4", 4),
        ("- 5 apples", 5),
        ("1.2e-3", 0.0012),
        ("1E5", 1e5),
        ("1.2 × 10^-3", 0.0012),
        (r"1.5 \times 10^{3}", 1500),
        ("10^-3", 0.001),
        ("2^{10}", 1024),
        ("3/4", 0.75),
        ("8 / 10", 0.8),
        (r"\frac{3}{4}", 0.75),
        (r"-\dfrac{3}{4}", -0.75),
        ("45 %", 0.45),
        (r"45\%", 0.45),
        ("so...5", 5),
        (".5", 0.5),
        ("x=.25", 0.25),
        ("version 1.2.3", 1.2),
        ("20 m^2", 20),
        ("20 m2", 20),
        ("20cm2", 20),
        ("3,5", 5),
        ("**12**", 12),
        ("00042", 42),
    ],
)
def test_last_number(text: str, value: float) -> None:
    assert last_number(text) == pytest.approx(value)
    assert last_number(f"First 7, then: {text}") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "none", "1/0", "1e400", "9" * 400, "10^400", "0^-1", "٣"])
def test_texts_without_a_finite_number(text: str) -> None:
    assert last_number(text) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_printing(value: float) -> None:
    assert last_number(f"It is {value!r} metres.") == value
    assert last_number(f"{value:,.3f}") == pytest.approx(float(f"{value:.3f}"))


@given(HOSTILE)
@settings(max_examples=300)
def test_parsers_never_raise(text: str) -> None:
    numbers = (last_number, in_unit("m"), in_unit("m2"), tagged("answer"), tagged("boxed"))
    for parse in (*numbers, tagged("answer", in_unit("deg"))):
        value = parse(text)
        assert value is None or (type(value) is float and math.isfinite(value))
    assert all(math.isfinite(x) and math.isfinite(y) for x, y in points(text))
    json.dumps(json_in(text), allow_nan=False)


@given(HOSTILE)
@settings(max_examples=500)
def test_the_fast_way_finds_the_match_that_the_whole_text_has(text: str) -> None:
    everything: list[re.Match[str] | None] = [None, *_NUMBER.finditer(text)]
    fast, plain = _last_match(text), everything[-1]
    assert (fast and fast.span()) == (plain and plain.span())


def test_hostile_texts_take_no_time() -> None:
    start = time.process_time()
    for piece in (
        "1,",
        "1/",
        "1 × ",
        "{",
        '{"a":',
        "[[",
        "\\boxed{",
        "<answer>",
        "-",
        "1e",
        "5 m ",
    ):
        text = piece * 20_000
        for parse in (last_number, in_unit("m"), tagged("boxed"), points):
            parse(text)
        json_in(text)
    assert time.process_time() - start < 30  # about 1 s; quadratic in the length takes minutes


def test_tags() -> None:
    text = "I think 3. <answer>4</answer> no: <answer> 5 apples </answer> of 6"
    assert tagged("answer")(text) == 5
    assert tagged_text(text, "answer") == "5 apples"
    assert tagged("answer")("it is 5") is None
    assert tagged("answer")("<answer>5") is None
    assert tagged("answer")("</answer>5<answer>") is None
    assert tagged("answer")("<answer></answer> 5") is None
    assert tagged("boxed")(r"so \boxed{\frac{1}{2}} of 6") == 0.5
    assert tagged("boxed")(r"\boxed{\text{about } 5 {m}") is None  # not closed
    assert tagged("boxed")("<boxed>5</boxed>") == 5


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        ("m", "250 cm", 2.5),
        ("m", "5", 5),
        ("m", "2 ft 6 in", 0.762),
        ("m", "-5 ft 3 in", -1.6002),
        ("m", "1 m 50 cm 5 mm", 1.505),
        ("m", "12 inches", 0.3048),
        ("m", "a 3-inch pipe", 0.0762),
        ("m", "It is 5 in.", 0.127),
        ("m", "there are 5 in total", 5),
        ("m", "10 cm and 5 m", 5),
        ("m", "5 m long, 3 cm", 0.03),
        ("m", r"5\,\text{cm}", 0.05),
        ("m", "3 KM", 3000),
        ("m", "5 apples", 5),
        ("m", "90 degrees", None),
        ("m", "5 kg", None),
        ("m", "2 minutes", None),
        ("m", "5 m/s", None),
        ("m", "5 m2", None),
        ("m", "12 m3", None),
        ("m", "", None),
        ("m2", "20 m", None),
        ("m²", "20 m^2", 20),
        ("m2", "20 m²", 20),
        ("m2", "20 square meters", 20),
        ("m2", "35 metres squared", 35),
        ("square feet", "1 m2", 1 / 0.3048**2),
        ("m2", "100 sq ft", 9.290304),
        ("m2", "2 ha", 20_000),
        ("deg", "90°", 90),
        ("deg", r"$90^\circ$", 90),
        ("deg", "3.14159265 rad", 180),
        ("rad", "180 degrees", math.pi),
        ("s", "1 h 30 min", 5400),
        ("min", "2 hours", 120),
        ("ms", "0.5 seconds", 500),
    ],
)
def test_units(unit: str, text: str, value: float | None) -> None:
    found = in_unit(unit)(text)
    assert found == (value if value is None else pytest.approx(value))


def test_points_and_json() -> None:
    assert points('{"points": [[1,2],[3.5, -4]]} (5, 6)') == [(1, 2), (3.5, -4), (5, 6)]
    assert points("no [1, 2, 3] (4)") == []
    assert json_in('first {"a": [1]} then ```json\n{"b": {"c": 2}}\n```') == {"b": {"c": 2}}
    assert json_in("so [1, 2] {oops}") == [1, 2]
    assert json_in('{"a": NaN}') is None
    assert json_in("{" * 5000) is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: in_unit("metrs"), "unknown unit 'metrs': did you mean"),
        (lambda: in_unit(""), "unknown unit"),
        (lambda: tagged("<answer>"), "without brackets"),
    ],
)
def test_what_the_caller_asks_for_must_exist(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
