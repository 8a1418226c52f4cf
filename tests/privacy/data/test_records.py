import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

from sterling.errors import InputError
from sterling.privacy.data.records import (
    EMBEDDED,
    Records,
    embedded_records,
    read_records,
    simulated_records,
)


def well_formed(records: Records) -> None:
    assert records.x.dtype == np.float32
    assert np.isfinite(records.x).all()
    assert len(records.x) == len(records) == len(set(records.ids.tolist()))
    assert set(records.y.tolist()) == set(range(records.classes))


@pytest.mark.parametrize(
    ("name", "size", "classes"), [("digits", 1797, 10), ("breast_cancer", 569, 2), ("wine", 178, 3)]
)
def test_embedded_sets_are_standardised(name: str, size: int, classes: int) -> None:
    records = embedded_records(name)
    well_formed(records)
    assert (len(records), records.classes) == (size, classes)
    spread = records.x.std(axis=0)
    np.testing.assert_allclose(spread[spread > 0], 1, atol=1e-4)
    np.testing.assert_allclose(records.x.mean(axis=0), 0, atol=1e-5)
    assert set(EMBEDDED) == {"digits", "breast_cancer", "wine"}


def test_simulated_classes_part_as_far_as_asked() -> None:
    near, far = (simulated_records(2000, separation=s, seed=1) for s in (1.0, 6.0))
    well_formed(near)
    assert near.simulated
    accuracy = [
        LogisticRegression(max_iter=500).fit(r.x[:1000], r.y[:1000]).score(r.x[1000:], r.y[1000:])
        for r in (near, far)
    ]
    assert accuracy[0] < 0.45
    assert accuracy[1] > 0.97
    assert np.array_equal(near.x, simulated_records(2000, separation=1.0, seed=1).x)


def test_a_draw_keeps_records_whole() -> None:
    records = embedded_records("digits")
    part = records.draw(100, np.random.default_rng(0))
    assert len(part) == 100
    for row, name in enumerate(part.ids):
        source = int(np.flatnonzero(records.ids == name)[0])
        assert np.array_equal(part.x[row], records.x[source])
        assert part.y[row] == records.y[source]
    assert len(records.draw(10**6, np.random.default_rng(0))) == len(records)


def idx(array: NDArray[np.integer]) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, dtype=">i4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def test_idx_files(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(5, 4, 3))
    (tmp_path / "images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
    with pytest.raises(InputError, match="no labels-idx1-ubyte"):
        read_records(tmp_path)
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(np.array([1, 0, 2, 1, 0])))
    records = read_records(tmp_path)
    well_formed(records)
    assert records.shape == (1, 4, 3)
    np.testing.assert_allclose((records.x[:, 0] + 1) * 127.5, pixels, atol=1e-4)
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(np.array([1, 0, 2, 1, 0]))[:-1])
    with pytest.raises(InputError, match="labels-idx1-ubyte is not a whole idx file"):
        read_records(tmp_path)


