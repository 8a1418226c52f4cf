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
    with pytest.raises(InputError, match=r"train\.zip cannot be read"):
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
