"""A child process answers in order, is limited, and its end is one file's end."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.sandbox import Call, Sandbox, sandbox

COUNT = Call("numpy:arange", (3,))


def answers(*calls: Call) -> list[object]:
    with sandbox() as box:
        return list(box.map(calls))


def test_answers_come_in_order_and_are_the_functions_own(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "\udcff.png")  # a name that is not UTF-8
    read = Call("sterling.pictures:read_pixels", (str(tmp_path / "\udcff.png"),))
    found = answers(*(Call("numpy:arange", (n,)) for n in range(20)), read)
    for n, answer in enumerate(found[:20]):
        assert isinstance(answer, list)
        assert answer[0].tolist() == list(range(n))
    assert isinstance(found[20], list)
    assert np.array_equal(found[20][0], pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (Call("os:_exit", (9,)), "ended the process"),
        (Call("ctypes:string_at", (1,)), "ended the process"),
        (Call("time:sleep", (60,), seconds=0.3), "not decoded within 0 s"),
        (Call("numpy:zeros", (1 << 36,)), "too much memory"),
        (Call("json:loads", ("{",)), "JSONDecodeError"),
        (Call("sterling.pictures:read_pixels", ("none.png",)), "none.png: no such picture"),
    ],
)
def test_a_file_that_fails_leaves_the_others_answered(call: Call, reason: str) -> None:
    found = answers(COUNT, call, COUNT, COUNT)
    assert isinstance(found[1], InputError)
    assert reason in str(found[1])
    assert str(call.arguments[0]) in str(found[1])
    for answer in (found[0], *found[2:]):
        assert isinstance(answer, list)
        assert answer[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "forged",
    [
        b"\x80\x04cos\nsystem\n(S'touch RAN'\ntR.",
        b"\xff" * 64,
        *(
            struct.pack("<IQ", len(head), 4) + head + b"\0\0\0\0"
            for head in (
                b"gif8",
                b"[]",
                b"[" * 100_000,
                b'{"arrays": [["uint8", [-2, -2]]]}',
                b'{"arrays": [["uint8", [1000000, 10000000]]]}',
                b'{"arrays": [["object", [1]]]}',
                b'{"arrays": [["uint8", [3]]]}',
            )
        ),
    ],
    ids=range(9),
)
def test_answers_of_a_child_that_was_taken_over_are_refused(
    forged: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"import sys; sys.stdin.readline(); sys.stdout.buffer.write({forged!r})"
    monkeypatch.setattr("sterling.sandbox._PROGRAM", program.replace("{", "{{").replace("}", "}}"))
    box = Sandbox()
    try:
        (answer,) = box.map([COUNT])
    finally:
        box.close()
    assert isinstance(answer, InputError)
    assert "ended the process" in str(answer)


def test_long_questions_and_long_answers_do_not_wait_for_each_other() -> None:
    many = list(range(100_000))
    found = answers(*(Call("numpy:array", (many,), seconds=20) for _ in range(4)), COUNT)
    assert [len(one[0]) for one in found if isinstance(one, list)] == [100_000] * 4 + [3]


def test_one_child_serves_many_and_nested_callers_get_their_own() -> None:
    with sandbox() as first, sandbox() as second:
        assert first is not second
        numbers = first.map([COUNT, COUNT])
        next(numbers)
        assert isinstance(next(second.map([COUNT])), list)
        next(numbers)
    with sandbox() as again:
        assert again in (first, second)


def test_an_abandoned_child_is_not_lent_again() -> None:
    with sandbox() as box:
        next(box.map([COUNT, COUNT, COUNT]))
    with sandbox() as again:
        assert again is not box


def test_the_child_does_not_import_from_the_folder_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("open('RAN', 'w')\n")
    monkeypatch.chdir(tmp_path)
    box = Sandbox()
    try:
        assert isinstance(next(box.map([COUNT])), list)
    finally:
        box.close()
    assert not (tmp_path / "RAN").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["numpy.py"]


def test_relative_paths_are_those_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, grey in (("one", 10), ("two", 20)):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 4), grey).save(tmp_path / name / "a.png")
    for name, grey in (("one", 10), ("two", 20), ("one", 10)):
        monkeypatch.chdir(tmp_path / name)
        with sandbox() as box:  # a child that was kept began elsewhere
            calls = [Call("sterling.pictures:picture_arrays", ("a.png",)) for _ in range(3)]
            answers = list(box.map(calls))
        for answer in answers:
            assert not isinstance(answer, InputError)
            assert (answer[0] == grey).all()