def test_archives_of_images(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name in ("cat", "dog"):
            for row in range(2):
                content = io.BytesIO()
                Image.new("RGB", (5, 6), (row * 255, 0, 255)).save(content, "png")
                archive.writestr(f"{name}/{row}.png", content.getvalue())
    records = read_records(tmp_path)
    well_formed(records)
    assert records.shape == (3, 6, 5)
    assert records.y.tolist() == [0, 0, 1, 1]
    assert records.x[1, :, 0, 0].tolist() == [1, -1, 1]
    (tmp_path / "train.zip").write_bytes(b"not an archive")
    with pytest.raises(InputError, match=r"train\.zip: no zip archive"):
        read_records(tmp_path)


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("age,colour,income\nAge, Colour, Salary\n30, red, low\n40,,high\n50,blue,low\n")
    records = read_records(tmp_path)
    well_formed(records)
    assert records.shape == (3,)  # age, and one column for each of blue and red
    assert records.y.tolist() == [1, 0, 1]
    path.write_text('"3",1,0\n"7",0,1\n"3",1,1\n')
    bare = read_records(tmp_path)
    assert bare.y.tolist() == [0, 1, 0]
    assert bare.shape == (2,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,colour\n3,red\n", "exactly one column"),
        ("age,label,class\n3,1,1\n", "exactly one column"),
        ("age,label\n3,1\n4,1\n", r"1 class\(es\)"),
        ("name,label\n" + "".join(f"n{i},{i % 2}\n" for i in range(70)), "text with 70 values"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_records(tmp_path)


TWENTY = "".join(f"{row % 2},{row * 0.37:.2f},{row * -1.1:.2f}\n" for row in range(20))


@pytest.mark.parametrize(
    "content",
    [
        "label,a,b\n" + TWENTY + "\n",
        "\n label , a, b\n\n" + TWENTY,
        "label;a;b\n" + TWENTY.replace(",", ";").replace(".", ","),
        "a,b,Target\n" + "".join(f"{line[2:]},{line[0]}\n" for line in TWENTY.split()),
        TWENTY,
        TWENTY.replace("0,", "0.0e+00,", 1),
        ",label,a,b\n" + "".join(f"{row},{line}\n" for row, line in enumerate(TWENTY.split())),
    ],
)
def test_layout_is_no_data(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text("label,a,b\n" + TWENTY)
    plain = read_records(tmp_path)
    assert (plain.shape, plain.classes, len(plain)) == ((2,), 2, 20)
    (tmp_path / "t.csv").write_text(content)
    records = read_records(tmp_path)
    np.testing.assert_allclose(records.x, plain.x, rtol=1e-5, atol=1e-5)
    assert np.array_equal(records.y, plain.y)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,a\n0,1\n1,\n0,3\n", "line 3: column 'a' is missing"),
        ("label,a\n0,1\n1,?\n0,3\n", r"line 3: column 'a' is '\?'"),
        ("label,a\n0,1\n1,2x\n0,3\n", "line 3: column 'a' is '2x'"),
        ("label,a\n0,1\n1,nan\n0,3\n", "line 3: column 'a' is 'nan'"),
        ("label,a\n0,1\n1,-inf\n0,3\n", "line 3: column 'a' is infinite"),
        ("label,a\n0,1\n,2\n1,3\n", "line 3: column 'label' is empty"),
        ("label,a\n0,1\nNA,2\n1,3\n", "line 3: class 'label' is 'NA'"),
        ("label,a,a\n0,1,1\n1,2,2\n", "column 'a' is there twice"),
        ("0,1\n1,\n", "line 2: column '2' is missing"),
        ("label\n0\n1\n", "holds no column but 'label'"),
        ("label,a\n", "holds no record"),
        ("39,State-gov,low\n50,Private,high\n", "name exactly one column"),
        ("0,1,2\n1,2.5,3\n", "the first line counts 0, 1, 2"),
        ("label,a\nx,\ny,\n", "line 2: column 'a' is missing"),
    ],
)
def test_missing_cells_make_neither_a_class_nor_text(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_records(tmp_path)


def test_a_class_is_its_number_or_its_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("label,a\n2,1\n10,2\n2.0,3\n")
    assert read_records(tmp_path).y.tolist() == [0, 1, 0]
    path.write_text("label,a\n-,1\n+,2\n-,3\n")
    assert read_records(tmp_path).y.tolist() == [1, 0, 1]
    path.write_text("label,a\n007,1\n7x,2\n007,3\n")
    assert read_records(tmp_path).y.tolist() == [0, 1, 0]


def test_files_beside_the_table_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "T.CSV").write_text("label,a\n0,1\n1,2\n")
    for name in ("._T.CSV", ".~lock.T.CSV#", "T.csv.bak"):
        (tmp_path / name).write_bytes(b"\0\1")
    assert len(read_records(tmp_path)) == 2


def test_archives_made_on_a_mac(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name in ("cat", "dog"):
            content = io.BytesIO()
            Image.new("RGB", (5, 6)).save(content, "png")
            archive.writestr(f"{name}/a.png", content.getvalue())
            archive.writestr(f"__MACOSX/{name}/._a.png", b"\0\5\x16\7")
            archive.writestr(f"{name}/._b.png", b"\0\5\x16\7")
    assert read_records(tmp_path).y.tolist() == [0, 1]


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.csv"):
        read_records(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_records(tmp_path / "absent")
    with pytest.raises(InputError, match="did you mean digits"):
        embedded_records("digit")
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.csv").touch()
    with pytest.raises(InputError, match="leave one"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("folder", "size", "shape", "classes"),
    [
        ("images/mnist", 6000, (1, 28, 28), 10),
        ("tabular/location30", 3006, (446,), 30),
        ("tabular/adult", 19537, None, 2),
    ],
)
def test_published_sets(
    shared_data: Path, folder: str, size: int, shape: tuple[int, ...] | None, classes: int
) -> None:
    records = read_records(shared_data / folder)
    well_formed(records)
    assert len(records) == size
    assert records.classes == classes
    assert shape in (None, records.shape)
