"""Tables of many dialects say the same, or are refused in one line that names the file."""

import gzip
import io
import os
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.tables import read_arrays, read_lines, read_parquet, read_table

PLAIN = "record,score\n0001,1.5\n1,-2e-1\n"


def read(
    tmp_path: Path, content: str | bytes, name: str = "t.csv", **options: bool
) -> tuple[list[str], list[float]]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table = read_table(path, **options)
    return table.texts("record").tolist(), table.numbers("score").tolist()


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN + "\n\n",
        PLAIN.replace("\n", "\r\n") + "\r\n",
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("0001", "\n0001"),
        PLAIN + ",\n,\n",
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        PLAIN.replace(",", ";").replace("1.5", "1,5").replace("-2e-1", "-,2"),
        PLAIN.replace(",", " , "),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-32"),
        '"record","score"\n"0001","1.5"\n"1","-0.2"\n',
        ",record,score\n0,0001,1.5\n1,1,-0.2\n",
        "Unnamed: 0,record,score\n17,0001,1.5\n4,1,-0.2\n",
        "record,score,\n0001,1.5,\n1,-0.2,\n",
        'note,record,score\n"a\nb",0001,1.5\n"c,d",1,-0.2\n',
        "note;x,record,score\na,0001,1.5\nb,1,-0.2\n",
    ],
)
def test_dialects_say_the_same(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == (["0001", "1"], [1.5, -0.2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv is empty"),
        ("\n \n", "t.csv is empty"),
        ("a,b\n1,2\n", "no column 'record'; it has 'a', 'b'"),
        ("record,score\na,1\nb\n", "line 3: 1 cell, but 2 in the first line"),
        ("record,score\na,1,5\n", "line 2: 3 cells"),
        ("record,score,score\na,1,2\n", "column 'score' is there twice"),
        ("record,score,\na,1,x\n", "column 3 has no name"),
        (",record,score\nx,a,1\n", "column 1 has no name"),
        ('record,score\n"a,1\n', "line 2: unexpected end of data"),
        ('record,score\n"a"b,1\n', "line 2: .*; mend the quotes"),
        ("record,score\na,\n", "line 2: column 'score' is missing"),
        ("record,score\na,1\n\nb,NaN\n", "line 4: column 'score' is 'NaN'; 1 of 2 cells"),
        ('record,score\na,"1,5"\n', "write a decimal point"),
        ("record;score\na;1,234\n", "write a decimal point"),
        ("record,score\na,1_000\n", "column 'score' is '1_000'"),
        ("record,score\n ,1\n", "line 2: column 'record' is empty"),
        ("record,score\na\xe9,1\n".encode("latin-1"), "line 2: not UTF-8 .*0xe9.*save it as UTF-8"),
        (PLAIN.encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (PLAIN.encode("utf-16")[:-1], "not UTF-16"),
        (PLAIN + "\ufeff" + PLAIN, "line 4: begins with a byte order mark"),
        (PLAIN + PLAIN, "line 4: column 'score' is 'score'"),
        ("record,score\n" + "a" * 200_000 + ",1\n", "line 2: field larger than"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_a_name_is_never_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "set1.csv").write_text("record,score\nwrong,1\n")
    for name in ("set[1].csv", "set*.csv", "set?.CSV", "~.csv"):
        assert read(tmp_path, PLAIN, name) == (["0001", "1"], [1.5, -0.2])


def test_late_values_do_not_change_a_column(tmp_path: Path) -> None:
    rows = "".join(f"{row:04},0\n" for row in range(500))
    ids, scores = read(tmp_path, "record,score\n" + rows + "x,0.5\n")
    assert ids[:2] == ["0000", "0001"]
    assert (ids[-1], scores[-1]) == ("x", 0.5)


def test_a_blank_line_among_values_of_one_column_may_be_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    path.write_text("loss\n0.5\n\n0.7\n")
    with pytest.raises(InputError, match="line 3: is blank"):
        read_table(path)
    path.write_text("\nloss\n0.5\n0.7\n\n")
    assert read_table(path).numbers("loss").tolist() == [0.5, 0.7]


def test_whole_numbers_keep_to_themselves(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n1,2.0,inf\n-3,4.5,1e300\n")
    table = read_table(path)
    assert table.wholes("a").tolist() == [1, -3]
    for name, line in (("b", 3), ("c", 2)):
        with pytest.raises(InputError, match=f"line {line}: column '{name}'.*whole"):
            table.wholes(name)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_numbers_without_a_header_as_numpy_writes_them(tmp_path: Path, delimiter: str) -> None:
    values = (
        np.random.default_rng(0).normal(size=(20, 3)) * 10.0 ** np.arange(-200, 200, 20)[:, None]
    )
    values[3, 1], values[4, 2] = np.inf, -np.inf
    np.savetxt(tmp_path / "t.csv", values, delimiter=delimiter)
    table = read_table(tmp_path / "t.csv", header_optional=True)
    assert not table.header
    np.testing.assert_array_equal(
        np.column_stack([table.numbers(n) for n in table.columns]), values
    )
    assert read_table(tmp_path / "t.csv").header


def test_names_that_are_numbers_are_no_record(tmp_path: Path) -> None:
    frame = pl.DataFrame({"0": [1.5, 2.5], "1": [1.0, 2.0], "2": [0.1, 0.2]})
    frame.write_csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match="counts 0, 1, 2"):
        read_table(tmp_path / "t.csv", header_optional=True)


def test_parquet_columns_keep_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = {
        "id": [7, 10],
        "float": [7.0, 1.5],
        "text": ["1.5", "x"],
        "list": [[1], [2]],
        "void": [None, None],
        "flag": [True, False],
        "kind": pl.Series(["3", "4"], dtype=pl.Categorical),
        "raw": [b"1", b"2"],
    }
    pl.DataFrame(frame).write_parquet(path)
    table = read_table(path)
    assert table.texts("id").tolist() == ["7", "10"]
    assert table.numbers("id").tolist() == [7, 10]
    assert table.numbers("float").tolist() == [7.0, 1.5]
    assert table.numbers("kind").tolist() == [3, 4]
    for name, message in {
        "float": "floating-point",
        "list": "List",
        "raw": "Binary",
        "void": "is empty",
    }.items():
        with pytest.raises(InputError, match=message):
            table.texts(name)
    for name, message in {
        "text": "row 2: column 'text' is 'x'",
        "list": "List",
        "flag": "Boolean",
        "void": "missing",
    }.items():
        with pytest.raises(InputError, match=message):
            table.numbers(name)


def test_a_panic_of_the_reader_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = io.BytesIO()
    pl.DataFrame({"a": ["x" * 30] * 50, "b": range(50)}).write_parquet(whole)
    path, panics = tmp_path / "t.parquet", 0
    for place in range(4, 400):
        content = bytearray(whole.getvalue())
        content[place] ^= 0xFF
        path.write_bytes(content)
        try:
            read_parquet(path)
        except InputError as error:
            panics += "Panic" in str(error) or "panic" in repr(error.__cause__)
    assert panics
    assert capfd.readouterr().err == ""
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3))
    assert read_arrays(path)["x"].tolist() == [0, 1, 2]
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        read_arrays(path)
    with path.open("wb") as file:
        np.save(file, np.arange(3))
    with pytest.raises(InputError, match="one array without a name"):
        read_arrays(path)


def test_packed_tables(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(PLAIN.encode()), "t.csv.gz") == (["0001", "1"], [1.5, -0.2])
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, gzip.compress(PLAIN.encode())[:-9], "t.csv.gz")
    for name in ("t.txt", "t", "t.gz", "t.xlsx"):
        with pytest.raises(InputError, match="write it as"):
            read(tmp_path, PLAIN, name)
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=re.escape("folder.csv cannot be read")):
        read_table(tmp_path / "folder.csv")


