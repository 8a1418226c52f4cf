import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.face.data import Manifest


def columns(**changes: list[object]) -> dict[str, list[object]]:
    return {
        "item": ["a", "b", "c", "d"],
        "label": ["bona_fide", "attack", "bona_fide", "attack"],
        "species": ["bona_fide", "print", "bona_fide", "replay"],
        "subject": ["1", "1", "2", "2"],
        "split": ["train", "train", "test", "test"],
        **changes,
    }


def test_missing_columns_get_their_documented_default() -> None:
    manifest = Manifest.from_columns(columns())
    assert manifest.column("sensor").tolist() == [""] * 4
    assert manifest.column("frame").tolist() == [0] * 4
    assert manifest.bona_fide.tolist() == [True, False, True, False]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_round_trip_keeps_every_value(tmp_path: Path, suffix: str) -> None:
    manifest = Manifest.from_columns(
        columns(
            item=["007", "1e3", "a,b", 'quo"te'],
            path=[str(tmp_path / "in" / "x.jpg"), "/elsewhere/y.jpg", "", ""],
            frame=[0, 3, 5, 70],
        )
    )
    manifest.write(tmp_path / f"m{suffix}")
    back = Manifest.read(tmp_path / f"m{suffix}")
    assert back.table.equals(manifest.table)
    assert [p.name for p in tmp_path.iterdir()] == [f"m{suffix}"]


def test_files_beside_the_manifest_move_with_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    rows = columns(path=[str(old / "a.jpg"), "", "", ""])
    Manifest.from_columns(rows).write(old / "m.csv")
    old.rename(new)
    assert Manifest.read(new / "m.csv").column("path")[0] == str(new / "a.jpg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": ["a", "", "c", "d"]}, "row 2, column 'item': ''; give every row an id"),
        ({"item": ["a", "b", "a", "d"]}, "row 3, column 'item': 'a'; ids must be unique"),
        ({"label": ["live", "attack", "bona_fide", "attack"]}, "row 1, column 'label': 'live'"),
        ({"species": ["bona_fide", "bona_fide", "bona_fide", "x"]}, "row 2, column 'species'"),
        ({"species": ["print", "print", "bona_fide", "x"]}, "row 1, column 'species': 'print'"),
        ({"species": ["bona_fide", None, "bona_fide", "x"]}, "row 2, column 'species': ''"),
        ({"split": ["train", "train", "eval", "test"]}, "row 3, column 'split': 'eval'"),
        ({"frame": [0, 1, -2, 3]}, "row 3, column 'frame': -2"),
        ({"frame": ["0", "x", "2", "3"]}, "row 2, column 'frame': 'x'"),
        ({"subject": ["1", "", "2", "2"]}, "row 2, column 'subject': ''"),
        ({"video": ["v", "v", "", ""]}, "row 1, column 'video': 'v'"),
        ({"sesion": ["1"] * 4}, "unknown column 'sesion': did you mean session"),
    ],
)
def test_a_bad_row_is_named_with_its_remedy(change: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        Manifest.from_columns(columns(**change))
    assert "\n" not in str(caught.value)


def test_first_problem_is_reported_and_the_rest_counted() -> None:
    rows = columns(label=["bona_fide", "fake", "real", "attack"], item=["a", "b", "c", "a"])
    with pytest.raises(InputError, match=r"row 2, .*'fake'.*\(and 2 more problems\)"):
        Manifest.from_columns(rows)


def test_a_subject_in_two_splits_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"row 1, column 'subject': '1'.*more than one split"):
        Manifest.from_columns(columns(subject=["1", "1", "1", "2"]))
    Manifest.from_columns(columns(subject=["1", "1", "1", "2"], split=[""] * 4))
    Manifest.from_columns(columns(subject=["1"] * 4, split=["train", "train", "", ""]))


def test_missing_required_column_and_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 'species' is missing"):
        Manifest(pl.DataFrame({"item": ["a"], "label": ["attack"]}))
    with pytest.raises(InputError, match="no such manifest"):
        Manifest.read(tmp_path / "m.csv")
    with pytest.raises(InputError, match=r"\.csv or \.parquet, not '\.txt'"):
        Manifest.read(tmp_path / "m.txt")
    (tmp_path / "m.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match="not a whole Parquet file"):
        Manifest.read(tmp_path / "m.parquet")
    (tmp_path / "m.csv").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        Manifest.read(tmp_path / "m.csv")


def test_where_and_select_agree() -> None:
    manifest = Manifest.from_columns(columns())
    assert manifest.where(split="test", species=("replay", "mask")).column("item").tolist() == ["d"]
    assert manifest.select([False, True, False, False]).column("item").tolist() == ["b"]
    assert manifest.select(np.array([3, 0])).column("item").tolist() == ["d", "a"]
    assert len(manifest.where(split="dev")) == 0
    with pytest.raises(InputError, match="did you mean split"):
        manifest.where(splt="dev")
    with pytest.raises(InputError, match="mask has shape"):
        manifest.select([True])


def test_cells_that_a_spreadsheet_would_compute_are_quoted(tmp_path: Path) -> None:
    items = ["=1+1", "+a", "-b", "@c", "'=d", "''-e", "'f", "g=h", "i"]
    kind = ["bona_fide"] * len(items)
    manifest = Manifest.from_columns({"item": items, "label": kind, "species": kind})
    manifest.write(tmp_path / "m.csv")
    first = [
        line.split(",")[0].strip('"') for line in (tmp_path / "m.csv").read_text().splitlines()
    ]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in first)
    assert Manifest.read(tmp_path / "m.csv").column("item").tolist() == items


def test_names_are_text_without_blanks_and_paths_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = '001 , a.jpg,bona_fide, bona_fide,007 \n1," b.jpg ",bona_fide,bona_fide,7\n'
    path.write_text("\ufeffitem,path, label,species,subject\n" + rows + "\n")
    manifest = Manifest.read(path)
    assert manifest.column("item").tolist() == ["001", "1"]
    assert manifest.column("subject").tolist() == ["007", "7"]
    expected = [str(tmp_path / "a.jpg"), str(tmp_path / " b.jpg ")]
    assert manifest.column("path").tolist() == expected
    for name in ("again.csv", "again.parquet"):
        manifest.write(tmp_path / name)
        assert Manifest.read(tmp_path / name).column("path").tolist() == expected


def test_one_subject_in_two_splits_is_found_whatever_blanks_say(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = "1,bona_fide,bona_fide,s1,train\n2,bona_fide,bona_fide,s1 ,test\n"
    path.write_text("item,label,species,subject,split\n" + rows)
    with pytest.raises(InputError, match="more than one split"):
        Manifest.read(path)


def test_tables_as_spreadsheets_and_pandas_write_them(tmp_path: Path) -> None:
    plain = "item,label,species\n01,bona_fide,bona_fide\n1,attack,print\n"
    index = ",item,label,species\n0,01,bona_fide,bona_fide\n1,1,attack,print\n"
    for content in (plain, plain.replace(",", ";"), plain.replace(",", "\t"), index, plain + "\n"):
        (tmp_path / "m.csv").write_text(content)
        assert Manifest.read(tmp_path / "m.csv").column("item").tolist() == ["01", "1"]
    pl.DataFrame({"item": [1.0, 2.0], "label": ["attack"] * 2, "species": ["x"] * 2}).write_parquet(
        tmp_path / "m.parquet"
    )
    with pytest.raises(InputError, match="'item' holds floating-point numbers"):
        Manifest.read(tmp_path / "m.parquet")