def test_a_line_ends_where_people_end_it(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffone\u2028\x0c\x85\x1c\x0b\n\ntwo\r\nthree\rfour".encode())
    assert read_lines(path) == ["one\u2028\x0c\x85\x1c\x0b", "", "two", "three", "four"]


JSONL = """{"record": "0001", "score": 1, "live": true}

{"score": 2.5, "record": "2", "live": false, "note": {"a": [1]}}
{"record": "3", "score": null, "live": null}
"""


def test_json_lines_are_a_table(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(JSONL)
    table = read_table(path)
    assert table.columns == ["record", "score", "live", "note"]
    assert table.texts("record").tolist() == ["0001", "2", "3"]
    assert table.parsed("score").to_list() == [1, 2.5, None]
    assert table.text("live").to_list() == ["true", "false", ""]
    assert table.text("note").to_list() == ["", '{"a": [1]}', ""]
    assert table.place(1) == f"{path}, line 3"  # blank lines are no rows
    with pytest.raises(InputError, match=r"line 4: column 'score' is missing"):
        table.numbers("score")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ('{"score": 1}\n[2]', r"line 2: \[2\] is no object"),
        ('{"score": 1}\n{"score": 2', "line 2: no JSON"),
        ('{"score": 1, "score": 2}', "line 1: 'score' is there twice"),
        ('{"score": ' + "9" * 5000 + "}", "line 1: no JSON"),
        ("[" * 100_000, "line 1: no JSON"),
    ],
)
def test_json_lines_that_cannot_be_read_are_named(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_table(path)


def test_a_number_beyond_all_floats_is_infinite(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text('{"score": -1' + "0" * 400 + "}")
    assert read_table(path).numbers("score").tolist() == [-np.inf]
